/* Physical memory protection against a byte-by-byte restatement of the manual (section 3.7.1). */
#include "tests/cpu/riscv64/hart.h"

#include "cpu/riscv64/mmu.h"
#include "cpu/riscv64/pmp.h"

#include <criterion/criterion.h>
#include <string.h>

/* Does entry i match the byte? */
static bool rule_matches(const struct riscv64_state *state, unsigned i, gpa_t gpa)
{
    u64 word = gpa >> 2;
    u64 addr = state->pmpaddr[i];
    switch (state->pmpcfg[i] >> 3 & 3) {
    case 1:
        return word >= (i == 0 ? 0 : state->pmpaddr[i - 1]) && word < addr;
    case 2:
        return word == addr;
    case 3: {
        u64 mask = addr ^ (addr + 1); /* the lowest zero and the ones below */
        return (word | mask) == (addr | mask);
    }
    default:
        return false;
    }
}

/* The lowest entry that matches any byte must match all. */
static unsigned rules_permit(const struct riscv64_state *state, gpa_t gpa, u64 size_bytes,
                             unsigned priv)
{
    for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++) {
        u64 matched = 0;
        for (u64 k = 0; k < size_bytes; k++) {
            matched += rule_matches(state, i, gpa + k) ? 1 : 0;
        }
        if (matched != 0) {
            unsigned cfg = state->pmpcfg[i];
            return matched != size_bytes                ? 0
                   : priv == RISCV_M && !(cfg & PMP_L) ? 7
                                                        : cfg & 7;
        }
    }
    return priv == RISCV_M ? 7 : 0;
}

static u64 random_next(u64 *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Small addresses near each other, so that borders are met often. */
static void random_entries(struct riscv64_state *state, u64 *seed)
{
    for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++) {
        state->pmpaddr[i] = 0x400 + random_next(seed) % 64;
        state->pmpcfg[i] = (u8)(random_next(seed) & 0x9f);
        if (random_next(seed) % 4 != 0) {
            state->pmpcfg[i] &= (u8)~PMP_A;
        }
    }
    riscv64_pmp_update(state);
}

Test(pmp, agrees_with_the_rules_byte_by_byte)
{
    static const unsigned privileges[] = {RISCV_U, RISCV_S, RISCV_M};
    struct hart *hart = hart_new();
    u64 seed = 0x1234567;
    for (unsigned round = 0; round < 3000; round++) {
        random_entries(&hart->state, &seed);
        for (unsigned i = 0; i < 40; i++) {
            gpa_t gpa = 0xff0 + random_next(&seed) % 288;
            u64 size_bytes = (u64)1 << random_next(&seed) % 7;
            unsigned priv = privileges[random_next(&seed) % 3];
            cr_assert_eq(riscv64_pmp_permits(&hart->state, gpa, size_bytes, priv),
                         rules_permit(&hart->state, gpa, size_bytes, priv),
                         "round %u gpa 0x%llx size %llu priv %u", round, (unsigned long long)gpa,
                         (unsigned long long)size_bytes, priv);
        }
    }
    hart_free(hart);
}

/* Uniform may be denied needlessly only where entries split the page without a visible effect. */
Test(pmp, a_uniform_page_has_one_answer)
{
    struct hart *hart = hart_new();
    u64 seed = 0x7654321;
    unsigned uniform = 0, split = 0;
    for (unsigned round = 0; round < 1000; round++) {
        for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++) {
            u64 in_page = random_next(&seed) % 3 == 0 ? random_next(&seed) & 0x1ff : 0x1ff;
            hart->state.pmpaddr[i] = (random_next(&seed) % 32) << 10 | in_page;
            hart->state.pmpcfg[i] = (u8)(random_next(&seed) & 0x1f);
            if (random_next(&seed) % 4 != 0) {
                hart->state.pmpcfg[i] &= (u8)~PMP_A;
            }
        }
        riscv64_pmp_update(&hart->state);
        gpa_t page = (random_next(&seed) % 32) << PAGE_BITS;
        if (!riscv64_pmp_page_uniform(&hart->state, page + 5)) {
            split++;
            continue;
        }
        uniform++;
        unsigned first = rules_permit(&hart->state, page, 1, RISCV_S);
        for (u64 offset = 0; offset < PAGE_BYTES; offset += 4) {
            cr_assert_eq(rules_permit(&hart->state, page + offset, 4, RISCV_S), first,
                         "round %u", round);
        }
    }
    cr_assert_gt(uniform, 50);
    cr_assert_gt(split, 50);
    hart_free(hart);
}

Test(pmp, without_entries_only_machine_mode_reaches_memory)
{
    struct hart *hart = hart_new();
    cr_assert_eq(riscv64_pmp_permits(&hart->state, RAM_GPA, 8, RISCV_M), 7);
    cr_assert_eq(riscv64_pmp_permits(&hart->state, RAM_GPA, 8, RISCV_S), 0);
    cr_assert_eq(riscv64_pmp_permits(&hart->state, RAM_GPA, 8, RISCV_U), 0);
    hart_free(hart);
}

