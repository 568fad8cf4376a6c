/* See mmu.h. Generated code calls this with its vector registers in use, so this file is compiled
 * to use none (Makefile.in) and calls no function. */
#include "cpu/page_flags.h"
#include "cpu/riscv64/walk.h"
#include "cpu/tlb_insert.h"

/* Anything but plain translation for S or U, or somebody who wants to know. */
static ALWAYS_INLINE bool is_unusual(const struct riscv64_state *state, const struct tlb *tlb)
{
    return state->priv == RISCV_M || state->mstatus & (MSTATUS_MPRV | MSTATUS_MXR) ||
           satp_is_bare(state->satp) || (tlb->watched | tlb->all_slow) ||
           tlb->hostile_entries || tlb->hostile_others ||
           (state->vcpu.ops->events >> VCPU_EVENT_TLB_FILL & 1);
}

/* Whether the space has the page, if not for this access. */
static ALWAYS_INLINE bool is_held(const struct vcpu *vcpu, const struct tlb_space *space,
                                  gva_t page)
{
    return entry_holds(&vcpu->tlb[tlb_index(page)], page) ||
           (space->moved_any && entry_holds(tlb_other(space, page), page));
}

/* Whether page-table entries may be read there. */
static ALWAYS_INLINE bool is_readable(const struct riscv64_cache *cache, const u64 *pte_host)
{
    return (u64)((const u8 *)pte_host - cache->ram_host) < cache->ram_pte_bytes;
}

/* The walk, without its upper levels where they were walked before. */
static ALWAYS_INLINE bool find_leaf(struct walk *walk, struct tlb_tables *tables)
{
    const struct riscv64_cache *cache = &walk->state->cache;
    const gva_t key = tlb_table_key(tables, walk->gva);
    const u64 number = bits_get(walk->gva, PAGE_BITS, LEVEL_BITS);
    struct tlb_table *table = tlb_table_at(tables, walk->gva);
    if (LIKELY(table->key == key && table->root == walk->state->satp &&
               is_readable(cache, table->pointer) && is_readable(cache, table->host + number) &&
               METIC_LE64(__atomic_load_n(table->pointer, __ATOMIC_ACQUIRE)) == table->pointed)) {
        walk->pte_host = table->host + number;
        walk->pte = METIC_LE64(__atomic_load_n(walk->pte_host, __ATOMIC_ACQUIRE));
        walk->above = table->above;
        walk->span_bits = PAGE_BITS;
        return true;
    }
    if (!descend(walk, false)) {
        return false;
    }
    if (walk->span_bits == PAGE_BITS) {
        *table = (struct tlb_table){
            .key = key, .root = walk->state->satp, .above = walk->above,
            .pointer = walk->pointer, .pointed = walk->pointed,
            .host = walk->pte_host - number,
        };
    }
    return true;
}

/* Notes that the page may be written, where it may. */
static ALWAYS_INLINE u32 write_flags(_Atomic u8 *page_flags, u32 flags)
{
    return flags & TLB_WRITABLE && UNLIKELY(watch_flags(mark_writable(page_flags)) != 0)
               ? (u32)TLB_SLOW_WRITE
               : 0;
}

/* When pages are asked for one behind the other, their entries of the page table are in one line of
 * the host's cache, and take a tenth of the time of one that is walked for. Free places alone.
 * `page` was found by `pte_host`, as plain. Returns the page behind the last one. */
