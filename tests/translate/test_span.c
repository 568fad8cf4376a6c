/* The TLB's span under translated code: M-mode loads from RAM need no entry, and what takes the
 * permission away takes the span away. */
#include "cpu/guest.h"
#include "tests/support/engine_rig.h"
#include "translate/engine.h"
#include <criterion/criterion.h>
#include <string.h>

enum { HANDLER = 1, AGAIN, DATA_OFFSET = 0x200000, CAUSE_LOAD = 5, CAUSE_LOAD_PAGE = 13 };
#define DATA (RV_BASE + DATA_OFFSET)

static const enum engine_kind kinds[] = {ENGINE_INTERP, ENGINE_JIT, ENGINE_BOTH};

/* Loads the word at DATA into a1 a hundred times, so that the span is there and used. A trap leaves
 * its cause in s0 and its value in s1, and stays. */
static struct rv_program *begin(void)
{
    struct rv_program *p = rv_new();
    rv_la(p, T0, HANDLER);
    rv_csrw(p, CSR_MTVEC, T0);
    rv_li(p, A0, DATA);
    rv_li(p, T1, 100);
    rv_label(p, AGAIN);
    rv_ld(p, A1, A0, 0);
    rv_addi(p, T1, T1, -1);
    rv_bne(p, T1, X0, AGAIN);
    return p;
}

static void end(struct rv_program *p)
{
    rv_ld(p, A2, A0, 0);
    rv_align(p, 4);
    rv_label(p, HANDLER);
    rv_csrr(p, S0, CSR_MCAUSE);
    rv_csrr(p, S1, CSR_MTVAL);
    rv_label(p, HANDLER + 2);
    rv_j(p, HANDLER + 2);
}

/* Runs it to the end in that engine. */
static struct engine_rig *run(struct rv_program *p, enum engine_kind kind, bool one_entry)
{
    struct engine_options options = {
        .kind = kind, .one_entry_tlb = one_entry, .no_links = kind == ENGINE_BOTH};
    struct engine_rig *rig = engine_rig_new(1, &options);
    rv_finish(p);
    engine_rig_load(rig, p);
    rv_free(p);
    st_le64(memory_host(&rig->memory, DATA, 8), 0x1122334455667788);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    vcpu->limit_insns = 2000;
    atomic_store(&vcpu->deadline, 0);
    cr_assert(engine_run(vcpu) == ENGINE_STOP_LIMIT);
    return rig;
}

static u64 reg(const struct engine_rig *rig, const char *name)
{
    const struct vcpu *vcpu = rig->engine->vcpus[0];
    unsigned n = 0;
    while (strcmp(vcpu->guest->regs[n].name, name) != 0) {
        cr_assert(++n < vcpu->guest->reg_count, "no register %s", name);
    }
    u64 value;
    memcpy(&value, (const u8 *)vcpu + vcpu->guest->regs[n].offset, 8);
    return value;
}

static void expect(const struct engine_rig *rig, u64 cause, u64 value)
{
    cr_expect(reg(rig, "a1") == 0x1122334455667788);
    cr_expect(reg(rig, "s0") == cause && reg(rig, "s1") == value, "cause %llu value 0x%llx",
              (unsigned long long)reg(rig, "s0"), (unsigned long long)reg(rig, "s1"));
}

Test(span, is_made_by_the_first_fill)
{
    for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
        for (unsigned one_entry = 0; one_entry < 2; one_entry++) {
            struct rv_program *p = begin();
            end(p);
            struct engine_rig *rig = run(p, kinds[k], one_entry);
            const struct tlb_span *span = &rig->engine->vcpus[0]->span;
            cr_expect_eq(span->bytes,
                         one_entry ? 0 : ENGINE_RIG_RAM_BYTES - 2 * (u64)TLB_SPAN_MARGIN);
            cr_expect(reg(rig, "a2") == 0x1122334455667788);
            engine_rig_free(rig);
        }
    }
}

/* The load at DATA faults in every engine after what `prepare` has done. */
static void expect_fault(void (*prepare)(struct rv_program *), u64 cause)
{
    for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
        struct rv_program *p = begin();
        prepare(p);
        end(p);
        struct engine_rig *rig = run(p, kinds[k], false);
        expect(rig, cause, DATA);
        engine_rig_free(rig);
    }
}

static void lock_data_page(struct rv_program *p)
{
    rv_li(p, T0, DATA >> 2 | 0x1ff); /* 4 KiB */
    rv_csrw(p, CSR_PMPADDR0, T0);
    rv_li(p, T0, 0x98); /* L, NAPOT, nothing permitted */
    rv_csrw(p, CSR_PMPCFG0, T0);
}

/* A locked entry binds M-mode too. */
Test(span, locked_pmp_entry)
{
    expect_fault(lock_data_page, CAUSE_LOAD);
}

static void load_as_user(struct rv_program *p)
{
    rv_li(p, T0, 3 << 11);
    rv_csrc(p, CSR_MSTATUS, T0);
    rv_li(p, T0, 1 << 17);
    rv_csrs(p, CSR_MSTATUS, T0);
}

/* MPRV makes M-mode's loads with the rights of U-mode, whom no entry permits anything, ... */
Test(span, mprv_without_translation)
{
    expect_fault(load_as_user, CAUSE_LOAD);
}

static void load_as_user_who_has_no_page(struct rv_program *p)
{
    rv_li(p, T0, ~(u64)0 >> 10);
    rv_csrw(p, CSR_PMPADDR0, T0);
    rv_li(p, T0, 0x1f);
    rv_csrw(p, CSR_PMPCFG0, T0);
    rv_li(p, T0, (u64)8 << 60 | (DATA + 0x1000) >> 12);
    rv_csrw(p, CSR_SATP, T0);
    load_as_user(p);
}

/* ... or through its page table, which maps nothing. */
Test(span, mprv_with_translation)
{
    expect_fault(load_as_user_who_has_no_page, CAUSE_LOAD_PAGE);
}
