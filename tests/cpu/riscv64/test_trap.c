/* Traps, delegation, returns, interrupts and the supervisor timer. */
#include "tests/cpu/riscv64/hart.h"

#include "cpu/riscv64/helpers.h"
#include "cpu/riscv64/trap.h"

#include <criterion/criterion.h>
#include <string.h>

#define PC ((u64)0x80001234)
#define MTVEC ((u64)0x80100000)
#define STVEC ((u64)0x80200000)

static struct hart *at(unsigned priv)
{
    struct hart *hart = hart_new();
    hart->state.vcpu.pc = PC;
    hart->state.mtvec = MTVEC;
    hart->state.stvec = STVEC;
    hart_set_priv(hart, priv);
    return hart;
}

static void raise(struct hart *hart, u64 cause, u64 value)
{
    vcpu_raise(&hart->state.vcpu, cause, value);
    riscv64_guest.take_exception(&hart->state.vcpu);
}

static u64 call_insn(struct hart *hart, const struct helper *helper, u64 insn)
{
    u64 (*fn)(struct vcpu *, u64) = (u64(*)(struct vcpu *, u64))(void (*)(void))helper->fn;
    return fn(&hart->state.vcpu, insn);
}

/* --- exceptions --- */

Test(trap, exceptions_go_where_medeleg_says)
{
    static const unsigned privileges[] = {RISCV_U, RISCV_S, RISCV_M};
    for (unsigned cause = 0; cause < 16; cause++) {
        for (unsigned i = 0; i < 6; i++) {
            unsigned priv = privileges[i / 2];
            struct hart *hart = at(priv);
            struct riscv64_state *state = &hart->state;
            state->medeleg = i & 1 ? BIT(cause) : ~BIT(cause);
            raise(hart, cause, 99);
            bool supervisor = i & 1 && priv != RISCV_M;
            cr_assert_eq(state->priv, supervisor ? RISCV_S : RISCV_M);
            cr_assert_eq(state->vcpu.pc, supervisor ? STVEC : MTVEC);
            cr_assert_eq(state->vcpu.exception_pending, 0);
            cr_assert_eq(state->vcpu.mode & RISCV_MODE_PRIV, state->priv);
            cr_assert_eq(supervisor ? state->scause : state->mcause, cause);
            cr_assert_eq(supervisor ? state->stval : state->mtval, 99);
            cr_assert_eq(supervisor ? state->sepc : state->mepc, PC);
            cr_assert_eq(supervisor ? state->mcause : state->scause, 0);
            hart_free(hart);
        }
    }
}

Test(trap, entry_stacks_enable_and_privilege)
{
    for (unsigned i = 0; i < 12; i++) {
        unsigned priv = i % 3 == 2 ? RISCV_M : i % 3;
        bool delegated = i / 3 & 1 && priv != RISCV_M, enabled = i / 6 & 1;
        struct hart *hart = at(priv);
        struct riscv64_state *state = &hart->state;
        state->medeleg = delegated ? BIT(RISCV_CAUSE_ILLEGAL) : 0;
        state->mstatus = enabled ? MSTATUS_SIE | MSTATUS_MIE : MSTATUS_SPIE | MSTATUS_MPIE |
                                                                   MSTATUS_SPP | MSTATUS_MPP;
        u64 before = state->mstatus;
        raise(hart, RISCV_CAUSE_ILLEGAL, 0);
        u64 s_part = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP;
        u64 m_part = MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP;
        u64 s_after = (enabled ? MSTATUS_SPIE : 0) | (priv == RISCV_S ? MSTATUS_SPP : 0);
        u64 m_after = (enabled ? MSTATUS_MPIE : 0) | (u64)priv << MSTATUS_MPP_SHIFT;
        cr_assert_eq(state->mstatus & s_part, delegated ? s_after : before & s_part);
        cr_assert_eq(state->mstatus & m_part, delegated ? before & m_part : m_after);
        hart_free(hart);
    }
}

Test(trap, exceptions_ignore_vectored_mode)
{
    struct hart *hart = at(RISCV_M);
    hart->state.mtvec = MTVEC | 1;
    raise(hart, RISCV_CAUSE_LOAD_PAGE, 0);
    cr_assert_eq(hart->state.vcpu.pc, MTVEC);
    hart_free(hart);
}

