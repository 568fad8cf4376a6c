/* Where a hart found translated code before, by physical address: what a new address space asks,
 * whose jump entries and proofs of links are all missing though the code is there.
 *
 * A hart's own, as its jump entries are; see pipeline_miss.c for who asks. */
#ifndef METIC_TRANSLATE_FOUND_H
#define METIC_TRANSLATE_FOUND_H

#include "cpu/base/types.h"
#include "cpu/vcpu.h"

/* Compilers return to tens of thousands of places; what two addresses share is found by
 * block_find() again. */
enum { FOUND_BITS = 16, FOUND_ENTRIES = 1 << FOUND_BITS, FOUND_ASK_PUTS = 64 };

/* A look-up mostly misses the host's caches once, and so is one word in one place. */
struct found_entry {
    gpa_t gpa;
    u32 mode;        /* of the block's key */
    u32 code_offset; /* of its entry in the code buffer, where thunks come first; 0: empty */
};

struct found {
    struct found_entry *entries; /* FOUND_ENTRIES; the host's untouched zeros at first */
    gva_t *pages;                /* of modes with VCPU_MODE_PROBE: entries' virtual pages, where
                                    blocks name theirs (probe_page_key()), or 0 */
    bool used;
    u32 puts; /* up to FOUND_ASK_PUTS, when all of the table was asked of the host */
    u64 jumps, links; /* statistics: how often code went on without leaving */
};

/* False: no memory. */
bool found_init(struct found *found);
void found_fini(struct found *found);

static inline struct found_entry *found_at(const struct found *found, gpa_t gpa)
{
    u64 page_hash = (gpa >> PAGE_BITS) * 0x9e3779b97f4a7c15u >> (64 - FOUND_BITS);
    return &found->entries[((gpa >> 1) + page_hash) & (FOUND_ENTRIES - 1)];
}

/* 0: unknown. `gva_page` as in the block's key. */
static inline u32 found_get(const struct found *found, gpa_t gpa, u32 mode, gva_t gva_page)
{
    const struct found_entry *entry = found_at(found, gpa);
    return entry->gpa == gpa && entry->mode == mode &&
                   (LIKELY(!(mode & VCPU_MODE_PROBE)) ||
                    found->pages[entry - found->entries] == gva_page)
               ? entry->code_offset
               : 0;
}

void found_put(struct found *found, gpa_t gpa, u32 mode, gva_t gva_page, u32 code_offset);
/* The code at that offset, made of guest code at `gpa`, is not to be entered any more. */
void found_forget(struct found *found, gpa_t gpa, u32 code_offset);
void found_clear(struct found *found);

#endif
