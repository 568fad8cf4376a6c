/* See trace_store_private.h: the words of a chunk, by columns, and what its index tells of them. */
#include "ui/trace/trace_store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the index --- */

static void lines_note(struct line_set *set, u64 page, u64 lines)
{
    unsigned at = (unsigned)(page * 0x9e3779b97f4a7c15u >> 51) % PAGE_SET;
    while (set->pages[at].page != page || set->pages[at].lines == 0) {
        if (set->pages[at].lines == 0) {
            if (set->count == MAX_PAGES) {
                set->full = true;
                return;
            }
            set->pages[at].page = page;
            set->used[set->count++] = (u16)at;
            break;
        }
        at = (at + 1) % PAGE_SET;
    }
    set->pages[at].lines |= lines;
}

/* An access, which may reach into more pages. */
static void bytes_note(struct line_set *set, u64 address, u64 size_bytes)
{
    while (size_bytes != 0 && !set->full) {
        u64 here = 4096 - (address & 4095);
        here = here < size_bytes ? here : size_bytes;
        lines_note(set, address >> 12, trace_lines(address, here));
        address += here;
        size_bytes -= here;
    }
}

static inline void access_note(struct line_set *set, u64 address, unsigned size_bytes)
{
    if (LIKELY((address & 63) + size_bytes <= 64)) {
        lines_note(set, address >> 12, (u64)1 << (address >> TRACE_LINE_SHIFT & 63));
    } else {
        bytes_note(set, address, size_bytes);
    }
}

static int by_page(const void *a, const void *b)
{
    const struct line_page *x = a, *y = b;
    return x->page < y->page ? -1 : x->page > y->page;
}

/* Empties the set. */
static void put_lines(struct trace_store *store, struct line_set *set)
{
    struct line_page sorted[MAX_PAGES];
    u64 last = 0;
    for (unsigned i = 0; i < set->count; i++) {
        sorted[i] = set->pages[set->used[i]];
        set->pages[set->used[i]].lines = 0;
    }
    qsort(sorted, set->count, sizeof(sorted[0]), by_page);
    u8 *start = trace_column_room(store, &store->index, 10 + 18 * (size_t)set->count);
    if (start != NULL) {
        u8 *at = put_varint(start, set->full ? ~(u64)0 : set->count);
        for (unsigned i = 0; i < set->count && !set->full; i++) {
            at = put_varint(at, sorted[i].page - last);
            st_le64(at, sorted[i].lines);
            at += 8;
            last = sorted[i].page;
        }
        store->index.used += (size_t)(at - start);
    }
    set->count = 0;
    set->full = false;
}

static void fill_note(struct fill_set *set, u64 gva_page, u64 gpa_page)
{
    u64 hash = (gva_page ^ gpa_page << 20) * 0x9e3779b97f4a7c15u;
    for (unsigned at = (unsigned)(hash >> 51) % PAGE_SET;; at = (at + 1) % PAGE_SET) {
        struct fill *fill = &set->fills[at];
        if (!set->taken[at]) {
            set->full |= set->count == MAX_PAGES;
            if (!set->full) {
                *fill = (struct fill){gva_page, gpa_page};
                set->taken[at] = true;
                set->used[set->count++] = (u16)at;
            }
            return;
        }
        if (fill->gva_page == gva_page && fill->gpa_page == gpa_page) {
            return;
        }
    }
}

static int by_gva_page(const void *a, const void *b)
{
    const struct fill *x = a, *y = b;
    return x->gva_page != y->gva_page ? (x->gva_page < y->gva_page ? -1 : 1)
                                      : (x->gpa_page > y->gpa_page) - (x->gpa_page < y->gpa_page);
}

