/* The parts around a run, in the order in which they start. They end in reverse, so what is listed
 * first still serves while all others end. A part that has nothing to do in this run leaves its
 * state NULL; `end` is called all the same, and also after a start that failed half-way.
 *
 * To add one: a start and an end here that call its file, and a line in the table. What it opens is
 * open when its start is over; run_confine.c lists what is opened later. */
#include "ui/run/run.h"

#include "ui/confine/quota.h"
#include "ui/detach.h"
#include "ui/gdb/core_file.h"
#include "ui/gdb/gdb.h"
#include "ui/plugin/plugin.h"
#include "ui/run/run_confine.h"
#include "ui/run/run_control.h"
#include "ui/run/run_snapshot.h"
#include "ui/screen/speaker.h"
#include "ui/screen/vnc.h"
#include "ui/screen/window.h"
#include "ui/signals.h"
#include "ui/symbols/code_map.h"
#include "ui/symbols/kernel_symbols.h"
#include "ui/trace/profile.h"
#include "ui/trace/trace_run.h"
#include "ui/xdg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run_part {
    bool (*start)(struct run *run, void **state, struct metic_error *error); /* NULL: nothing */
    /* False with a reason, if there is something to say of a run that went well so far. */
    bool (*end)(struct run *run, void *state, struct metic_error *error); /* NULL: nothing */
};

/* --- the guest's keyboard --- */

/* A layout that there is was read with the command line. */
static bool keymap_start(struct run *run, void **state, struct metic_error *error)
{
    struct run_args *args = run->args;
    bool missing;
    (void)state;
    if (args->keymap_name != NULL && args->keymap == NULL) {
        args->keymap = keymap_new(args->keymap_name, &missing, error);
        return args->keymap != NULL;
    }
    return true;
}

/* --- what is written at the end --- */

/* An hour's run is not to end with the word that its picture has no place. A FIFO nobody reads yet
 * has one. */
