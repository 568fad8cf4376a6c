/* Address translation: Bare, Sv39, Sv48 and Sv57 with Svnapot, Svpbmt, Svade and Svadu
 * (privileged manual, sections 12.3 to 12.6 and the Sv* extensions' chapters).
 *
 * Page tables are read from RAM only, without a lock; accessed and dirty bits are set by
 * compare-and-swap. Protection (pmp.h) holds for every table entry read and for the access. */
#ifndef METIC_CPU_RISCV64_MMU_H
#define METIC_CPU_RISCV64_MMU_H

#include "cpu/guest.h"
#include "cpu/riscv64/state.h"

enum { SATP_BARE = 0, SATP_SV39 = 8, SATP_SV48 = 9, SATP_SV57 = 10 };
enum { SATP_MODE_SHIFT = 60, SATP_ASID_SHIFT = 44, SATP_ASID_MASK = 0xffff };
#define SATP_PPN_MASK (((u64)1 << 44) - 1)

#define PTE_V ((u64)1 << 0)
#define PTE_R ((u64)1 << 1)
#define PTE_W ((u64)1 << 2)
#define PTE_X ((u64)1 << 3)
#define PTE_U ((u64)1 << 4)
#define PTE_G ((u64)1 << 5)
#define PTE_A ((u64)1 << 6)
#define PTE_D ((u64)1 << 7)
#define PTE_RESERVED ((u64)0x7f << 54)
#define PTE_PBMT ((u64)3 << 61)
#define PTE_N ((u64)1 << 63)
enum { PTE_PPN_SHIFT = 10, PTE_PBMT_SHIFT = 61 };

enum riscv_mmu_result { MMU_OK, MMU_PAGE_FAULT, MMU_ACCESS_FAULT };

/* The privilege that loads and stores are made with (MPRV). */
static inline unsigned riscv64_data_priv(const struct riscv64_state *state)
{
    if (state->mstatus & MSTATUS_MPRV && state->priv == RISCV_M) {
        return (unsigned)(state->mstatus >> MSTATUS_MPP_SHIFT) & 3;
    }
    return state->priv;
}

/* guest->translate without raising anything. */
enum riscv_mmu_result riscv64_mmu_walk(struct riscv64_state *state, gva_t gva, unsigned size_bytes,
                                       enum vcpu_access access, struct guest_translation *out);

/* The functions of struct guest. */
bool riscv64_translate(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, enum vcpu_access access,
                       struct guest_translation *out);
_Atomic u8 *riscv64_find_plain(struct vcpu *vcpu, gva_t gva, bool write, struct tlb_fill *fill);
_Atomic u8 *riscv64_find_plain_next(struct vcpu *vcpu, struct tlb_fill *fill);
bool riscv64_reads_linear(const struct vcpu *vcpu);
bool riscv64_translate_debug(struct vcpu *vcpu, gva_t gva, gpa_t *gpa);
bool riscv64_translate_kernel(struct vcpu *vcpu, gva_t gva, gpa_t *gpa);
bool riscv64_map_debug(struct vcpu *vcpu, gva_t gva, struct guest_mapping *mapping);
/* guest->refill. */
unsigned riscv64_refill(struct vcpu *vcpu, gva_t gva, bool write);
void riscv64_raise_page_fault(struct vcpu *vcpu, gva_t gva, enum vcpu_access access);
void riscv64_raise_access_fault(struct vcpu *vcpu, gva_t gva, enum vcpu_access access);
void riscv64_raise_misaligned(struct vcpu *vcpu, gva_t gva, enum vcpu_access access);

#endif
