/* See stats.h. */
#include "translate/stats.h"

#include "cpu/base/arena.h"
#include "cpu/base/host_time.h"
#include "translate/probe/probe.h"
#include "translate/softmmu.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HELPERS = 64, NAME_COLUMNS = 30 };

struct cell {
    u64 count, ticks;
};

/* One hart's, written by its thread. */
struct hart_stats {
    struct cell cells[STATS_KINDS];
    struct {
        const struct helper *helper; /* NULL: free */
        struct cell cell;
    } helpers[MAX_HELPERS]; /* by hash of the address */
    u64 inner_ticks;        /* of spans that ended inside the one that is open */
    u64 run_ticks, run_ns;  /* inside engine_run */
    u64 began_ticks, began_ns;
};

struct stats {
    unsigned count;
    struct hart_stats harts[];
};

struct stats *stats_new(unsigned hart_count)
{
    struct stats *stats = calloc(1, sizeof(*stats) + hart_count * sizeof(stats->harts[0]));
    if (stats != NULL) {
        stats->count = hart_count;
    }
    return stats;
}

void stats_free(struct stats *stats)
{
    free(stats);
}

/* --- time: never visible to the guest --- */

/* The cheapest clock there is; what it counts in is found out over a run. */
static u64 now_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return host_time_ns();
#endif
}

static struct hart_stats *hart_stats(struct vcpu *vcpu)
{
    return &vcpu->engine->costs->harts[vcpu->index];
}

static struct stats_span begin(struct hart_stats *hart)
{
    struct stats_span span = {now_ticks(), hart->inner_ticks};
    hart->inner_ticks = 0;
    return span;
}

static void end(struct hart_stats *hart, struct cell *cell, const struct stats_span *span)
{
    u64 ticks = now_ticks() - span->began_ticks;
    cell->count++;
    cell->ticks += ticks - hart->inner_ticks;
    hart->inner_ticks = span->inner_ticks + ticks;
}

struct stats_span stats_span_begin(struct vcpu *vcpu)
{
    return begin(hart_stats(vcpu));
}

void stats_span_end(struct vcpu *vcpu, enum stats_kind kind, const struct stats_span *span)
{
    end(hart_stats(vcpu), &hart_stats(vcpu)->cells[kind], span);
}

void stats_run_begin(struct vcpu *vcpu)
{
    if (vcpu->engine->costs != NULL) {
        hart_stats(vcpu)->began_ticks = now_ticks();
        hart_stats(vcpu)->began_ns = host_time_ns();
    }
}

void stats_run_end(struct vcpu *vcpu)
{
    if (vcpu->engine->costs != NULL) {
        struct hart_stats *hart = hart_stats(vcpu);
        hart->run_ticks += now_ticks() - hart->began_ticks;
        hart->run_ns += host_time_ns() - hart->began_ns;
        hart->inner_ticks = 0;
    }
}

/* --- timed slow paths and helpers --- */

static u8 *timed_refill(struct vcpu *vcpu, gva_t gva, u32 desc, gpa_t *device)
{
    struct stats_span span = stats_begin(vcpu);
    u8 *host = softmmu_slow.refill(vcpu, gva, desc, device);
    stats_end(vcpu, STATS_REFILL, &span);
    return host;
}

static u64 timed_load(struct vcpu *vcpu, gva_t gva, u32 desc, gpa_t device)
{
    struct stats_span span = stats_begin(vcpu);
    u64 value = softmmu_slow.load(vcpu, gva, desc, device);
    stats_end(vcpu, STATS_LOAD, &span);
    return value;
}

static void timed_store(struct vcpu *vcpu, gva_t gva, u64 value, u32 desc, gpa_t device)
{
    struct stats_span span = stats_begin(vcpu);
    softmmu_slow.store(vcpu, gva, value, desc, device);
    stats_end(vcpu, STATS_STORE, &span);
}

static u64 timed_amo(struct vcpu *vcpu, gva_t gva, u64 value, u64 expected, u32 desc)
{
    struct stats_span span = stats_begin(vcpu);
    u64 old = softmmu_slow.amo(vcpu, gva, value, expected, desc);
    stats_end(vcpu, STATS_AMO, &span);
    return old;
}

static void timed_check(struct vcpu *vcpu, gva_t gva, u32 desc)
{
    struct stats_span span = stats_begin(vcpu);
    softmmu_slow.check(vcpu, gva, desc);
    stats_end(vcpu, STATS_CHECK, &span);
}

static bool timed_raised(struct vcpu *vcpu)
{
    struct stats_span span = stats_begin(vcpu);
    bool entered = softmmu_slow.raised(vcpu);
    stats_end(vcpu, STATS_RAISED, &span);
    return entered;
}