/* --- returns --- */

Test(trap, mret_restores_and_clears_mprv_below_machine)
{
    for (unsigned mpp = 0; mpp < 4; mpp++) {
        if (mpp == 2) {
            continue;
        }
        for (unsigned mpie = 0; mpie < 2; mpie++) {
            struct hart *hart = at(RISCV_M);
            struct riscv64_state *state = &hart->state;
            state->mepc = 0x8000abcc;
            state->mstatus = MSTATUS_MPRV | (u64)mpp << MSTATUS_MPP_SHIFT |
                             (mpie ? MSTATUS_MPIE : MSTATUS_MIE);
            cr_assert_eq(call_insn(hart, &riscv64_helper_mret, 0x30200073), 0x8000abcc);
            cr_assert_eq(state->priv, mpp);
            cr_assert_eq(state->mstatus, MSTATUS_MPIE | (mpie ? MSTATUS_MIE : 0) |
                                             (mpp == RISCV_M ? MSTATUS_MPRV : 0));
            cr_assert_eq(state->vcpu.mode & RISCV_MODE_PRIV, mpp);
            hart_free(hart);
        }
    }
}

Test(trap, sret_restores_from_supervisor_and_machine)
{
    for (unsigned i = 0; i < 8; i++) {
        struct hart *hart = at(i & 1 ? RISCV_M : RISCV_S);
        struct riscv64_state *state = &hart->state;
        bool spp = i & 2, spie = i & 4;
        state->sepc = 0x8000abce;
        state->mstatus = (i & 1 ? MSTATUS_MPRV : 0) | (spp ? MSTATUS_SPP : 0) |
                         (spie ? MSTATUS_SPIE : MSTATUS_SIE);
        cr_assert_eq(call_insn(hart, &riscv64_helper_sret, 0x10200073), 0x8000abce);
        cr_assert_eq(state->priv, spp ? RISCV_S : RISCV_U);
        cr_assert_eq(state->mstatus, MSTATUS_SPIE | (spie ? MSTATUS_SIE : 0));
        hart_free(hart);
    }
}

