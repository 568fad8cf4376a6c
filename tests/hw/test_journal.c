#include "hw/journal/journal.h"
#include "hw/journal/journal_file.h"
#include "tests/hw/fixture.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = P_tmpdir "/metic-journal-XXXXXX";

struct sink {
    struct journal_source source;
    char got[256];
    size_t got_bytes;
    unsigned deliveries;
};

static void sink_deliver(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct sink *sink = opaque;
    memcpy(sink->got + sink->got_bytes, bytes, size_bytes);
    sink->got_bytes += size_bytes;
    sink->deliveries++;
}

static void sink_init(struct sink *sink, struct journal *journal, const char *name)
{
    *sink = (struct sink){.source = {.name = name, .deliver = sink_deliver, .opaque = sink}};
    journal_add_source(journal, &sink->source);
}

static void count(void *opaque)
{
    (*(unsigned *)opaque)++;
}

Test(journal, real_clock_delivers_at_once)
{
    struct clock clock;
    struct sink sink;
    clock_init(&clock, CLOCK_REAL);
    struct journal *journal = journal_new(&clock, NULL, NULL, NULL);
    sink_init(&sink, journal, "a");
    journal_input(journal, &sink.source, "xyz", 3);
    cr_assert_str_eq(sink.got, "xyz");
    cr_assert(!journal_is_deterministic(journal));
    u8 random[64] = {0}, zeros[64] = {0};
    journal_entropy(journal, random, sizeof(random));
    cr_assert_neq(memcmp(random, zeros, sizeof(random)), 0);
    cr_assert_gt(journal_wall_ns(journal), 1600000000000000000u);
    journal_free(journal);
    clock_fini(&clock);
}

Test(journal, virtual_clock_queues_until_the_slice_ends)
{
    struct fixture f;
    struct sink a, b;
    unsigned wakes = 0;
    fixture_init(&f);
    sink_init(&a, f.journal, "a");
    sink_init(&b, f.journal, "b");
    journal_set_wake(f.journal, count, &wakes);
    cr_assert_eq(journal_next_insns(f.journal), UINT64_MAX);
    journal_input(f.journal, &a.source, "1", 1);
    journal_input(f.journal, &b.source, "22", 2);
    journal_input(f.journal, &a.source, "3", 1);
    cr_assert_eq(wakes, 3);
    cr_assert_eq(a.deliveries + b.deliveries, 0);
    cr_assert_neq(journal_next_insns(f.journal), UINT64_MAX);
    cr_assert(journal_deliver(f.journal, 100));
    cr_assert_str_eq(a.got, "13");
    cr_assert_str_eq(b.got, "22");
    journal_input(f.journal, &b.source, "4", 1);
    journal_input(f.journal, &a.source, "5", 1);
    journal_remove_source(f.journal, &b.source);
    journal_input(f.journal, &a.source, "6", 1);
    cr_assert(journal_deliver(f.journal, 200));
    cr_assert_str_eq(a.got, "1356", "what was queued for a removed source is gone");
    fixture_fini(&f);
}

Test(journal, seeded_answers_are_equal)
{
    struct fixture f, g;
    u8 one[100], two[100], three[100];
    fixture_init(&f);
    fixture_init(&g);
    journal_entropy(f.journal, one, sizeof(one));
    journal_entropy(g.journal, two, sizeof(two));
    journal_entropy(g.journal, three, sizeof(three));
    cr_assert_arr_eq(one, two, sizeof(one));
    cr_assert_neq(memcmp(two, three, sizeof(two)), 0);
    clock_set_virtual_ns(&f.clock, 7);
    cr_assert_eq(journal_wall_ns(f.journal), 1000000000000000007u);
    fixture_fini(&f);
    fixture_fini(&g);
}

/* One run: an input at 10 and at 30, entropy in between; what the guest saw goes to `entropy`. */
static void run(struct fixture *f, struct sink *sink, bool live, u8 entropy[16])
{
    sink_init(sink, f->journal, "a");
    for (u64 insns = 0; insns <= 40; insns += 10) {
        if (live && (insns == 10 || insns == 30)) {
            journal_input(f->journal, &sink->source, insns == 10 ? "one" : "two", 3);
        }
        cr_assert(journal_deliver(f->journal, insns));
        if (insns == 20) {
            journal_entropy(f->journal, entropy, 16);
        }
    }
}

static void make_recording(u8 entropy[16])
{
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    struct fixture f;
    struct sink sink;
    struct journal_options options = {.record_path = path, .seed = 99, .wall_start_ns = 5};
    fixture_init_with(&f, &options);
    run(&f, &sink, true, entropy);
    cr_assert_str_eq(sink.got, "onetwo");
    fixture_fini(&f);
}

