/* See trace_store_private.h: the units and paths of a store, which get their numbers in the file as
 * a chunk has them first. What was translated and never recorded is not in it, so a ring's file is
 * as small as what is in the ring. */
#include "ui/trace/trace_store_private.h"

#include "cpu/base/zeros.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- units: gpa, gva, mode, insn_count, bytes, slot_count as varints, code, slots (6 bytes) --- */

static void put_unit(struct trace_store *store, const struct metic_trace_unit *unit)
{
    u8 *start = trace_column_room(store, &store->units.defined,
                                  64u + unit->bytes + 6u * unit->slot_count);
    if (start == NULL) {
        return;
    }
    u8 *at = put_varint(start, unit->physical);
    at = put_varint(at, unit->address);
    at = put_varint(at, unit->mode);
    at = put_varint(at, unit->insn_count);
    at = put_varint(at, unit->bytes);
    at = put_varint(at, unit->slot_count);
    if (unit->bytes != 0) {
        memcpy(at, unit->code, unit->bytes);
    }
    at += unit->bytes;
    for (unsigned i = 0; i < unit->slot_count; i++, at += 6) {
        const struct metic_trace_slot *slot = &unit->slots[i];
        const u8 bytes[6] = {slot->kind, slot->size_bytes, slot->amo, slot->insn,
                             (u8)slot->reg, (u8)(slot->reg >> 8)};
        memcpy(at, bytes, sizeof(bytes));
    }
    store->units.defined.used += (size_t)(at - start);
}

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

static void put_path(struct trace_store *store, const u32 *parts,
                     const struct metic_trace_path *path)
{
    size_t most = 32 + 5u * (size_t)path->part_count + 14u * (size_t)path->slot_count +
                  16u * (size_t)path->node_count;
    u8 *start = trace_column_room(store, &store->paths.defined, most);
    if (start == NULL) {
        return;
    }
    u8 *at = put_varint(start, path->part_count);
    for (unsigned i = 0; i < path->part_count; i++) {
        at = put_varint(at, parts[i]);
    }
    at = put_varint(at, path->word_count);
    at = put_varint(at, path->node_count);
    for (unsigned i = 0; i < path->node_count; i++) {
        at = put_node(at, &path->nodes[i]);
    }
    for (unsigned i = 0; i < path->slot_count; i++) {
        const struct metic_trace_recipe *recipe = &path->recipes[i];
        at = put_reference(at, recipe->word);
        at = put_varint(at, trace_zigzag(recipe->add));
    }
    store->paths.defined.used += (size_t)(at - start);
}

/* --- numbers --- */

/* A number for what has `number` in the machine. False: the store has failed. */
static bool number_room(struct trace_store *store, struct written_items *items, u32 number)
{
    u32 had = items->number_capacity, capacity = number * 2 + 1024;
    if (LIKELY(number < had)) {
        return true;
    }
    if (!trace_store_grow(store, (void **)&items->numbers, had, capacity, sizeof(u32))) {
        return false;
    }
    items->number_capacity = capacity;
    zeros_ask(items->numbers + had, (number + 1 - had) * sizeof(u32)); /* most of them, soon */
    return true;
}

/* Room for another one. False: the store has failed. */
static bool item_room(struct trace_store *store, struct written_items *items)
{
    u32 had = items->capacity, capacity = had * 2 + 1024;
    if (items->count == had) {
        if (!trace_store_grow(store, (void **)&items->list, had, capacity,
                              sizeof(*items->list))) {
            return false;
        }
        items->capacity = capacity;
    }
    zeros_ahead(items->list, items->capacity * sizeof(*items->list),
                (items->count + 1) * sizeof(*items->list), &items->asked_bytes);
    return true;
}

/* The same for what there is of each unit besides. */
static bool unit_room(struct trace_store *store)
{
    u32 had = store->unit_capacity, capacity = had * 2 + 1024;
    if (store->units.count < had) {
        return true;
    }
    if (!trace_store_grow(store, (void **)&store->ran, had, capacity, sizeof(*store->ran)) ||
        !trace_store_grow(store, (void **)&store->touched, had, capacity,
                          sizeof(*store->touched))) {
        return false;
    }
    store->unit_capacity = capacity;
    return true;
}

/* What is written of an item with slots, of these units; NULL: the store has failed. */
static struct written_words *make_words(struct trace_store *store,
                                        const struct metic_trace_unit *const *units,
                                        const struct metic_trace_path *path)
{
    struct trace_item item;
    if (!trace_item_make(&item, units, path, store->memory)) {
        store->failed = EPROTO;
        return NULL;
    }
    struct written_words *words =
        arena_alloc(store->memory, sizeof(*words) + item.word_count * sizeof(u64));
    words->item = item;
    return words;
}

static bool add_unit(struct trace_store *store, u32 number)
{
    struct written_items *units = &store->units;
    struct metic_trace_unit unit;
    if (!unit_room(store) || !item_room(store, units)) {
        return false;
    }
    if (!store->source.unit(store->source.opaque, number, &unit)) {
        store->failed = EPROTO;
        return false;
    }
    struct written_item *made = &units->list[units->count];
    made->address = unit.address;
    made->insn_count = unit.insn_count;
    made->slot_count = unit.slot_count;
    made->bytes = unit.bytes;
    made->part_count = 1;
    if (unit.slot_count != 0) {
        const struct metic_trace_path alone = {.part_count = 1, .parts = &units->count};
        const struct metic_trace_unit *const only = &unit;
        made->words = make_words(store, &only, &alone);
    }
    put_unit(store, &unit);
    units->numbers[number] = ++units->count;
    return store->failed == 0;
}

/* The file's number of a unit; NO_NUMBER: the store has failed. */
static const u32 NO_NUMBER = ~(u32)0;