static NOINLINE gva_t fill_ahead(struct riscv64_state *state, const u64 *pte_host,
                                 const struct tlb_fill *fill)
{
    enum { RUN_PAGES = 8 };
    const struct riscv64_cache *cache = &state->cache;
    const struct memory_region *region = cache->ram_region;
    const struct plain_leaf plain = plain_leaf_for(state, false);
    const u64 writable = cache->ram_permits & PMP_W ? PTE_W | PTE_D : ~(u64)0;
    const u64 last_offset = cache->ram_bytes - PAGE_BYTES;
    const u64 step = fill->span_bytes > PAGE_BYTES ? 0 : 1;
    struct vcpu *vcpu = &state->vcpu;
    struct tlb *tlb = vcpu->tlb_state;
    struct tlb_space *space = tlb->data_now;
    gpa_t gpa_page = fill->gpa_page;
    gva_t page = fill->page + PAGE_BYTES;
    for (; page % (RUN_PAGES * PAGE_BYTES) != 0; page += PAGE_BYTES) {
        pte_host += step;
        if (UNLIKELY(!is_readable(cache, pte_host))) {
            break;
        }
        u64 pte = METIC_LE64(__atomic_load_n(pte_host, __ATOMIC_ACQUIRE));
        struct tlb_entry *entry = &vcpu->tlb[tlb_index(page)];
        gpa_page = step == 0 ? gpa_page + PAGE_BYTES : pte_target(pte);
        if ((pte & plain.mask) != plain.value || gpa_page - cache->ram_gpa > last_offset ||
            !entry_empty(entry) ||
            (space->moved_any && entry_holds(tlb_other(space, page), page))) {
            break;
        }
        u32 flags = (pte & writable) == writable ? (u32)TLB_WRITABLE : 0;
        flags |= write_flags(&region->page_flags[(gpa_page - region->gpa) >> PAGE_BITS], flags);
        u8 *host_page = cache->ram_host + (gpa_page - cache->ram_gpa);
        entry->read_tag = page;
        entry->write_tag = entry_tag(page, flags, TLB_WRITABLE, TLB_SLOW_WRITE);
        entry->addend = (u64)(uintptr_t)host_page - page;
        entry->gpa_page = gpa_page;
        entry_noted(tlb, space, entry, ((pte | cache->plain_global) & PTE_G) != 0);
    }
    return page;
}

unsigned riscv64_refill(struct vcpu *vcpu, gva_t gva, bool write)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    struct riscv64_cache *cache = &state->cache;
    struct tlb *tlb = vcpu->tlb_state;
    struct tlb_space *space = tlb->data_now;
    gva_t page = gva & PAGE_MASK;
    struct walk walk = {.state = state, .gva = page};
    if (UNLIKELY(is_unusual(state, tlb) || is_held(vcpu, space, page) || growth_is_due(space) ||
                 !is_canonical(&walk) || !find_leaf(&walk, &tlb->tables))) {
        return GUEST_REFILL_NOT;
    }
    if (UNLIKELY(!is_plain_leaf(state, walk.pte, write))) {
        vcpu->exception_value = gva;
        return is_certain_fault(state, walk.pte, write) ? GUEST_REFILL_FAULT : GUEST_REFILL_NOT;
    }
    u64 span = BIT(walk.span_bits);
    gpa_t base = pte_target(walk.pte);
    struct tlb_fill fill;
    cache->plain_global = walk.above & PTE_G;
    _Atomic u8 *page_flags = fill_plain(cache, page, base | (page & (span - 1)), span, walk.pte,
                                        write, &fill);
    if (UNLIKELY(base & (span - 1)) || UNLIKELY(page_flags == NULL)) {
        return GUEST_REFILL_NOT;
    }
    u32 slow = write_flags(page_flags, fill.flags);
    if ((write && (UNLIKELY(slow != 0) || UNLIKELY(page_unasked(page_flags)))) ||
        UNLIKELY(huge_is_due(&tlb->huge, fill.gpa_page))) {
        return GUEST_REFILL_NOT;
    }
    struct tlb_entry *entry = &vcpu->tlb[tlb_index(page)];
    make_room(tlb, space, entry);
    entry_set(tlb, entry, &fill, fill.flags | slow);
    bool follows;
    u32 run = tlb_run(tlb, page, &follows);
    tlb->run_next[run] = follows ? fill_ahead(state, walk.pte_host, &fill) : page + PAGE_BYTES;
    return GUEST_REFILL_DONE;
}
