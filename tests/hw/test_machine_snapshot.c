/* Snapshots through the library: what is loaded is what was saved, whoever loads it; and what is
 * refused. Whole boots: tests/hw/check_snapshot.sh. */
#include "cpu/base/bits.h"
#include "cpu/state.h"
#include "hw/machine/machine.h"
#include "tests/support/guest_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void set_up(void)
{
    strcpy(path, "/tmp/metic-test-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

static void tear_down(void)
{
    unlink(path);
}

TestSuite(machine_snapshot, .init = set_up, .fini = tear_down);

enum { DATA = RV_BASE + 0x100000 };

/* Counts in s0 and stores each count in a place of its own. */
static struct rv_program *storer(void)
{
    struct rv_program *p = rv_new();
    rv_li(p, S1, DATA);
    rv_label(p, 1);
    rv_addi(p, S0, S0, 1);
    rv_sd(p, S0, S1, 0);
    rv_addi(p, S1, S1, 8);
    rv_j(p, 1);
    rv_finish(p);
    return p;
}

static metic_machine *make(unsigned mode, unsigned harts)
{
    struct rv_program *p = storer();
    metic_machine *machine = guest_machine(p, &guest_modes[mode], harts);
    rv_free(p);
    return machine;
}

static void run(metic_machine *machine, u64 insns)
{
    struct metic_result result;
    metic_run_for(machine, insns, &result);
    cr_assert(result.reason == METIC_TURN_OVER, "%s", result.text);
}

/* Save, run, restore, run: equal; in the same machine and in another, any engine. */
Test(machine_snapshot, running_on_is_the_same_from_a_snapshot)
{
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct metic_error error = {{0}, {0}};
        if (guest_modes[i].clock != METIC_CLOCK_VIRTUAL) {
            continue;
        }
        metic_machine *machine = make(i, 1), *other = make(i, 1);
        run(machine, 10001);
        metic_snapshot *snapshot = metic_snapshot_take(machine, &error);
        cr_assert_not_null(snapshot, "%s", error.what);
        u64 saved = metic_digest(machine);
        run(machine, 20000);
        u64 after = metic_digest(machine);
        cr_assert(saved != after);
        cr_assert(metic_snapshot_load(machine, snapshot, NULL, &error), "%s", error.what);
        cr_expect(metic_digest(machine) == saved, "%s: loaded", guest_modes[i].name);
        run(machine, 20000);
        cr_expect(metic_digest(machine) == after, "%s: run again", guest_modes[i].name);
        cr_assert(metic_snapshot_load(other, snapshot, NULL, &error), "%s", error.what);
        metic_snapshot_free(snapshot);
        run(other, 20000);
        cr_expect(metic_digest(other) == after, "%s: another machine", guest_modes[i].name);
        metic_free(machine);
        metic_free(other);
    }
}

Test(machine_snapshot, clones_share_memory_until_they_write)
{
    struct metic_error error;
    u64 value = 0, mark = 0x1234;
    metic_machine *first = make(2, 1), *second = make(2, 1);
    run(first, 1000);
    metic_snapshot *snapshot = metic_snapshot_take(first, &error);
    cr_assert(metic_snapshot_load(second, snapshot, NULL, &error));
    cr_assert(metic_write_memory(second, DATA + 64, &mark, 8));
    cr_assert(metic_snapshot_load(first, snapshot, NULL, &error));
    cr_assert(metic_read_memory(first, DATA + 64, &value, 8));
    cr_expect(value == 9, "one machine's write is not the other's: %llx",
              (unsigned long long)value);
    cr_expect(metic_snapshot_check(snapshot, &error), "%s", error.what);
    metic_snapshot_free(snapshot);
    metic_free(first);
    metic_free(second);
}

/* Code that a snapshot replaces must not run from the translations of what was there before. */
Test(machine_snapshot, code_is_the_snapshots)
{
    struct metic_error error;
    u64 count = 0;
    metic_machine *machine = make(0, 1);
    run(machine, 1001);
    metic_snapshot *snapshot = metic_snapshot_take(machine, &error);
    u32 add_two = 0x00240413, was;
    u64 at = 0;
    for (u64 a = RV_BASE; at == 0; a += 4) {
        cr_assert(metic_read_memory(machine, a, &was, 4));
        at = was == 0x00140413 ? a : 0; /* addi s0, s0, 1 */
    }
    cr_assert(metic_write_memory(machine, at, &add_two, 4));
    run(machine, 4000);
    cr_assert(metic_snapshot_load(machine, snapshot, NULL, &error), "%s", error.what);
    uint64_t before = 0;
    metic_get_register(machine, 0, "s0", &before);
    run(machine, 4000);
    metic_get_register(machine, 0, "s0", &count);
    cr_expect(count - before == 1000, "counted %llu", (unsigned long long)(count - before));
    metic_snapshot_free(snapshot);
    metic_free(machine);
}

/* What was done to a machine between two loads. */
static void disturb(metic_machine *machine, unsigned what, metic_snapshot *other)
{
    const u32 add_two = 0x00240413;
    struct metic_error error;
    u32 was = 0;
    switch (what) {
    case 0: run(machine, 30000); break;
    case 1: /* its code */
        for (u64 at = RV_BASE; was != 0x00140413; at += 4) {
            cr_assert(metic_read_memory(machine, at, &was, 4));
            cr_assert(was != 0x00140413 || metic_write_memory(machine, at, &add_two, 4));
        }
        run(machine, 30000);
        break;
    case 2: cr_assert(metic_snapshot_load(machine, other, NULL, &error)); break;
    case 3: cr_assert(memory_discard(&machine->memory, DATA, 1 << 20)); break; /* by mapping */
    case 4: cr_assert(memory_discard(&machine->memory, DATA, PAGE_BYTES)); break; /* by writing */
    case 5: /* more than is written back page by page */
        for (u64 at = 0; at < (u64)10 << 20; at += PAGE_BYTES) {
            cr_assert(metic_write_memory(machine, DATA + at, &add_two, 4));
        }
        break;
    default: break;
    }
}

/* The same snapshot loaded into the machine it was loaded into before, of which only what was
 * written since is put right. */
Test(machine_snapshot, loaded_again_and_again)
{
    struct metic_error error;
    metic_machine *machine = make(2, 1);
    run(machine, 9001);
    metic_snapshot *snapshot = metic_snapshot_take(machine, &error);
    u64 saved = metic_digest(machine);
    run(machine, 20000);
    u64 after = metic_digest(machine);
    metic_snapshot *other = metic_snapshot_take(machine, &error);
    cr_assert(snapshot != NULL && other != NULL);
    for (unsigned round = 0; round < 21; round++) {
        unsigned what = round % 7;
        disturb(machine, what, other);
        cr_assert(metic_snapshot_load(machine, snapshot, NULL, &error), "%s", error.what);
        cr_expect(metic_digest(machine) == saved, "%u: loaded", what);
        run(machine, 20000);
        cr_expect(metic_digest(machine) == after, "%u: run again", what);
    }
    metic_snapshot_free(snapshot);
    metic_snapshot_free(other);
    metic_free(machine);
}

static void saved_file(bool compress)
{
    struct metic_error error;
    struct metic_save how = {.description = "a description", .compress = compress};
    metic_machine *machine = make(2, 1);
    run(machine, 5000);
    cr_assert(metic_snapshot_save(machine, path, &how, &error), "%s", error.what);
    u64 digest = metic_digest(machine);
    metic_free(machine);
    machine = make(2, 1);
    metic_snapshot *snapshot = metic_snapshot_open(path, &error);
    cr_assert_not_null(snapshot, "%s", error.what);
    cr_expect_str_eq(metic_snapshot_description(snapshot), "a description");
    cr_expect(metic_snapshot_check(snapshot, &error), "%s", error.what);
    cr_assert(metic_snapshot_load(machine, snapshot, NULL, &error), "%s", error.what);
    cr_expect(metic_digest(machine) == digest);
    metic_snapshot_free(snapshot);
    metic_free(machine);
}

Test(machine_snapshot, a_file)
{
    saved_file(false);
    saved_file(true);
}

Test(machine_snapshot, another_machine_is_refused_and_unchanged)
{
    struct metic_error error;
    metic_machine *machine = make(2, 1), *two = make(2, 2);
    run(machine, 5000);
    metic_snapshot *snapshot = metic_snapshot_take(machine, &error);
    u64 digest = metic_digest(two);
    cr_expect_not(metic_snapshot_load(two, snapshot, NULL, &error));
    cr_expect_not_null(strstr(error.what, "harts"), "%s", error.what);
    cr_expect(metic_digest(two) == digest);
    metic_snapshot_free(snapshot);
    metic_free(machine);
    metic_free(two);
}

/* Opens what is written from these bytes. */
static metic_snapshot *open_changed(const u8 *bytes, size_t length, struct metic_error *error)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert(fwrite(bytes, 1, length, file) == length);
    fclose(file);
    return metic_snapshot_open(path, error);
}