Test(trap, returns_and_waits_that_are_illegal)
{
    struct {
        const struct helper *helper;
        unsigned priv;
        u64 mstatus;
        bool legal;
    } cases[] = {
        {&riscv64_helper_mret, RISCV_U, 0, false},
        {&riscv64_helper_mret, RISCV_S, 0, false},
        {&riscv64_helper_sret, RISCV_U, 0, false},
        {&riscv64_helper_sret, RISCV_S, 0, true},
        {&riscv64_helper_sret, RISCV_S, MSTATUS_TSR, false},
        {&riscv64_helper_sret, RISCV_M, MSTATUS_TSR, true},
        {&riscv64_helper_wfi, RISCV_U, 0, false},
        {&riscv64_helper_wfi, RISCV_S, 0, true},
        {&riscv64_helper_wfi, RISCV_S, MSTATUS_TW, false},
        {&riscv64_helper_wfi, RISCV_M, MSTATUS_TW, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct hart *hart = at(cases[i].priv);
        hart->state.mstatus = cases[i].mstatus;
        call_insn(hart, cases[i].helper, 0xabcd);
        cr_assert_eq(hart->state.vcpu.exception_pending, cases[i].legal ? 0 : 1, "case %u", i);
        if (!cases[i].legal) {
            cr_assert_eq(hart->state.vcpu.exception_cause, RISCV_CAUSE_ILLEGAL);
            cr_assert_eq(hart->state.vcpu.exception_value, 0xabcd);
            cr_assert_eq(hart->state.priv, cases[i].priv);
        }
        hart_free(hart);
    }
}

Test(trap, wrs_nto_obeys_tw_and_wrs_sto_does_not)
{
    struct hart *hart = at(RISCV_S);
    hart->state.mstatus = MSTATUS_TW;
    call_insn(hart, &riscv64_helper_wrs, 0x01d00073);
    cr_assert_eq(hart->state.vcpu.exception_pending, 0);
    call_insn(hart, &riscv64_helper_wrs, 0x00d00073);
    cr_assert_eq(hart->state.vcpu.exception_pending, 1);
    hart_free(hart);
}

Test(trap, wfi_waits_only_when_nothing_pends)
{
    struct hart *hart = at(RISCV_M);
    call_insn(hart, &riscv64_helper_wfi, 0);
    cr_assert_eq(hart->waits, 1);
    hart->state.mie = BIT(RISCV_IRQ_SSI); /* enabled locally, though MIE is clear */
    hart->state.mip_soft = BIT(RISCV_IRQ_SSI);
    call_insn(hart, &riscv64_helper_wfi, 0);
    cr_assert_eq(hart->waits, 1);
    hart_free(hart);
}

/* --- interrupts --- */

static const u8 priority[] = {RISCV_IRQ_MEI, RISCV_IRQ_MSI, RISCV_IRQ_MTI,  RISCV_IRQ_SEI,
                              RISCV_IRQ_SSI, RISCV_IRQ_STI, RISCV_IRQ_LCOFI};

static void pend(struct hart *hart, unsigned irq)
{
    bool line = irq == RISCV_IRQ_MEI || irq == RISCV_IRQ_MSI || irq == RISCV_IRQ_MTI;
    if (line) {
        vcpu_irq_input(&hart->state.vcpu, irq, true);
    } else {
        hart->state.mip_soft |= BIT(irq);
    }
}

Test(trap, each_interrupt_by_privilege_delegation_and_enables)
{
    static const unsigned privileges[] = {RISCV_U, RISCV_S, RISCV_M};
    for (unsigned i = 0; i < ARRAY_LEN(priority); i++) {
        for (unsigned k = 0; k < 48; k++) {
            unsigned priv = privileges[k / 16];
            bool delegated = k & 1, local = k & 2, mie = k & 4, sie = k & 8;
            if (delegated && !(RISCV_IRQS_S & BIT(priority[i]))) {
                continue;
            }
            struct hart *hart = at(priv);
            struct riscv64_state *state = &hart->state;
            struct vcpu *vcpu = &state->vcpu;
            pend(hart, priority[i]);
            state->mideleg = delegated ? BIT(priority[i]) : 0;
            state->mie = local ? BIT(priority[i]) : ~BIT(priority[i]);
            state->mstatus = (mie ? MSTATUS_MIE : 0) | (sie ? MSTATUS_SIE : 0);
            bool taken = local && (delegated ? priv == RISCV_U || (priv == RISCV_S && sie)
                                             : priv != RISCV_M || mie);
            cr_assert_eq(riscv64_guest.interrupt_ready(vcpu), taken);
            cr_assert_eq(riscv64_guest.wake_ready(vcpu), local);
            riscv64_guest.take_interrupt(vcpu);
            u64 cause = delegated ? state->scause : state->mcause;
            cr_assert_eq(cause, taken ? (u64)1 << 63 | priority[i] : 0);
            cr_assert_eq(vcpu->pc, !taken ? PC : delegated ? STVEC : MTVEC);
            hart_free(hart);
        }
    }
}

Test(trap, interrupts_in_the_manuals_order)
{
    struct hart *hart = at(RISCV_U);
    struct riscv64_state *state = &hart->state;
    state->mie = RISCV_IRQS_S | RISCV_IRQS_M;
    for (unsigned i = ARRAY_LEN(priority); i-- > 0;) {
        pend(hart, priority[i]);
        hart_set_priv(hart, RISCV_U);
        riscv64_guest.take_interrupt(&state->vcpu);
        cr_assert_eq(state->mcause, (u64)1 << 63 | priority[i]);
    }
    hart_free(hart);
}

Test(trap, machine_interrupts_come_before_delegated_ones)
{
    struct hart *hart = at(RISCV_U);
    struct riscv64_state *state = &hart->state;
    state->mie = RISCV_IRQS_S;
    state->mideleg = BIT(RISCV_IRQ_SEI);
    pend(hart, RISCV_IRQ_SEI);
    pend(hart, RISCV_IRQ_STI);
    riscv64_guest.take_interrupt(&state->vcpu);
    cr_assert_eq(state->mcause, (u64)1 << 63 | RISCV_IRQ_STI);
    cr_assert_eq(state->priv, RISCV_M);
    hart_free(hart);
}

Test(trap, vectored_interrupts)
{
    struct hart *hart = at(RISCV_U);
    struct riscv64_state *state = &hart->state;
    state->mtvec = MTVEC | 1;
    state->stvec = STVEC | 1;
    state->mie = RISCV_IRQS_S | RISCV_IRQS_M;
    state->mideleg = RISCV_IRQS_S;
    pend(hart, RISCV_IRQ_SEI);
    riscv64_guest.take_interrupt(&state->vcpu);
    cr_assert_eq(state->vcpu.pc, STVEC + 4 * RISCV_IRQ_SEI);
    pend(hart, RISCV_IRQ_MTI);
    riscv64_guest.take_interrupt(&state->vcpu);
    cr_assert_eq(state->vcpu.pc, MTVEC + 4 * RISCV_IRQ_MTI);
    hart_free(hart);
}

/* --- Sstc --- */

Test(trap, stimecmp_arms_the_timer_and_raises_stip)
{
    struct hart *hart = at(RISCV_M);
    struct riscv64_state *state = &hart->state;
    hart->time = 1000;
    cr_assert(riscv64_csr_write(state, 0x14d, 500));
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0); /* not without STCE */
    cr_assert_eq(hart->armed, ~(u64)0);
    cr_assert(riscv64_csr_write(state, 0x30a, MENVCFG_STCE));
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), BIT(RISCV_IRQ_STI));
    cr_assert(riscv64_csr_write(state, 0x14d, 1500));
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0);
    cr_assert_eq(hart->armed, 1500);
    hart->time = 1499;
    riscv64_guest.timer_check(&state->vcpu);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0);
    cr_assert_eq(hart->armed, 1500);
    hart->time = 1500;
    riscv64_guest.timer_check(&state->vcpu);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), BIT(RISCV_IRQ_STI));
    cr_assert(riscv64_csr_write(state, CSR_MIP, 0)); /* read-only under STCE */
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), BIT(RISCV_IRQ_STI));
    cr_assert(riscv64_csr_write(state, 0x30a, 0));
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0);
    hart_free(hart);
}

