/* See trace_reader.h: the words of those items alone that somebody asked for.
 *
 * Only words of marked items are looked at (trace_pick.c), from the section's start on, since they
 * are told by how they differ from the last ones; words of all others are passed over, many items
 * at a time.
 *
 * What is left of items that are passed over is how many instructions they were, and what they
 * wrote to those registers: their words are there until the item comes again, and then it writes
 * the same registers. */
#include "ui/trace/trace_reader_private.h"

/* What was passed over since words were told. */
struct passed {
    u64 insns;
    u32 fresh; /* bit mask: registers that were written, */
    const struct read_item *by[32]; /* whose words still say what, or NULL: */
    u16 slots[32];
    u64 values[32];
};

struct pick {
    struct trace_reader *reader;
    u64 *words;
    size_t used, room;
    u64 address_bytes, value_bytes; /* of lengths whose words are still to be passed over */
    struct passed passed;
};

/* --- registers --- */

/* What registers hold that the item wrote, all of them when it is NULL. */
static void work_out(struct pick *pick, const struct read_item *of)
{
    struct passed *passed = &pick->passed;
    const struct read_item *now = NULL;
    u64 nodes[TRACE_PATH_NODES_MAX];
    unsigned done = 0;
    for (u32 left = passed->fresh; left != 0; left &= left - 1) {
        unsigned reg = (unsigned)__builtin_ctz(left);
        const struct read_item *by = passed->by[reg];
        if (by == NULL || (of != NULL && by != of)) {
            continue;
        }
        const struct metic_trace_recipe *recipe = &by->item.recipes[passed->slots[reg]];
        u64 value = recipe->add;
        if (recipe->word != METIC_TRACE_NO_WORD && recipe->word & METIC_TRACE_NODE) {
            unsigned node = recipe->word & ~METIC_TRACE_NODE;
            done = by == now ? done : 0;
            now = by;
            if (node >= done) {
                trace_item_nodes(&by->item, done, node + 1, by->last, nodes);
                done = node + 1;
            }
            value += nodes[node];
        } else if (recipe->word != METIC_TRACE_NO_WORD) {
            value += by->last[recipe->word];
        }
        passed->values[reg] = value;
        passed->by[reg] = NULL;
    }
}

static void note_write(void *opaque, const struct read_item *read, const struct item_write *write)
{
    struct passed *passed = opaque;
    passed->by[write->reg] = read;
    passed->slots[write->reg] = write->slot;
    passed->fresh |= 1u << write->reg;
}

/* Says what was passed over; false: there is no room. */
static bool tell_passed(struct pick *pick)
{
    struct passed *passed = &pick->passed;
    if (passed->insns == 0 && passed->fresh == 0) {
        return true;
    }
    if (pick->room - pick->used < 2 + 32) {
        return false;
    }
    work_out(pick, NULL);
    pick->words[pick->used++] = METIC_TRACE_LEFT | passed->insns << 28;
    pick->words[pick->used++] = passed->fresh;
    for (unsigned reg = 0; reg < 32; reg++) {
        if (passed->fresh >> reg & 1) {
            pick->words[pick->used++] = passed->values[reg];
        }
    }
    passed->insns = 0;
    passed->fresh = 0;
    return true;
}

/* --- words --- */

/* Passes over words with so many bytes of lengths, four bits each. */
static bool skip_words(struct reader *lengths, struct reader *r, u64 length_bytes)
{
    const u64 nibbles = 0x0f0f0f0f0f0f0f0fu, ones = 0x0101010101010101u;
    const u8 *at = get_bytes(lengths, length_bytes);
    u64 bytes = 0;
    for (; at != NULL && length_bytes >= 8; at += 8, length_bytes -= 8) {
        u64 now = ld_le64(at);
        bytes += ((now & nibbles) + (now >> 4 & nibbles)) * ones >> 56;
    }
    for (; at != NULL && length_bytes != 0; at++, length_bytes--) {
        bytes += (*at & 15u) + (*at >> 4);
    }
    return at != NULL && get_bytes(r, bytes) != NULL;
}

/* Gets to where the columns' next words are those of the next head. */
static bool catch_up(struct pick *pick)
{
    struct reader *columns = pick->reader->columns;
    bool good = skip_words(&columns[TRACE_ADDRESS_LENGTHS], &columns[TRACE_ADDRESSES],
                           pick->address_bytes) &&
                skip_words(&columns[TRACE_VALUE_LENGTHS], &columns[TRACE_VALUES],
                           pick->value_bytes);
    pick->address_bytes = pick->value_bytes = 0;
    return good;
}

/* Words of the item are needed for what it is told by, or by items of its kind that come later. */
static bool get_words(struct pick *pick, struct read_item *read, unsigned parts)
{
    struct trace_reader *reader = pick->reader;
    unsigned limit = trace_item_words(&read->item, parts);
    return catch_up(pick) && trace_reader_get_addresses(reader, read, limit) &&
           trace_reader_get_values(reader, read, limit) && !reader->columns[TRACE_PAGES].bad;
}