static bool can_write(const char *option, const char *path, struct metic_error *error)
{
    if (path == NULL || strcmp(path, "-") == 0) {
        return true;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    int reason = errno;
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0 || reason == ENXIO ||
           error_set(error, "give a path that can be written", "%s: cannot write %s: %s", option,
                     path, strerror(reason));
}

static bool outputs_start(struct run *run, void **state, struct metic_error *error)
{
    const struct run_args *args = run->args;
    (void)state;
    return can_write("--screenshot", args->screenshot, error) &&
           can_write("--profile", args->profile, error) &&
           can_write("--cover", args->cover, error);
}

/* --- control: metic ps, the monitor, the limit of output --- */

static bool control_start(struct run *run, void **state, struct metic_error *error)
{
    struct run_control *control = NULL;
    bool good = run_control_start(run->args, run->machine, run_image(run->args), &control, error);
    *state = control;
    run->control = control;
    if (run_control_folder(control) != NULL) {
        detach_name(run->detach, strrchr(run_control_folder(control), '/') + 1);
    }
    if (good && run->args->paused) {
        metic_pause(run->machine);
    }
    return good;
}

static bool control_end(struct run *run, void *state, struct metic_error *error)
{
    (void)error;
    if (run_control_output_ended(state)) {
        snprintf(run->limit, sizeof(run->limit), "the guest printed more than --limit-output");
    }
    run_control_end(state, run->machine);
    return true;
}

/* --- signals --- */

static bool signals_part_start(struct run *run, void **state, struct metic_error *error)
{
    (void)error;
    *state = run->signals = signals_new(run->machine);
    return true;
}

static bool signals_part_end(struct run *run, void *state, struct metic_error *error)
{
    (void)error;
    run->signal_number = signals_end(state);
    return true;
}

/* --- what is shown in the end: --stats, --show, --screenshot --- */

static bool stats_end(struct run *run, void *state, struct metic_error *error)
{
    (void)state;
    (void)error;
    if (run->args->options.stats) {
        metic_print_stats(run->machine, stderr);
    }
    return true;
}

/* An address, or a symbol of what was loaded, or a place in one, as putc+0x8. */
static bool find_place(metic_machine *machine, const char *place, uint64_t *address,
                       struct metic_error *error)
{
    char *end;
    *address = strtoull(place, &end, 0);
    if (end != place && *end == '\0') {
        return true;
    }
    char name[512];
    u64 offset = 0;
    snprintf(name, sizeof(name), "%s", place);
    bool found = metic_find_symbol(machine, name, address) ||
                 (symbols_cut_offset(name, &offset) &&
                  metic_find_symbol(machine, name, address));
    *address += offset;
    return found || error_set(error, "Give an address, as 0x80000000, or an ELF with symbols.",
                              "there is no symbol '%s'", place);
}

static bool shows_start(struct run *run, void **state, struct metic_error *error)
{
    (void)state;
    (void)error;
    if (run->args->show_count != 0) {
        metic_prepare_show(run->machine);
    }
    return true;
}

static bool shows_end(struct run *run, void *state, struct metic_error *error)
{
    const struct run_args *args = run->args;
    (void)state;
    fflush(stdout);
    for (unsigned i = 0; !run->failed && i < args->show_count; i++) {
        uint64_t address;
        if (!find_place(run->machine, args->shows[i].place, &address, error) ||
            !metic_show(run->machine, address, args->shows[i].stages, stdout, error)) {
            return false;
        }
    }
    return run->failed || args->screenshot == NULL ||
           metic_screenshot(run->machine, args->screenshot_screen, METIC_PNG, args->screenshot,
                            error);
}

/* --- snapshots --- */

static bool save_start(struct run *run, void **state, struct metic_error *error)
{
    (void)state;
    if (!run_file_check("--save", run->args->save, error)) {
        return false;
    }
    run_save_begin(run->args, run->machine);
    return true;
}

static bool save_end(struct run *run, void *state, struct metic_error *error)
{
    (void)state;
    return run->failed || run_save_end(run->args, run->machine, error);
}

static bool restored_end(struct run *run, void *state, struct metic_error *error)
{
    (void)state;
    return run->failed || run_restored_checked(run->args->restored, error);
}

/* --- for the host's perf --- */

static bool code_map_part_start(struct run *run, void **state, struct metic_error *error)
{
    struct code_map *map;
    bool good = code_map_start(run->args, run->machine, &map, error);
    *state = map;
    return good;
}

static bool code_map_part_end(struct run *run, void *state, struct metic_error *error)
{
    (void)run;
    return code_map_end(state, error);
}

/* --- trace, plug-ins, profile --- */

static void trace_drive(struct run *run, void *opaque)
{
    trace_run_machine(opaque, run->args, run->machine, &run->result);
}

static bool trace_start(struct run *run, void **state, struct metic_error *error)
{
    struct trace_run *trace;
    bool good = trace_run_start(run->args, run->machine, &trace, &run->usage, error);
    *state = trace;
    if (trace != NULL) {
        run->drive = trace_drive;
        run->drive_opaque = trace;
    }
    return good;
}

static bool trace_end(struct run *run, void *state, struct metic_error *error)
{
    (void)run;
    return trace_run_end(state, error);
}

static bool plugins_part_start(struct run *run, void **state, struct metic_error *error)
{
    struct plugins *plugins;
    bool good = plugins_start(run->args, run->machine, &plugins, error);
    *state = plugins;
    return good;
}

static bool plugins_part_end(struct run *run, void *state, struct metic_error *error)
{
    (void)run;
    (void)error;
    plugins_end(state);
    return true;
}

static bool profile_part_start(struct run *run, void **state, struct metic_error *error)
{
    struct profile *profile;
    bool good = profile_start(run->args, run->machine, &profile, error);
    *state = profile;
    return good;
}

static bool profile_part_end(struct run *run, void *state, struct metic_error *error)
{
    (void)run;
    return profile_end(state, error);
}

/* --- video --- */

static bool video_start(struct run *run, void **state, struct metic_error *error)
{
    (void)state;
    return run->args->video.path == NULL ||
           metic_start_video(run->machine, &run->args->video, error);
}

static bool video_end(struct run *run, void *state, struct metic_error *error)
{
    (void)state;
    return metic_end_video(run->machine, error);
}

/* --- window --- */

/* What those who look at the machine call it. */
static const char *shown_name(const struct run_args *args)
{
    return args->name != NULL ? args->name : run_image(args);
}

static bool window_start(struct run *run, void **state, struct metic_error *error)
{
    const struct run_args *args = run->args;
    if (!args->window) {
        return true;
    }
    metic_await_input(run->machine, true);
    struct window_options options = {
        .name = shown_name(args),
        .console_is_here = args->options.console == METIC_CONSOLE_NONE,
        .keymap = args->keymap,
        .screens = args->options.screens,
    };
    *state = window_open(run->machine, &options, error);
    return *state != NULL;
}

static bool window_end(struct run *run, void *state, struct metic_error *error)
{
    (void)error;
    window_close(state, run->args->options.stats ? stderr : NULL);
    return true;
}

/* --- VNC --- */

static bool vnc_open(struct run *run, unsigned screen, struct vnc **vnc, struct metic_error *error)
{
    const struct run_args *args = run->args;
    struct vnc_options options = {
        .where = args->vnc[screen].where,
        .password_file = args->vnc[screen].password_file,
        .name = shown_name(args),
        .keymap = args->keymap,
        .head = screen,
        .quiet = args->quiet,
    };
    *vnc = vnc_new(run->machine, &options, error);
    const char *password = *vnc != NULL ? vnc_password(*vnc) : NULL;
    if (*vnc != NULL && (!args->quiet || password != NULL)) {
        fprintf(stderr, "metic: vnc: vncviewer %s%s%s\n", vnc_address(*vnc),
                password != NULL ? ", password " : "", password != NULL ? password : "");
    }
    return *vnc != NULL;
}

static bool vnc_start(struct run *run, void **state, struct metic_error *error)
{
    struct vnc **servers = calloc(METIC_MAX_SCREENS, sizeof(struct vnc *));
    *state = servers;
    if (servers == NULL) {
        return error_set(error, NULL, "the host has no memory");
    }
    for (unsigned i = 0; i < METIC_MAX_SCREENS; i++) {
        if (run->args->vnc[i].where != NULL) {
            metic_await_input(run->machine, true);
            if (!vnc_open(run, i, &servers[i], error)) {
                return false;
            }
        }
    }
    return true;
}

static bool vnc_end(struct run *run, void *state, struct metic_error *error)
{
    struct vnc **servers = state;
    (void)run;
    (void)error;
    for (unsigned i = 0; servers != NULL && i < METIC_MAX_SCREENS; i++) {
        vnc_free(servers[i]);
    }
    free(servers);
    return true;
}

/* --- loudspeaker and microphone --- */

/* A window's sound may be missing, if nobody asked for it by name. */
static bool speaker_start(struct run *run, void **state, struct metic_error *error)
{
    const struct run_args *args = run->args;
    bool records = args->options.sound_microphone;
    if (!args->loudspeaker && !records) {
        return true;
    }
    *state = speaker_open(run->machine, args->loudspeaker, records, error);
    if (*state == NULL && !args->sound_given && !records) {
        if (!args->quiet) {
            fprintf(stderr, "metic: %s; going on without\n", error->what);
        }
        return true;
    }
    return *state != NULL;
}

static bool speaker_end(struct run *run, void *state, struct metic_error *error)
{
    (void)run;
    (void)error;
    speaker_close(state);
    return true;
}

/* --- what an unhappy end leaves --- */

static bool core_start(struct run *run, void **state, struct metic_error *error)
{
    (void)state;
    return run_file_check("--core", run->args->core, error);
}

static bool core_end(struct run *run, void *state, struct metic_error *error)
{
    const struct run_args *args = run->args;
    enum metic_reason reason = run->result.reason;
    bool whole;
    (void)state;
    if (args->core == NULL || run->failed ||
        !(reason == METIC_PANIC || reason == METIC_IDLE || reason == METIC_LIMIT ||
          run->limit[0] != '\0')) {
        return true;
    }
    if (!core_file_write(run->machine, 0, args->core, &whole, error)) {
        return false;
    }
    char symbols[XDG_PATH_BYTES];
    size_t count;
    if (snprintf(symbols, sizeof(symbols), "%s.symbols", args->core) < (int)sizeof(symbols)) {
        (void)kernel_symbols_write(run->machine, symbols, &count, error); /* if there are any */
    }
    if (!args->quiet) {
        fprintf(stderr, "metic: core: metic debug %s\n", args->core);
    }
    return true;
}

/* --- the debugger's server, and metic debug's debugger --- */

static void gdb_drive(struct run *run, void *opaque)
{
    gdb_run(opaque, run->args->gdb_wait, &run->result);
}

static bool gdb_start(struct run *run, void **state, struct metic_error *error)
{
    const struct run_args *args = run->args;
    if (args->gdb == NULL) {
        return true;
    }
    const struct monitor with = run_control_monitor(run->control, args, run->machine);
    struct gdb *gdb = gdb_new(&with, args->gdb, error);
    *state = gdb;
    if (gdb == NULL ||
        (run->debugger != NULL && !debugger_start(run->debugger, args, run->machine, error))) {
        return false;
    }
    if (!args->quiet && run->debugger == NULL) {
        fprintf(stderr, "metic: gdb: %s: target remote %s\n",
                args->gdb_wait ? "waits for" : "listens for", gdb_address(gdb));
    }
    run->drive = gdb_drive;
    run->drive_opaque = gdb;
    return true;
}

static bool gdb_end(struct run *run, void *state, struct metic_error *error)
{
    (void)run;
    (void)error;
    gdb_free(state);
    return true;
}

/* --- what may be taken of the host --- */

static bool quota_part_start(struct run *run, void **state, struct metic_error *error)
{
    struct quota *quota;
    bool good = quota_start(run->machine, run->args->limit_cpu_percent,
                            run->args->limit_memory_bytes, &quota, error);
    *state = quota;
    return good;
}

static bool quota_part_end(struct run *run, void *state, struct metic_error *error)
{
    (void)error;
    quota_end(state, run->limit, sizeof(run->limit));
    return true;
}

/* --- confinement --- */

static bool confine_start(struct run *run, void **state, struct metic_error *error)
{
    (void)state;
    return run_confine(run, run_control_folder(run->control), error);
}

/* --- threads that wait for somebody --- */

static void threads_begin(void *opaque)
{
    struct run *run = opaque;
    if (run->signals != NULL) {
        signals_start(run->signals);
    }
    if (!run_control_serve(run->control, run->args, &run->late)) {
        run->failed_late = true;
        metic_stop(run->machine);
    }
    if (run->args->restored != NULL) {
        run_restored_check(run->args->restored);
    }
}

/* Confinement comes to threads one by one: those that can wait begin after it, and inherit it. The
 * guest need not wait for them either. */
static bool threads_start(struct run *run, void **state, struct metic_error *error)
{
    (void)state;
    if (run->drive == NULL) {
        metic_when_running(run->machine, threads_begin, run);
        return true;
    }
    threads_begin(run); /* a debugger may be waited for before anything runs */
    if (run->failed_late) {
        *error = run->late;
    }
    return !run->failed_late;
}

/* --- going to the background --- */

static bool detach_start(struct run *run, void **state, struct metic_error *error)
{
    const char *folder = run_control_folder(run->control);
    (void)state;
    (void)error;
    detach_started(run->detach, folder != NULL ? strrchr(folder, '/') + 1 : "the machine");
    return true;
}

static const struct run_part parts[] = {
    {keymap_start, NULL},
    {outputs_start, NULL},
    {control_start, control_end},
    {signals_part_start, signals_part_end},
    {NULL, stats_end},
    {shows_start, shows_end},
    {save_start, save_end},
    {core_start, core_end},
    {NULL, restored_end},
    {code_map_part_start, code_map_part_end},
    {trace_start, trace_end},
    {plugins_part_start, plugins_part_end},
    {profile_part_start, profile_part_end},
    {video_start, video_end},
    {window_start, window_end},
    {vnc_start, vnc_end},
    {speaker_start, speaker_end},
    {gdb_start, gdb_end},
    {quota_part_start, quota_part_end},
    {confine_start, NULL},
    {threads_start, NULL},
    {detach_start, NULL}, /* the last */
};

bool run_with_parts(struct run *run, struct metic_error *error)
{
    void *states[ARRAY_LEN(parts)] = {NULL};
    unsigned started = 0;
    while (started < ARRAY_LEN(parts) && !run->failed) {
        const struct run_part *part = &parts[started];
        run->failed = part->start != NULL && !part->start(run, &states[started], error);
        started++;
    }
    if (!run->failed && run->drive != NULL) {
        run->drive(run, run->drive_opaque);
    } else if (!run->failed) {
        metic_run(run->machine, &run->result);
    }
    if (!run->failed && run->failed_late) {
        run->failed = true;
        *error = run->late;
    }
    for (unsigned i = started; i-- > 0;) {
        struct metic_error later;
        if (parts[i].end != NULL && !parts[i].end(run, states[i], &later) && !run->failed) {
            run->failed = true;
            *error = later;
        }
    }
    return !run->failed;
}
