/* See mmu.h. */
#include "cpu/riscv64/mmu.h"

#include "cpu/riscv64/walk.h"

static unsigned pmp_bit(enum vcpu_access access)
{
    return access == VCPU_READ ? PMP_R : access == VCPU_WRITE ? PMP_W : PMP_X;
}

bool riscv64_ram_window_move(struct riscv64_state *state, gpa_t gpa)
{
    struct riscv64_cache *cache = &state->cache;
    struct memory_region *region = memory_find(state->vcpu.memory, gpa);
    if (region == NULL || region->kind != MEMORY_RAM) {
        return false;
    }
    gpa_t first = region->gpa;
    gpa_t last = region->gpa + region->size_bytes - 1;
    cache->ram_permits = riscv64_pmp_window(state, gpa, &first, &last);
    cache->ram_host = region->host + (first - region->gpa);
    cache->ram_gpa = first;
    cache->ram_bytes = last - first + 1;
    bool readable = cache->ram_permits & PMP_R && cache->ram_bytes >= PTE_BYTES;
    cache->ram_pte_bytes = readable ? cache->ram_bytes - (PTE_BYTES - 1) : 0;
    cache->ram_region = region;
    return true;
}

/* Reserved bits and encodings of a leaf that maps 1 << span_bits bytes. */
static bool leaf_is_wellformed(const struct riscv64_state *state, u64 pte, unsigned span_bits)
{
    if (UNLIKELY(pte & (PTE_RESERVED | PTE_PBMT | PTE_N))) {
        u64 pbmt = pte & PTE_PBMT;
        if (pte & PTE_RESERVED || pbmt == PTE_PBMT ||
            (pbmt != 0 && !(state->menvcfg & MENVCFG_PBMTE))) {
            return false;
        }
        if (pte & PTE_N) {
            return span_bits == PAGE_BITS && (pte >> PTE_PPN_SHIFT & 0xf) == NAPOT_PPN;
        }
    }
    return (pte_target(pte) & (BIT(span_bits) - 1)) == 0; /* else a misaligned superpage */
}

/* The accesses a leaf permits to `priv`, as PTE_R | PTE_W | PTE_X, before A and D. */
static u64 leaf_permits(const struct riscv64_state *state, u64 pte, unsigned priv)
{
    u64 rwx = pte & (PTE_R | PTE_W | PTE_X);
    if (state->mstatus & MSTATUS_MXR && rwx & PTE_X) {
        rwx |= PTE_R;
    }
    if (priv == RISCV_U) {
        return pte & PTE_U ? rwx : 0;
    }
    if (pte & PTE_U) {
        return state->mstatus & MSTATUS_SUM ? rwx & ~PTE_X : 0;
    }
    return rwx;
}

static u64 access_pte_bit(enum vcpu_access access)
{
    return access == VCPU_READ ? PTE_R : access == VCPU_WRITE ? PTE_W : PTE_X;
}

static enum riscv_mmu_result walk_to_leaf(struct walk *walk)
{
    if (UNLIKELY(!is_canonical(walk))) {
        return MMU_PAGE_FAULT;
    }
    if (UNLIKELY(!descend(walk, true))) {
        return MMU_ACCESS_FAULT;
    }
    u64 pte = walk->pte;
    if (UNLIKELY(!(pte & PTE_V) || (pte & (PTE_R | PTE_W)) == PTE_W ||
                 !(pte & (PTE_R | PTE_X)))) {
        return MMU_PAGE_FAULT;
    }
    return leaf_is_wellformed(walk->state, pte, walk->span_bits) ? MMU_OK : MMU_PAGE_FAULT;
}

/* Sets A (and D for a write) as Svadu does, or faults as Svade does. *again: another hart or a
 * device changed the entry meanwhile. */
