/* See run_confine.h. Each line of allow_* is a file that is opened, or taken away, only while the
 * machine runs or when it ends; all else is open by now. */
#include "ui/run/run_confine.h"

#include "ui/confine/confine.h"
#include "ui/monitor/monitor.h"
#include "ui/xdg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder that a path's last part is in. */
static void allow_folder_of(struct confine *confine, const char *path, enum confine_access access)
{
    char folder[XDG_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    int length = slash == NULL   ? snprintf(folder, sizeof(folder), ".")
                 : slash == path ? snprintf(folder, sizeof(folder), "/")
                                 : snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path),
                                            path);
    if (length > 0 && length < (int)sizeof(folder)) {
        confine_allow(confine, folder, access);
    }
}

/* A file that is written at the end. It is made now, since nobody may make one in its folder then;
 * what is wrong with it is said at the end. */
static void allow_output(struct confine *confine, const char *path)
{
    if (path != NULL && strcmp(path, "-") != 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
        if (fd >= 0) {
            close(fd);
        }
        confine_allow(confine, path, CONFINE_WRITE);
    }
}

static void allow_input(struct confine *confine, const char *path)
{
    if (path != NULL) {
        confine_allow(confine, path, CONFINE_READ);
    }
}

/* Names of sockets are taken away at the end. */
static void allow_sockets(struct confine *confine, const struct run_args *args)
{
    const struct metic_options *options = &args->options;
    if (options->console == METIC_CONSOLE_SOCKET) {
        allow_folder_of(confine, options->console_path, CONFINE_REMOVE);
    }
    if (options->virtio_console == METIC_CONSOLE_SOCKET) {
        allow_folder_of(confine, options->virtio_console_path, CONFINE_REMOVE);
    }
    for (unsigned i = 0; i < options->port_count; i++) {
        if (options->ports[i].where == METIC_CONSOLE_SOCKET) {
            allow_folder_of(confine, options->ports[i].path, CONFINE_REMOVE);
        }
    }
    if (options->net == METIC_NET_SOCKET) {
        allow_folder_of(confine, options->net_path, CONFINE_SOCKET);
    }
    if (options->vsock_path != NULL) {
        allow_folder_of(confine, options->vsock_path, CONFINE_REMOVE);
    }
    if (args->monitor != NULL && strcmp(args->monitor, "none") != 0) {
        allow_folder_of(confine, args->monitor, CONFINE_REMOVE);
    }
    for (unsigned i = 0; i < METIC_MAX_SCREENS; i++) {
        if (args->vnc[i].where != NULL && strchr(args->vnc[i].where, '/') != NULL) {
            allow_folder_of(confine, args->vnc[i].where, CONFINE_REMOVE);
        }
    }
    if (args->gdb != NULL && strchr(args->gdb, '/') != NULL) {
        allow_folder_of(confine, args->gdb, CONFINE_REMOVE);
    }
}

/* TFTP opens what the guest asks for. */
static void allow_tftp(struct confine *confine, const struct metic_options *options)
{
    if (options->tftp != NULL) {
        confine_allow(confine, options->tftp, CONFINE_READ);
    }
}

/* A machine that came from a snapshot reads its images when it is reset. */
static void allow_images(struct confine *confine, const struct run_args *args)
{
    const struct metic_options *options = &args->options;
    if (args->restored != NULL) {
        allow_input(confine, args->thing);
        allow_input(confine, run_image(args));
        allow_input(confine, options->firmware);
        allow_input(confine, options->initrd);
        allow_input(confine, options->dtb);
    }
}

static void allow_shares(struct confine *confine, const struct metic_options *options)
{
    for (unsigned i = 0; i < options->share_count; i++) {
        confine_allow(confine, options->shares[i].path,
                      options->shares[i].read_only ? CONFINE_READ : CONFINE_ALL);
    }
    if (options->semihosting_folder != NULL) {
        confine_allow(confine, options->semihosting_folder,
                      options->semihosting_read_only ? CONFINE_READ : CONFINE_ALL);
    }
}

static void allow_control(struct confine *confine, const char *folder)
{
    char snapshots[XDG_PATH_BYTES];
    if (folder != NULL) {
        confine_allow(confine, folder, CONFINE_ALL);
        allow_folder_of(confine, folder, CONFINE_REMOVE);
    }
    if (monitor_snapshot_folder(snapshots)) {
        confine_allow(confine, snapshots, CONFINE_ALL);
    }
}

/* Libraries of the window's and of sound open what they like, when they like: drivers, fonts, their
 * own settings. Nothing of that is written, but caches. */
