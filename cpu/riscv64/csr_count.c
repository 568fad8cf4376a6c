/* CSRs of counters and time. See csr_fns.h and counters.h. */
#include "cpu/riscv64/counters.h"
#include "cpu/riscv64/csr_fns.h"

enum { COUNTER_MASK = 31 }; /* a counter's number is the low bits of each of its CSRs' numbers */
enum { HPM_EVENT_BITS = 56 };

#define HPM_FLAGS (HPM_OF | HPM_MINH | HPM_SINH | HPM_UINH)

bool riscv64_csr_guard_counter(const struct riscv64_state *state, unsigned number)
{
    u32 bit = (u32)1 << (number & COUNTER_MASK);
    if (state->priv < RISCV_M && !(state->mcounteren & bit)) {
        return false;
    }
    return state->priv != RISCV_U || state->scounteren & bit;
}

bool riscv64_csr_read_counter(struct riscv64_state *state, unsigned number, u64 *value)
{
    *value = riscv64_counter_read(state, number & COUNTER_MASK);
    return true;
}

bool riscv64_csr_write_counter(struct riscv64_state *state, unsigned number, u64 value)
{
    riscv64_counter_write(state, number & COUNTER_MASK, value, riscv64_after_write_insns(state));
    return true;
}

bool riscv64_csr_read_time(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    *value = state->vcpu.ops->time_ticks(&state->vcpu);
    return true;
}

bool riscv64_csr_read_scountovf(struct riscv64_state *state, unsigned number, u64 *value)
{
    (void)number;
    riscv64_counters_check(state, state->vcpu.insns);
    u32 visible = state->priv == RISCV_M ? ~(u32)0 : state->mcounteren;
    *value = riscv64_counters_overflowed(state) & visible;
    return true;
}

/* Stores a configuration value; overflows up to now are noted under the old one. */
static void config_set(struct riscv64_state *state, u64 *config, u64 value)
{
    u64 at_insns = riscv64_after_write_insns(state);
    riscv64_counters_check(state, at_insns);
    *config = value;
    riscv64_counters_update(state, at_insns);
}

bool riscv64_csr_write_mcyclecfg(struct riscv64_state *state, unsigned number, u64 value)
{
    config_set(state, &state->mcyclecfg, value & riscv64_csr_find(number)->write_mask);
    return true;
}

bool riscv64_csr_write_minstretcfg(struct riscv64_state *state, unsigned number, u64 value)
{
    config_set(state, &state->minstretcfg, value & riscv64_csr_find(number)->write_mask);
    return true;
}

bool riscv64_csr_write_mcountinhibit(struct riscv64_state *state, unsigned number, u64 value)
{
    state->mcountinhibit = (u32)(value & riscv64_csr_find(number)->write_mask);
    riscv64_counters_update(state, riscv64_after_write_insns(state));
    return true;
}

bool riscv64_csr_read_mhpmevent(struct riscv64_state *state, unsigned number, u64 *value)
{
    riscv64_counters_check(state, state->vcpu.insns);
    *value = state->mhpmevent[number & COUNTER_MASK];
    return true;
}

/* An event that is not offered reads back as none. */
bool riscv64_csr_write_mhpmevent(struct riscv64_state *state, unsigned number, u64 value)
{
    u64 event = bits_get(value, 0, HPM_EVENT_BITS);
    if (event > HPM_EVENT_INSNS) {
        event = HPM_EVENT_NONE;
    }
    config_set(state, &state->mhpmevent[number & COUNTER_MASK], (value & HPM_FLAGS) | event);
    return true;
}