/* Empties the set. */
static void put_fills(struct trace_store *store, struct fill_set *set)
{
    struct fill sorted[MAX_PAGES], last = {0};
    for (unsigned i = 0; i < set->count; i++) {
        sorted[i] = set->fills[set->used[i]];
        set->taken[set->used[i]] = false;
    }
    qsort(sorted, set->count, sizeof(sorted[0]), by_gva_page);
    u8 *start = trace_column_room(store, &store->index, 10 + 20 * (size_t)set->count);
    if (start != NULL) {
        u8 *at = put_varint(start, set->full ? ~(u64)0 : set->count);
        for (unsigned i = 0; i < set->count && !set->full; i++) {
            at = put_varint(at, sorted[i].gva_page - last.gva_page);
            at = put_varint(at, trace_zigzag(sorted[i].gpa_page - last.gpa_page));
            last = sorted[i];
        }
        store->index.used += (size_t)(at - start);
    }
    set->count = 0;
    set->full = false;
}

static int by_number(const void *a, const void *b)
{
    u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return x < y ? -1 : x > y;
}

/* An item's first `parts` units began, so many times. */
static void count_units(struct trace_store *store, const struct written_item *item,
                        unsigned parts, u32 times)
{
    for (unsigned i = 0; i < parts; i++) {
        u32 unit = trace_store_part(store, item, i);
        if (store->ran[unit] == 0) {
            store->touched[store->touched_count++] = unit;
        }
        store->ran[unit] += times;
    }
}

/* Which units began how often: count of units, then differences and counts. */
static void put_counts(struct trace_store *store)
{
    for (u32 i = 0; i < store->met_count; i++) {
        struct written_item *item = trace_store_item(store, store->met[i]);
        if (item->ran != 0) {
            count_units(store, item, item->part_count, item->ran);
        }
        item->ran = 0;
    }
    store->met_count = 0;
    u8 *start = trace_column_room(store, &store->index, 10u + 15u * (size_t)store->touched_count);
    if (start == NULL) {
        return;
    }
    if (store->touched_count != 0) {
        qsort(store->touched, store->touched_count, sizeof(u32), by_number);
    }
    u8 *at = put_varint(start, store->touched_count);
    u32 last = 0;
    for (u32 i = 0; i < store->touched_count; i++) {
        u32 unit = store->touched[i];
        at = put_varint(at, unit - last);
        at = put_varint(at, store->ran[unit]);
        store->ran[unit] = 0;
        last = unit;
    }
    store->index.used += (size_t)(at - start);
    store->touched_count = 0;
}

/* --- streams --- */

/* An item's words of order[first, end) below `limit` into a column; there is room. */
static void put_words(struct trace_store *store, enum trace_column to,
                      struct written_words *item, unsigned first, unsigned end, unsigned limit,
                      const u64 *words)
{
    struct column *column = &store->columns[to];
    const u16 *order = item->item.order;
    const u64 *masks = item->item.masks;
    while (end > first && order[end - 1] >= limit) {
        end--;
    }
    struct column *of_lengths = &store->columns[to == TRACE_VALUES ? TRACE_VALUE_LENGTHS
                                                                  : TRACE_ADDRESS_LENGTHS];
    u8 *lengths = of_lengths->bytes + of_lengths->used;
    u8 *at = column->bytes + column->used;
    for (unsigned i = first; i < end; i++) {
        unsigned word = order[i];
        u64 value = words[word] & masks[i];
        u64 coded = trace_zigzag(value - item->last[word]);
        unsigned bytes = coded != 0 ? 8 - (unsigned)__builtin_clzll(coded) / 8 : 0;
        item->last[word] = value;
        store->coded[word] = coded;
        st_le64(at, coded);
        at += bytes;
        unsigned n = i - first;
        lengths[n / 2] = (u8)(n % 2 == 0 ? bytes : lengths[n / 2] | bytes << 4);
    }
    column->used = (size_t)(at - column->bytes);
    of_lengths->used += (end - first + 1) / 2;
}

/* What the first `parts` of an item access, of what is not known of this section; `fresh`: nothing
 * is. */
