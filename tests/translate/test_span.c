/* The TLB's spans under translated code: M-mode loads from RAM and hot stores to it need no entry,
 * and what takes the permission away takes the span away. */
#include "cpu/guest.h"
#include "tests/support/engine_rig.h"
#include "translate/engine.h"
#include "translate/softmmu.h"
#include <criterion/criterion.h>
#include <string.h>

enum { HANDLER = 1, AGAIN = 4, AGAIN_2, AGAIN_3, AGAIN_4, FILL, PAGES, DATA_OFFSET = 0x200000 };
enum { CAUSE_LOAD = 5, CAUSE_STORE = 7, CAUSE_LOAD_PAGE = 13, CAUSE_STORE_PAGE = 15 };
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

/* Runs that many instructions of it in that engine. */
static struct engine_rig *run_for(struct rv_program *p, enum engine_kind kind, bool one_entry,
                                  u64 insns)
{
    struct engine_options options = {.kind = kind, .one_entry_tlb = one_entry,
                                     .no_links = kind == ENGINE_BOTH, .eager_tier2 = true};
    struct engine_rig *rig = engine_rig_new(1, &options);
    rv_finish(p);
    engine_rig_load(rig, p);
    rv_free(p);
    st_le64(memory_host(&rig->memory, DATA, 8), 0x1122334455667788);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    vcpu->limit_insns = insns;
    atomic_store(&vcpu->deadline, 0);
    cr_assert(engine_run(vcpu) == ENGINE_STOP_LIMIT);
    return rig;
}

/* To the end. */
static struct engine_rig *run(struct rv_program *p, enum engine_kind kind, bool one_entry)
{
    return run_for(p, kind, one_entry, 60000);
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

/* --- stores --- */

/* Stores zeros from DATA on, two thousand times, so that the span of writes is there and used.
 * Traps as in begin(). */
static struct rv_program *begin_stores(void)
{
    struct rv_program *p = rv_new();
    rv_la(p, T0, HANDLER);
    rv_csrw(p, CSR_MTVEC, T0);
    rv_li(p, A0, DATA);
    rv_li(p, T1, 2000);
    rv_label(p, AGAIN);
    rv_sd(p, X0, A0, 0);
    rv_addi(p, A0, A0, 8);
    rv_addi(p, T1, T1, -1);
    rv_bne(p, T1, X0, AGAIN);
    rv_li(p, A0, DATA);
    return p;
}

static void end_stores(struct rv_program *p)
{
    rv_sd(p, T1, A0, 0);
    end(p);
}

/* It reaches from the page behind the code to the end of RAM. */
Test(span, of_writes_grows_where_stores_miss_it)
{
    for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
        for (unsigned one_entry = 0; one_entry < 2; one_entry++) {
            struct rv_program *p = begin_stores();
            end_stores(p);
            struct engine_rig *rig = run(p, kinds[k], one_entry);
            const struct tlb_span *span = &rig->engine->vcpus[0]->write_span;
            bool made = kinds[k] != ENGINE_INTERP && !one_entry;
            cr_expect_eq(span->bytes, made ? ENGINE_RIG_RAM_BYTES - (u64)PAGE_BYTES -
                                                 2 * (u64)TLB_SPAN_MARGIN : 0);
            cr_expect(!made || span->first == RV_BASE + PAGE_BYTES + TLB_SPAN_MARGIN);
            engine_rig_free(rig);
        }
    }
}

static void expect_store_fault(void (*prepare)(struct rv_program *), u64 cause)
{
    for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
        struct rv_program *p = begin_stores();
        prepare(p);
        end_stores(p);
        struct engine_rig *rig = run(p, kinds[k], false);
        cr_expect(reg(rig, "s0") == cause && reg(rig, "s1") == DATA, "cause %llu value 0x%llx",
                  (unsigned long long)reg(rig, "s0"), (unsigned long long)reg(rig, "s1"));
        engine_rig_free(rig);
    }
}