static enum riscv_mmu_result leaf_mark_used(struct walk *walk, bool *again)
{
    struct riscv64_state *state = walk->state;
    u64 wanted = walk->pte | PTE_A | (walk->access == VCPU_WRITE ? PTE_D : 0);
    *again = false;
    if (LIKELY(wanted == walk->pte)) {
        return MMU_OK;
    }
    if (!(state->menvcfg & MENVCFG_ADUE)) {
        return MMU_PAGE_FAULT;
    }
    if (!(riscv64_pmp_permits(state, walk->pte_gpa, PTE_BYTES, RISCV_S) & PMP_W)) {
        return MMU_ACCESS_FAULT;
    }
    u64 expected = METIC_LE64(walk->pte);
    if (!__atomic_compare_exchange_n(walk->pte_host, &expected, METIC_LE64(wanted), false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        *again = true;
        return MMU_OK;
    }
    memory_note_write(state->vcpu.memory, walk->pte_gpa, PTE_BYTES);
    walk->pte = wanted;
    return MMU_OK;
}

static enum riscv_mmu_result walk_run(struct walk *walk)
{
    for (;;) {
        enum riscv_mmu_result result = walk_to_leaf(walk);
        if (UNLIKELY(result != MMU_OK)) {
            return result;
        }
        walk->permits = leaf_permits(walk->state, walk->pte, walk->priv);
        if (UNLIKELY(!(walk->permits & access_pte_bit(walk->access)))) {
            return MMU_PAGE_FAULT;
        }
        bool again;
        result = leaf_mark_used(walk, &again);
        if (LIKELY(!again)) {
            return result;
        }
    }
}

static gpa_t leaf_gpa(const struct walk *walk, u64 *span_bytes)
{
    u64 span = walk->pte & PTE_N ? (u64)NAPOT_BYTES : BIT(walk->span_bits);
    *span_bytes = span;
    return (pte_target(walk->pte) & ~(span - 1)) | (walk->gva & (span - 1));
}

/* Checks the physical access and, where it is the same for the whole page, lets it decide on
 * further accesses too. */
static enum riscv_mmu_result protect(const struct riscv64_state *state, unsigned size_bytes,
                                     enum vcpu_access access, unsigned priv,
                                     struct guest_translation *out)
{
    unsigned permits;
    if (LIKELY(priv != RISCV_M &&
               ram_window_holds(&state->cache, out->gpa & PAGE_MASK, PAGE_BYTES))) {
        permits = state->cache.ram_permits;
        out->page_uniform = true;
    } else {
        permits = riscv64_pmp_permits(state, out->gpa, size_bytes, priv);
        out->page_uniform = riscv64_pmp_page_uniform(state, out->gpa);
    }
    if (UNLIKELY(!(permits & pmp_bit(access)))) {
        return MMU_ACCESS_FAULT;
    }
    out->readable = out->readable && permits & PMP_R;
    out->writable = out->writable && permits & PMP_W;
    return MMU_OK;
}

/* Without translation, the addresses around that PMP treats alike. What S and U may do in M-mode's
 * window is no matter unless an entry is locked. */
static void find_linear(const struct riscv64_state *state, unsigned priv,
                        struct guest_translation *out)
{
    out->linear_first = 0;
    out->linear_last = ~(gva_t)0;
    riscv64_pmp_window(state, out->gpa, &out->linear_first, &out->linear_last);
    for (unsigned i = 0; priv == RISCV_M && i < state->cache.pmp_count; i++) {
        if (state->cache.pmp[i].cfg & PMP_L) {
            out->linear_last = 0;
        }
    }
}

static enum riscv_mmu_result translate_bare(struct riscv64_state *state, gva_t gva,
                                            unsigned size_bytes, enum vcpu_access access,
                                            unsigned priv, struct guest_translation *out)
{
    *out = (struct guest_translation){
        .gpa = gva,
        .span_bytes = PAGE_BYTES,
        .readable = true,
        .writable = true,
        .global = true,
    };
    find_linear(state, priv, out);
    return protect(state, size_bytes, access, priv, out);
}

bool riscv64_reads_linear(const struct vcpu *vcpu)
{
    const struct riscv64_state *state = riscv64_of_const(vcpu);
    return state->priv == RISCV_M || satp_is_bare(state->satp);
}

enum riscv_mmu_result riscv64_mmu_walk(struct riscv64_state *state, gva_t gva, unsigned size_bytes,
                                       enum vcpu_access access, struct guest_translation *out)
{
    unsigned priv = access == VCPU_FETCH ? state->priv : riscv64_data_priv(state);
    if (priv == RISCV_M || satp_is_bare(state->satp)) {
        return translate_bare(state, gva, size_bytes, access, priv, out);
    }
    struct walk walk = {.state = state, .gva = gva, .access = access, .priv = priv};
    enum riscv_mmu_result result = walk_run(&walk);
    if (UNLIKELY(result != MMU_OK)) {
        return result;
    }
    out->gpa = leaf_gpa(&walk, &out->span_bytes);
    out->readable = (walk.permits & PTE_R) != 0;
    out->writable = walk.permits & PTE_W && walk.pte & PTE_D;
    out->global = walk.global;
    out->uncached_io = (walk.pte & PTE_PBMT) != 0;
    return protect(state, size_bytes, access, priv, out);
}

bool riscv64_translate(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, enum vcpu_access access,
                       struct guest_translation *out)
{
    enum riscv_mmu_result result =
        riscv64_mmu_walk(riscv64_of(vcpu), gva, size_bytes, access, out);
    if (LIKELY(result == MMU_OK)) {
        return true;
    }
    if (result == MMU_PAGE_FAULT) {
        riscv64_raise_page_fault(vcpu, gva, access);
    } else {
        riscv64_raise_access_fault(vcpu, gva, access);
    }
    return false;
}

_Atomic u8 *riscv64_find_plain(struct vcpu *vcpu, gva_t gva, bool write, struct tlb_fill *fill)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    struct riscv64_cache *cache = &state->cache;
    gva_t page = gva & PAGE_MASK;
    struct walk walk = {.state = state, .gva = page};
    if (UNLIKELY(state->priv == RISCV_M || state->mstatus & (MSTATUS_MPRV | MSTATUS_MXR) ||
                 satp_is_bare(state->satp) || !is_canonical(&walk) || !descend(&walk, true))) {
        return NULL;
    }
    if (UNLIKELY(!is_plain_leaf(state, walk.pte, write))) {
        if (is_certain_fault(state, walk.pte, write)) {
            riscv64_raise_page_fault(vcpu, gva, write ? VCPU_WRITE : VCPU_READ);
        }
        return NULL;
    }
    u64 span = BIT(walk.span_bits);
    gpa_t base = pte_target(walk.pte);
    if (UNLIKELY(base & (span - 1))) {
        return NULL;
    }
    cache->plain_pte = walk.pte_host;
    cache->plain_global = walk.above & PTE_G;
    return fill_plain(cache, page, base | (page & (span - 1)), span, walk.pte, write, fill);
}