static void note_accesses(struct trace_store *store, const struct trace_item *item, unsigned parts,
                          const u64 *words, bool fresh)
{
    const struct trace_item_access *access = item->accesses, *end = access + item->access_count;
    for (; access < end && access->part < parts; access++) {
        bool named = access->word != METIC_TRACE_NO_WORD;
        if (!fresh && (!named || store->coded[access->word] == 0)) {
            continue;
        }
        u64 address = access->add + (named ? words[access->word] : 0);
        if (access->writes) {
            access_note(&store->written, address, access->size_bytes);
        }
        if (access->reads) {
            access_note(&store->read, address, access->size_bytes);
        }
    }
}

static void put_page(struct trace_store *store, u64 page, const struct written_item *item,
                     unsigned parts, u64 *heads_since)
{
    struct column *column = &store->columns[TRACE_PAGES];
    u64 delta = (page >> 12) - (item->address >> 12);
    u8 *start = column->bytes + column->used;
    u8 *at = put_varint(start, *heads_since);
    at = put_varint(at, trace_zigzag(delta));
    column->used += (size_t)(at - start);
    *heads_since = 0;
    for (unsigned i = 0; i < parts; i++) {
        const struct written_item *unit = &store->units.list[trace_store_part(store, item, i)];
        bytes_note(&store->moved, unit->address + (delta << 12), unit->bytes);
    }
}

/* Of an item that is met in the section for the first time. */
static bool begin_item(struct trace_store *store, struct written_item *item, u32 head)
{
    if (store->met_count == store->met_capacity) {
        u32 capacity = store->met_capacity * 2 + 1024;
        if (!trace_store_grow(store, (void **)&store->met, store->met_capacity, capacity,
                              sizeof(u32))) {
            return false;
        }
        store->met_capacity = capacity;
    }
    store->met[store->met_count++] = head;
    if (item->slot_count != 0) {
        memset(item->words->last, 0, item->words->item.word_count * sizeof(u64));
    }
    item->section = store->section;
    item->whole = false;
    item->ran = 0;
    return true;
}

/* Of an item that was left after `left` instructions how many parts had begun, and how many
 * instructions all of these have. */
static unsigned parts_begun(const struct trace_store *store, const struct written_item *item,
                            u32 left, u32 *insns)
{
    unsigned parts = 0;
    for (*insns = 0; parts < item->part_count && *insns < left; parts++) {
        *insns += store->units.list[trace_store_part(store, item, parts)].insn_count;
    }
    return parts;
}

/* The words of the first `parts` of an item with slots. */
static void put_slots(struct trace_store *store, struct written_item *written, unsigned parts,
                      const u64 *words)
{
    struct written_words *of = written->words;
    const struct trace_item *item = &of->item;
    unsigned limit = trace_item_words(item, parts);
    put_words(store, TRACE_ADDRESSES, of, 0, item->address_words, limit, words);
    put_words(store, TRACE_VALUES, of, item->address_words, item->word_count, limit, words);
    note_accesses(store, item, parts, words, !written->whole);
    store->unrolled += trace_item_unrolled(item, parts);
}

/* An item, which may have been left after `left` instructions; how many words it has, 0: it cannot
 * be. */
static size_t put_item(struct trace_store *store, u32 head, u32 left, const u64 *words,
                       size_t room, u64 *heads_since)
{
    struct written_item *item = trace_store_item(store, head);
    if (item->section != store->section && !begin_item(store, item, head)) {
        return 0;
    }
    unsigned word_count = item->slot_count != 0 ? item->words->item.word_count : 0;
    if (word_count >= room) {
        store->failed = EPROTO;
        return 0;
    }
    bool whole = left == TRACE_WHOLE;
    u32 insns = item->insn_count;
    unsigned parts = whole ? item->part_count : parts_begun(store, item, left, &insns);
    struct column *heads = &store->columns[TRACE_HEADS];
    if (!whole) {
        st_le32(heads->bytes + heads->used, METIC_TRACE_LEFT + left);
        heads->used += 4;
        count_units(store, item, parts, 1);
    }
    st_le32(heads->bytes + heads->used, head);
    heads->used += 4;
    ++*heads_since;
    item->ran += whole;
    u64 page = trace_page(words[0], item->address);
    if (UNLIKELY(page != (item->address & ~(u64)0xfff))) {
        put_page(store, page, item, parts, heads_since);
    }
    store->contexts.insns += insns;
    if (item->slot_count != 0) {
        put_slots(store, item, parts, words + 1);
    } else {
        store->unrolled += parts;
    }
    item->whole = whole;
    return 1u + word_count;
}

