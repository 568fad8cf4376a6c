/* Boots a Linux guest on the virtual clock and prints a digest of its whole state every so many
 * instructions; on the way, at points drawn at random, saves it and goes on from the snapshot: in
 * the same machine (having run on before, so that there is something to undo), in another one in
 * this process that shares the snapshot's memory, or from a file in a new machine. Whatever is
 * done, the digests printed must be those of a run that was never saved.
 *
 *     snapshot_boot KERNEL INITRD HARTS ENGINE DISK|- NET|- POINTS SEED FILE */
#include "hw/metic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVERY_INSNS = 50 * 1000 * 1000, LAST = 32 };

static const struct metic_step steps[] = {
    {"# ", "cat /proc/interrupts; dmesg | tail -n 3\n"},
    {"# ", "net-up && ping -c 2 10.0.2.2; grep vda /proc/partitions\n"},
    {"# ", "dd if=/dev/zero of=/dev/vda bs=64k count=40 conv=notrunc; md5sum /dev/vda\n"},
    {"# ", "i=0; while [ $i -lt 400 ]; do i=$((i+1)); x=$(echo $i); done; echo $x\n"},
    {"# ", "poweroff\n"},
};

static struct test {
    struct metic_options options;
    uint64_t digest_at, point_at;
    unsigned points_left;
    uint64_t random;
    uint64_t apart_insns; /* at most, from one point to the next */
    metic_snapshot *snapshot;
    bool armed;      /* the snapshot is to be loaded at load_at */
    uint64_t load_at;
    unsigned way;    /* 0: the same machine, 1: a clone, 2: a file */
    const char *file;
    metic_machine *next; /* that goes on */
    bool quiet;      /* what is run will be undone */
} test;

static uint64_t draw(uint64_t below)
{
    test.random = test.random * 6364136223846793005u + 1442695040888963407u;
    return (test.random >> 33) % below;
}

static void fail(const char *what, const struct metic_error *error)
{
    fprintf(stderr, "%s: %s; %s\n", what, error->what, error->next);
    exit(1);
}

static uint64_t total(metic_machine *machine)
{
    uint64_t insns = 0;
    for (unsigned i = 0; i < metic_hart_count(machine); i++) {
        insns += metic_instructions(machine, i);
    }
    return insns;
}

static void on_call(metic_machine *machine, void *opaque);

static void arm(metic_machine *machine)
{
    uint64_t at = test.digest_at;
    at = test.points_left > 0 && !test.armed && test.point_at < at ? test.point_at : at;
    at = test.armed && test.load_at < at ? test.load_at : at;
    metic_call_at(machine, at, on_call, NULL);
}

static void save(metic_machine *machine)
{
    struct metic_error error;
    struct metic_save how = {.description = "a test", .compress = test.points_left % 4 == 3};
    test.way = (unsigned)draw(3);
    if (test.way == 2) {
        if (!metic_snapshot_save(machine, test.file, &how, &error)) {
            fail("save", &error);
        }
        test.snapshot = metic_snapshot_open(test.file, &error);
    } else {
        test.snapshot = metic_snapshot_take(machine, &error);
    }
    if (test.snapshot == NULL || !metic_snapshot_check(test.snapshot, &error)) {
        fail("snapshot", &error);
    }
    test.armed = true;
    test.load_at = total(machine) + draw(30 * 1000 * 1000);
    fprintf(stderr, "saved at %llu, way %u\n", (unsigned long long)total(machine), test.way);
    test.points_left--;
    test.point_at = total(machine) + 1000 + draw(test.apart_insns);
    test.quiet = true;
}

static void load(metic_machine *machine)
{
    struct metic_error error;
    metic_machine *target = machine;
    if (test.way != 0) {
        target = metic_new(&test.options, &error);
        if (target == NULL) {
            fail("another machine", &error);
        }
        test.next = target;
        metic_stop(machine);
    }
    if (!metic_snapshot_load(target, test.snapshot, NULL, &error)) {
        fail("load", &error);
    }
    metic_snapshot_free(test.snapshot);
    test.snapshot = NULL;
    test.armed = false;
    test.quiet = false;
    test.digest_at = (total(target) / EVERY_INSNS + 1) * EVERY_INSNS;
    arm(target);
}

static void on_call(metic_machine *machine, void *opaque)
{
    (void)opaque;
    if (total(machine) >= test.digest_at) {
        if (!test.quiet) {
            printf("%llu %016llx\n", (unsigned long long)total(machine),
                   (unsigned long long)metic_digest(machine));
        }
        test.digest_at = (total(machine) / EVERY_INSNS + 1) * EVERY_INSNS;
    }
    if (test.armed && total(machine) >= test.load_at) {
        load(machine);
        return;
    }
    if (!test.armed && test.points_left > 0 && total(machine) >= test.point_at) {
        save(machine);
    }
    arm(machine);
}

static void setup(char **argv)
{
    struct metic_options *options = &test.options;
    metic_options_init(options);
    options->initrd = argv[2];
    options->bootargs = "console=ttyS0";
    options->harts = (unsigned)atoi(argv[3]);
    options->engine = strcmp(argv[4], "interp") == 0 ? METIC_ENGINE_INTERP : METIC_ENGINE_JIT;
    options->ram_bytes = (uint64_t)256 << 20;
    options->clock = METIC_CLOCK_VIRTUAL;
    options->console = METIC_CONSOLE_MEMORY;
    if (strcmp(argv[5], "-") != 0) {
        options->disks[0].path = argv[5];
        options->disk_count = 1;
    }
    options->net = strcmp(argv[6], "-") != 0 ? METIC_NET_USER : METIC_NET_NONE;
    options->net_restrict = true;
    memcpy(options->steps, steps, sizeof(steps));
    options->step_count = sizeof(steps) / sizeof(steps[0]);
    options->limit_insns = (uint64_t)20 * 1000 * 1000 * 1000;
    test.points_left = (unsigned)atoi(argv[7]);
    test.random = (uint64_t)atoi(argv[8]) * 2654435761u + 1;
    test.file = argv[9];
    test.digest_at = EVERY_INSNS;
    test.apart_insns = (uint64_t)3600 * 1000 * 1000 / (test.points_left + 1);
    test.point_at = draw(test.apart_insns);
}

int main(int argc, char **argv)
{
    struct metic_error error;
    struct metic_result result;
    if (argc != 10) {
        return 2;
    }
    setup(argv);
    metic_machine *machine = metic_new(&test.options, &error);
    if (machine == NULL || !metic_load(machine, argv[1], &error)) {
        fail("boot", &error);
    }
    arm(machine);
    for (;;) {
        metic_run(machine, &result);
        if (test.next == NULL) {
            break;
        }
        metic_free(machine);
        machine = test.next;
        test.next = NULL;
    }
    char output[65536];
    size_t length = metic_console_output(machine, 0, output, sizeof(output) - 1);
    output[length < sizeof(output) ? length : sizeof(output) - 1] = '\0';
    printf("end %llu %016llx status %d: %s\n", (unsigned long long)total(machine),
           (unsigned long long)metic_digest(machine), result.exit_status, result.text);
    if (getenv("SHOW") != NULL) {
        fputs(output, stderr);
    }
    metic_free(machine);
    return result.exit_status;
}
