/* See trap.h. */
#include "cpu/riscv64/trap.h"

#include "cpu/riscv64/counters.h"
#include "cpu/riscv64/csr.h"
#include "cpu/riscv64/csr_bits.h"
#include "cpu/riscv64/imsic.h"
#include "cpu/riscv64/mode.h"

enum { TVEC_MODE = 3, TVEC_VECTORED = 1 };

/* The software-visible state of interrupts: device lines, bits software set, Sstc. */
u64 riscv64_mip(const struct riscv64_state *state)
{
    u64 soft = state->mip_soft;
    if (state->menvcfg & MENVCFG_STCE) {
        soft &= ~BIT(RISCV_IRQ_STI);
        soft |= state->stip_timer ? BIT(RISCV_IRQ_STI) : 0;
    }
    u64 lines = atomic_load_explicit(&state->vcpu.irq_lines, memory_order_acquire);
    return soft | (lines & (RISCV_IRQS_M | RISCV_IRQS_S));
}

static ALWAYS_INLINE u64 tvec_target(u64 tvec, u64 cause)
{
    u64 base = tvec & ~(u64)TVEC_MODE;
    if ((tvec & TVEC_MODE) == TVEC_VECTORED && cause & RISCV_CAUSE_INTERRUPT) {
        return base + 4 * (cause & ~RISCV_CAUSE_INTERRUPT);
    }
    return base;
}

static ALWAYS_INLINE u64 enter_supervisor(struct riscv64_state *state, u64 cause, u64 tval)
{
    u64 mstatus = state->mstatus & ~(MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SIE);
    mstatus |= state->mstatus & MSTATUS_SIE ? MSTATUS_SPIE : 0;
    mstatus |= state->priv == RISCV_S ? MSTATUS_SPP : 0;
    state->mstatus = mstatus;
    state->scause = cause;
    state->stval = tval;
    state->sepc = state->vcpu.pc;
    state->priv = RISCV_S;
    state->vcpu.pc = tvec_target(state->stvec, cause);
    return mstatus;
}

static ALWAYS_INLINE u64 enter_machine(struct riscv64_state *state, u64 cause, u64 tval)
{
    u64 mstatus = state->mstatus & ~(MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MIE);
    mstatus |= state->mstatus & MSTATUS_MIE ? MSTATUS_MPIE : 0;
    mstatus |= (u64)state->priv << MSTATUS_MPP_SHIFT;
    state->mstatus = mstatus;
    state->mcause = cause;
    state->mtval = tval;
    state->mepc = state->vcpu.pc;
    state->priv = RISCV_M;
    state->vcpu.pc = tvec_target(state->mtvec, cause);
    return mstatus;
}

/* What follows from a new privilege. `at_insns`: see counters.h. */
static NOINLINE void priv_changed_filtered(struct riscv64_state *state, u64 at_insns)
{
    riscv64_counters_update(state, at_insns);
    riscv64_mode_update(state);
}

static ALWAYS_INLINE void priv_changed(struct riscv64_state *state, unsigned priv, u64 mstatus,
                                       u64 at_insns)
{
    if (UNLIKELY(state->counters_filtered != 0)) {
        priv_changed_filtered(state, at_insns);
    } else {
        mode_changed(state, priv, mstatus);
    }
}

static ALWAYS_INLINE void enter(struct riscv64_state *state, u64 cause, u64 tval)
{
    bool interrupt = (cause & RISCV_CAUSE_INTERRUPT) != 0;
    u64 number = cause & ~RISCV_CAUSE_INTERRUPT;
    u64 delegated = interrupt ? state->mideleg : state->medeleg;
    state->last_trap_pc = state->vcpu.pc;
    state->last_trap_cause = cause;
    if (state->priv != RISCV_M && number < 64 && delegated & BIT(number)) {
        priv_changed(state, RISCV_S, enter_supervisor(state, cause, tval), state->vcpu.insns);
    } else {
        priv_changed(state, RISCV_M, enter_machine(state, cause, tval), state->vcpu.insns);
    }
}

/* Traps and returns from them are told of in functions of their own: so the others call nothing
 * that they come back from, and keep no register. */
static NOINLINE void enter_told(struct riscv64_state *state, u64 cause, u64 tval)
{
    vcpu_event(&state->vcpu, VCPU_EVENT_TRAP, cause, tval, state->vcpu.pc);
    enter(state, cause, tval);
}

void riscv64_trap_enter(struct riscv64_state *state, u64 cause, u64 tval)
{
    if (vcpu_wants(&state->vcpu, VCPU_EVENT_TRAP)) {
        enter_told(state, cause, tval);
    } else {
        enter(state, cause, tval);
    }
}

void riscv64_take_exception(struct vcpu *vcpu)
{
    vcpu->exception_pending = 0;
    riscv64_trap_enter(riscv64_of(vcpu), vcpu->exception_cause, vcpu->exception_value);
}

/* Interrupts that would be taken now, both destinations together. */
static u64 deliverable_to_machine(const struct riscv64_state *state, u64 pending)
{
    bool enabled = state->priv < RISCV_M || state->mstatus & MSTATUS_MIE;
    return enabled ? pending & ~state->mideleg : 0;
}

