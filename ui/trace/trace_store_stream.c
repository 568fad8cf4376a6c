/* See trace_store_private.h: the words of a chunk, by columns, and what its index tells of them. */
#include "ui/trace/trace_store_private.h"

#include "cpu/base/zeros.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- paths: part_count, parts, word_count, node_count, for each node op, sub * 2 + wide, operands,
 * and of one without them imm; for each slot a reference, and what is added. A reference: 0: none;
 * 1 + 2 * word; 2 + 2 * node --- */

static u8 *put_reference(u8 *at, u16 word)
{
    if (word == METIC_TRACE_NO_WORD) {
        return put_varint(at, 0);
    }
    return word & METIC_TRACE_NODE ? put_varint(at, 2 + 2 * (word & ~METIC_TRACE_NODE))
                                   : put_varint(at, 1 + 2 * (u64)word);
}

static u8 *put_node(u8 *at, const struct metic_trace_node *node)
{
    unsigned operands = metic_trace_node_operands(node->op);
    at = put_varint(at, node->op);
    at = put_varint(at, node->sub * 2u + node->wide);
    for (unsigned i = 0; i < operands; i++) {
        at = put_reference(at, node->operands[i]);
    }
    return operands == 0 ? put_varint(at, trace_zigzag(node->imm)) : at;
}

static void put_path(struct trace_store *store, const struct trace_item *item)
{
    size_t most = 32 + 5u * (size_t)item->part_count + 14u * (size_t)item->slot_count +
                  16u * (size_t)item->node_count;
    u8 *start = trace_column_room(store, &store->all_paths, most);
    if (start == NULL) {
        return;
    }
    u8 *at = put_varint(start, item->part_count);
    for (unsigned i = 0; i < item->part_count; i++) {
        at = put_varint(at, item->parts[i]);
    }
    at = put_varint(at, item->word_count);
    at = put_varint(at, item->node_count);
    for (unsigned i = 0; i < item->node_count; i++) {
        at = put_node(at, &item->nodes[i]);
    }
    for (unsigned i = 0; i < item->slot_count; i++) {
        const struct metic_trace_recipe *recipe = &item->recipes[i];
        at = put_reference(at, recipe->word);
        at = put_varint(at, trace_zigzag(recipe->add));
    }
    store->all_paths.used += (size_t)(at - start);
}

static struct trace_item_units units_of(const struct trace_store *store)
{
    return (struct trace_item_units){store->units, store->places, store->unit_count};
}

static const struct metic_trace_unit *unit_at(const struct trace_store *store, u32 number)
{
    return &store->units[store->places[number]];
}

/* The file's number of a path of the machine; ~0: none. */
static u32 path_number(struct trace_store *store, u32 number)
{
    if (number >= store->path_number_capacity) {
        u32 capacity = number * 2 + 1024;
        if (!trace_store_grow(store, (void **)&store->path_numbers, store->path_number_capacity,
                              capacity, sizeof(u32))) {
            return ~0u;
        }
        store->path_number_capacity = capacity;
    }
    if (LIKELY(store->path_numbers[number] != 0)) {
        return store->path_numbers[number] - 1;
    }
    struct metic_trace_path path;
    if (store->path_count == store->path_capacity) {
        u32 capacity = store->path_capacity * 2 + 1024;
        if (!trace_store_grow(store, (void **)&store->path_items, store->path_capacity, capacity,
                  sizeof(*store->path_items))) {
            return ~0u;
        }
        store->path_capacity = capacity;
    }
    const struct trace_item_units units = units_of(store);
    struct trace_item *item = &store->path_items[store->path_count].item;
    if (store->source.path == NULL || !store->source.path(store->source.opaque, number, &path) ||
        !trace_item_make(item, &units, &path)) {
        store->failed = EPROTO;
        return ~0u;
    }
    put_path(store, item);
    store->path_numbers[number] = ++store->path_count;
    return store->path_count - 1;
}

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
static void count_units(struct trace_store *store, const struct trace_item *item, unsigned parts,
                        u32 times)
{
    for (unsigned i = 0; i < parts; i++) {
        u32 unit = item->parts[i];
        if (store->ran[unit] == 0) {
            store->touched[store->touched_count++] = unit;
        }
        store->ran[unit] += times;
    }
}

static struct written_item *item_at(struct trace_store *store, u32 head)
{
    return head >= METIC_TRACE_PATH ? &store->path_items[head - METIC_TRACE_PATH]
                                    : &store->unit_items[store->places[head]];
}

/* Which units began how often: count of units, then differences and counts. */
static void put_counts(struct trace_store *store)
{
    for (u32 i = 0; i < store->met_count; i++) {
        struct written_item *item = item_at(store, store->met[i]);
        if (item->ran != 0) {
            count_units(store, &item->item, item->item.part_count, item->ran);
        }
        item->ran = 0;
    }
    store->met_count = 0;
    u8 *start = trace_column_room(store, &store->index, 10u + 15u * (size_t)store->touched_count);
    if (start == NULL) {
        return;
    }
    qsort(store->touched, store->touched_count, sizeof(u32), by_number);
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
                      const struct written_item *item, unsigned first, unsigned end,
                      unsigned limit, const u64 *words)
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