/* How many bytes of lengths words [first, end) of an item's order have, of those below `limit`. */
static unsigned length_bytes(const struct trace_item *item, unsigned first, unsigned end,
                             unsigned limit)
{
    while (end > first && item->order[end - 1] >= limit) {
        end--;
    }
    return (end - first + 1) / 2;
}

/* Passes over an item that is special: needed later, left early, or large. */
static bool pass_over(struct pick *pick, u32 head, u32 left, u32 registers)
{
    struct trace_reader *reader = pick->reader;
    struct read_item *read = trace_reader_item(reader, head);
    const struct trace_item *item = &read->item;
    unsigned parts = trace_item_parts(item, left);
    pick->passed.insns += parts != 0 ? item->insns_at[parts - 1] : 0;
    if (!(trace_pick_brief(reader, head)->state & BRIEF_NEEDED)) {
        unsigned limit = trace_item_words(item, parts);
        pick->address_bytes += length_bytes(item, 0, item->address_words, limit);
        pick->value_bytes += length_bytes(item, item->address_words, item->word_count, limit);
        return true;
    }
    if (left != TRACE_WHOLE) { /* not all is written that was the last time */
        work_out(pick, read);
    }
    if (!get_words(pick, read, parts)) {
        return false;
    }
    if (registers != 0) {
        trace_pick_writes(read, parts, registers, note_write, &pick->passed);
    }
    return true;
}

/* Unrolls an item that is told. */
static bool pick_item(struct pick *pick, u32 head, u32 left, u64 page_delta)
{
    struct trace_reader *reader = pick->reader;
    struct read_item *read = trace_reader_item(reader, head);
    unsigned parts = trace_item_parts(&read->item, left);
    if (!tell_passed(pick) || !get_words(pick, read, parts) ||
        trace_item_unrolled(&read->item, parts) >= pick->room - pick->used) {
        return false;
    }
    pick->used += trace_reader_unroll(reader, read, parts, page_delta, pick->words + pick->used);
    return true;
}

static bool pick_event(struct pick *pick, u32 head)
{
    size_t got = 0;
    if (tell_passed(pick)) {
        got = trace_reader_event(pick->reader, head, pick->words + pick->used,
                                 pick->room - pick->used);
    }
    pick->used += got;
    return got != 0;
}

/* The first `count` heads. */
static bool pick_all(struct pick *pick, u32 count)
{
    struct trace_reader *reader = pick->reader;
    const struct mark *next = reader->marks.list + reader->marks.count; /* the one before it */
    const struct mark *end = reader->marks.list;
    u32 left = TRACE_WHOLE;
    trace_reader_next_page(reader);
    for (u32 i = 0; i < count; i++) {
        u32 head = trace_pick_head(reader, i);
        if (UNLIKELY(head >= METIC_TRACE_LEFT && head < METIC_TRACE_EVENT)) {
            left = head - METIC_TRACE_LEFT;
            continue;
        }
        if (UNLIKELY(head >= METIC_TRACE_EVENT)) {
            next -= next != end && next[-1].at == i;
            if (!pick_event(pick, head)) {
                return false;
            }
            continue;
        }
        const struct item_brief *brief = trace_pick_brief(reader, head);
        u64 page_delta = trace_reader_page(reader);
        if (LIKELY(!(brief->state & (BRIEF_NEEDED | BRIEF_LARGE)) && left == TRACE_WHOLE)) {
            pick->passed.insns += brief->insns;
            pick->address_bytes += brief->address_bytes;
            pick->value_bytes += brief->value_bytes;
            continue;
        }
        bool marked = next != end && next[-1].at == i;
        next -= marked;
        if (!(marked && next->registers == 0
                  ? pick_item(pick, head, left, page_delta)
                  : pass_over(pick, head, left, marked ? next->registers : 0))) {
            return false;
        }
        left = TRACE_WHOLE;
    }
    return tell_passed(pick);
}

bool trace_reader_pick(struct trace_reader *reader, const struct trace_section *section,
                       const struct trace_want *want, const u64 **words, size_t *count,
                       bool *to_end)
{
    u32 heads;
    *words = NULL;
    *count = 0;
    *to_end = false;
    if (!trace_pick_mark(reader, section, want, &heads)) {
        return false;
    }
    if (heads == 0) {
        return true;
    }
    const struct reader *column = &reader->columns[TRACE_HEADS];
    const struct mark_list *marks = &reader->marks;
    *to_end = heads == (column->end - column->at) / 4 && marks->count != 0 &&
              marks->list[0].at == heads - 1;
    /* Each word stands for one of those there were, or tells of what was passed over in between. */
    size_t most = heads < section->count ? heads : section->count;
    struct pick pick = {.reader = reader};
    pick.room = section->count + 1 + (most + 1) * (2 + (size_t)__builtin_popcount(want->registers))
                + 2 + 32;
    if (!trace_reader_room((void **)&reader->words, &reader->word_capacity,
                           pick.room * sizeof(u64))) {
        return false;
    }
    pick.words = reader->words;
    if (!pick_all(&pick, heads)) {
        return false;
    }
    *words = pick.words;
    *count = pick.used;
    return true;
}
