/* See counters.h. */
#include "cpu/riscv64/counters.h"

#include "cpu/base/bits.h"

/* The privilege filter of a counter: HPM_MINH, _SINH, _UINH bits. */
static u64 counter_filter(const struct riscv64_state *state, unsigned counter)
{
    u64 config = counter == COUNTER_CYCLE     ? state->mcyclecfg
                 : counter == COUNTER_INSTRET ? state->minstretcfg
                                              : state->mhpmevent[counter];
    return config & (HPM_MINH | HPM_SINH | HPM_UINH);
}

static bool counter_has_event(const struct riscv64_state *state, unsigned counter)
{
    return counter < COUNTER_HPM_FIRST || (state->mhpmevent[counter] & ~(HPM_OF | HPM_MINH |
                                           HPM_SINH | HPM_UINH)) != HPM_EVENT_NONE;
}

static u64 priv_filter(unsigned priv)
{
    return priv == RISCV_M ? HPM_MINH : priv == RISCV_S ? HPM_SINH : HPM_UINH;
}

static bool counter_should_run(const struct riscv64_state *state, unsigned counter)
{
    return counter != COUNTER_TIME && !(state->mcountinhibit & BIT(counter)) &&
           counter_has_event(state, counter) &&
           !(counter_filter(state, counter) & priv_filter(state->priv));
}

u64 riscv64_counter_read(const struct riscv64_state *state, unsigned counter)
{
    u64 value = state->mhpmcounter[counter];
    return state->counters_running & BIT(counter) ? value + state->vcpu.insns : value;
}

/* When a running counter passes from all ones to zero: insns = -base, if that is still to come. */
static bool counter_wraps_after(const struct riscv64_state *state, unsigned counter, u64 insns,
                                u64 *wrap_insns)
{
    if (counter < COUNTER_HPM_FIRST || !(state->counters_running & BIT(counter)) ||
        (state->mhpmevent[counter] & HPM_OF)) {
        return false;
    }
    *wrap_insns = 0 - state->mhpmcounter[counter];
    return *wrap_insns > insns;
}

static void overflow_plan(struct riscv64_state *state)
{
    struct riscv64_cache *cache = &state->cache;
    cache->overflow_next_insns = ~(u64)0;
    for (unsigned i = COUNTER_HPM_FIRST; i < RISCV_HPM_COUNTERS; i++) {
        u64 wrap_insns;
        if (counter_wraps_after(state, i, cache->overflow_checked_insns, &wrap_insns) &&
            wrap_insns < cache->overflow_next_insns) {
            cache->overflow_next_insns = wrap_insns;
        }
    }
}

void riscv64_counters_check(struct riscv64_state *state, u64 at_insns)
{
    struct riscv64_cache *cache = &state->cache;
    if (at_insns >= cache->overflow_next_insns) {
        for (unsigned i = COUNTER_HPM_FIRST; i < RISCV_HPM_COUNTERS; i++) {
            u64 wrap_insns;
            if (counter_wraps_after(state, i, cache->overflow_checked_insns, &wrap_insns) &&
                wrap_insns <= at_insns) {
                state->mhpmevent[i] |= HPM_OF;
                state->mip_soft |= BIT(RISCV_IRQ_LCOFI);
            }
        }
        cache->overflow_checked_insns = at_insns;
        overflow_plan(state);
    }
}

void riscv64_counter_write(struct riscv64_state *state, unsigned counter, u64 value, u64 at_insns)
{
    riscv64_counters_check(state, at_insns);
    bool running = (state->counters_running & BIT(counter)) != 0;
    state->mhpmcounter[counter] = running ? value - at_insns : value;
    state->cache.overflow_checked_insns = at_insns;
    overflow_plan(state);
}

void riscv64_counters_update(struct riscv64_state *state, u64 at_insns)
{
    riscv64_counters_check(state, at_insns);
    u32 running = 0;
    u32 filtered = 0;
    for (unsigned i = 0; i < RISCV_HPM_COUNTERS; i++) {
        running |= counter_should_run(state, i) ? (u32)BIT(i) : 0;
        filtered |= i != COUNTER_TIME && counter_filter(state, i) ? (u32)BIT(i) : 0;
        if ((running ^ state->counters_running) & BIT(i)) {
            state->mhpmcounter[i] += running & BIT(i) ? 0 - at_insns : at_insns;
        }
    }
    state->counters_running = running;
    state->counters_filtered = filtered;
    state->cache.overflow_checked_insns = at_insns;
    overflow_plan(state);
}

u64 riscv64_next_overflow_insns(const struct riscv64_state *state)
{
    return state->cache.overflow_next_insns;
}

u32 riscv64_counters_overflowed(const struct riscv64_state *state)
{
    u32 bits = 0;
    for (unsigned i = COUNTER_HPM_FIRST; i < RISCV_HPM_COUNTERS; i++) {
        bits |= state->mhpmevent[i] & HPM_OF ? (u32)BIT(i) : 0;
    }
    return bits;
}