/* Of pages that the entries of one line of the host's cache map; their tables were just walked. A
 * larger page's leaf is that of all in it. */
_Atomic u8 *riscv64_find_plain_next(struct vcpu *vcpu, struct tlb_fill *fill)
{
    enum { RUN_PAGES = 8 };
    struct riscv64_state *state = riscv64_of(vcpu);
    struct riscv64_cache *cache = &state->cache;
    gva_t page = fill->page + PAGE_BYTES;
    if (page % (RUN_PAGES * PAGE_BYTES) == 0) {
        return NULL;
    }
    bool large = fill->span_bytes > PAGE_BYTES;
    const u64 *host = cache->plain_pte + (large ? 0 : 1);
    if (UNLIKELY((u64)((const u8 *)host - cache->ram_host) >= cache->ram_pte_bytes)) {
        return NULL;
    }
    u64 pte = METIC_LE64(__atomic_load_n(host, __ATOMIC_ACQUIRE));
    gpa_t offset = fill->gpa_page & (fill->span_bytes - 1);
    gpa_t gpa_page = large ? pte_target(pte) + offset + PAGE_BYTES : pte_target(pte);
    if (!is_plain_leaf(state, pte, false) ||
        UNLIKELY(large && (pte_target(pte) & (fill->span_bytes - 1)) != 0)) {
        return NULL;
    }
    cache->plain_pte = host;
    return fill_plain(cache, page, gpa_page, fill->span_bytes, pte, false, fill);
}