/* --- atomics' helpers --- */

Test(trap, misaligned_lr_and_sc_fault)
{
    struct hart *hart = at(RISCV_M);
    struct vcpu *vcpu = &hart->state.vcpu;
    u64 (*lr)(struct vcpu *, u64, u64) =
        (u64(*)(struct vcpu *, u64, u64))(void (*)(void))riscv64_helper_lr.fn;
    u64 (*sc)(struct vcpu *, u64, u64, u64) =
        (u64(*)(struct vcpu *, u64, u64, u64))(void (*)(void))riscv64_helper_sc.fn;
    cr_assert_eq(sc(vcpu, RAM_GPA, 0x80000000, 4), 0);
    cr_assert_eq(lr(vcpu, RAM_GPA, 4), 0xffffffff80000000);
    cr_assert_eq(lr(vcpu, RAM_GPA, 8), 0x80000000);
    cr_assert_eq(vcpu->exception_pending, 0);
    lr(vcpu, RAM_GPA + 4, 8);
    cr_assert_eq(vcpu->exception_cause, RISCV_CAUSE_LOAD_MISALIGNED);
    cr_assert_eq(vcpu->exception_value, RAM_GPA + 4);
    sc(vcpu, RAM_GPA + 2, 0, 4);
    cr_assert_eq(vcpu->exception_cause, RISCV_CAUSE_STORE_MISALIGNED);
    hart_free(hart);
}

/* --- reset, boot, description, state --- */

Test(trap, reset_and_boot_registers)
{
    struct hart *hart = at(RISCV_U);
    struct riscv64_state *state = &hart->state;
    static const u64 args[] = {3, 0x87e00000, 0};
    state->x[10] = 5;
    state->mie = ~(u64)0;
    riscv64_guest.reset(&state->vcpu);
    cr_assert_eq(state->priv, RISCV_M);
    cr_assert_eq(state->vcpu.pc, 0x1000);
    cr_assert_eq(state->x[10], 0);
    cr_assert_eq(state->mie, 0);
    cr_assert_eq(state->vcpu.mode, RISCV_M);
    riscv64_guest.set_boot(&state->vcpu, RAM_GPA, args, 3);
    cr_assert_eq(state->vcpu.pc, RAM_GPA);
    cr_assert_eq(state->x[10], 3);
    cr_assert_eq(state->x[11], 0x87e00000);
    hart_free(hart);
}

