/* Sampling, and finding circles in recorded paths. */
#include "translate/tier2.h"
#include "cpu/base/types.h"
#include <criterion/criterion.h>

/* Paths as text: a letter is a run of as many instructions as its place in the alphabet. */
static unsigned parse(const char *text, struct tier2_run *runs)
{
    unsigned count = 0;
    for (; text[count] != '\0'; count++) {
        unsigned number = (unsigned)(text[count] - 'a');
        runs[count] = (struct tier2_run){.pc = 0x1000 + 64 * number, .insns = number + 1};
    }
    return count;
}

static void expect_circle(const char *path, const char *circle)
{
    struct tier2_run runs[TIER2_PATH_RUNS], wanted[TIER2_PATH_RUNS];
    struct tier2_circle found;
    unsigned count = parse(circle, wanted);
    cr_assert(tier2_find_circle(runs, parse(path, runs), 1, &found), "nothing in %s", path);
    cr_assert(found.count == count, "%s: %u runs, not %u", path, found.count, count);
    unsigned insns = 0;
    for (unsigned i = 0; i < count; i++) {
        cr_expect(found.runs[i].pc == wanted[i].pc && found.runs[i].insns == wanted[i].insns,
                  "%s: run %u", path, i);
        insns += wanted[i].insns;
    }
    cr_expect(found.insns == insns);
}

static void expect_none(const char *path)
{
    struct tier2_run runs[TIER2_PATH_RUNS];
    struct tier2_circle found;
    cr_expect(!tier2_find_circle(runs, parse(path, runs), 1, &found), "a circle in %s", path);
}

Test(tier2, a_repeated_path_is_a_circle_that_begins_at_its_lowest_address)
{
    expect_circle("bbbb", "b");
    expect_circle("bababa", "ab");
    expect_circle("cbabcbabcb", "abcb");
    expect_circle("bbbbabbbbabbb", "abbbb");
}

Test(tier2, otherwise_the_usual_way_is_the_circle)
{
    expect_circle("abcabcabcadcabcabca", "abc");
    expect_circle("bbbbbbbca", "b");
}

Test(tier2, a_path_that_does_not_come_back_has_none)
{
    expect_none("a");
    expect_none("aaaaaa"); /* a single instruction, a jump to itself */
    expect_none("abcdefg");
    expect_none("abcabcadcabcadcab"); /* seldom gone round whole */
    expect_none("abbbbbb"); /* comes to a circle, but not to its start */
}

static void expect_way(const char *path, const char *way)
{
    struct tier2_run runs[TIER2_PATH_RUNS], wanted[TIER2_PATH_RUNS];
    struct tier2_circle found;
    unsigned count = parse(way, wanted);
    cr_assert(tier2_find_way(runs, parse(path, runs), 1, &found), "nothing in %s", path);
    cr_assert(found.open && found.count == count, "%s: %u runs, not %u", path, found.count, count);
    for (unsigned i = 0; i < count; i++) {
        cr_expect(found.runs[i].pc == wanted[i].pc, "%s: run %u", path, i);
    }
}

Test(tier2, a_way_goes_on_while_it_is_the_usual_one)
{
    struct tier2_circle found;
    expect_way("a", "a");
    expect_way("abcdefg", "abcdefg");
    expect_way("abcabcadcabcadcab", "a"); /* b three times, d twice */
    expect_way("abbbbbb", "ab");          /* not round and round */
    expect_way("cbcbcbcbcbca", "cb");
    cr_expect(!tier2_find_way(NULL, 0, 1, &found));
}

Test(tier2, a_way_ends_with_its_last_page)
{
    struct tier2_run runs[4];
    struct tier2_circle found;
    for (unsigned i = 0; i < 4; i++) {
        runs[i] = (struct tier2_run){.pc = 0x1f00 + 0x80 * i, .insns = 2};
    }
    cr_assert(tier2_find_way(runs, 4, 1, &found));
    cr_expect_eq(found.count, 2);
    cr_assert(tier2_find_way(runs, 4, 2, &found));
    cr_expect(found.count == 4 && found.page_count == 2);
}

Test(tier2, a_circle_too_long_for_a_trace_is_none)
{
    struct tier2_run runs[4];
    struct tier2_circle found;
    for (unsigned i = 0; i < 4; i++) {
        runs[i] = (struct tier2_run){.pc = 0x1000 + 0x200 * (i & 1),
                                     .insns = TRACE_MAX_INSNS / 2};
    }
    cr_expect(tier2_find_circle(runs, 4, 1, &found));
    for (unsigned i = 0; i < 4; i++) {
        runs[i].insns++;
    }
    cr_expect(!tier2_find_circle(runs, 4, 1, &found));
}