/* NULL: the table is full, and what is left is not told apart from translated code. */
static struct cell *helper_cell(struct hart_stats *hart, const struct helper *helper)
{
    size_t at = (uintptr_t)helper / sizeof(*helper);
    for (unsigned tried = 0; tried < MAX_HELPERS; tried++, at++) {
        size_t slot = at % MAX_HELPERS;
        if (hart->helpers[slot].helper == NULL) {
            hart->helpers[slot].helper = helper;
        }
        if (hart->helpers[slot].helper == helper) {
            return &hart->helpers[slot].cell;
        }
    }
    return NULL;
}

static u64 timed_helper(struct vcpu *vcpu, u64 a, u64 b, u64 c, u64 d, const struct helper *helper)
{
    struct hart_stats *hart = hart_stats(vcpu);
    struct stats_span span = begin(hart);
    void (*fn)(void) = (void (*)(void))helper->fn; /* the type that all may be cast through */
    u64 result;
    switch (helper->arg_count) {
    case 0: result = ((u64(*)(struct vcpu *))fn)(vcpu); break;
    case 1: result = ((u64(*)(struct vcpu *, u64))fn)(vcpu, a); break;
    case 2: result = ((u64(*)(struct vcpu *, u64, u64))fn)(vcpu, a, b); break;
    case 3: result = ((u64(*)(struct vcpu *, u64, u64, u64))fn)(vcpu, a, b, c); break;
    default:
        result = ((u64(*)(struct vcpu *, u64, u64, u64, u64))fn)(vcpu, a, b, c, d);
        break;
    }
    struct cell *cell = helper_cell(hart, helper);
    if (cell != NULL) {
        end(hart, cell, &span);
    }
    return result;
}

const struct host_slow *stats_slow(const struct stats *stats, const struct host_slow *slow)
{
    static const struct host_slow timed = {
        .over_page = softmmu_over_page,
        .refill = timed_refill, .load = timed_load,     .store = timed_store,
        .amo = timed_amo,       .check = timed_check,   .raised = timed_raised,
        .polled = engine_polled,
        .jump_missed = engine_jump_missed, .link_missed = engine_link_missed,
        .split = engine_trace_split, .guessed = engine_trace_guessed,
        .strayed = engine_trace_strayed,
        .helper = timed_helper, .probe_full = probe_full,
    };
    return stats != NULL ? &timed : slow;
}

/* --- printing --- */

static const char *const kind_names[STATS_KINDS] = {
    [STATS_TRANSLATE] = "translation, look-up", [STATS_REFILL] = "TLB refill",
    [STATS_LOAD] = "slow load",          [STATS_STORE] = "slow store",
    [STATS_AMO] = "slow atomic",         [STATS_CHECK] = "slow check",
    [STATS_RAISED] = "exception",        [STATS_DEVICE] = "device register",
    [STATS_WAIT] = "waiting",
};

/* Ticks of all harts, as time. */
struct sum {
    FILE *to;
    double ns_per_tick, run_ns, told_ns;
};

static void print_cell(struct sum *sum, const char *prefix, const char *name,
                       const struct cell *cell)
{
    double ns = (double)cell->ticks * sum->ns_per_tick;
    if (cell->count != 0) {
        sum->told_ns += ns;
        fprintf(sum->to, "  %s%-*s %12" PRIu64 " times %10.1f ms %8.0f ns each %5.1f %%\n", prefix,
                NAME_COLUMNS - (int)strlen(prefix), name, cell->count, ns / 1e6,
                ns / (double)cell->count, 100 * ns / sum->run_ns);
    }
}

static void add_cell(struct cell *to, const struct cell *cell)
{
    to->count += cell->count;
    to->ticks += cell->ticks;
}

static void print_helpers(struct sum *sum, const struct stats *stats)
{
    /* Slots are by address, and so hold the same helper in most harts, but not in all. */
    struct hart_stats all = {0};
    for (unsigned i = 0; i < stats->count; i++) {
        for (unsigned n = 0; n < MAX_HELPERS; n++) {
            const struct helper *helper = stats->harts[i].helpers[n].helper;
            struct cell *cell = helper != NULL ? helper_cell(&all, helper) : NULL;
            if (cell != NULL) {
                add_cell(cell, &stats->harts[i].helpers[n].cell);
            }
        }
    }
    for (unsigned n = 0; n < MAX_HELPERS; n++) {
        if (all.helpers[n].helper != NULL) {
            print_cell(sum, "helper ", all.helpers[n].helper->name, &all.helpers[n].cell);
        }
    }
}

