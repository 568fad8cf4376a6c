/* How a translation is put into a TLB (see tlb.h), for those who do it many million times. */
#ifndef METIC_CPU_TLB_INSERT_H
#define METIC_CPU_TLB_INSERT_H

#include "cpu/vcpu.h"

static inline void puts_add(struct tlb_puts *puts, u32 index)
{
    if (puts->count < TLB_PUTS_LOGGED) {
        puts->index[puts->count] = (u16)index;
    }
    puts->count += puts->count <= TLB_PUTS_LOGGED;
}

static ALWAYS_INLINE bool has_many(const struct tlb_space *space)
{
    return space->others != space->entries;
}

static ALWAYS_INLINE struct tlb_entry *tlb_other(const struct tlb_space *space, gva_t page)
{
    u32 count = space->others_mask / (u32)sizeof(struct tlb_entry) + 1;
    return &space->others[tlb_other_index(page, count)];
}

/* What is in them, if they are others than before, is to be put there anew. */
static inline void tlb_set_others(struct tlb_space *space, struct tlb_entry *others, u32 count)
{
    space->others = others;
    space->others_mask = (count - 1) * (u32)sizeof(struct tlb_entry);
}

/* What was put is logged: an entry in either table. */
static inline void space_note_put(struct tlb_space *space, const struct tlb_entry *entry)
{
    size_t offset = (uintptr_t)entry - (uintptr_t)space->entries;
    if (LIKELY(offset < TLB_ENTRIES * sizeof(*entry))) {
        puts_add(&space->puts, (u32)(offset / sizeof(*entry)));
        return;
    }
    if (space->many_count < TLB_MANY_LOGGED) {
        space->many_index[space->many_count] = (u16)(entry - space->others);
    }
    space->many_count += space->many_count <= TLB_MANY_LOGGED;
}

/* Whoever puts the next page in should make the space larger, or leave the page to somebody who
 * can. */
static ALWAYS_INLINE bool growth_is_due(const struct tlb_space *space)
{
    return UNLIKELY(space->lost >= TLB_LOST_MOST);
}

static inline void entry_clear(struct tlb_entry *entry)
{
    *entry = (struct tlb_entry){~(u64)0, ~(u64)0, ~(u64)0, ~(u64)0};
}

/* The current space of its kind holds an entry of this kind of mapping. */
static inline void note_global(struct tlb *tlb, struct tlb_key *key, bool global)
{
    if (!global && !key->has_private) {
        key->has_private = true;
        tlb->generation++;
    }
}

static ALWAYS_INLINE bool entry_holds(const struct tlb_entry *entry, gva_t page)
{
    return ((entry->read_tag ^ page) & ~TLB_TAG_SLOW) == 0 ||
           ((entry->write_tag ^ page) & ~TLB_TAG_SLOW) == 0;
}

/* Emptied, or as in a new table, where writes may have been forbidden since: what page 0 has is
 * either SLOW or somewhere in the host. */
static ALWAYS_INLINE bool entry_empty(const struct tlb_entry *entry)
{
    return (entry->read_tag & entry->write_tag) == TLB_TAG_NONE ||
           (entry->addend == 0 && entry->read_tag == 0 && entry->write_tag + 1 <= 1);
}

/* The other entry that may hold what `entry`, which is not empty, holds. */
static inline struct tlb_entry *entry_alternative(struct tlb_space *space,
                                                  const struct tlb_entry *entry)
{
    u64 tag = entry->read_tag != TLB_TAG_NONE ? entry->read_tag : entry->write_tag;
    gva_t page = tag & ~TLB_TAG_SLOW;
    struct tlb_entry *first = &space->entries[tlb_index(page)];
    return entry == first ? tlb_other(space, page) : first;
}

/* Empties an entry: its holder moves to its alternative or, every second time, is forgotten. */
static inline void make_room(struct tlb *tlb, struct tlb_space *space, struct tlb_entry *entry)
{
    if (entry_empty(entry)) {
        return;
    }
    /* Always moving the holder would let two pages at home in two entries push each other out for
     * ever while a third, unused one stays. */
    struct tlb_entry *refuge = entry_alternative(space, entry);
    bool many = has_many(space);
    bool free = entry_empty(refuge);
    tlb->keep_other = !tlb->keep_other;
    space->lost += !many && !free;
    if (many || free || !tlb->keep_other) {
        *refuge = *entry;
        space->moved_any = true;
        space_note_put(space, refuge);
    }
}

/* Grows a span of addresses that came from large pages. */
static inline void span_add(gva_t *first, gva_t *last, gva_t page, u64 span_bytes)
{
    gva_t start = page & ~(span_bytes - 1);
    gva_t end = start + span_bytes - PAGE_BYTES;
    if (*first > *last) {
        *first = start;
        *last = end;
        return;
    }
    *first = start < *first ? start : *first;
    *last = end > *last ? end : *last;
}

static ALWAYS_INLINE u64 entry_tag(gva_t page, u32 flags, u32 permitted, u32 slow)
{
    return !(flags & permitted) ? TLB_TAG_NONE : flags & slow ? page | TLB_TAG_SLOW : page;
}

/* An entry was written. */
static ALWAYS_INLINE void entry_noted(struct tlb *tlb, struct tlb_space *space,
                                      const struct tlb_entry *entry, bool global)
{
    space_note_put(space, entry);
    note_global(tlb, space->key, global);
    tlb->fills++;
}

static ALWAYS_INLINE void entry_set(struct tlb *tlb, struct tlb_entry *entry,
                                    const struct tlb_fill *fill, u32 flags)
{
    struct tlb_space *space = tlb->data_now;
    entry->read_tag = entry_tag(fill->page, flags, TLB_READABLE, TLB_SLOW_READ);
    entry->write_tag = entry_tag(fill->page, flags, TLB_WRITABLE, TLB_SLOW_WRITE);
    entry->addend = fill->host_page != NULL ? (u64)(uintptr_t)fill->host_page - fill->page : 0;
    entry->gpa_page = fill->gpa_page;
    entry_noted(tlb, space, entry, flags & TLB_GLOBAL);
    if (fill->span_bytes > PAGE_BYTES) {
        span_add(&space->large_first, &space->large_last, fill->page, fill->span_bytes);
    }
}

#endif
