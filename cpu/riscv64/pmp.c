/* See pmp.h. */
#include "cpu/riscv64/pmp.h"

#include "cpu/tlb.h"

enum { PMP_RWX = PMP_R | PMP_W | PMP_X, PMP_CFG_WRITABLE = PMP_RWX | PMP_A | PMP_L };
static const u64 pmpaddr_mask = ((u64)1 << 54) - 1; /* physical addresses of 56 bits, without 1:0 */

/* The bytes entry i covers; false when it covers none. */
static bool entry_range(const struct riscv64_state *state, unsigned i, gpa_t *first, gpa_t *last)
{
    u64 addr = state->pmpaddr[i];
    switch (state->pmpcfg[i] & PMP_A) {
    case PMP_A_TOR: {
        u64 bottom = i == 0 ? 0 : state->pmpaddr[i - 1];
        *first = bottom << 2;
        *last = (addr << 2) - 1;
        return bottom < addr;
    }
    case PMP_A_NA4:
        *first = addr << 2;
        *last = *first + 3;
        return true;
    case PMP_A_NAPOT: {
        u64 ones = addr & ~(addr + 1); /* the trailing ones: 2^(n+3) bytes */
        *first = (addr & ~ones) << 2;
        *last = *first + ((ones + 1) << 3) - 1;
        return true;
    }
    default:
        return false;
    }
}

void riscv64_pmp_update(struct riscv64_state *state)
{
    struct riscv64_cache *cache = &state->cache;
    cache->pmp_count = 0;
    for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++) {
        struct riscv64_pmp_range *range = &cache->pmp[cache->pmp_count];
        if (entry_range(state, i, &range->first, &range->last)) {
            range->cfg = state->pmpcfg[i];
            cache->pmp_count++;
        }
    }
    cache->ram_bytes = 0;
    cache->ram_pte_bytes = 0;
}

unsigned riscv64_pmp_permits(const struct riscv64_state *state, gpa_t gpa, u64 size_bytes,
                             unsigned priv)
{
    const struct riscv64_cache *cache = &state->cache;
    gpa_t last = gpa + size_bytes - 1;
    for (unsigned i = 0; i < cache->pmp_count; i++) {
        const struct riscv64_pmp_range *range = &cache->pmp[i];
        if (gpa > range->last || last < range->first) {
            continue;
        }
        if (gpa < range->first || last > range->last) {
            return 0;
        }
        return priv == RISCV_M && !(range->cfg & PMP_L) ? PMP_RWX : range->cfg & PMP_RWX;
    }
    return priv == RISCV_M ? PMP_RWX : 0;
}

bool riscv64_pmp_page_uniform(const struct riscv64_state *state, gpa_t gpa)
{
    const struct riscv64_cache *cache = &state->cache;
    gpa_t first = gpa & PAGE_MASK;
    gpa_t last = first + PAGE_OFFSET_MASK;
    for (unsigned i = 0; i < cache->pmp_count; i++) {
        const struct riscv64_pmp_range *range = &cache->pmp[i];
        if (first > range->last || last < range->first) {
            continue;
        }
        return first >= range->first && last <= range->last;
    }
    return true;
}

unsigned riscv64_pmp_window(const struct riscv64_state *state, gpa_t gpa, gpa_t *first,
                            gpa_t *last)
{
    const struct riscv64_cache *cache = &state->cache;
    for (unsigned i = 0; i < cache->pmp_count; i++) {
        const struct riscv64_pmp_range *range = &cache->pmp[i];
        if (gpa > range->last) {
            *first = *first > range->last ? *first : range->last + 1;
        } else if (gpa < range->first) {
            *last = *last < range->first ? *last : range->first - 1;
        } else {
            *first = *first > range->first ? *first : range->first;
            *last = *last < range->last ? *last : range->last;
            return range->cfg & PMP_RWX;
        }
    }
    return 0;
}

u64 riscv64_pmpcfg_read(const struct riscv64_state *state, unsigned index)
{
    u64 value = 0;
    for (unsigned i = 0; i < 8 && index * 4 + i < RISCV_PMP_ENTRIES; i++) {
        value |= (u64)state->pmpcfg[index * 4 + i] << (8 * i);
    }
    return value;
}

static void protection_changed(struct riscv64_state *state)
{
    riscv64_pmp_update(state);
    tlb_flush_all(&state->vcpu);
}

void riscv64_pmpcfg_write(struct riscv64_state *state, unsigned index, u64 value)
{
    for (unsigned i = 0; i < 8 && index * 4 + i < RISCV_PMP_ENTRIES; i++) {
        u8 *cfg = &state->pmpcfg[index * 4 + i];
        u8 wanted = (u8)(value >> (8 * i)) & PMP_CFG_WRITABLE;
        if (!(wanted & PMP_R)) {
            wanted &= (u8)~PMP_W; /* write without read is reserved */
        }
        if (!(*cfg & PMP_L)) {
            *cfg = wanted;
        }
    }
    protection_changed(state);
}

bool riscv64_pmpaddr_locked(const struct riscv64_state *state, unsigned entry)
{
    if (state->pmpcfg[entry] & PMP_L) {
        return true;
    }
    if (entry + 1 >= RISCV_PMP_ENTRIES) {
        return false;
    }
    unsigned next = state->pmpcfg[entry + 1];
    return (next & PMP_L) && (next & PMP_A) == PMP_A_TOR;
}

void riscv64_pmpaddr_write(struct riscv64_state *state, unsigned entry, u64 value)
{
    if (!riscv64_pmpaddr_locked(state, entry)) {
        state->pmpaddr[entry] = value & pmpaddr_mask;
        protection_changed(state);
    }
}