Test(span, of_writes_and_locked_pmp_entry)
{
    expect_store_fault(lock_data_page, CAUSE_STORE);
}

Test(span, of_writes_and_mprv)
{
    expect_store_fault(load_as_user, CAUSE_STORE);
    expect_store_fault(load_as_user_who_has_no_page, CAUSE_STORE_PAGE);
}

/* Stores behind the loads by a stride that a register holds, up to RAM's end many times and then
 * beyond: the first one there faults, in its turn. */
Test(span, of_walks_that_leave_it)
{
    static const u64 strides[] = {8, 1000, 5000, 0x10000, 0x7ffffff8, 0x80000000, (u64)1 << 60};
    const u64 ram_end = RV_BASE + ENGINE_RIG_RAM_BYTES;
    for (unsigned k = 0; k < 2 * ARRAY_LEN(strides); k++) {
        u64 stride = strides[k / 2], first = stride < 1000 ? DATA + 0x1f0000 : DATA + 64;
        u64 steps = (ram_end - first + stride - 1) / stride;
        struct rv_program *p = rv_new();
        rv_la(p, T0, HANDLER);
        rv_csrw(p, CSR_MTVEC, T0);
        rv_li(p, A1, stride);
        rv_li(p, A3, ram_end);
        rv_li(p, T2, 2 + 20000 / steps);
        rv_label(p, AGAIN);
        rv_li(p, A0, first);
        rv_addi(p, T2, T2, -1);
        rv_bne(p, T2, X0, AGAIN_2);
        rv_li(p, A3, ~(u64)0);
        rv_label(p, AGAIN_2);
        rv_ld(p, A2, A0, 0);
        rv_sd(p, A0, A0, 0);
        rv_add(p, A0, A0, A1);
        rv_bltu(p, A0, A3, AGAIN_2);
        rv_j(p, AGAIN);
        end(p);
        struct engine_rig *rig = run_for(p, k % 2 ? ENGINE_JIT : ENGINE_BOTH, false, 400000);
        cr_expect(reg(rig, "s0") == CAUSE_LOAD && reg(rig, "s1") == first + steps * stride,
                  "stride 0x%llx: %llu 0x%llx", (unsigned long long)stride,
                  (unsigned long long)reg(rig, "s0"), (unsigned long long)reg(rig, "s1"));
        engine_rig_free(rig);
    }
}

/* --- stores and code --- */

enum { RETURN = 0x00008067, ADD_1 = 0x00160613, ADD_16 = 0x01060613 }; /* addi a2, a2, ... */
enum { CODE_OFFSET = 2 * PAGE_BYTES }; /* from where a fill begins */

/* Fills four pages from `a0` on with functions that do `insn`, by a loop that is soon hot, and
 * calls one of them ten times. */
static void fill_and_call(struct rv_program *p, u32 insn, unsigned label)
{
    rv_li(p, A1, (u64)RETURN << 32 | insn);
    rv_call(p, FILL);
    rv_word(p, RV_FENCE_I);
    rv_li(p, T0, CODE_OFFSET);
    rv_add(p, T0, A0, T0);
    rv_li(p, T1, 10);
    rv_label(p, label);
    rv_jalr(p, RA, T0, 0);
    rv_addi(p, T1, T1, -1);
    rv_bne(p, T1, X0, label);
}

static struct rv_program *begin_fills(void)
{
    struct rv_program *p = rv_new();
    rv_la(p, T0, HANDLER);
    rv_csrw(p, CSR_MTVEC, T0);
    rv_li(p, A2, 0);
    return p;
}

/* Ends with a load that faults, which says that all went well up to there; behind it the loop, and
 * pages with code that does ADD_1. */
