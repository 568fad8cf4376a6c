/* The parts of a page walk (see mmu.h) that the common case of a TLB refill has by itself
 * (refill.c). */
#ifndef METIC_CPU_RISCV64_WALK_H
#define METIC_CPU_RISCV64_WALK_H

#include "cpu/base/bits.h"
#include "cpu/memory.h"
#include "cpu/riscv64/csr_bits.h"
#include "cpu/riscv64/mmu.h"
#include "cpu/riscv64/pmp.h"

enum { LEVEL_BITS = 9, PTE_BYTES = 8, NAPOT_PPN = 8, NAPOT_BYTES = 64 * 1024 };

/* One walk: its input, and the leaf that was found. */
struct walk {
    struct riscv64_state *state;
    gva_t gva;
    enum vcpu_access access;
    unsigned priv; /* RISCV_U or RISCV_S */
    unsigned span_bits; /* of the leaf: log2 of the bytes it maps */
    u64 pte;
    u64 permits; /* leaf_permits of it */
    bool global;
    u64 above; /* all entries before the last one, or'ed */
    u64 *pte_host;
    const u64 *pointer; /* the entry before, of a walk that went on */
    u64 pointed;        /*   and what it was */
    gpa_t pte_gpa;
};

static inline bool satp_is_bare(u64 satp)
{
    return satp >> SATP_MODE_SHIFT == SATP_BARE;
}

/* Bits of a virtual address that count; the rest repeats the uppermost. */
static inline unsigned satp_address_bits(u64 satp)
{
    unsigned levels = 3 + ((unsigned)(satp >> SATP_MODE_SHIFT) - SATP_SV39);
    return PAGE_BITS + LEVEL_BITS * levels;
}

static inline gpa_t pte_target(u64 pte)
{
    return (pte >> PTE_PPN_SHIFT & SATP_PPN_MASK) << PAGE_BITS;
}

/* Makes the RAM around gpa, as far as PMP treats it alike, the cached window; false when gpa is no
 * RAM. */
bool riscv64_ram_window_move(struct riscv64_state *state, gpa_t gpa);

/* True when the aligned bytes are in the window. */
static inline bool ram_window_holds(const struct riscv64_cache *cache, gpa_t gpa, u64 size_bytes)
{
    u64 offset = gpa - cache->ram_gpa;
    return offset < cache->ram_bytes && size_bytes <= cache->ram_bytes - offset;
}

/* Host address of a page-table entry, or NULL: not RAM or not readable, or the window would have to
 * move first. An entry that PMP splits never fits the window, and is not permitted either. */
static ALWAYS_INLINE u64 *pte_find(struct riscv64_state *state, gpa_t gpa, bool moves)
{
    const struct riscv64_cache *cache = &state->cache;
    if (UNLIKELY(gpa - cache->ram_gpa >= cache->ram_pte_bytes) &&
        (!moves || !riscv64_ram_window_move(state, gpa) ||
         gpa - cache->ram_gpa >= cache->ram_pte_bytes)) {
        return NULL;
    }
    return (u64 *)(void *)(cache->ram_host + (gpa - cache->ram_gpa));
}

/* Descends to the first entry that does not point to a next level, or the last one. False when an
 * entry cannot be read. Sets pte, pte_host, pte_gpa, span_bits, and global. */
