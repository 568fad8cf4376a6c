/* Code that is there and is found again behind a fence: by translated code itself, and never what
 * must not be run any more. */
#include "translate/found.h"

#include "cpu/riscv64/state.h"
#include "tests/support/engine_rig.h"
#include "translate/engine.h"
#include "translate/engine_private.h"
#include <criterion/criterion.h>

/* --- the table --- */

Test(found, by_address_and_mode)
{
    struct found found = {0};
    cr_assert(found_init(&found));
    found_put(&found, 0x80001000, 4, 0, 100);
    cr_expect(found_get(&found, 0x80001000, 4, 0) == 100);
    cr_expect(found_get(&found, 0x80001000, 5, 0) == 0, "another mode means other code");
    cr_expect(found_get(&found, 0x80001002, 4, 0) == 0);
    cr_expect(found_get(&found, 0, 0, 0) == 0, "an empty place is no code at 0");
    /* two addresses in one place: the later one has it */
    gpa_t other = 0x80001000 + 2 * (gpa_t)PAGE_BYTES;
    while (found_at(&found, other) != found_at(&found, 0x80001000)) {
        other += 2;
    }
    found_put(&found, other, 4, 0, 200);
    cr_expect(found_get(&found, 0x80001000, 4, 0) == 0 && found_get(&found, other, 4, 0) == 200);
    found_forget(&found, other, 100);
    found_forget(&found, 0x80001000, 200);
    cr_expect(found_get(&found, other, 4, 0) == 200, "that was forgotten of something else");
    found_forget(&found, other, 200);
    cr_expect(found_get(&found, other, 4, 0) == 0);
    found_put(&found, other, 4, 0, 300);
    found_clear(&found);
    cr_expect(found_get(&found, other, 4, 0) == 0);
    /* recorded code that names its virtual page is other code at each */
    const u32 mode = VCPU_MODE_PROBE | 4;
    found_put(&found, 0x80001000, mode, 0x7000, 400);
    cr_expect(found_get(&found, 0x80001000, mode, 0x7000) == 400);
    cr_expect(found_get(&found, 0x80001000, mode, 0x8000) == 0);
    cr_expect(found_get(&found, 0x80001000, mode, 0) == 0);
    found_put(&found, 0x80001000, mode, 0, 500);
    cr_expect(found_get(&found, 0x80001000, mode, 0) == 500, "a program's page may be anywhere");
    cr_expect(found_get(&found, 0x80001000, mode, 0x7000) == 0);
    found_fini(&found);
}

/* --- programs --- */

enum { SUPER = 1, LOOP, DONE, FIRST, NEXT_A };
enum { ROUNDS = 400, FIRST_PAGE = 0x20000, NEXT_A_PAGE = 0x21000, NEXT_B_PAGE = 0x22000 };
#define GVA 0x40000000u

static u32 add_word(enum rv_reg reg, u32 count) /* addi reg, reg, count */
{
    return count << 20 | (u32)reg << 15 | (u32)reg << 7 | 0x13;
}

static u64 leaf(u32 page)
{
    return (u64)(RV_BASE + page) >> 12 << 10 | PTE_RX;
}

/* Adds one to a0 at GVA, then, by a direct jump into the next page, to a1 (or a2, where that one is
 * mapped), and returns. */
static void add_callee(struct rv_program *p)
{
    rv_org(p, FIRST_PAGE);
    rv_word(p, add_word(A0, 1));
    rv_j(p, NEXT_A);
    rv_org(p, NEXT_A_PAGE);
    rv_label(p, NEXT_A);
    rv_word(p, add_word(A1, 1));
    rv_ret(p);
    rv_org(p, NEXT_B_PAGE);
    rv_word(p, add_word(A2, 1));
    rv_ret(p);
}

enum change { CHANGE_NOTHING, CHANGE_PAGE, CHANGE_CODE };
enum fence { FENCE_ALL, FENCE_ASID, FENCE_PAGE, FENCE_KINDS };