Test(tier2, a_circle_has_no_more_pages_than_it_may)
{
    struct tier2_run runs[4];
    struct tier2_circle found;
    for (unsigned i = 0; i < 4; i++) {
        runs[i] = (struct tier2_run){.pc = 0x1ff0 + 0x20 * (i & 1), .insns = 2};
    }
    cr_expect(!tier2_find_circle(runs, 4, 1, &found));
    cr_assert(tier2_find_circle(runs, 4, 2, &found));
    cr_expect(found.page_count == 2 && found.pages[0].page == 0x1000 &&
              found.pages[1].page == 0x2000);
    cr_expect(tier2_page_of(&found, 0x2ffe) == 1 && tier2_page_of(&found, 0x3000) == 2);
}

/* A loop calls a function that lies lower. */
Test(tier2, a_circle_begins_at_its_loop)
{
    static const gva_t path[] = {0x5010, 0x1000, 0x1020, 0x5040};
    struct tier2_run runs[12];
    struct tier2_circle found;
    for (unsigned i = 0; i < 12; i++) {
        runs[i] = (struct tier2_run){.pc = path[(i + 2) % 4], .insns = 2};
    }
    cr_assert(tier2_find_circle(runs, 12, 2, &found));
    cr_expect(found.runs[0].pc == 0x5010 && found.pages[0].page == 0x5000);
}

/* What does not fit any more has no page either. */
Test(tier2, a_way_that_is_too_long_ends_in_its_page)
{
    struct tier2_run runs[2] = {{.pc = 0x1000, .insns = TRACE_MAX_INSNS},
                                {.pc = 0x2000, .insns = 1}};
    struct tier2_circle found;
    cr_assert(tier2_find_way(runs, 2, TRACE_MAX_PAGES, &found));
    cr_expect(found.count == 1 && found.page_count == 1);
}

Test(tier2, a_pc_sampled_again_and_again_is_hot)
{
    struct tier2 tier2;
    struct vcpu vcpu = {.pc = 0x80001000};
    tier2_init(&tier2, false);
    for (unsigned n = 1; n <= tier2.hot_samples; n++) {
        u64 due = tier2_deadline(&tier2, UINT64_MAX);
        cr_expect(due > vcpu.insns && due != UINT64_MAX);
        vcpu.insns = due - TRACE_LONGEST_INSNS - 1;
        tier2_sample(&tier2, &vcpu);
        cr_expect(tier2.sampled == n - 1, "not due yet");
        vcpu.insns = due;
        tier2_sample(&tier2, &vcpu);
        cr_expect(tier2.sampled == n);
        cr_expect(tier2.hot == (n == tier2.hot_samples));
    }
    cr_expect(tier2.hot_pc == vcpu.pc);
    cr_expect(tier2_deadline(&tier2, 5) == 5, "an earlier deadline stays");
}

/* Where the longest trace, a way with its tail, leaves before an exact deadline. */
Test(tier2, a_sample_is_taken_where_no_trace_can_go_on)
{
    struct tier2 tier2;
    struct vcpu vcpu = {.pc = 0x80001000};
    tier2_init(&tier2, false);
    vcpu.insns = tier2_deadline(&tier2, UINT64_MAX) - TRACE_MAX_INSNS - TRACE_TAIL_INSNS + 1;
    tier2_sample(&tier2, &vcpu);
    cr_expect(tier2.sampled == 1);
    cr_expect(tier2_deadline(&tier2, UINT64_MAX) > vcpu.insns + TRACE_LONGEST_INSNS);
}

Test(tier2, one_that_is_off_changes_no_deadline)
{
    struct tier2 tier2 = {.sample_insns = 0};
    struct vcpu vcpu = {.insns = 1 << 30};
    tier2_sample(&tier2, &vcpu);
    cr_expect(!tier2.hot && tier2.sampled == 0);
    cr_expect(tier2_deadline(&tier2, UINT64_MAX) == UINT64_MAX);
}

/* So many in so few instructions that the trace is made anew; `true` when that is so. */
static bool note_splits(struct tier2 *tier2, struct vcpu *vcpu, unsigned count, u64 insns_each)
{
    bool often = false;
    for (unsigned n = 0; n < count; n++) {
        vcpu->insns += insns_each;
        often = tier2_note_split(tier2, vcpu, 0x80001000, 0xff8 + vcpu->pc);
    }
    return often;
}