static u32 unit_number(struct trace_store *store, u32 number)
{
    struct written_items *units = &store->units;
    if (!number_room(store, units, number) ||
        (UNLIKELY(units->numbers[number] == 0) && !add_unit(store, number))) {
        return NO_NUMBER;
    }
    return units->numbers[number] - 1;
}

/* What is written of a path: `parts` are its units in the file, path->parts in the machine. */
static bool make_path(struct trace_store *store, struct written_item *made,
                      struct metic_trace_path *path, const u32 *parts)
{
    const struct metic_trace_unit *units[TRACE_PATH_PARTS_MAX];
    size_t bytes = path->part_count * sizeof(*parts);
    for (unsigned i = 0; path->slot_count != 0 && i < path->part_count; i++) {
        store->source.unit(store->source.opaque, path->parts[i], &store->part_units[i]);
        units[i] = &store->part_units[i];
    }
    path->parts = parts;
    if (path->slot_count != 0) {
        made->words = make_words(store, units, path);
    } else {
        made->parts = memcpy(arena_alloc(store->memory, bytes), parts, bytes);
    }
    return made->parts != NULL;
}

static bool add_path(struct trace_store *store, u32 number)
{
    struct written_items *paths = &store->paths;
    struct metic_trace_path path;
    u32 parts[TRACE_PATH_PARTS_MAX], insns = 0;
    if (!item_room(store, paths)) {
        return false;
    }
    if (store->source.path == NULL || !store->source.path(store->source.opaque, number, &path) ||
        path.part_count == 0 || path.part_count > ARRAY_LEN(parts)) {
        store->failed = EPROTO;
        return false;
    }
    for (unsigned i = 0; i < path.part_count; i++) {
        parts[i] = unit_number(store, path.parts[i]);
        if (parts[i] == NO_NUMBER) {
            return false;
        }
        insns += store->units.list[parts[i]].insn_count;
    }
    struct written_item *made = &paths->list[paths->count];
    made->address = store->units.list[parts[0]].address;
    made->insn_count = (u16)insns;
    made->slot_count = path.slot_count;
    made->part_count = path.part_count & 0x7fffu;
    if (insns > UINT16_MAX || !make_path(store, made, &path, parts)) {
        store->failed = EPROTO;
        return false;
    }
    put_path(store, parts, &path);
    paths->numbers[number] = ++paths->count;
    return store->failed == 0;
}

static u32 path_number(struct trace_store *store, u32 number)
{
    struct written_items *paths = &store->paths;
    if (!number_room(store, paths, number) ||
        (UNLIKELY(paths->numbers[number] == 0) && !add_path(store, number))) {
        return NO_NUMBER;
    }
    return paths->numbers[number] - 1;
}

u32 trace_store_head(struct trace_store *store, u32 head)
{
    if (UNLIKELY(store->units.count == 0) && unit_number(store, 0) != 0) {
        return TRACE_NO_HEAD; /* the first is none, as the machine's is */
    }
    u32 base = head < METIC_TRACE_PATH ? 0 : METIC_TRACE_PATH;
    u32 number = base == 0 ? unit_number(store, head) : path_number(store, head - base);
    return number != NO_NUMBER ? base + number : TRACE_NO_HEAD;
}

/* Of a word that may be any: where its number would be, NULL: nowhere. */
static const u32 *number_at(const struct trace_store *store, u32 head)
{
    const struct written_items *items = head < METIC_TRACE_PATH ? &store->units : &store->paths;
    u32 number = head < METIC_TRACE_PATH ? head : head - METIC_TRACE_PATH;
    return number < items->number_capacity ? &items->numbers[number] : NULL;
}

void trace_store_expect_number(const struct trace_store *store, u32 head)
{
    const u32 *at = number_at(store, head);
    if (at != NULL) {
        __builtin_prefetch(at);
    }
}

void trace_store_expect_item(const struct trace_store *store, u32 head)
{
    const struct written_items *items = head < METIC_TRACE_PATH ? &store->units : &store->paths;
    const u32 *at = number_at(store, head);
    if (at != NULL && *at != 0) {
        __builtin_prefetch(&items->list[*at - 1]);
    }
}

/* --- where units begin --- */

static int by_address(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

static void sort_starts(struct trace_store *store)
{
    if (!trace_store_grow(store, (void **)&store->starts, 0, store->units.count + 1,
                          sizeof(*store->starts))) {
        return;
    }
    for (u32 n = 0; n < store->units.count; n++) {
        if (store->units.list[n].insn_count != 0) {
            store->starts[store->start_count++] = store->units.list[n].address;
        }
    }
    qsort(store->starts, store->start_count, sizeof(*store->starts), by_address);
}

bool trace_store_has(struct trace_store *store, u64 first, u64 end)
{
    if (store->starts == NULL) {
        sort_starts(store);
    }
    while (store->asked < store->start_count && store->starts[store->asked] < first) {
        store->asked++;
    }
    return store->asked < store->start_count && store->starts[store->asked] < end;
}

/* --- life --- */

static void items_fini(struct written_items *items)
{
    zeros_free(items->list, items->capacity * sizeof(*items->list));
    zeros_free(items->numbers, items->number_capacity * sizeof(*items->numbers));
    free(items->defined.bytes);
}

void trace_store_items_fini(struct trace_store *store)
{
    items_fini(&store->units);
    items_fini(&store->paths);
    zeros_free(store->ran, store->unit_capacity * sizeof(*store->ran));
    zeros_free(store->touched, store->unit_capacity * sizeof(*store->touched));
    zeros_free(store->starts, (store->units.count + 1) * sizeof(*store->starts));
    arena_free(store->memory);
}