/* ROUNDS calls of the callee in S-mode, with what changes between two of them, and a fence. */
static struct rv_program *calls(enum change change, enum fence fence)
{
    struct rv_program *p = rv_new();
    u32 root = rv_table_new(p);
    for (u32 page = 0; page < RV_IMAGE_BYTES; page += PAGE_BYTES) {
        rv_map(p, root, RV_BASE + page, RV_BASE + page, PTE_RWX);
    }
    rv_map(p, root, GVA, RV_BASE + FIRST_PAGE, PTE_RX);
    rv_map(p, root, GVA + PAGE_BYTES, RV_BASE + NEXT_A_PAGE, PTE_RX);
    rv_li(p, T6, ~(u64)0);
    rv_csrw(p, CSR_PMPADDR0, T6);
    rv_li(p, T6, 0x1f); /* all of it, for S-mode too */
    rv_csrw(p, CSR_PMPCFG0, T6);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_mret_to(p, 1, SUPER);
    rv_label(p, SUPER);
    rv_li(p, S1, GVA);
    rv_li(p, S2, rv_pte_address(p, root, GVA + PAGE_BYTES));
    rv_li(p, S3, leaf(NEXT_A_PAGE));
    rv_li(p, S4, leaf(NEXT_A_PAGE) ^ leaf(NEXT_B_PAGE));
    rv_li(p, S5, RV_BASE + NEXT_A_PAGE);
    rv_li(p, S6, add_word(A1, 1));
    rv_li(p, S7, add_word(A1, 1) ^ add_word(A1, 2));
    rv_li(p, S8, ROUNDS);
    rv_li(p, S9, GVA + PAGE_BYTES);
    rv_li(p, T1, 1);
    rv_label(p, LOOP);
    rv_jalr(p, RA, S1, 0);
    if (change == CHANGE_PAGE) {
        rv_xor(p, S3, S3, S4);
        rv_sd(p, S3, S2, 0);
    } else if (change == CHANGE_CODE) {
        rv_xor(p, S6, S6, S7);
        rv_sw(p, S6, S5, 0);
        rv_word(p, RV_FENCE_I);
    }
    rv_sfence_vma(p, X0, fence == FENCE_PAGE ? S9 : X0, fence == FENCE_ASID ? T1 : X0);
    rv_addi(p, S8, S8, -1);
    rv_bne(p, S8, X0, LOOP);
    rv_label(p, DONE);
    rv_j(p, DONE);
    add_callee(p);
    rv_finish(p);
    return p;
}

static struct engine_rig *start_with(enum change change, enum fence fence, bool no_links)
{
    struct engine_options options = {.kind = ENGINE_JIT, .no_tier0 = true, .no_tier2 = true,
                                      .no_links = no_links};
    struct engine_rig *rig = engine_rig_new(1, &options);
    struct rv_program *p = calls(change, fence);
    /* its tables are at the end of the image */
    cr_assert(memory_load(&rig->memory, RV_BASE, p->image, RV_IMAGE_BYTES));
    rv_free(p);
    return rig;
}

static struct engine_rig *start(enum change change, enum fence fence)
{
    return start_with(change, fence, false);
}

static const u64 *run(struct engine_rig *rig, u64 limit_insns)
{
    struct vcpu *vcpu = rig->engine->vcpus[0];
    vcpu->limit_insns = limit_insns;
    vcpu->limit_traps = 10; /* none is expected */
    atomic_store(&vcpu->deadline, 0);
    cr_assert(engine_run(vcpu) == ENGINE_STOP_LIMIT);
    return ((const struct riscv64_state *)vcpu)->x;
}

enum { ALL = ROUNDS * 20 };