static struct engine_rig *run_fills(struct rv_program *p, u64 sum)
{
    rv_li(p, A0, 0x1000);
    end(p);
    rv_label(p, FILL);
    rv_mv(p, T0, A0);
    rv_li(p, T1, 2048);
    rv_label(p, AGAIN);
    rv_sd(p, A1, T0, 0);
    rv_addi(p, T0, T0, 8);
    rv_addi(p, T1, T1, -1);
    rv_bne(p, T1, X0, AGAIN);
    rv_ret(p);
    rv_align(p, PAGE_BYTES);
    rv_label(p, PAGES);
    rv_org(p, p->at + CODE_OFFSET);
    rv_word(p, ADD_1);
    rv_word(p, RETURN);
    rv_align(p, 4 * PAGE_BYTES);
    struct engine_rig *rig = run(p, ENGINE_JIT, false);
    cr_expect_eq(reg(rig, "s0"), CAUSE_LOAD);
    cr_expect_eq(reg(rig, "a2"), sum, "0x%llx", (unsigned long long)reg(rig, "a2"));
    return rig;
}

/* Code that comes to a page of the span is seen to change. */
Test(span, of_writes_and_code_in_it)
{
    struct rv_program *p = begin_fills();
    rv_li(p, A0, DATA);
    fill_and_call(p, ADD_1, AGAIN_2);
    fill_and_call(p, ADD_16, AGAIN_3);
    engine_rig_free(run_fills(p, 10 + 160));
}

/* And code whose page was made clean, since nothing in it changed for long. */
Test(span, of_writes_and_code_made_clean)
{
    struct rv_program *p = begin_fills();
    rv_li(p, A0, DATA);
    fill_and_call(p, ADD_1, AGAIN_2);
    rv_li(p, T1, 1500);
    rv_label(p, AGAIN_4);
    rv_word(p, RV_FENCE_I);
    rv_addi(p, T1, T1, -1);
    rv_bne(p, T1, X0, AGAIN_4);
    fill_and_call(p, ADD_16, AGAIN_3);
    engine_rig_free(run_fills(p, 10 + 160));
}

/* Code that is clean when the span is made is none of it. */
Test(span, of_writes_and_code_beside_it)
{
    struct rv_program *p = begin_fills();
    rv_la(p, T2, PAGES);
    rv_li(p, T0, CODE_OFFSET);
    rv_add(p, T0, T2, T0);
    rv_li(p, T1, 10);
    rv_label(p, AGAIN_4);
    rv_jalr(p, RA, T0, 0);
    rv_addi(p, T1, T1, -1);
    rv_bne(p, T1, X0, AGAIN_4);
    rv_li(p, A0, DATA);
    fill_and_call(p, ADD_1, AGAIN_2);
    rv_mv(p, A0, T2);
    fill_and_call(p, ADD_16, AGAIN_3);
    engine_rig_free(run_fills(p, 10 + 10 + 160));
}

/* Another hart's reservation takes it away, and it does not come back over that page. */
Test(span, of_writes_and_reservations)
{
    struct engine_options options = {.kind = ENGINE_JIT, .eager_tier2 = true};
    struct engine_rig *rig = engine_rig_new(2, &options);
    struct rv_program *p = begin_stores();
    end_stores(p);
    rv_finish(p);
    engine_rig_load(rig, p);
    rv_free(p);
    struct vcpu *vcpu = rig->engine->vcpus[0], *other = rig->engine->vcpus[1];
    vcpu->limit_insns = 20000;
    atomic_store(&vcpu->deadline, 0);
    cr_assert(engine_run(vcpu) == ENGINE_STOP_LIMIT);
    cr_assert(vcpu->write_span.bytes != 0);
    u64 value;
    cr_assert(engine_load_reserved(other, DATA, 8, &value));
    cr_expect_eq(vcpu->write_span.bytes, 0);
    cr_assert(softmmu_store(vcpu, DATA + 0x10000, 8, 1));
    vcpu->write_missed = DATA + 0x10000;
    vcpu->tlb_state->write_span_insns = 0;
    write_span_grow(vcpu);
    cr_expect_eq(vcpu->write_span.first, DATA + PAGE_BYTES + TLB_SPAN_MARGIN);
    engine_rig_free(rig);
}
