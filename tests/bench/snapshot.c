/* How long a snapshot takes, of a 256 MiB guest that has booted Linux to its shell: saving, loading
 * into the same machine after it ran on, into another machine, and from a file into a new process
 * up to and with its first guest instruction (which `metic restore` does, too). Prints medians and
 * extremes of the processor's time in ms, which other work on the host does not change.
 *
 *     snapshot KERNEL INITRD FILE        all of it
 *     snapshot load FILE                 the part of the new process */
#include "hw/metic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 21 };

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void fail(const char *what, const struct metic_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->what);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *what, double *times)
{
    qsort(times, ROUNDS, sizeof(times[0]), compare);
    printf("%-44s %8.2f ms  (%.2f to %.2f)\n", what, times[ROUNDS / 2], times[0],
           times[ROUNDS - 1]);
}

static struct metic_options options_of(void)
{
    struct metic_options options;
    metic_options_init(&options);
    options.ram_bytes = (uint64_t)256 << 20;
    options.clock = METIC_CLOCK_VIRTUAL;
    options.console = METIC_CONSOLE_MEMORY;
    options.bootargs = "console=ttyS0";
    return options;
}

/* What a new process does. */
static int load_new(const char *path)
{
    struct metic_options options = options_of();
    struct metic_error error;
    struct metic_result result;
    metic_snapshot *snapshot = metic_snapshot_open(path, &error);
    metic_machine *machine = metic_new(&options, &error);
    if (snapshot == NULL || machine == NULL ||
        !metic_snapshot_load(machine, snapshot, NULL, &error)) {
        fail("load", &error);
    }
    metic_run_for(machine, 1, &result);
    _exit(0);
}

static double in_new_process(const char *self, const char *path)
{
    struct rusage usage;
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, "load", path, (char *)NULL);
        _exit(1);
    }
    wait4(child, NULL, 0, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

int main(int argc, char **argv)
{
    struct metic_error error;
    struct metic_result result;
    double times[ROUNDS];
    if (argc == 3 && strcmp(argv[1], "load") == 0) {
        return load_new(argv[2]);
    }
    if (argc != 4) {
        return 2;
    }
    struct metic_options options = options_of();
    options.initrd = argv[2];
    metic_machine *machine = metic_new(&options, &error);
    if (machine == NULL || !metic_load(machine, argv[1], &error)) {
        fail("boot", &error);
    }
    metic_run_for(machine, 1700 * 1000 * 1000, &result);
    options.initrd = NULL;
    for (unsigned i = 0; i < ROUNDS; i++) {
        double start = now_ms();
        metic_snapshot *each = metic_snapshot_take(machine, &error);
        times[i] = now_ms() - start;
        metic_snapshot_free(each);
    }
    report("save in memory", times);
    for (unsigned i = 0; i < 3; i++) {
        double start = now_ms();
        if (!metic_snapshot_save(machine, argv[3], NULL, &error)) {
            fail("save", &error);
        }
        times[i] = now_ms() - start;
    }
    printf("%-44s %8.2f ms\n", "save to a file", times[1]);
    metic_snapshot *snapshot = metic_snapshot_take(machine, &error);
    for (unsigned round = 0; round < 3; round++) {
        static const unsigned insns[] = {1000, 1000 * 1000, 100 * 1000 * 1000};
        char what[64];
        for (unsigned i = 0; i < ROUNDS; i++) {
            metic_console_feed(machine, "cat /proc/meminfo\n", 18);
            metic_run_for(machine, insns[round], &result);
            double start = now_ms();
            if (!metic_snapshot_load(machine, snapshot, NULL, &error)) {
                fail("load", &error);
            }
            times[i] = now_ms() - start;
        }
        snprintf(what, sizeof(what), "load, same machine, after %u instructions", insns[round]);
        report(what, times);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        double start = now_ms();
        metic_machine *clone = metic_new(&options, &error);
        if (clone == NULL || !metic_snapshot_load(clone, snapshot, NULL, &error)) {
            fail("clone", &error);
        }
        metic_run_for(clone, 1, &result);
        times[i] = now_ms() - start;
        metic_free(clone);
    }
    report("another machine, to its first instruction", times);
    for (unsigned i = 0; i < ROUNDS; i++) {
        times[i] = in_new_process(argv[0], argv[3]);
    }
    report("new process, from the file, the same", times);
    metic_snapshot_free(snapshot);
    metic_free(machine);
    return 0;
}