Test(pmp, whole_address_space_as_napot)
{
    struct hart *hart = hart_new();
    hart_open_pmp(hart);
    cr_assert_eq(riscv64_pmp_permits(&hart->state, 0, 8, RISCV_U), 7);
    cr_assert_eq(riscv64_pmp_permits(&hart->state, ((gpa_t)1 << 56) - 8, 8, RISCV_U), 7);
    cr_assert(riscv64_pmp_page_uniform(&hart->state, RAM_GPA));
    hart_free(hart);
}

Test(pmp, locked_entries_bind_machine_mode_and_do_not_change)
{
    struct hart *hart = hart_new();
    hart_csr_write(hart, CSR_PMPADDR0 + 1, RAM_GPA >> 2 | 0x1ff);
    hart_csr_write(hart, CSR_PMPCFG0, (PMP_A_NAPOT | PMP_R) << 8);
    cr_assert_eq(riscv64_pmp_permits(&hart->state, RAM_GPA, 8, RISCV_M), 7);
    hart_csr_write(hart, CSR_PMPCFG0, (PMP_A_NAPOT | PMP_R | PMP_L) << 8);
    cr_assert_eq(riscv64_pmp_permits(&hart->state, RAM_GPA, 8, RISCV_M), PMP_R);
    hart_csr_write(hart, CSR_PMPCFG0, 0x0f);
    cr_assert_eq(hart_csr_read(hart, CSR_PMPCFG0), (PMP_A_NAPOT | PMP_R | PMP_L) << 8 | 0x0f);
    hart_csr_write(hart, CSR_PMPADDR0 + 1, 0);
    cr_assert_eq(hart_csr_read(hart, CSR_PMPADDR0 + 1), RAM_GPA >> 2 | 0x1ff);
    hart_csr_write(hart, CSR_PMPADDR0, 77); /* free: the lock is not of a TOR entry */
    cr_assert_eq(hart_csr_read(hart, CSR_PMPADDR0), 77);
    hart_free(hart);
}

Test(pmp, a_locked_top_of_range_locks_its_bottom)
{
    struct hart *hart = hart_new();
    hart_csr_write(hart, CSR_PMPADDR0, 5);
    hart_csr_write(hart, CSR_PMPCFG0, (u64)(PMP_A_TOR | PMP_L) << 8);
    hart_csr_write(hart, CSR_PMPADDR0, 6);
    cr_assert_eq(hart_csr_read(hart, CSR_PMPADDR0), 5);
    hart_csr_write(hart, CSR_PMPADDR0 + 15, 9);
    cr_assert_eq(hart_csr_read(hart, CSR_PMPADDR0 + 15), 9);
    hart_free(hart);
}

Test(pmp, write_without_read_is_not_stored)
{
    struct hart *hart = hart_new();
    hart_csr_write(hart, CSR_PMPCFG0 + 2, 0x6060606e60606060);
    cr_assert_eq(hart_csr_read(hart, CSR_PMPCFG0 + 2), (u64)0x0c << 32);
    cr_assert_eq(hart->state.pmpcfg[12], 0x0c);
    hart_free(hart);
}

Test(pmp, a_write_drops_cached_translations)
{
    struct hart *hart = hart_new();
    struct vcpu *vcpu = &hart->state.vcpu;
    struct tlb_fill entry = {.page = RAM_GPA, .gpa_page = RAM_GPA, .span_bytes = PAGE_BYTES,
                             .flags = TLB_READABLE | TLB_GLOBAL};
    tlb_insert(vcpu, &entry);
    cr_assert_neq(vcpu->tlb[tlb_index(RAM_GPA)].read_tag, TLB_TAG_NONE);
    hart_csr_write(hart, CSR_PMPCFG0, 0x80);
    cr_assert_eq(vcpu->tlb[tlb_index(RAM_GPA)].read_tag, TLB_TAG_NONE);
    hart_free(hart);
}

/* Every read in the range that a bare walk calls linear is permitted. */
Test(pmp, where_reads_are_linear)
{
    struct hart *hart = hart_new();
    struct riscv64_state *state = &hart->state;
    u64 seed = 0x2468ace;
    unsigned ranges[2] = {0, 0};
    for (unsigned round = 0; round < 20000; round++) {
        random_entries(state, &seed);
        bool machine = random_next(&seed) % 2;
        state->priv = machine ? RISCV_M : RISCV_S;
        gpa_t gpa = 0xff0 + random_next(&seed) % 288;
        struct guest_translation out = {0};
        if (riscv64_mmu_walk(state, gpa, 1, VCPU_READ, &out) != MMU_OK || out.linear_last == 0) {
            continue;
        }
        cr_assert(out.linear_first <= gpa && gpa <= out.linear_last && out.readable);
        ranges[machine]++;
        for (gpa_t at = 0xfe0; at < 0xff0 + 300; at++) {
            if (at >= out.linear_first && at + 7 <= out.linear_last) {
                cr_assert(rules_permit(state, at, 8, state->priv) & PMP_R, "round %u 0x%llx",
                          round, (unsigned long long)at);
            }
        }
    }
    cr_assert(ranges[0] > 50 && ranges[1] > 50, "%u %u", ranges[0], ranges[1]);
    hart_free(hart);
}
