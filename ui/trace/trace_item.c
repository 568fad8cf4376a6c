/* See trace_item.h. */
#include "ui/trace/trace_item.h"

#include <string.h>

/* What is known of a word while slots are looked at. */
struct word_use {
    bool address;
    u8 size_bytes;
};

static bool is_address(const struct metic_trace_slot *slot)
{
    return trace_column_of(slot->kind) == TRACE_ADDRESSES;
}

/* Counts slots and accesses; false: they are more than there can be. */
static bool count_slots(const struct metic_trace_unit *const *units,
                        const struct metic_trace_path *path, unsigned *slots, unsigned *accesses)
{
    *slots = *accesses = 0;
    for (unsigned p = 0; p < path->part_count; p++) {
        const struct metic_trace_unit *unit = units[p];
        *slots += unit->slot_count;
        if (*slots > TRACE_UNIT_SLOTS_MAX) {
            return false;
        }
        for (unsigned i = 0; i < unit->slot_count; i++) {
            *accesses += is_address(&unit->slots[i]);
        }
    }
    return path->part_count != 0;
}

/* One block of memory for all its lists. */
static void make_lists(struct trace_item *item, const struct metic_trace_path *path,
                       unsigned slots, unsigned words, unsigned accesses, struct arena *arena)
{
    size_t parts = path->part_count;
    size_t masks_at = accesses * sizeof(*item->accesses); /* first what the writer needs often */
    size_t order_at = masks_at + words * sizeof(*item->masks);
    size_t recipes_at = (order_at + words * sizeof(*item->order) + 7) & ~(size_t)7;
    size_t nodes_at = recipes_at + slots * sizeof(*item->recipes);
    size_t slots_at = nodes_at + path->node_count * sizeof(*item->nodes);
    size_t insns_at = slots_at + parts * sizeof(*item->slots_at);
    size_t parts_at = insns_at + parts * sizeof(*item->insns_at);
    size_t words_at = parts_at + parts * sizeof(*item->parts);
    u8 *memory = arena_alloc(arena, words_at + parts * sizeof(*item->words_at));
    *item = (struct trace_item){
        .part_count = path->part_count, .slot_count = (u16)slots, .word_count = (u16)words,
        .access_count = (u16)accesses,
        .accesses = (void *)memory, .masks = (void *)(memory + masks_at),
        .node_count = path->node_count, .nodes = (void *)(memory + nodes_at),
        .recipes = (void *)(memory + recipes_at), .slots_at = (void *)(memory + slots_at),
        .insns_at = (void *)(memory + insns_at),
        .parts = (void *)(memory + parts_at), .order = (void *)(memory + order_at),
        .words_at = (void *)(memory + words_at),
    };
    memcpy((void *)(uintptr_t)item->parts, path->parts, parts * sizeof(*item->parts));
    if (path->node_count != 0) {
        memcpy(memory + nodes_at, path->nodes, path->node_count * sizeof(*path->nodes));
    }
    struct metic_trace_recipe *recipes = (void *)(memory + recipes_at);
    for (unsigned i = 0; i < slots; i++) {
        recipes[i] = path->recipes != NULL ? path->recipes[i]
                                           : (struct metic_trace_recipe){0, (u16)i};
    }
}

/* What nodes [first, end) need of words; false: they cannot be. */
static bool look_at_nodes(const struct trace_item *item, unsigned first, unsigned end,
                          struct word_use *uses, unsigned *words)
{
    for (unsigned n = first; n < end; n++) {
        const struct metic_trace_node *node = &item->nodes[n];
        unsigned operands = metic_trace_node_operands(node->op);
        u8 bytes = (u8)metic_trace_node_operand_bytes(node);
        for (unsigned i = 0; i < operands; i++) {
            u16 from = i < ARRAY_LEN(node->operands) ? node->operands[i] : METIC_TRACE_NO_WORD;
            bool is_node = from & METIC_TRACE_NODE;
            if (is_node ? (from & ~METIC_TRACE_NODE) >= n : from >= item->word_count) {
                return false;
            }
            if (!is_node) {
                uses[from].size_bytes = bytes > uses[from].size_bytes ? bytes
                                                                      : uses[from].size_bytes;
                *words = from >= *words ? from + 1u : *words;
            }
        }
    }
    return true;
}

