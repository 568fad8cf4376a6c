/* The refill that translated code asks for: what it remembers of walks, what it leaves to others.
 * That it finds what a walk finds, test_mmu.c shows. */
#include "tests/cpu/riscv64/paged.h"

#include "cpu/riscv64/pmp.h"

/* --- tables that refill remembers --- */

enum { OTHER_DATA_GPA = DATA_GPA + 0x5000, OTHER_TABLE_GPA = DATA_GPA + 0x10000 };

static gpa_t refilled(struct hart *hart, gva_t gva)
{
    struct vcpu *vcpu = &hart->state.vcpu;
    forget_entry(hart, gva);
    cr_assert_eq(riscv64_refill(vcpu, gva, false), GUEST_REFILL_DONE);
    return tlb_find(vcpu, gva & PAGE_MASK, false)->gpa_page;
}

/* Two tables of last-level entries, of which the one at TABLE_GPA(0) is in use, and known. */
static struct hart *with_tables(void)
{
    struct hart *hart = paged(3);
    struct guest_translation out;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits));
    put64(hart, OTHER_TABLE_GPA + (GVA >> PAGE_BITS & 511) * 8, pte_of(OTHER_DATA_GPA, all_bits));
    cr_assert_eq(riscv64_mmu_walk(&hart->state, GVA, 1, VCPU_READ, &out), MMU_OK);
    cr_assert_eq(refilled(hart, GVA), DATA_GPA);
    return hart;
}

/* Entries that lead to the other table from a root at OTHER_TABLE_GPA + 0x1000. */
static void map_other_table(struct hart *hart)
{
    put64(hart, OTHER_TABLE_GPA + 0x1000 + (GVA >> 30 & 511) * 8,
          pte_of(OTHER_TABLE_GPA + 0x2000, PTE_V));
    put64(hart, OTHER_TABLE_GPA + 0x2000 + (GVA >> 21 & 511) * 8, pte_of(OTHER_TABLE_GPA, PTE_V));
}

static void exchange_middle_table(struct hart *hart)
{
    map_other_table(hart);
    put64(hart, pte_gpa(GVA, 3, 2), pte_of(OTHER_TABLE_GPA + 0x2000, PTE_V));
}

/* An entry of the last level is read each time. */
Test(refill, a_known_table_is_read)
{
    struct hart *hart = with_tables();
    put64(hart, pte_gpa(GVA, 3, 0), pte_of(OTHER_DATA_GPA, all_bits));
    cr_expect_eq(refilled(hart, GVA), OTHER_DATA_GPA);
    put64(hart, pte_gpa(GVA, 3, 0), 0);
    forget_entry(hart, GVA);
    cr_expect_eq(riscv64_refill(&hart->state.vcpu, GVA, false), GUEST_REFILL_FAULT);
    hart_free(hart);
}

/* And so is what points to it, for guests that think a fence with an address is enough. */
Test(refill, a_known_table_is_still_pointed_to)
{
    struct hart *hart = with_tables();
    put64(hart, pte_gpa(GVA, 3, 1), pte_of(OTHER_TABLE_GPA, PTE_V));
    cr_expect_eq(refilled(hart, GVA), OTHER_DATA_GPA);
    put64(hart, pte_gpa(GVA, 3, 1), pte_of(OTHER_DATA_GPA & ~(gpa_t)0x1fffff, all_bits));
    cr_expect_eq(refilled(hart, GVA), (OTHER_DATA_GPA & ~(gpa_t)0x1fffff) + (GVA & 0x1ff000));
    put64(hart, pte_gpa(GVA, 3, 1), 0);
    forget_entry(hart, GVA);
    cr_expect_eq(riscv64_refill(&hart->state.vcpu, GVA, false), GUEST_REFILL_FAULT);
    hart_free(hart);
}

Test(refill, tables_are_looked_for_after_a_fence)
{
    for (unsigned of_asid = 0; of_asid < 2; of_asid++) {
        struct hart *hart = with_tables();
        exchange_middle_table(hart);
        sfence(hart, 0, 0, of_asid * 2);
        cr_expect_eq(refilled(hart, GVA), OTHER_DATA_GPA);
        hart_free(hart);
    }
}

/* A count of fences is part of what a table is known by; here it begins anew. */
Test(refill, tables_are_looked_for_after_very_many_fences)
{
    struct hart *hart = with_tables();
    struct tlb_tables *tables = &hart->state.vcpu.tlb_state->tables;
    u32 epoch = tables->epoch;
    exchange_middle_table(hart);
    for (u32 n = 0; n < (1u << TLB_TABLE_BITS) - 1; n++) {
        tlb_flush_asid(&hart->state.vcpu, 77);
    }
    cr_expect_eq(tables->epoch, epoch);
    cr_expect_eq(refilled(hart, GVA), OTHER_DATA_GPA);
    hart_free(hart);
}

Test(refill, tables_are_of_one_root)
{
    struct hart *hart = with_tables();
    u64 satp = hart->state.satp;
    map_other_table(hart);
    hart->state.satp = (satp & ~SATP_PPN_MASK) | (OTHER_TABLE_GPA + 0x1000) >> PAGE_BITS;
    riscv64_mode_update(&hart->state);
    cr_expect_eq(refilled(hart, GVA), OTHER_DATA_GPA);
    hart->state.satp = satp;
    riscv64_mode_update(&hart->state);
    cr_expect_eq(refilled(hart, GVA), DATA_GPA);
    hart_free(hart);
}