static void put_event(struct trace_store *store, u32 head, const u64 *words)
{
    struct column *column = &store->columns[TRACE_EVENTS];
    for (unsigned i = 0; i < (head & 0xff); i++) {
        st_le64(column->bytes + column->used, words[i]);
        column->used += 8;
    }
    if ((head >> 8 & 0xff) == METIC_EVENT_MEMORY) {
        bytes_note(words[4] >> 8 & 1 ? &store->written : &store->read, words[2], words[4] & 0xff);
    } else if ((head >> 8 & 0xff) == METIC_EVENT_TLB_FILL) {
        fill_note(&store->fills, words[2] >> 12, words[3] >> 12);
    } else {
        trace_contexts_event(store, head, words);
    }
}

static bool make_room(struct trace_store *store, size_t words)
{
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        store->columns[i].used = 0;
        if (trace_column_room(store, &store->columns[i], words * 20 + 64) == NULL) {
            return false;
        }
    }
    return true;
}

/* Items of heads to come: first their numbers in the file, then they themselves. What is no head
 * does no harm. */
static void expect(const struct trace_store *store, const u64 *words, size_t count)
{
    enum { NUMBERS_AHEAD = 24, ITEMS_AHEAD = 12 };
    if (count > NUMBERS_AHEAD) {
        trace_store_expect_number(store, (u32)words[NUMBERS_AHEAD] & METIC_TRACE_NUMBER);
        trace_store_expect_item(store, (u32)words[ITEMS_AHEAD] & METIC_TRACE_NUMBER);
    }
}

u64 trace_store_put_words(struct trace_store *store, const struct metic_trace_chunk *chunk)
{
    if (!make_room(store, chunk->count)) {
        return 0;
    }
    store->section++; /* each stands for itself */
    store->unrolled = 0;
    trace_contexts_begin(store, chunk);
    struct column *heads = &store->columns[TRACE_HEADS];
    u64 heads_since = 0, kinds = 0;
    u32 left = TRACE_WHOLE;
    for (size_t i = 0; i < chunk->count && store->failed == 0;) {
        __builtin_prefetch(&chunk->words[i] + 128);
        u32 head = (u32)chunk->words[i] & METIC_TRACE_NUMBER;
        if (head >= METIC_TRACE_EVENT) {
            st_le32(heads->bytes + heads->used, head);
            heads->used += 4;
            put_event(store, head, &chunk->words[i + 1]);
            kinds |= (u64)1 << (head >> 8 & 63);
            i += 1 + (head & 0xff);
            store->unrolled += 1 + (head & 0xff);
            continue;
        }
        if (head >= METIC_TRACE_LEFT) {
            left = head - METIC_TRACE_LEFT;
            i++;
            continue;
        }
        head = trace_store_head(store, head);
        if (head == TRACE_NO_HEAD) {
            break;
        }
        size_t used = put_item(store, head, left, &chunk->words[i], chunk->count - i,
                               &heads_since);
        if (used == 1) { /* so are those to come: their items wait for memory, one by one */
            expect(store, chunk->words + i, chunk->count - i);
        }
        i += used;
        left = TRACE_WHOLE;
    }
    return kinds;
}

void trace_store_put_lists(struct trace_store *store)
{
    put_lines(store, &store->written);
    put_lines(store, &store->read);
    put_counts(store);
    put_lines(store, &store->moved);
    put_fills(store, &store->fills);
    trace_contexts_put(store);
}