static void put_page(struct trace_store *store, u64 page, const struct trace_item *item,
                     unsigned parts, u64 *heads_since)
{
    struct column *column = &store->columns[TRACE_PAGES];
    u64 delta = (page >> 12) - (unit_at(store, item->parts[0])->address >> 12);
    u8 *start = column->bytes + column->used;
    u8 *at = put_varint(start, *heads_since);
    at = put_varint(at, trace_zigzag(delta));
    column->used += (size_t)(at - start);
    *heads_since = 0;
    for (unsigned i = 0; i < parts; i++) {
        const struct metic_trace_unit *unit = unit_at(store, item->parts[i]);
        bytes_note(&store->moved, unit->address + (delta << 12), unit->bytes);
    }
}

/* Of an item that is met in the section for the first time. */
static bool begin_item(struct trace_store *store, struct written_item *item, u32 head)
{
    if (item->last == NULL) {
        const struct metic_trace_path unit = {.part_count = 1, .parts = &head};
        const struct trace_item_units units = units_of(store);
        bool is_unit = head < METIC_TRACE_PATH;
        if (is_unit && (store->places[head] == 0 ||
                        !trace_item_make(&item->item, &units, &unit))) {
            store->failed = EPROTO;
            return false;
        }
        if (is_unit) {
            item->made_before = store->last_made;
            store->last_made = store->places[head];
        }
        item->last = malloc((item->item.word_count + 1u) * sizeof(u64));
        if (item->last == NULL) {
            store->failed = ENOMEM;
            return false;
        }
        item->address = unit_at(store, item->item.parts[0])->address;
    }
    if (store->met_count == store->met_capacity) {
        u32 capacity = store->met_capacity * 2 + 1024;
        if (!trace_store_grow(store, (void **)&store->met, store->met_capacity, capacity,
                              sizeof(u32))) {
            return false;
        }
        store->met_capacity = capacity;
    }
    store->met[store->met_count++] = head;
    memset(item->last, 0, item->item.word_count * sizeof(u64));
    item->section = store->section;
    item->whole = false;
    item->ran = 0;
    return true;
}

/* An item of so many words, which may have been left after `left` instructions; the words behind
 * its first, 0: it cannot be. */
static size_t put_item(struct trace_store *store, u32 head, u32 left, const u64 *words,
                       size_t room, u64 *heads_since)
{
    struct written_item *written = item_at(store, head);
    if (written->section != store->section && !begin_item(store, written, head)) {
        return 0;
    }
    const struct trace_item *item = &written->item;
    if (item->word_count >= room) {
        store->failed = EPROTO;
        return 0;
    }
    bool whole = left == TRACE_WHOLE;
    unsigned parts = whole ? item->part_count : trace_item_parts(item, left);
    unsigned limit = whole ? item->word_count : trace_item_words(item, parts);
    struct column *heads = &store->columns[TRACE_HEADS];
    if (!whole) {
        st_le32(heads->bytes + heads->used, METIC_TRACE_LEFT + left);
        heads->used += 4;
        count_units(store, item, parts, 1);
    }
    st_le32(heads->bytes + heads->used, head);
    heads->used += 4;
    ++*heads_since;
    written->ran += whole;
    u64 page = trace_page(words[0], written->address);
    if (UNLIKELY(page != (written->address & ~(u64)0xfff))) {
        put_page(store, page, item, parts, heads_since);
    }
    store->contexts.insns += parts != 0 ? item->insns_at[parts - 1] : 0;
    store->unrolled += whole ? (size_t)parts + item->slot_count : trace_item_unrolled(item, parts);
    put_words(store, TRACE_ADDRESSES, written, 0, item->address_words, limit, words + 1);
    put_words(store, TRACE_VALUES, written, item->address_words, item->word_count, limit,
              words + 1);
    note_accesses(store, item, parts, words + 1, !written->whole);
    written->whole = whole;
    return 1u + item->word_count;
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
        if (head >= METIC_TRACE_PATH) {
            u32 number = path_number(store, head - METIC_TRACE_PATH);
            head = number != ~0u ? METIC_TRACE_PATH + number : ~0u;
        } else if (head >= store->unit_count) {
            head = ~0u;
        }
        if (head == ~0u) {
            store->failed = store->failed != 0 ? store->failed : EPROTO;
            break;
        }
        i += put_item(store, head, left, &chunk->words[i], chunk->count - i, &heads_since);
        left = TRACE_WHOLE;
    }
    return kinds;
}

static void free_item(struct written_item *item)
{
    trace_item_free(&item->item);
    free(item->last);
}

/* Of units, only those that were met: the others' memory was never touched. */
void trace_store_free_items(struct trace_store *store)
{
    for (u32 made = store->last_made; made != 0;) {
        struct written_item *item = &store->unit_items[made];
        made = item->made_before;
        free_item(item);
    }
    for (u32 i = 0; i < store->path_count; i++) {
        free_item(&store->path_items[i]);
    }
    zeros_free(store->unit_items, store->there_capacity * sizeof(*store->unit_items));
    zeros_free(store->path_items, store->path_capacity * sizeof(*store->path_items));
    zeros_free(store->path_numbers, store->path_number_capacity * sizeof(*store->path_numbers));
    zeros_free(store->met, store->met_capacity * sizeof(*store->met));
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