/* Bits of a zstd frame may change without changing what it unpacks to: of where zeros come from. */
static bool is_the_same(metic_snapshot *snapshot, metic_machine *machine)
{
    struct metic_error error;
    metic_machine *other = make(2, 1);
    bool same = metic_snapshot_load(other, snapshot, NULL, &error) &&
                metic_digest(other) == metic_digest(machine);
    metic_free(other);
    return same;
}

Test(machine_snapshot, damaged_files_are_refused)
{
    struct metic_error error;
    struct metic_save how = {.compress = true}; /* small */
    metic_machine *machine = make(2, 1);
    run(machine, 5000);
    cr_assert(metic_snapshot_save(machine, path, &how, &error), "%s", error.what);
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    size_t length = (size_t)ftell(file);
    u8 *bytes = malloc(length);
    rewind(file);
    cr_assert(fread(bytes, 1, length, file) == length);
    fclose(file);
    for (size_t cut = 0; cut < length; cut += length / 37 + 1) {
        cr_expect_null(open_changed(bytes, cut, &error), "cut at %zu", cut);
        cr_expect(error.what[0] != '\0');
    }
    for (size_t at = 0; at < length; at += at < 256 ? 5 : length / 211 + 1) {
        bytes[at] ^= 0x40;
        metic_snapshot *snapshot = open_changed(bytes, length, &error);
        bool noticed = snapshot == NULL || !metic_snapshot_check(snapshot, &error);
        cr_expect(noticed || is_the_same(snapshot, machine),
                  "a changed byte at %zu was not noticed", at);
        metic_snapshot_free(snapshot);
        bytes[at] ^= 0x40;
    }
    st_le32(bytes + 16, 99);
    cr_expect_null(open_changed(bytes, length, &error));
    cr_expect_not_null(strstr(error.what, "format 99"), "%s", error.what);
    free(bytes);
    metic_free(machine);
}

static unsigned stopped_by;

static void note_event(void *opaque, enum metic_event event, const char *detail)
{
    (void)opaque;
    (void)detail;
    stopped_by |= 1u << event;
}

static void pause_it(metic_machine *machine, void *opaque)
{
    u64 *at = opaque;
    *at = metic_instructions(machine, 0);
    metic_stop(machine);
}

Test(machine_snapshot, a_call_comes_where_it_was_asked_for)
{
    u64 at = 0, again = 0;
    struct metic_result result;
    for (unsigned i = 0; i < 2; i++) {
        metic_machine *machine = make(i == 0 ? 2 : 3, 1);
        metic_set_events(machine, note_event, NULL);
        metic_call_at(machine, 5000, pause_it, i == 0 ? &at : &again);
        metic_run(machine, &result);
        cr_expect(result.reason == METIC_STOPPED);
        metic_free(machine);
    }
    cr_expect(at >= 5000 && at == again, "%llu %llu", (unsigned long long)at,
              (unsigned long long)again);
    cr_expect(stopped_by & 1u << METIC_EVENT_SHUTDOWN);
}