Test(tier2, groups_that_are_often_split_are_known_to_the_trace_made_anew)
{
    static struct tier2 tier2;
    static struct tier2_circle circle;
    struct vcpu vcpu = {.pc = 0x80001010};
    tier2_init(&tier2, false);
    cr_expect_not(note_splits(&tier2, &vcpu, 1000, 100000), "seldom enough");
    vcpu.pc = 0x80003020; /* in another page of the trace */
    cr_expect_not(note_splits(&tier2, &vcpu, 20, 100));
    vcpu.pc = 0x80001010;
    cr_expect(!tier2.split && note_splits(&tier2, &vcpu, 40, 100));
    cr_expect(tier2.split && tier2.split_head == 0x80001000);
    cr_expect(tier2_deadline(&tier2, UINT64_MAX) <= vcpu.insns, "the hart looks up");
    tier2_join_splits(&tier2, vcpu.mode, &circle);
    cr_assert(circle.split_count == 2);
    cr_expect(circle.split[0].offset + circle.split[1].offset == 0x10 + 0x2020);
    cr_expect(circle.split[0].low + circle.split[1].low == 0x8 + 0x18);
    cr_expect(circle.split[0].times == 1 && circle.split[1].times == 1);
    tier2_join_splits(&tier2, vcpu.mode, &circle);
    cr_expect(circle.split_count == 2, "they are forgotten");
    tier2_init(&tier2, false);
    note_splits(&tier2, &vcpu, 40, 100);
    tier2_join_splits(&tier2, vcpu.mode, &circle);
    cr_expect(circle.split_count == 2, "that one was known");
    cr_expect(circle.split[1].offset == 0x10 && circle.split[1].times == 2, "and is the newest");
    cr_expect(circle.split[0].offset == 0x2020 && circle.split[0].times == 1);
    for (unsigned n = 0; n < 2 * HOST_SPLIT_TIMES; n++) {
        note_splits(&tier2, &vcpu, 40, 100);
        tier2_join_splits(&tier2, vcpu.mode, &circle);
    }
    cr_expect(circle.split_count == 2 && circle.split[1].times == HOST_SPLIT_TIMES);
    for (unsigned n = 0; n < 2 * TIER2_SPLIT_MAX; n++) {
        vcpu.pc += 2;
        note_splits(&tier2, &vcpu, 40, 100);
        tier2_join_splits(&tier2, vcpu.mode, &circle);
    }
    cr_expect(circle.split_count == TIER2_SPLIT_MAX + 1, "more than can be told apart");
}

static bool note_guesses(struct tier2 *tier2, struct vcpu *vcpu, unsigned count, u64 insns_each)
{
    bool often = false;
    for (unsigned n = 0; n < count; n++) {
        vcpu->insns += insns_each;
        vcpu->pc += 4; /* wherever */
        often = tier2_note_guesses(tier2, vcpu, 0x80001000);
    }
    return often;
}

Test(tier2, a_trace_that_guesses_wrong_often_guesses_no_more)
{
    static struct tier2 tier2;
    static struct tier2_circle circle;
    struct vcpu vcpu = {.pc = 0x80001010};
    tier2_init(&tier2, false);
    cr_expect_not(note_guesses(&tier2, &vcpu, 1000, 10000), "right often enough");
    cr_expect(!tier2.split && note_guesses(&tier2, &vcpu, 40, 100));
    cr_expect(tier2.split && tier2.split_head == 0x80001000);
    tier2_join_splits(&tier2, vcpu.mode, &circle);
    cr_expect(circle.no_guess && circle.split_count == 0);
    circle.no_guess = false;
    tier2_join_splits(&tier2, vcpu.mode, &circle);
    cr_expect_not(circle.no_guess, "it is forgotten");
}

static bool note_strays(struct tier2 *tier2, struct vcpu *vcpu, unsigned count, u64 insns_each)
{
    bool often = false;
    for (unsigned n = 0; n < count; n++) {
        vcpu->insns += insns_each;
        often = tier2_note_stray(tier2, vcpu, 0x80001000);
    }
    return often;
}

Test(tier2, accesses_that_stray_often_are_known_to_the_trace_made_anew)
{
    static struct tier2 tier2;
    static struct tier2_circle circle;
    struct vcpu vcpu = {.pc = 0x80001010};
    tier2_init(&tier2, false);
    cr_expect_not(note_strays(&tier2, &vcpu, 1000, 1000000), "seldom enough");
    vcpu.pc = 0x80003020; /* in another page of the trace */
    cr_expect_not(note_strays(&tier2, &vcpu, 3, 1000));
    vcpu.pc = 0x80001010;
    cr_expect(!tier2.split && note_strays(&tier2, &vcpu, 40, 1000));
    cr_expect(tier2.split && tier2.split_head == 0x80001000);
    cr_expect(tier2_deadline(&tier2, UINT64_MAX) <= vcpu.insns, "the hart looks up");
    tier2_join_splits(&tier2, vcpu.mode, &circle);
    cr_assert(circle.stray_count == 2 && circle.split_count == 0 && !circle.no_guess);
    cr_expect(circle.strays[0] + circle.strays[1] == 0x10 + 0x2020);
    tier2_join_splits(&tier2, vcpu.mode, &circle);
    cr_expect(circle.stray_count == 2, "they are forgotten");
    note_strays(&tier2, &vcpu, 40, 1000);
    tier2_join_splits(&tier2, vcpu.mode, &circle);
    cr_expect(circle.stray_count == 2, "it is known");
    for (unsigned n = 3; n < 2 * TIER2_STRAY_MAX; n++) {
        vcpu.pc += 2;
        note_strays(&tier2, &vcpu, 40, 1000);
        tier2_join_splits(&tier2, vcpu.mode, &circle);
        cr_expect_eq(circle.stray_count, n <= TIER2_STRAY_MAX ? n : TIER2_STRAY_MAX + 1);
    }
}
