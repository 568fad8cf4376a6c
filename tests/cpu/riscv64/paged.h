/* Page tables for tests of what walks them. */
#ifndef METIC_TESTS_CPU_RISCV64_PAGED_H
#define METIC_TESTS_CPU_RISCV64_PAGED_H

#include "cpu/riscv64/helpers.h"
#include "cpu/riscv64/mmu.h"
#include "tests/cpu/riscv64/hart.h"
#include <criterion/criterion.h>
#include <string.h>

#define ROOT_GPA (RAM_GPA + 0x100000)
#define TABLE_GPA(level) (ROOT_GPA + 0x1000 * (5 - (level)))
#define DATA_GPA (RAM_GPA + 0x200000)
#define GVA ((gva_t)0x40201000) /* an index of 1 on the three lowest levels */

static inline void put64(struct hart *hart, gpa_t gpa, u64 value)
{
    cr_assert(memory_dma_write(&hart->memory, gpa, &value, sizeof(value)));
}

static inline u64 get64(struct hart *hart, gpa_t gpa)
{
    u64 value;
    cr_assert(memory_dma_read(&hart->memory, gpa, &value, sizeof(value)));
    return value;
}

static inline u64 pte_of(gpa_t gpa, u64 bits)
{
    return gpa >> PAGE_BITS << PTE_PPN_SHIFT | bits;
}

static inline gpa_t pte_gpa(gva_t gva, unsigned levels, unsigned level)
{
    gpa_t table = level == levels - 1 ? ROOT_GPA : TABLE_GPA(level);
    return table + (gva >> (PAGE_BITS + 9 * level) & 511) * 8;
}

/* Maps gva with leaf `pte` at `leaf_level`, pointers above it. */
static inline void map(struct hart *hart, unsigned levels, gva_t gva, unsigned leaf_level, u64 pte)
{
    for (unsigned level = levels - 1; level > leaf_level; level--) {
        put64(hart, pte_gpa(gva, levels, level), pte_of(TABLE_GPA(level - 1), PTE_V));
    }
    put64(hart, pte_gpa(gva, levels, leaf_level), pte);
}

/* A hart in S-mode with an empty page table of `levels` levels. */
static inline struct hart *paged(unsigned levels)
{
    struct hart *hart = hart_new();
    hart_open_pmp(hart);
    hart->state.satp = (u64)(SATP_SV39 + levels - 3) << SATP_MODE_SHIFT | ROOT_GPA >> PAGE_BITS;
    hart_set_priv(hart, RISCV_S);
    return hart;
}

static const u64 all_bits = PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D;

static inline void sfence(struct hart *hart, u64 va, u64 asid, u64 flags)
{
    u64 (*fn)(struct vcpu *, u64, u64, u64, u64) =
        (u64(*)(struct vcpu *, u64, u64, u64, u64))(void (*)(void))riscv64_helper_sfence_vma.fn;
    fn(&hart->state.vcpu, va, asid, flags, 0x12000073);
}

/* The TLB has no entry for the page any more, and knows nothing of a fence. */
static inline void forget_entry(struct hart *hart, gva_t gva)
{
    for (unsigned write = 0; write < 2; write++) {
        struct tlb_entry *entry = tlb_find(&hart->state.vcpu, gva & PAGE_MASK, write != 0);
        if (entry != NULL) {
            memset(entry, 0xff, sizeof(*entry));
        }
    }
}

#endif