static void allow_window(struct confine *confine)
{
    static const char *const inputs[] = {"/usr", "/lib", "/lib64", "/etc", "/proc", "/sys", "/opt",
                                         "/var/cache/fontconfig"};
    const char *home = getenv("HOME"), *run = getenv("XDG_RUNTIME_DIR");
    for (unsigned i = 0; i < ARRAY_LEN(inputs); i++) {
        confine_allow(confine, inputs[i], CONFINE_READ);
    }
    confine_allow(confine, "/dev", CONFINE_ALL);
    confine_allow(confine, "/tmp/.X11-unix", CONFINE_READ);
    if (run != NULL) {
        confine_allow(confine, run, CONFINE_ALL);
    }
    static const char *const homes[] = {".cache/mesa_shader_cache", ".cache/fontconfig"};
    for (unsigned i = 0; home != NULL && i < ARRAY_LEN(homes); i++) {
        char path[XDG_PATH_BYTES];
        if (snprintf(path, sizeof(path), "%s/%s", home, homes[i]) < (int)sizeof(path)) {
            confine_allow(confine, path, CONFINE_ALL);
        }
    }
}

/* The names of the host's name servers. Where a program keeps the file, it writes it anew. */
static void allow_names(struct confine *confine)
{
    char path[XDG_PATH_BYTES];
    confine_allow(confine, "/etc/resolv.conf", CONFINE_READ);
    if (realpath("/etc/resolv.conf", path) != NULL && strncmp(path, "/etc/", 5) != 0) {
        allow_folder_of(confine, path, CONFINE_READ);
    }
}

static void allow_all(struct confine *confine, const struct run *run, const char *folder)
{
    const struct run_args *args = run->args;
    allow_control(confine, folder);
    allow_sockets(confine, args);
    allow_images(confine, args);
    allow_shares(confine, &args->options);
    allow_tftp(confine, &args->options);
    allow_output(confine, args->screenshot);
    if (args->video.path != NULL && args->video.is_series) {
        confine_allow(confine, args->video.path, CONFINE_ALL);
    }
    allow_output(confine, args->profile);
    allow_output(confine, args->cover);
    if (args->save != NULL) {
        allow_folder_of(confine, args->save, CONFINE_ALL);
    }
    if (args->core != NULL) {
        allow_folder_of(confine, args->core, CONFINE_ALL);
    }
    for (unsigned i = 0; i < args->allow_count; i++) {
        confine_allow(confine, args->allow[i].path,
                      args->allow[i].read_only ? CONFINE_READ : CONFINE_ALL);
    }
    if (run->debugger != NULL) {
        char path[XDG_PATH_BYTES];
        snprintf(path, sizeof(path), "%s", debugger_socket(run->debugger));
        *strrchr(path, '/') = '\0';
        allow_folder_of(confine, debugger_socket(run->debugger), CONFINE_ALL); /* symbols */
        allow_folder_of(confine, path, CONFINE_REMOVE);
    }
    if (metic_reaches_network(run->machine)) {
        allow_names(confine);
    }
    if (args->window) {
        allow_window(confine);
    }
}

/* Leak and address checks start programs and look into threads. */
static bool is_checked_build(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

static bool check_must(const struct confine_report *report, struct metic_error *error)
{
    if (report->seccomp && report->landlock != 0 && report->threads_outside == 0) {
        return true;
    }
    char text[160];
    confine_describe(report, text, sizeof(text));
    return error_set(error, "leave --confine must out, or see metic doctor",
                     "this host cannot confine all of it: %s", text);
}

bool run_confine(struct run *run, const char *folder, struct metic_error *error)
{
    struct run_args *args = run->args;
    struct confine_report report = {0};
    const struct confine_needs needs = {
        .internet = metic_reaches_network(run->machine),
        .unix_sockets = args->options.net == METIC_NET_SOCKET ||
                        args->options.vsock_path != NULL,
        .window = args->window,
        .children = run->debugger != NULL,
    };
    if (args->confine == RUN_CONFINE_OFF ||
        (args->confine == RUN_CONFINE_ON && is_checked_build())) {
        return true;
    }
    struct confine *confine = confine_new();
    if (confine == NULL) {
        return error_set(error, NULL, "the host has no memory");
    }
    metic_open_late(run->machine);
    allow_all(confine, run, folder);
    bool ok = confine_enter(confine, &needs, &report, error) &&
              (args->confine != RUN_CONFINE_MUST || check_must(&report, error));
    confine_free(confine);
    confine_describe(&report, args->confined, sizeof(args->confined));
    return ok;
}