static ALWAYS_INLINE bool descend(struct walk *walk, bool moves)
{
    /* of an entry that points to the next level; the others of these are reserved in it */
    const u64 pointer_bits = PTE_V | PTE_R | PTE_W | PTE_X | PTE_U | PTE_A | PTE_D | PTE_RESERVED |
                             PTE_PBMT | PTE_N;
    struct riscv64_state *state = walk->state;
    unsigned shift = satp_address_bits(state->satp);
    gpa_t table = (state->satp & SATP_PPN_MASK) << PAGE_BITS;
    u64 pte;
    u64 seen = 0;
    u64 pointed = 0;
    const u64 *pointer = NULL;
    do {
        shift -= LEVEL_BITS;
        walk->pte_gpa = table + bits_get(walk->gva, shift, LEVEL_BITS) * PTE_BYTES;
        walk->pte_host = pte_find(state, walk->pte_gpa, moves);
        if (UNLIKELY(walk->pte_host == NULL)) {
            return false;
        }
        pte = METIC_LE64(__atomic_load_n(walk->pte_host, __ATOMIC_ACQUIRE));
        table = pte_target(pte);
        walk->above = seen;
        walk->pointer = pointer;
        walk->pointed = pointed;
        pointer = walk->pte_host;
        pointed = pte;
        seen |= pte;
        if ((pte & pointer_bits) != PTE_V) {
            break;
        }
    } while (shift > PAGE_BITS);
    walk->global = (seen & PTE_G) != 0;
    walk->pte = pte;
    walk->span_bits = shift;
    return true;
}

static inline bool is_canonical(const struct walk *walk)
{
    return bits_sext(walk->gva, satp_address_bits(walk->state->satp)) == walk->gva;
}

/* What a leaf must look like for the access to be permitted without a further look: all of `mask`'s
 * bits as in `value`. */
struct plain_leaf {
    u64 mask, value;
};

static ALWAYS_INLINE struct plain_leaf plain_leaf_for(const struct riscv64_state *state, bool write)
{
    struct plain_leaf plain = {.value = PTE_V | PTE_R | PTE_A | (write ? PTE_W | PTE_D : 0)};
    plain.mask = plain.value | PTE_U | PTE_RESERVED | PTE_PBMT | PTE_N;
    if (state->priv == RISCV_U) {
        plain.value |= PTE_U;
    } else if (state->mstatus & MSTATUS_SUM) {
        plain.mask &= ~PTE_U;
    }
    return plain;
}

static ALWAYS_INLINE bool is_plain_leaf(const struct riscv64_state *state, u64 pte, bool write)
{
    struct plain_leaf plain = plain_leaf_for(state, write);
    return (pte & plain.mask) == plain.value;
}

/* Of the first entry of a walk that is no pointer, or that of the last level: it permits `priv`,
 * without MXR, nothing of the kind. Whatever else may be wrong with it is a page fault, too. */
static ALWAYS_INLINE bool is_certain_fault(const struct riscv64_state *state, u64 pte, bool write)
{
    u64 needed = PTE_V | (write ? PTE_W : PTE_R);
    needed |= state->priv == RISCV_U ? PTE_U : 0;
    if (!(state->menvcfg & MENVCFG_ADUE)) {
        needed |= PTE_A | (write ? PTE_D : 0);
    }
    bool user_only = state->priv == RISCV_S && !(state->mstatus & MSTATUS_SUM) && pte & PTE_U;
    return (pte & needed) != needed || user_only;
}

/* The page's flags, when it is RAM that S and U may access as needed; else NULL. */
static ALWAYS_INLINE _Atomic u8 *fill_plain(const struct riscv64_cache *cache, gva_t page,
                                            gpa_t gpa_page, u64 span_bytes, u64 pte, bool write,
                                            struct tlb_fill *fill)
{
    unsigned needed = write ? PMP_R | PMP_W : PMP_R;
    if (UNLIKELY(!ram_window_holds(cache, gpa_page, PAGE_BYTES) ||
                 (cache->ram_permits & needed) != needed)) {
        return NULL;
    }
    bool writable = (pte & (PTE_W | PTE_D)) == (PTE_W | PTE_D) && cache->ram_permits & PMP_W;
    bool global = ((pte | cache->plain_global) & PTE_G) != 0;
    fill->page = page;
    fill->gpa_page = gpa_page;
    fill->host_page = cache->ram_host + (gpa_page - cache->ram_gpa);
    fill->span_bytes = span_bytes;
    fill->flags = (u32)TLB_READABLE | (writable ? (u32)TLB_WRITABLE : 0) |
                  (global ? (u32)TLB_GLOBAL : 0);
    return &cache->ram_region->page_flags[(gpa_page - cache->ram_region->gpa) >> PAGE_BITS];
}

#endif