Test(refill, a_known_table_must_be_readable)
{
    struct hart *hart = with_tables();
    struct riscv64_state *state = &hart->state;
    struct guest_translation out;
    state->pmpaddr[1] = state->pmpaddr[0];
    state->pmpcfg[1] = state->pmpcfg[0];
    state->pmpaddr[0] = TABLE_GPA(0) >> 2 | 0x1ff; /* the page */
    state->pmpcfg[0] = PMP_A_NAPOT;
    riscv64_pmp_update(state);
    forget_entry(hart, GVA);
    cr_expect_eq(riscv64_refill(&state->vcpu, GVA, false), GUEST_REFILL_NOT);
    cr_expect_eq(riscv64_mmu_walk(state, GVA, 1, VCPU_READ, &out), MMU_ACCESS_FAULT);
    cr_expect_eq(riscv64_refill(&state->vcpu, GVA, false), GUEST_REFILL_NOT);
    hart_free(hart);
}

/* --- who else has a say --- */

Test(refill, refill_leaves_the_unusual_to_others)
{
    struct hart *hart = with_tables();
    struct vcpu *vcpu = &hart->state.vcpu;
    struct tlb *tlb = vcpu->tlb_state;
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_NOT, "it is there");
    tlb->watched = true;
    forget_entry(hart, GVA);
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_NOT);
    tlb->watched = false;
    tlb->all_slow = true;
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_NOT);
    tlb->all_slow = false;
    tlb->hostile_entries = 1;
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_NOT);
    tlb->hostile_entries = 0;
    tlb->data_now->lost = TLB_LOST_MOST;
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_NOT, "the space is to grow");
    tlb->data_now->lost--;
    memory_page_set(&hart->memory, DATA_GPA, MEMORY_PAGE_CODE);
    cr_expect_eq(riscv64_refill(vcpu, GVA, true), GUEST_REFILL_NOT, "a write to code");
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_DONE);
    cr_expect_eq(tlb_find(vcpu, GVA, true)->write_tag, GVA | TLB_TAG_SLOW);
    forget_entry(hart, GVA);
    hart_set_priv(hart, RISCV_M);
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_NOT);
    hart_free(hart);
}

/* Who records other events does not hear of fills, and so gets them as quickly as who records
 * nothing. */
Test(refill, refill_tells_nobody)
{
    struct hart *hart = with_tables();
    struct vcpu *vcpu = &hart->state.vcpu;
    struct vcpu_ops ops = *vcpu->ops;
    vcpu->ops = &ops;
    ops.events = (u64)1 << VCPU_EVENT_TLB_FILL;
    forget_entry(hart, GVA);
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_NOT);
    ops.events = ~ops.events;
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_DONE);
    hart_free(hart);
}

/* The one fill in thousands that makes a huge page of the host's is somebody else's. */
/* Also in RAM that could be a file's, for which nobody asks, or every write would be left. */
Test(refill, first_writes_are_left_to_who_asks_the_host)
{
    for (unsigned from_file = 0; from_file < 2; from_file++) {
        struct hart *hart = with_tables();
        struct vcpu *vcpu = &hart->state.vcpu;
        const gva_t next = GVA + PAGE_BYTES;
        map(hart, 3, next, 0, pte_of(DATA_GPA + 3 * MEMORY_ASK_PAGES * PAGE_BYTES, all_bits));
        memory_find(&hart->memory, DATA_GPA)->from_file = from_file != 0;
        memory_page_clear(&hart->memory, DATA_GPA, MEMORY_PAGE_ASKED);
        cr_expect_eq(refilled(hart, GVA), DATA_GPA, "a read is not");
        forget_entry(hart, GVA);
        cr_expect_eq(riscv64_refill(vcpu, GVA, true), GUEST_REFILL_NOT);
        memory_ask(&hart->memory, DATA_GPA + 5, 1);
        cr_expect_eq(riscv64_refill(vcpu, GVA, true), GUEST_REFILL_DONE);
        cr_expect_eq(riscv64_refill(vcpu, next, true), GUEST_REFILL_NOT);
        hart_free(hart);
    }
}

Test(refill, refill_counts_for_huge_pages)
{
    struct hart *hart = with_tables();
    struct vcpu *vcpu = &hart->state.vcpu;
    unsigned done = 1; /* with_tables() did one */
    for (;;) {
        forget_entry(hart, GVA);
        if (riscv64_refill(vcpu, GVA, false) != GUEST_REFILL_DONE) {
            break;
        }
        done++;
        cr_assert_lt(done, (unsigned)HUGE_FILLS);
    }
    cr_expect_eq(done, (unsigned)HUGE_FILLS - 1);
    cr_expect_eq(riscv64_refill(vcpu, GVA, false), GUEST_REFILL_NOT, "still");
    cr_expect(huge_count(&vcpu->tlb_state->huge, DATA_GPA));
    cr_expect_eq(refilled(hart, GVA), DATA_GPA);
    hart_free(hart);
}