Test(journal, record_and_replay)
{
    u8 recorded[16], replayed[16];
    make_recording(recorded);
    struct fixture f;
    struct sink sink;
    struct journal_options options = {.replay_path = path, .seed = 1};
    fixture_init_with(&f, &options);
    cr_assert(journal_is_replay(f.journal));
    cr_assert_eq(journal_next_insns(f.journal), 10);
    cr_assert_eq(journal_wall_ns(f.journal), 5, "the recording's start, not the option's");
    run(&f, &sink, false, replayed);
    cr_assert_str_eq(sink.got, "onetwo");
    cr_assert_arr_eq(recorded, replayed, 16);
    cr_assert_eq(journal_next_insns(f.journal), UINT64_MAX);
    journal_input(f.journal, &sink.source, "live", 4);
    journal_deliver(f.journal, 50);
    cr_assert_str_eq(sink.got, "onetwo", "live input is ignored");
    fixture_fini(&f);
    unlink(path);
}

Test(journal, a_replay_of_another_machine_diverges)
{
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    for (u32 machine = 0x12345678; machine <= 0x12345679; machine++) {
        struct journal_options record = {.record_path = path}, replay = {.replay_path = path};
        struct fixture f;
        u8 bytes[4];
        fixture_init_with(&f, &record);
        journal_begin(f.journal, 0x12345678);
        journal_entropy(f.journal, bytes, 4);
        fixture_fini(&f);
        fixture_init_with(&f, &replay);
        journal_begin(f.journal, machine);
        cr_assert_eq(journal_diverged(f.journal), machine != 0x12345678);
        cr_assert_eq(f.log_count > 0, machine != 0x12345678);
        fixture_fini(&f);
    }
    unlink(path);
}

Test(journal, a_recording_that_cannot_be_written_is_told)
{
    struct journal_options options = {.record_path = "/dev/full"};
    struct fixture f;
    u8 bytes[4];
    fixture_init_with(&f, &options);
    journal_entropy(f.journal, bytes, 4);
    journal_begin(f.journal, 1);
    cr_assert_gt(f.log_count, 0);
    cr_assert(!journal_is_recording(f.journal));
    fixture_fini(&f);
}

Test(journal, a_replay_that_asks_for_something_else_diverges)
{
    u8 bytes[16];
    make_recording(bytes);
    struct fixture f;
    struct sink sink;
    struct journal_options options = {.replay_path = path};
    fixture_init_with(&f, &options);
    sink_init(&sink, f.journal, "a");
    journal_entropy(f.journal, bytes, 3);
    cr_assert(journal_diverged(f.journal));
    cr_assert(!journal_deliver(f.journal, 10));
    cr_assert_gt(f.log_count, 0);
    fixture_fini(&f);
    unlink(path);
}

Test(journal, an_input_that_was_missed_diverges)
{
    u8 bytes[16];
    make_recording(bytes);
    struct fixture f;
    struct sink sink;
    struct journal_options options = {.replay_path = path};
    fixture_init_with(&f, &options);
    sink_init(&sink, f.journal, "a");
    cr_assert(!journal_deliver(f.journal, 11), "it was due at 10");
    fixture_fini(&f);
    unlink(path);
}

Test(journal, refusals)
{
    struct metic_error error = {0};
    struct clock clock;
    struct journal_options both = {.record_path = path, .replay_path = path};
    struct journal_options missing = {.replay_path = "no/such/file"};
    clock_init(&clock, CLOCK_VIRTUAL);
    cr_assert_null(journal_new(&clock, NULL, &both, &error));
    cr_assert_null(journal_new(&clock, NULL, &missing, &error));
    cr_assert_neq(error.what[0], '\0');
    clock_fini(&clock);
    clock_init(&clock, CLOCK_REAL);
    cr_assert_null(journal_new(&clock, NULL, &missing, &error), "needs the virtual clock");
    clock_fini(&clock);
}

static void walk_records(const u8 *bytes, size_t size_bytes)
{
    struct journal_head head;
    struct journal_record record;
    struct journal_file *file = journal_file_parse(bytes, size_bytes, &head, NULL);
    if (file == NULL) {
        return;
    }
    u64 sum = 0;
    while (journal_file_peek(file, &record)) {
        for (u32 i = 0; i < record.size_bytes; i++) {
            sum += ((const u8 *)record.bytes)[i];
        }
        journal_file_peek_push(file, &record);
        journal_file_skip(file);
    }
    cr_assert_neq(sum, UINT64_MAX);
    journal_file_close(file);
}

Test(journal, damaged_files_do_no_harm)
{
    u8 entropy[16], bytes[4096], changed[4096];
    make_recording(entropy);
    FILE *stream = fopen(path, "rb");
    size_t size_bytes = fread(bytes, 1, sizeof(bytes), stream);
    fclose(stream);
    unlink(path);
    for (size_t cut = 0; cut <= size_bytes; cut++) {
        walk_records(bytes, cut);
    }
    for (size_t at = 0; at < size_bytes; at++) {
        static const u8 values[] = {0, 1, 0x7f, 0x80, 0xff};
        for (size_t v = 0; v < ARRAY_LEN(values); v++) {
            memcpy(changed, bytes, size_bytes);
            changed[at] = values[v];
            walk_records(changed, size_bytes);
        }
    }
}
