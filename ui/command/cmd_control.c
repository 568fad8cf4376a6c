/* metic stop and metic log: other machines of this user's that run. */
#include "cpu/base/bits.h"
#include "ui/monitor/monitor_client.h"
#include "ui/run/run_control.h"
#include "ui/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { STOP_WAIT_MS = 10000, LOOK_MS = 50 };

static void sleep_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

/* The one switch a command knows, and a name. */
static bool take_arguments(int argc, char *const *argv, const char *option, bool *given,
                           const char **name, struct metic_error *error)
{
    *given = false;
    *name = NULL;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], option) == 0) {
            *given = true;
        } else if (argv[i][0] == '-' || *name != NULL) {
            return error_set(error, "metic help lists the commands.", "'%s' means nothing here",
                             argv[i]);
        } else {
            *name = argv[i];
        }
    }
    return true;
}

static bool is_running(const struct runtime_entry *entry)
{
    struct runtime_entry now;
    return runtime_dir_find(entry->name, &now, NULL) && now.pid == entry->pid;
}

static bool press_power(const struct runtime_entry *entry, struct metic_error *error)
{
    char *answer = monitor_client_call(entry, "{\"execute\":\"system_powerdown\"}\n", error);
    bool ok = answer != NULL;
    free(answer);
    return ok;
}

int cmd_stop(int argc, char *const *argv)
{
    struct metic_error error = {{0}, {0}};
    struct runtime_entry entry;
    const char *name;
    bool power;
    if (!take_arguments(argc, argv, "--power", &power, &name, &error)) {
        return ui_usage_error(&error);
    }
    bool ok = runtime_dir_find(name, &entry, &error);
    if (ok && power) {
        ok = press_power(&entry, &error);
    } else if (ok) {
        ok = kill(entry.pid, SIGTERM) == 0 ||
             error_set(&error, NULL, "cannot stop %s: %s", entry.name, strerror(errno));
        unsigned waited_ms = 0;
        while (ok && is_running(&entry)) {
            ok = waited_ms < STOP_WAIT_MS ||
                 error_set(&error, "kill -9 ends it in any case", "%s (process %d) does not end",
                           entry.name, entry.pid);
            sleep_ms(LOOK_MS);
            waited_ms += LOOK_MS;
        }
    }
    if (!ok) {
        ui_print_error(&error);
    }
    return ok ? UI_EXIT_OK : UI_EXIT_FAILED;
}

/* Prints what is new; returns how much there is in all. */
static u64 print_new(const u8 *ring, u64 from)
{
    u64 total = ld_le64(ring);
    if (total - from > RUN_CONSOLE_RING_BYTES) {
        from = total - RUN_CONSOLE_RING_BYTES;
    }
    for (; from < total; from++) {
        putchar(ring[RUN_CONSOLE_HEAD_BYTES + from % RUN_CONSOLE_RING_BYTES]);
    }
    fflush(stdout);
    return total;
}

int cmd_log(int argc, char *const *argv)
{
    struct metic_error error = {{0}, {0}};
    struct runtime_entry entry;
    const char *name;
    bool follow;
    char path[RUNTIME_PATH_BYTES];
    if (!take_arguments(argc, argv, "--follow", &follow, &name, &error)) {
        return ui_usage_error(&error);
    }
    if (!runtime_dir_find(name, &entry, &error)) {
        ui_print_error(&error);
        return UI_EXIT_FAILED;
    }
    const size_t size_bytes = RUN_CONSOLE_HEAD_BYTES + RUN_CONSOLE_RING_BYTES;
    int fd = runtime_entry_get(&entry, "console", path, sizeof(path))
                 ? open(path, O_RDONLY | O_CLOEXEC)
                 : -1;
    const u8 *ring = fd >= 0 && lseek(fd, 0, SEEK_END) == (off_t)size_bytes
                         ? mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, fd, 0)
                         : MAP_FAILED;
    if (ring == MAP_FAILED) {
        error_set(&error, NULL, "%s has no log of its console", entry.name);
        ui_print_error(&error);
        return UI_EXIT_FAILED;
    }
    u64 printed = print_new(ring, 0);
    while (follow && is_running(&entry)) {
        sleep_ms(LOOK_MS);
        printed = print_new(ring, printed);
    }
    return UI_EXIT_OK;
}
