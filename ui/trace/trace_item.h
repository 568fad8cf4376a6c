/* What a head of a trace store's stream stands for: a unit, or a path of several units; and which
 * words of it are in which column. Writer and reader know it from the same definitions. */
#ifndef METIC_UI_TRACE_ITEM_H
#define METIC_UI_TRACE_ITEM_H

#include "cpu/base/arena.h"
#include "ui/trace/trace_format.h"

struct trace_item_access {
    u64 add;
    u16 word; /* METIC_TRACE_NO_WORD: add alone is the address */
    u16 part;
    u8 size_bytes;
    bool reads, writes;
};

struct trace_item {
    u16 part_count, slot_count, word_count;
    u16 address_words;   /* first of `order`: those in TRACE_ADDRESSES; others in TRACE_VALUES */
    u16 access_count, node_count;
    const u16 *order;    /* words by column, in each by number */
    const u64 *masks;    /* by `order`: the bits that count */
    const struct trace_item_access *accesses; /* by part */
    const u32 *parts;
    const struct metic_trace_recipe *recipes;
    const struct metic_trace_node *nodes;
    const u16 *words_at; /* by part: so many words are told by it and those before, */
    const u32 *slots_at; /*   and so many slots, */
    const u32 *insns_at; /*   and so many instructions */
};

/* A path, of these units, one for each of its parts; or with recipes NULL the unit parts[0] alone.
 * What it points to is the arena's. False: it cannot be. */
bool trace_item_make(struct trace_item *item, const struct metic_trace_unit *const *units,
                     const struct metic_trace_path *path, struct arena *arena);
/* Values of nodes [first, end), from words and from the nodes before. */
void trace_item_nodes(const struct trace_item *item, unsigned first, unsigned end,
                      const u64 *words, u64 *nodes);

/* How many of its parts began before instruction number `left`; TRACE_WHOLE: it ran to its end. */
#define TRACE_WHOLE (~(u32)0)
unsigned trace_item_parts(const struct trace_item *item, u32 left);
/* How many of its words the file has when so many of its parts ran, and how many words those are
 * unrolled, heads and slots. */
unsigned trace_item_words(const struct trace_item *item, unsigned parts);
size_t trace_item_unrolled(const struct trace_item *item, unsigned parts);

#endif
