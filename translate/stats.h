/* What an engine counts, and with engine_options.stats also times: where a hart's time goes apart
 * from translated code. Each kind's time is its own alone: what happens inside of it (a device
 * behind a store's slow path) is that kind's. Costs nothing when it is off but a look at a pointer
 * where code is slow anyway. */
#ifndef METIC_TRANSLATE_STATS_H
#define METIC_TRANSLATE_STATS_H

#include "translate/engine.h"
#include <stdio.h>

enum stats_kind {
    STATS_TRANSLATE, /* blocks and traces, their look-up and linking included */
    STATS_REFILL,    /* plain loads and stores that found no TLB entry, but RAM */
    STATS_LOAD,      /* the other slow paths */
    STATS_STORE,
    STATS_AMO,
    STATS_CHECK,
    STATS_RAISED,    /* exceptions */
    STATS_DEVICE,    /* device registers, read or written */
    STATS_WAIT,      /* asleep, for an interrupt */
    STATS_KINDS
};

struct stats;

/* NULL: no memory. */
struct stats *stats_new(unsigned hart_count);
void stats_free(struct stats *stats); /* NULL allowed */

/* The slow paths to give the host instead of `slow`; timed ones when `stats` is not NULL. */
const struct host_slow *stats_slow(const struct stats *stats, const struct host_slow *slow);

/* Around what is timed, on the hart's thread. */
struct stats_span {
    u64 began_ticks, inner_ticks;
};
struct stats_span stats_span_begin(struct vcpu *vcpu); /* with costs, for the two below */
void stats_span_end(struct vcpu *vcpu, enum stats_kind kind, const struct stats_span *span);

static inline struct stats_span stats_begin(struct vcpu *vcpu)
{
    return UNLIKELY(vcpu->engine->costs != NULL) ? stats_span_begin(vcpu) : (struct stats_span){0};
}

static inline void stats_end(struct vcpu *vcpu, enum stats_kind kind,
                             const struct stats_span *span)
{
    if (UNLIKELY(vcpu->engine->costs != NULL)) {
        stats_span_end(vcpu, kind, span);
    }
}

/* Around a hart's whole run. */
void stats_run_begin(struct vcpu *vcpu);
void stats_run_end(struct vcpu *vcpu);

/* While no hart runs. */
void stats_print(struct engine *engine, FILE *to);

#endif
