/* One hart with real memory and TLBs and recorded hooks, for tests of the privileged side. */
#ifndef METIC_TESTS_CPU_RISCV64_HART_H
#define METIC_TESTS_CPU_RISCV64_HART_H

#include "cpu/guest.h"
#include "cpu/memory.h"
#include "cpu/riscv64/csr.h"
#include "cpu/riscv64/csr_bits.h"
#include "cpu/riscv64/state.h"

#include <stdlib.h>

#define RAM_GPA ((gpa_t)0x80000000)
#define RAM_BYTES ((u64)16 << 20)

struct hart {
    struct riscv64_state state; /* first */
    struct memory memory;
    struct log log;
    u64 time;
    u64 armed;
    unsigned code_fences, waits;
};

static inline struct hart *hart_of(struct vcpu *vcpu)
{
    return (struct hart *)vcpu->ops_opaque;
}

static inline u64 hart_time(struct vcpu *vcpu)
{
    return hart_of(vcpu)->time;
}

static inline void hart_arm(struct vcpu *vcpu, u64 ticks)
{
    hart_of(vcpu)->armed = ticks;
}

static inline void hart_code_fence(struct vcpu *vcpu)
{
    hart_of(vcpu)->code_fences++;
}

static inline void hart_wait(struct vcpu *vcpu)
{
    hart_of(vcpu)->waits++;
}

static inline bool hart_load(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    struct guest_translation found;
    if (!vcpu->guest->translate(vcpu, gva, size_bytes, VCPU_READ, &found)) {
        return false;
    }
    *value = 0;
    return memory_dma_read(vcpu->memory, found.gpa, value, size_bytes);
}

static inline bool hart_store(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value)
{
    struct guest_translation found;
    if (!vcpu->guest->translate(vcpu, gva, size_bytes, VCPU_WRITE, &found)) {
        return false;
    }
    return memory_dma_write(vcpu->memory, found.gpa, &value, size_bytes);
}

static inline bool hart_store_conditional(struct vcpu *vcpu, gva_t gva, unsigned size_bytes,
                                          u64 value, bool *stored)
{
    *stored = hart_store(vcpu, gva, size_bytes, value);
    return *stored;
}

/* A hart after reset, with RAM and these features. */
static inline struct hart *hart_new_with(u64 features)
{
    static const struct vcpu_ops ops = {
        .time_ticks = hart_time,
        .timer_arm = hart_arm,
        .code_fence = hart_code_fence,
        .wait = hart_wait,
        .load_reserved = hart_load,
        .store_conditional = hart_store_conditional,
        .load = hart_load,
        .store = hart_store,
    };
    struct hart *hart = calloc(1, sizeof(*hart));
    struct vcpu *vcpu = &hart->state.vcpu;
    log_init(&hart->log, LOG_ERROR);
    memory_init(&hart->memory, &hart->log);
    if (!memory_add_ram(&hart->memory, "ram", RAM_GPA, RAM_BYTES, NULL)) {
        abort();
    }
    vcpu->guest = &riscv64_guest;
    vcpu->memory = &hart->memory;
    vcpu->log = &hart->log;
    vcpu->ops = &ops;
    vcpu->ops_opaque = hart;
    tlb_init(vcpu);
    vcpu->features = features;
    vcpu->guest->init(vcpu);
    vcpu->guest->reset(vcpu);
    return hart;
}

static inline struct hart *hart_new(void)
{
    return hart_new_with(0);
}

static inline void hart_free(struct hart *hart)
{
    tlb_fini(&hart->state.vcpu);
    memory_fini(&hart->memory);
    log_fini(&hart->log);
    free(hart);
}

static inline void hart_set_priv(struct hart *hart, unsigned priv)
{
    hart->state.priv = (u8)priv;
    riscv64_mode_update(&hart->state);
}

/* A CSR instruction: it retires when it is legal. */
static inline bool hart_csr_write(struct hart *hart, unsigned number, u64 value)
{
    bool legal = riscv64_csr_write(&hart->state, number, value);
    hart->state.vcpu.insns += legal ? 1 : 0;
    return legal;
}

/* Reads without retiring; ~0xdead when illegal. */
static inline u64 hart_csr_read(struct hart *hart, unsigned number)
{
    u64 value;
    return riscv64_csr_read(&hart->state, number, &value) ? value : ~(u64)0xdead;
}

/* Opens everything that can be closed to lower privileges. */
static inline void hart_open(struct hart *hart)
{
    struct riscv64_state *state = &hart->state;
    state->mcounteren = state->scounteren = 0xffffffff;
    state->mstatus |= MSTATUS_FS | (state->vlenb != 0 ? MSTATUS_VS : 0);
    state->menvcfg |= MENVCFG_STCE | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE;
    state->senvcfg |= ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE;
    for (unsigned i = 0; i < ARRAY_LEN(state->mstateen); i++) {
        state->mstateen[i] = STATEEN_SE | STATEEN_ENVCFG;
    }
    state->mstateen[0] |= STATEEN_IMSIC | STATEEN_AIA | STATEEN_CSRIND;
    riscv64_mode_update(state);
}

/* Lets S and U reach all of physical memory. */
static inline void hart_open_pmp(struct hart *hart)
{
    riscv64_csr_write(&hart->state, CSR_PMPADDR0, ~(u64)0);
    riscv64_csr_write(&hart->state, CSR_PMPCFG0, 0x1f);
}

#endif