Test(trap, digest_sees_every_kind_of_member)
{
    struct hart *hart = at(RISCV_M);
    struct riscv64_state *state = &hart->state;
    u64 before = riscv64_guest.digest(&state->vcpu, 0);
    cr_assert_eq(riscv64_guest.digest(&state->vcpu, 0), before);
    state->x[31]++;
    u64 after = riscv64_guest.digest(&state->vcpu, 0);
    cr_assert_neq(after, before);
    state->x[31]--;
    state->pmpcfg[15]++;
    cr_assert_neq(riscv64_guest.digest(&state->vcpu, 0), before);
    state->pmpcfg[15]--;
    state->vcpu.insns++;
    cr_assert_neq(riscv64_guest.digest(&state->vcpu, 0), before);
    hart_free(hart);
}

Test(trap, saved_state_comes_back_with_its_caches)
{
    struct hart *hart = at(RISCV_S);
    struct hart *other = hart_new();
    struct state_writer writer;
    struct state_reader reader;
    hart->state.mstatus |= MSTATUS_FS;
    hart->state.frm = 2;
    hart->state.pmpaddr[0] = ~(u64)0 >> 10;
    hart->state.pmpcfg[0] = 0x1f;
    hart->state.vcpu.insns = 12345;
    riscv64_mode_update(&hart->state);
    state_writer_init(&writer);
    state_write_list(&writer, &riscv64_state_list, &hart->state);
    cr_assert_not(writer.failed);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(state_read_list(&reader, &riscv64_state_list, &other->state, NULL));
    riscv64_state_loaded(&other->state);
    cr_assert_eq(riscv64_guest.digest(&hart->state.vcpu, 1),
                 riscv64_guest.digest(&other->state.vcpu, 1));
    cr_assert_eq(other->state.vcpu.mode, hart->state.vcpu.mode);
    cr_assert_eq(other->state.vcpu.fpu_round, 2);
    cr_assert_eq(other->state.cache.pmp_count, 1);
    cr_assert_eq(hart_csr_read(other, 0x140), 0);
    state_writer_fini(&writer);
    hart_free(other);
    hart_free(hart);
}

Test(trap, description_and_registers)
{
    struct hart *hart = at(RISCV_S);
    char text[256], small[8];
    raise(hart, RISCV_CAUSE_ECALL_S, 0);
    riscv64_guest.describe(&hart->state.vcpu, text, sizeof(text));
    cr_assert(strstr(text, "M-mode") != NULL && strstr(text, "cause 0x9 at 0x80001234") != NULL,
              "%s", text);
    riscv64_guest.describe(&hart->state.vcpu, small, sizeof(small));
    cr_assert_eq(riscv64_guest.privilege(&hart->state.vcpu), RISCV_M);
    for (unsigned i = 0; i < riscv64_guest.reg_count; i++) {
        const struct guest_reg *reg = &riscv64_guest.regs[i];
        cr_assert_leq(reg->offset + reg->size_bytes, sizeof(struct riscv64_state));
    }
    cr_assert_str_eq(riscv64_guest.regs[2].name, "sp");
    hart_free(hart);
}

Test(trap, isa_string_and_list_agree)
{
    for (u64 features = 0; features <= 32; features += 16) {
        char text[512] = "rv64";
        struct guest_isa isa;
        riscv64_guest.isa(features, features == 16, &isa);
        for (unsigned i = 0; i < isa.extension_count; i++) {
            strcat(text, strlen(isa.extensions[i]) > 1 ? "_" : "");
            strcat(text, isa.extensions[i]);
        }
        cr_assert_str_eq(text, isa.text);
        cr_assert_eq(strstr(text, "bv_") != NULL, features != 0);
        cr_assert_eq(strstr(text, "_smaia") != NULL, features == 16);
    }
}

Test(trap, pinned_registers_are_distinct_and_never_x0)
{
    for (unsigned i = 0; i < riscv64_guest.pinned_count; i++) {
        u32 offset = riscv64_guest.pinned[i];
        cr_assert_gt(offset, offsetof(struct riscv64_state, x[0]));
        cr_assert_leq(offset, offsetof(struct riscv64_state, x[31]));
        for (unsigned k = 0; k < i; k++) {
            cr_assert_neq(offset, riscv64_guest.pinned[k]);
        }
    }
}