bool riscv64_translate_kernel(struct vcpu *vcpu, gva_t gva, gpa_t *gpa)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    struct walk walk = {.state = state, .gva = gva, .access = VCPU_READ, .priv = RISCV_S};
    if (satp_is_bare(state->satp) || walk_to_leaf(&walk) != MMU_OK) {
        return false;
    }
    u64 span_bytes;
    *gpa = leaf_gpa(&walk, &span_bytes);
    return true;
}

/* A debugger sees what supervisor code would, whatever the permissions; machine mode sees
 * physical memory. */
bool riscv64_translate_debug(struct vcpu *vcpu, gva_t gva, gpa_t *gpa)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (riscv64_data_priv(state) == RISCV_M || satp_is_bare(state->satp)) {
        *gpa = gva;
        return true;
    }
    return riscv64_translate_kernel(vcpu, gva, gpa);
}

bool riscv64_map_debug(struct vcpu *vcpu, gva_t gva, struct guest_mapping *mapping)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (riscv64_data_priv(state) == RISCV_M || satp_is_bare(state->satp)) {
        return false;
    }
    struct walk walk = {.state = state, .gva = gva, .access = VCPU_READ, .priv = RISCV_S,
                        .span_bits = PAGE_BITS};
    u64 half = BIT(satp_address_bits(state->satp) - 1);
    if (!is_canonical(&walk)) {
        *mapping = (struct guest_mapping){.first = half, .last = ~half};
        return true;
    }
    bool mapped = walk_to_leaf(&walk) == MMU_OK;
    u64 span_bytes = BIT(walk.span_bits);
    gpa_t gpa = mapped ? leaf_gpa(&walk, &span_bytes) : 0;
    u64 offset = gva & (span_bytes - 1);
    *mapping = (struct guest_mapping){
        .first = gva - offset, .last = gva - offset + (span_bytes - 1), .gpa = gpa - offset,
        .mapped = mapped, .readable = mapped && walk.pte & PTE_R,
        .writable = mapped && walk.pte & PTE_W, .executable = mapped && walk.pte & PTE_X,
        .user = mapped && walk.pte & PTE_U, .accessed = mapped && walk.pte & PTE_A,
    };
    return true;
}

void riscv64_raise_page_fault(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    static const u8 cause[] = {
        [VCPU_READ] = RISCV_CAUSE_LOAD_PAGE,
        [VCPU_WRITE] = RISCV_CAUSE_STORE_PAGE,
        [VCPU_FETCH] = RISCV_CAUSE_FETCH_PAGE,
    };
    vcpu_raise(vcpu, cause[access], gva);
}

void riscv64_raise_access_fault(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    static const u8 cause[] = {
        [VCPU_READ] = RISCV_CAUSE_LOAD_ACCESS,
        [VCPU_WRITE] = RISCV_CAUSE_STORE_ACCESS,
        [VCPU_FETCH] = RISCV_CAUSE_FETCH_ACCESS,
    };
    vcpu_raise(vcpu, cause[access], gva);
}

void riscv64_raise_misaligned(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    static const u8 cause[] = {
        [VCPU_READ] = RISCV_CAUSE_LOAD_MISALIGNED,
        [VCPU_WRITE] = RISCV_CAUSE_STORE_MISALIGNED,
        [VCPU_FETCH] = RISCV_CAUSE_FETCH_MISALIGNED,
    };
    vcpu_raise(vcpu, cause[access], gva);
}