/* Looks at all slots: accesses, what each part needs, what each word is. */
static bool look(struct trace_item *item, const struct metic_trace_unit *const *units,
                 struct word_use *uses)
{
    struct trace_item_access *access = (void *)(uintptr_t)item->accesses;
    u16 *words_at = (void *)(uintptr_t)item->words_at;
    u32 *slots_at = (void *)(uintptr_t)item->slots_at;
    u32 *insns_at = (void *)(uintptr_t)item->insns_at;
    u32 insns = 0;
    unsigned slot = 0, words = 0, nodes = 0;
    for (unsigned p = 0; p < item->part_count; p++) {
        const struct metic_trace_unit *unit = units[p];
        for (unsigned i = 0; i < unit->slot_count; i++, slot++) {
            const struct metic_trace_slot *kind = &unit->slots[i];
            struct metic_trace_recipe recipe = item->recipes[slot];
            bool address = is_address(kind);
            if (address) {
                *access++ = (struct trace_item_access){
                    .add = recipe.add, .word = recipe.word, .part = (u16)p,
                    .size_bytes = kind->size_bytes,
                    .reads = kind->kind != METIC_SLOT_STORE_ADDRESS,
                    .writes = kind->kind != METIC_SLOT_LOAD_ADDRESS,
                };
            }
            if (recipe.word == METIC_TRACE_NO_WORD) {
                continue;
            }
            if (recipe.word & METIC_TRACE_NODE) {
                unsigned end = (recipe.word & ~METIC_TRACE_NODE) + 1u;
                if (address || end > item->node_count ||
                    !look_at_nodes(item, nodes, end, uses, &words)) {
                    return false;
                }
                nodes = end > nodes ? end : nodes;
                continue;
            }
            if (recipe.word >= item->word_count) {
                return false;
            }
            struct word_use *use = &uses[recipe.word];
            u8 size_bytes = address ? 8 : kind->size_bytes;
            use->address |= address;
            use->size_bytes = size_bytes > use->size_bytes ? size_bytes : use->size_bytes;
            words = recipe.word >= words ? recipe.word + 1u : words;
        }
        words_at[p] = (u16)words;
        slots_at[p] = slot;
        insns += unit->insn_count;
        insns_at[p] = insns;
    }
    return true;
}

/* The columns of its words, and the bits of each that count. */
static void order_words(struct trace_item *item, unsigned words, const struct word_use *uses)
{
    u16 *order = (void *)(uintptr_t)item->order;
    u64 *masks = (void *)(uintptr_t)item->masks;
    unsigned at = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < words; i++) {
            if (uses[i].address == (pass == 0)) {
                masks[at] = trace_mask(uses[i].size_bytes != 0 ? uses[i].size_bytes : 8);
                order[at++] = (u16)i;
            }
        }
        item->address_words = pass == 0 ? (u16)at : item->address_words;
    }
}

/* Of its own, for most items have no words and need not wait for so much memory to be cleared. */
static __attribute__((noinline)) bool look_with_words(struct trace_item *item,
                                                      const struct metic_trace_unit *const *units,
                                                      unsigned words)
{
    struct word_use uses[TRACE_UNIT_SLOTS_MAX] = {{0}};
    if (!look(item, units, uses)) {
        return false;
    }
    order_words(item, words, uses);
    return true;
}

bool trace_item_make(struct trace_item *item, const struct metic_trace_unit *const *units,
                     const struct metic_trace_path *path, struct arena *arena)
{
    unsigned slots, accesses;
    if (!count_slots(units, path, &slots, &accesses)) {
        return false;
    }
    unsigned words = path->recipes != NULL ? path->word_count : slots;
    if (words > TRACE_UNIT_SLOTS_MAX || path->node_count > TRACE_PATH_NODES_MAX) {
        return false;
    }
    make_lists(item, path, slots, words, accesses, arena);
    return words != 0 ? look_with_words(item, units, words) : look(item, units, NULL);
}

void trace_item_nodes(const struct trace_item *item, unsigned first, unsigned end,
                      const u64 *words, u64 *nodes)
{
    for (unsigned n = first; n < end; n++) {
        const struct metic_trace_node *node = &item->nodes[n];
        unsigned count = metic_trace_node_operands(node->op);
        u64 operands[4] = {0};
        for (unsigned i = 0; i < count; i++) {
            u16 from = node->operands[i];
            operands[i] = from & METIC_TRACE_NODE ? nodes[from & ~METIC_TRACE_NODE] : words[from];
        }
        nodes[n] = metic_trace_node_value(node, operands);
    }
}

unsigned trace_item_parts(const struct trace_item *item, u32 left)
{
    unsigned parts = 0;
    if (left == TRACE_WHOLE) {
        return item->part_count;
    }
    while (parts < item->part_count && (parts == 0 ? 0 : item->insns_at[parts - 1]) < left) {
        parts++;
    }
    return parts;
}

unsigned trace_item_words(const struct trace_item *item, unsigned parts)
{
    if (parts == item->part_count) {
        return item->word_count;
    }
    return parts != 0 ? item->words_at[parts - 1] : 0;
}

size_t trace_item_unrolled(const struct trace_item *item, unsigned parts)
{
    return parts != 0 ? parts + item->slots_at[parts - 1] : 0;
}