/* Each fence empties the jump cache and ends all proofs; the engine is needed a few times only. */
Test(found, behind_fences_without_leaving)
{
    for (unsigned fence = 0; fence < FENCE_KINDS; fence++) {
        struct engine_rig *rig = start(CHANGE_NOTHING, (enum fence)fence);
        const u64 *x = run(rig, ALL);
        const struct vcpu *vcpu = rig->engine->vcpus[0];
        const struct found *found = &rig->engine->found[0];
        cr_expect(x[S8] == 0 && x[A0] == ROUNDS && x[A1] == ROUNDS && x[A2] == 0);
        cr_expect(found->links > ROUNDS / 2 && found->jumps > ROUNDS / 2, "%llu, %llu",
                  (unsigned long long)found->links, (unsigned long long)found->jumps);
        u64 exits = vcpu->engine_exits[IR_EXIT_JUMP] + vcpu->engine_exits[IR_EXIT_IND];
        cr_expect(exits < ROUNDS / 4, "%llu", (unsigned long long)exits);
        engine_rig_free(rig);
    }
}

/* The link leads to the page that it was first patched to, or is not followed. */
Test(found, another_page_behind_a_link)
{
    for (unsigned fence = 0; fence < FENCE_KINDS; fence++) {
        struct engine_rig *rig = start(CHANGE_PAGE, (enum fence)fence);
        const u64 *x = run(rig, ALL);
        cr_expect(x[S8] == 0 && x[A0] == ROUNDS && x[A1] == ROUNDS / 2 && x[A2] == ROUNDS / 2,
                  "fence %u: %llu, %llu, %llu", fence, (unsigned long long)x[A0],
                  (unsigned long long)x[A1], (unsigned long long)x[A2]);
        cr_expect(rig->engine->found[0].links > ROUNDS / 2);
        engine_rig_free(rig);
    }
}

Test(found, patched_code_is_not)
{
    for (unsigned fence = 0; fence < FENCE_KINDS; fence++) {
        struct engine_rig *rig = start(CHANGE_CODE, (enum fence)fence);
        const u64 *x = run(rig, ALL);
        cr_expect(x[S8] == 0 && x[A0] == ROUNDS && x[A1] == ROUNDS / 2 * 3, "fence %u: %llu",
                  fence, (unsigned long long)x[A1]);
        engine_rig_free(rig);
    }
}

/* Written from outside, without any fence of the hart's. */
Test(found, code_that_a_device_wrote_is_not)
{
    struct engine_rig *rig = start(CHANGE_NOTHING, FENCE_ALL);
    const u64 *x = run(rig, ALL / 4);
    u64 rounds = x[A1], of_all = x[S8] + x[A0];
    cr_assert(rounds > 20 && x[S8] > 20 && of_all - ROUNDS <= 1);
    u8 word[4];
    st_le32(word, add_word(A1, 3));
    cr_assert(memory_dma_write(&rig->memory, RV_BASE + NEXT_A_PAGE, word, 4));
    x = run(rig, ALL);
    cr_expect(x[S8] == 0 && x[A0] == ROUNDS && x[A1] == rounds + (ROUNDS - rounds) * 3, "%llu",
              (unsigned long long)x[A1]);
    engine_rig_free(rig);
}

/* All code goes at once, and other code comes to the same places of the buffer. */
Test(found, nothing_of_an_emptied_buffer)
{
    struct engine_rig *rig = start(CHANGE_NOTHING, FENCE_ALL);
    run(rig, ALL / 4);
    struct engine *engine = rig->engine;
    cr_assert(pipeline_start_host(engine, engine->guest));
    const u64 *x = run(rig, ALL);
    cr_expect(x[S8] == 0 && x[A0] == ROUNDS && x[A1] == ROUNDS);
    cr_expect(engine->stats.flushes > 0);
    engine_rig_free(rig);
}

/* Without links the engine hears of every block, as ever. */
Test(found, not_where_the_engine_must_hear)
{
    struct engine_rig *rig = start_with(CHANGE_NOTHING, FENCE_ALL, true);
    const u64 *x = run(rig, ALL);
    cr_expect(x[S8] == 0 && x[A0] == ROUNDS && x[A1] == ROUNDS);
    cr_expect(rig->engine->found[0].jumps == 0 && rig->engine->found[0].links == 0);
    engine_rig_free(rig);
}