static void print_times(const struct stats *stats, FILE *to)
{
    u64 run_ticks = 0, run_ns = 0;
    for (unsigned i = 0; i < stats->count; i++) {
        run_ticks += stats->harts[i].run_ticks;
        run_ns += stats->harts[i].run_ns;
    }
    if (run_ticks == 0 || run_ns == 0) {
        return;
    }
    struct sum sum = {to, (double)run_ns / (double)run_ticks, (double)run_ns, 0};
    fprintf(to, "time of the harts   %.1f ms, of it\n", sum.run_ns / 1e6);
    for (unsigned kind = 0; kind < STATS_KINDS; kind++) {
        struct cell all = {0, 0};
        for (unsigned i = 0; i < stats->count; i++) {
            add_cell(&all, &stats->harts[i].cells[kind]);
        }
        print_cell(&sum, "", kind_names[kind], &all);
    }
    print_helpers(&sum, stats);
    double rest_ns = sum.run_ns - sum.told_ns;
    fprintf(to, "  %-*s %12s       %10.1f ms %16s %5.1f %%\n", NAME_COLUMNS,
            "translated code, run loop", "", rest_ns / 1e6, "", 100 * rest_ns / sum.run_ns);
}

static void print_translation(const struct engine *engine, FILE *to)
{
    const struct engine_stats *stats = &engine->stats;
    fprintf(to, "translations        %" PRIu64 " blocks of %" PRIu64 " guest instructions\n",
            stats->blocks, stats->guest_insns);
    if (stats->guest_insns > 0) {
        double insns = (double)(stats->guest_insns + stats->trace_insns);
        u64 bytes = stats->host_bytes + stats->cold_bytes;
        fprintf(to, "host code           %" PRIu64 " bytes, %.1f per guest instruction, "
                "%.1f of it cold\n", bytes, (double)bytes / insns,
                (double)stats->cold_bytes / insns);
        u64 tables = arena_used_bytes(engine->blocks.arena) +
                     engine->blocks.link_count * sizeof(struct link);
        fprintf(to, "tables              %" PRIu64 " bytes, %.1f per guest instruction\n", tables,
                (double)tables / insns);
        if (engine->costs != NULL) {
            fprintf(to, "translation time    %.1f ms, %.0f ns per guest instruction of a block\n",
                    (double)stats->translate_ns / 1e6,
                    (double)stats->translate_ns / (double)stats->guest_insns);
        }
    }
    u64 direct = 0, sampled = 0, recorded = 0, made = 0;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        direct += engine->direct_runs[i];
        sampled += engine->tier2[i].sampled;
        recorded += engine->tier2[i].recorded;
        made += engine->tier2[i].made;
    }
    fprintf(to, "tier 0              %" PRIu64 " runs\n", direct);
    fprintf(to, "tier 2              %" PRIu64 " traces of %" PRIu64 " guest instructions, "
            "of %" PRIu64 " paths, of %" PRIu64 " samples\n", made, stats->trace_insns, recorded,
            sampled);
    fprintf(to, "code cache          %zu of %zu bytes in use, %" PRIu64 " flushes\n",
            engine->code.used_bytes + (engine->code.cold_end - engine->code.cold_start),
            engine->code.size_bytes, stats->flushes);
    fprintf(to, "one-shot blocks     %" PRIu64 "\n", stats->interp_once);
    fprintf(to, "links               %u\n", engine->blocks.link_count - 1);
    fprintf(to, "removed blocks      %" PRIu64 "\n", engine->blocks.removals);
}

static void print_exits(const struct vcpu *vcpu, FILE *to)
{
    static const char *const names[] = {
        [IR_EXIT_JUMP] = "unlinked jump", [IR_EXIT_IND] = "indirect jump",
        [IR_EXIT_LEAVE] = "leave",        [IR_EXIT_POLL] = "poll",
        [IR_EXIT_RAISED] = "exception",
    };
    fprintf(to, "  exits            ");
    for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
        fprintf(to, "%s %" PRIu64 " %s", n == 0 ? "" : ",", vcpu->engine_exits[n], names[n]);
    }
    const struct found *found = &vcpu->engine->found[vcpu->index];
    fprintf(to, "\n  found again        %" PRIu64 " by links, %" PRIu64 " by indirect jumps\n",
            found->links, found->jumps);
}

void stats_print(struct engine *engine, FILE *to)
{
    print_translation(engine, to);
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        const struct vcpu *vcpu = engine->vcpus[i];
        fprintf(to, "hart %-2u             %" PRIu64 " instructions, %" PRIu64 " TLB fills, "
                "emptied %" PRIu64 " times\n", i, vcpu->insns, vcpu->tlb_state->fills,
                vcpu->tlb_state->flushes);
        print_exits(vcpu, to);
    }
    if (engine->costs != NULL) {
        print_times(engine->costs, to);
    }
}
