/* See tlb.h: which space serves a context. */
#include "cpu/tlb.h"

/* The number of a set bit of `mask`, which must have one. */
static unsigned bit_of(u32 mask)
{
    return (unsigned)__builtin_ctz(mask);
}

/* The least recently used number, if none is free. */
static unsigned keys_oldest(const struct tlb_keys *keys)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < TLB_SPACES; i++) {
        if (!(keys->used >> i & 1)) {
            return i;
        }
        if (keys->key[i].last_use < keys->key[oldest].last_use) {
            oldest = i;
        }
    }
    return oldest;
}

unsigned tlb_keys_search(const struct tlb_keys *keys, const struct tlb_context *wanted,
                         bool *claimed)
{
    unsigned found = TLB_SPACES;
    for (u32 left = keys->used; left != 0; left &= left - 1) {
        unsigned i = bit_of(left);
        if (tlb_key_fits(&keys->key[i], wanted)) {
            found = i;
            if (keys->key[i].has_private) {
                break;
            }
        }
    }
    *claimed = found == TLB_SPACES;
    return *claimed ? keys_oldest(keys) : found;
}