static u64 deliverable_to_supervisor(const struct riscv64_state *state, u64 pending)
{
    bool enabled = state->priv < RISCV_S ||
                   (state->priv == RISCV_S && state->mstatus & MSTATUS_SIE);
    return enabled ? pending & state->mideleg : 0;
}

static u64 pending_and_enabled(struct riscv64_state *state)
{
    riscv64_counters_check(state, state->vcpu.insns);
    riscv64_imsic_update(state);
    u64 pending = riscv64_mip(state) & state->mie;
    state->vcpu.irq_hint = pending != 0;
    return pending;
}

bool riscv64_interrupt_ready(struct vcpu *vcpu)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    u64 pending = pending_and_enabled(state);
    return deliverable_to_machine(state, pending) != 0 ||
           deliverable_to_supervisor(state, pending) != 0;
}

bool riscv64_wake_ready(struct vcpu *vcpu)
{
    return pending_and_enabled(riscv64_of(vcpu)) != 0;
}

unsigned riscv64_most_urgent(u64 irqs)
{
    static const u8 order[] = {RISCV_IRQ_MEI, RISCV_IRQ_MSI, RISCV_IRQ_MTI,  RISCV_IRQ_SEI,
                               RISCV_IRQ_SSI, RISCV_IRQ_STI, RISCV_IRQ_LCOFI};
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        if (irqs & BIT(order[i])) {
            return order[i];
        }
    }
    return 0;
}

/* Those for M come first. */
void riscv64_take_interrupt(struct vcpu *vcpu)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    u64 pending = pending_and_enabled(state);
    u64 machine = deliverable_to_machine(state, pending);
    u64 deliverable = machine != 0 ? machine : deliverable_to_supervisor(state, pending);
    if (deliverable != 0) {
        riscv64_trap_enter(state, RISCV_CAUSE_INTERRUPT | riscv64_most_urgent(deliverable), 0);
    }
}

/* `mstatus` is the new one, but for MPRV. */
static ALWAYS_INLINE void enter_privilege(struct riscv64_state *state, unsigned priv, u64 mstatus)
{
    mstatus &= priv != RISCV_M ? ~MSTATUS_MPRV : ~(u64)0;
    state->mstatus = mstatus;
    state->priv = (u8)priv;
    priv_changed(state, priv, mstatus, state->vcpu.insns + 1);
}

static NOINLINE void returned_told(struct riscv64_state *state, unsigned priv, u64 mstatus, u64 pc)
{
    state->priv = (u8)priv;
    state->mstatus = mstatus;
    vcpu_event(&state->vcpu, VCPU_EVENT_RETURN, pc, priv, 0);
    enter_privilege(state, priv, mstatus);
}

static ALWAYS_INLINE void returned(struct riscv64_state *state, unsigned priv, u64 mstatus, u64 pc)
{
    if (vcpu_wants(&state->vcpu, VCPU_EVENT_RETURN)) {
        returned_told(state, priv, mstatus, pc);
    } else {
        enter_privilege(state, priv, mstatus);
    }
}

bool riscv64_mret(struct riscv64_state *state)
{
    if (state->priv != RISCV_M) {
        return false;
    }
    u64 mstatus = state->mstatus;
    unsigned priv = (unsigned)(mstatus >> MSTATUS_MPP_SHIFT) & 3;
    mstatus = (mstatus & ~(MSTATUS_MIE | MSTATUS_MPP)) | MSTATUS_MPIE |
              (mstatus & MSTATUS_MPIE ? MSTATUS_MIE : 0);
    returned(state, priv, mstatus, state->mepc);
    return true;
}

bool riscv64_sret(struct riscv64_state *state)
{
    u64 mstatus = state->mstatus;
    if (state->priv == RISCV_U || (state->priv == RISCV_S && mstatus & MSTATUS_TSR)) {
        return false;
    }
    unsigned priv = mstatus & MSTATUS_SPP ? RISCV_S : RISCV_U;
    mstatus = (mstatus & ~(MSTATUS_SIE | MSTATUS_SPP)) | MSTATUS_SPIE |
              (mstatus & MSTATUS_SPIE ? MSTATUS_SIE : 0);
    returned(state, priv, mstatus, state->sepc);
    return true;
}

void riscv64_stimer_update(struct riscv64_state *state)
{
    struct vcpu *vcpu = &state->vcpu;
    if (!(state->menvcfg & MENVCFG_STCE)) {
        state->stip_timer = false;
        vcpu->ops->timer_arm(vcpu, ~(u64)0);
        return;
    }
    state->stip_timer = vcpu->ops->time_ticks(vcpu) >= state->stimecmp;
    vcpu->ops->timer_arm(vcpu, state->stip_timer ? ~(u64)0 : state->stimecmp);
}

void riscv64_timer_check(struct vcpu *vcpu)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (state->menvcfg & MENVCFG_STCE && !state->stip_timer) {
        riscv64_stimer_update(state);
    }
}
