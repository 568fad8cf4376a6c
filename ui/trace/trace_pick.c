/* See trace_reader.h: the words of those items alone that somebody asked for.
 *
 * What an item is and how many bytes its words have is known without looking at them. So first the
 * heads alone are gone through: forwards for what is wanted, then backwards from there for which
 * item was the last one to write each register that is to be known. Only words of such items are
 * looked at, from the section's start on, since they are told by how they differ from the last
 * ones; words of all others are passed over.
 *
 * What is left of items that are passed over is how many instructions they were, and what they
 * wrote to those registers: their words are there until the item comes again, and then it writes
 * the same registers. */
#include "ui/trace/trace_reader_private.h"

#include <stdlib.h>
#include <string.h>

enum { FRAME_HEADS = 1, FRAME_ADDRESSES = 2, FRAME_VALUES = 4 };

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
    const struct trace_want *want;
    u64 *words;
    size_t used, room;
    struct passed passed;
};

/* --- what is known of items --- */

static u32 left_of(const struct occurrence *at)
{
    return at->left == OCCURRENCE_WHOLE ? TRACE_WHOLE : at->left;
}

static struct item_brief *brief_of(struct trace_reader *reader, u32 head)
{
    bool is_path = head >= METIC_TRACE_PATH;
    return &reader->briefs[is_path ? reader->file->unit_count + head - METIC_TRACE_PATH : head];
}

/* For picks that ask for these registers. */
static bool make_briefs(struct trace_reader *reader, u32 registers)
{
    size_t count = (size_t)reader->file->unit_count + reader->file->path_count;
    if (UNLIKELY(reader->briefs == NULL)) {
        reader->briefs = calloc(count + 1, sizeof(*reader->briefs));
    } else if (UNLIKELY(reader->brief_registers != registers)) {
        for (size_t i = 0; i < count; i++) {
            reader->briefs[i].writes = 0;
        }
    }
    reader->brief_registers = registers;
    return reader->briefs != NULL;
}

static bool is_item(const struct trace_file *file, u32 head)
{
    return head >= METIC_TRACE_PATH ? head - METIC_TRACE_PATH < file->path_count
                                    : head < file->unit_count;
}

/* False: there is no memory, or the item cannot be. */
static bool make_brief(struct trace_reader *reader, u32 head, struct item_brief *brief)
{
    const struct read_item *read = trace_reader_item(reader, head);
    if (read == NULL) {
        return false;
    }
    const struct trace_item *item = &read->item;
    brief->insns = item->insns_at[item->part_count - 1];
    brief->address_words = item->address_words;
    brief->value_words = (u16)(item->word_count - item->address_words);
    brief->state = 1;
    return true;
}

/* Words of items are needed, or not, by a bit for each item; where two share one, both are. */
static unsigned needed_bit(u32 head)
{
    return (head * 0x9e3779b1u) >> 18;
}
_Static_assert(NEEDED_BITS == 1 << 14, "as many as needed_bit knows");

static bool is_needed(const struct trace_reader *reader, u32 head)
{
    unsigned bit = needed_bit(head);
    return reader->needed[bit / 64] >> bit % 64 & 1;
}

/* Lists what the item writes of the registers that are asked for. */
static bool know_writes(struct trace_reader *reader, struct read_item *read, u32 registers)
{
    const struct trace_item *item = &read->item;
    if (LIKELY(read->writes_of == registers)) {
        return true;
    }
    struct item_write *list = realloc(read->writes, (item->slot_count + 1u) * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    read->writes = list;
    read->writes_of = registers;
    read->write_count = read->last_count = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        u32 found = 0;
        for (unsigned parts = item->part_count; parts-- > 0;) {
            const struct metic_trace_unit *unit = &reader->file->units[item->parts[parts]];
            unsigned first = parts != 0 ? item->slots_at[parts - 1] : 0;
            for (unsigned i = unit->slot_count; i-- > 0;) {
                const struct metic_trace_slot *slot = &unit->slots[i];
                if (slot->kind != METIC_SLOT_REGISTER || slot->reg >= 32 ||
                    !(registers >> slot->reg & 1)) {
                    continue;
                }
                if ((found >> slot->reg & 1) == pass) {
                    list[read->write_count++] =
                        (struct item_write){(u16)(first + i), (u8)slot->reg};
                }
                found |= 1u << slot->reg;
            }
        }
        read->last_count = pass == 0 ? (u8)read->write_count : read->last_count;
    }
    return true;
}

/* Calls `each`, unless it is NULL, for the last write of each register of `mask` that the item's
 * first `parts` do; bit mask of those there are. */
static u32 last_writes(const struct read_item *read, unsigned parts, u32 mask,
                       void (*each)(struct pick *pick, const struct read_item *read,
                                    const struct item_write *write), struct pick *pick)
{
    u32 found = 0;
    bool whole = parts == read->item.part_count;
    unsigned slots = parts != 0 ? read->item.slots_at[parts - 1] : 0;
    unsigned count = whole ? read->last_count : read->write_count;
    for (unsigned i = 0; i < count; i++) {
        const struct item_write *write = &read->writes[i];
        if (write->slot < slots && !(found >> write->reg & 1)) {
            found |= 1u << write->reg;
            if (each != NULL && mask >> write->reg & 1) {
                each(pick, read, write);
            }
        }
    }
    return found;
}

/* --- forwards: which are wanted --- */

/* A memory event's words: instruction count, time, address, value, bytes | write << 8. */
static bool event_touches(struct trace_reader *reader, u32 head, const struct trace_want *want)
{
    unsigned count = head & 0xff;
    const u8 *from = get_bytes(&reader->columns[TRACE_EVENTS], 8u * count);
    if (from == NULL || (head >> 8 & 0xff) != METIC_EVENT_MEMORY || count < 5) {
        return false;
    }
    u64 access = ld_le64(from + 32);
    return want->how & (access >> 8 & 1 ? TRACE_WRITES : TRACE_READS) &&
           trace_places_have(want->places, ld_le64(from + 16), access & 0xff);
}

static bool item_touches(const struct read_item *read, unsigned parts,
                         const struct trace_want *want)
{
    const struct trace_item *item = &read->item;
    for (unsigned i = 0; i < item->access_count && item->accesses[i].part < parts; i++) {
        const struct trace_item_access *access = &item->accesses[i];
        u64 address = access->add +
                      (access->word != METIC_TRACE_NO_WORD ? read->last[access->word] : 0);
        unsigned does = (access->reads ? TRACE_READS : 0u) | (access->writes ? TRACE_WRITES : 0u);
        if (want->how & does && trace_places_have(want->places, address, access->size_bytes)) {
            return true;
        }
    }
    return false;
}

/* Whether the item touches the places; its addresses are read. *bad: damaged. */
static bool is_at_places(struct trace_reader *reader, const struct occurrence *at,
                         const struct trace_want *want, bool *bad)
{
    struct read_item *read = trace_reader_item(reader, at->head);
    unsigned parts = trace_item_parts(&read->item, left_of(at));
    *bad = !trace_reader_get(&reader->columns[TRACE_ADDRESSES], read, 0, read->item.address_words,
                             trace_item_words(&read->item, parts));
    return !*bad && item_touches(read, parts, want);
}

static bool is_wanted(struct trace_reader *reader, u32 head, struct item_brief *brief,
                      const struct trace_want *want)
{
    u64 page_delta = trace_reader_page(reader);
    if (want->item == NULL) {
        return false;
    }
    if (UNLIKELY(page_delta != 0)) {
        const struct trace_item *item = &trace_reader_item(reader, head)->item;
        return want->item(want->opaque, item->parts, item->part_count, page_delta);
    }
    if (UNLIKELY(brief->state >> 2 != want->version)) {
        const struct trace_item *item = &trace_reader_item(reader, head)->item;
        bool wanted = want->item(want->opaque, item->parts, item->part_count, 0);
        brief->state = want->version << 2 | (wanted ? 2u : 0u) | 1;
    }
    return brief->state & 2;
}

/* The brief of the head that comes in a while, for the cache. */
static void expect_head(struct trace_reader *reader, const struct reader *heads)
{
    enum { AHEAD_BYTES = 4 * 12 };
    if (heads->end - heads->at > AHEAD_BYTES) {
        u32 head = ld_le32(heads->at + AHEAD_BYTES) & METIC_TRACE_NUMBER;
        if (LIKELY(is_item(reader->file, head))) {
            __builtin_prefetch(brief_of(reader, head));
        }
    }
}

/* An item's head; false: damaged. */
static bool list_item(struct trace_reader *reader, struct occurrence *at,
                      const struct trace_want *want)
{
    bool bad = false;
    if (!is_item(reader->file, at->head)) {
        return false;
    }
    struct item_brief *brief = brief_of(reader, at->head);
    if (UNLIKELY(brief->state == 0) && !make_brief(reader, at->head, brief)) {
        return false;
    }
    at->insns = brief->insns;
    at->address_words = brief->address_words;
    at->value_words = brief->value_words;
    at->told = want->places != NULL ? is_at_places(reader, at, want, &bad)
                                    : is_wanted(reader, at->head, brief, want);
    return !bad;
}

/* Lists the heads, and which are wanted; false: damaged. */
static bool list_heads(struct trace_reader *reader, const struct trace_want *want)
{
    struct reader *heads = &reader->columns[TRACE_HEADS];
    struct occurrence *last = NULL; /* an item */
    if (!trace_reader_room((void **)&reader->heads, &reader->head_capacity,
                           ((size_t)(heads->end - heads->at) / 4 + 1) * sizeof(*reader->heads))) {
        return false;
    }
    reader->head_count = 0;
    trace_reader_next_page(reader);
    while (heads->at < heads->end) {
        struct occurrence *at = &reader->heads[reader->head_count++];
        *at = (struct occurrence){0};
        expect_head(reader, heads);
        u32 left;
        at->head = trace_reader_head(reader, &left);
        at->left = left == TRACE_WHOLE ? (u16)OCCURRENCE_WHOLE : (u16)left;
        if (at->head == ~0u || (left != TRACE_WHOLE && left >= OCCURRENCE_WHOLE)) {
            return false;
        }
        if (at->head < METIC_TRACE_EVENT) {
            last = at;
            if (!list_item(reader, at, want)) {
                return false;
            }
            continue;
        }
        at->told = want->places != NULL && event_touches(reader, at->head, want);
        if (last != NULL) { /* it happened in there */
            last->told |= at->told || want->before_events;
        }
    }
    if (last != NULL && want->before_events) {
        last->told |= last == &reader->heads[reader->head_count - 1];
    }
    return true;
}

/* --- backwards: which write what is to be known --- */

/* Registers that the item writes, or as much of it as ran. */
static u32 writes_of(struct trace_reader *reader, const struct occurrence *at, u32 registers)
{
    struct item_brief *brief = brief_of(reader, at->head);
    if (LIKELY(brief->writes & 1 && at->left == OCCURRENCE_WHOLE)) {
        return brief->writes;
    }
    struct read_item *read = trace_reader_item(reader, at->head);
    if (!know_writes(reader, read, registers)) {
        return 0;
    }
    brief->writes = last_writes(read, read->item.part_count, 0, NULL, NULL) | 1;
    return at->left == OCCURRENCE_WHOLE
               ? brief->writes
               : last_writes(read, trace_item_parts(&read->item, left_of(at)), 0, NULL, NULL);
}

static bool add_giving(struct trace_reader *reader, size_t at, u32 registers)
{
    if (!trace_reader_more((void **)&reader->givings, &reader->giving_capacity,
                           reader->giving_count + 1, sizeof(*reader->givings))) {
        return false;
    }
    reader->givings[reader->giving_count++] = (struct giving){(u32)at, registers};
    return true;
}

/* Marks items whose words are needed, and lists what occurrences give; false: no memory. */
static bool mark_needed(struct trace_reader *reader, const struct trace_want *want, size_t count)
{
    u32 missing = want->end_registers;
    bool before_event = true; /* what follows may say that it was cut */
    memset(reader->needed, 0, sizeof(reader->needed));
    reader->giving_count = 0;
    for (size_t i = count; i-- > 0;) {
        struct occurrence *at = &reader->heads[i];
        bool is_event = at->head >= METIC_TRACE_EVENT;
        u32 writes = 0;
        if (at->told) {
            missing = want->registers;
        } else if (!is_event && missing != 0) {
            writes = writes_of(reader, at, want->registers) & missing;
            at->told = writes != 0 && before_event; /* whoever unrolls it looks how far it came */
            at->gives = writes != 0 && !before_event;
        }
        if (at->gives) {
            missing &= ~writes;
            if (!add_giving(reader, i, writes)) {
                return false;
            }
        }
        if (!is_event && (at->told || at->gives)) {
            reader->needed[needed_bit(at->head) / 64] |= (u64)1 << needed_bit(at->head) % 64;
        }
        before_event = is_event;
    }
    return true;
}

/* How many heads there are up to the last one that is wanted, with events that say how far it
 * came. */
static size_t wanted_heads(const struct trace_reader *reader, const struct trace_want *want)
{
    size_t count = reader->head_count;
    bool all = want->end_registers != 0 || want->before_events;
    while (!all && count != 0 && !reader->heads[count - 1].told) {
        count--;
    }
    while (count != 0 && count < reader->head_count &&
           reader->heads[count].head >= METIC_TRACE_EVENT) {
        count++;
    }
    return count;
}

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

static void note_write(struct pick *pick, const struct read_item *read,
                       const struct item_write *write)
{
    pick->passed.by[write->reg] = read;
    pick->passed.slots[write->reg] = write->slot;
    pick->passed.fresh |= 1u << write->reg;
}

/* --- forwards again: words --- */

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

/* Words of the item are needed for what it is told by, or by items of its kind that come later. */
static bool get_words(struct trace_reader *reader, struct read_item *read, unsigned parts)
{
    const struct trace_item *item = &read->item;
    unsigned limit = trace_item_words(item, parts);
    return trace_reader_get(&reader->columns[TRACE_ADDRESSES], read, 0, item->address_words,
                            limit) &&
           trace_reader_get(&reader->columns[TRACE_VALUES], read, item->address_words,
                            item->word_count, limit) && !reader->columns[TRACE_PAGES].bad;
}

/* Passes over so many words: their lengths, in four bits each, then they. */
static bool skip_words(struct reader *r, unsigned count)
{
    const u64 nibbles = 0x0f0f0f0f0f0f0f0fu, ones = 0x0101010101010101u;
    unsigned left = (count + 1) / 2;
    u64 bytes = left;
    const u8 *at = get_bytes(r, left);
    if (at == NULL || count == 0) {
        return at != NULL;
    }
    for (; left != 0 && r->end - at >= 8; at += 8) {
        unsigned part = left < 8 ? left : 8;
        u64 lengths = ld_le64(at) & trace_mask(part);
        if (part == left && count % 2 != 0) {
            lengths &= ~((u64)0xf0 << 8 * (part - 1));
        }
        bytes += ((lengths & nibbles) + (lengths >> 4 & nibbles)) * ones >> 56;
        left -= part;
    }
    for (; left != 0; at++, left--) {
        bytes += (*at & 15u) + (left == 1 && count % 2 != 0 ? 0u : *at >> 4);
    }
    return get_bytes(r, bytes - (count + 1) / 2) != NULL;
}

/* How many of words [first, end) of an item's order are below `limit`. */
static unsigned words_below(const struct trace_item *item, unsigned first, unsigned end,
                            unsigned limit)
{
    while (end > first && item->order[end - 1] >= limit) {
        end--;
    }
    return end - first;
}

/* Passes over words of an item that nobody needs. */
static bool pass_over_words(struct trace_reader *reader, const struct occurrence *at,
                            const struct trace_item *item, unsigned parts)
{
    unsigned addresses = at->address_words, values = at->value_words;
    if (at->left != OCCURRENCE_WHOLE) {
        unsigned limit = trace_item_words(item, parts);
        addresses = words_below(item, 0, item->address_words, limit);
        values = words_below(item, item->address_words, item->word_count, limit);
    }
    return skip_words(&reader->columns[TRACE_ADDRESSES], addresses) &&
           skip_words(&reader->columns[TRACE_VALUES], values);
}

static bool pass_over(struct pick *pick, const struct occurrence *at)
{
    struct trace_reader *reader = pick->reader;
    bool whole = at->left == OCCURRENCE_WHOLE, needed = is_needed(reader, at->head);
    if (LIKELY(whole && !needed)) {
        pick->passed.insns += at->insns;
        return pass_over_words(reader, at, NULL, 0);
    }
    struct read_item *read = trace_reader_item(reader, at->head);
    unsigned parts = trace_item_parts(&read->item, left_of(at));
    pick->passed.insns += parts != 0 ? read->item.insns_at[parts - 1] : 0;
    if (!needed) {
        return pass_over_words(reader, at, &read->item, parts);
    }
    if (!whole) { /* not all is written that was the last time */
        work_out(pick, read);
    }
    if (!get_words(reader, read, parts)) {
        return false;
    }
    if (at->gives) {
        const struct giving *giving = &reader->givings[--reader->giving_count];
        last_writes(read, parts, giving->registers, note_write, pick);
    }
    return true;
}

static bool pick_item(struct pick *pick, const struct occurrence *at)
{
    struct trace_reader *reader = pick->reader;
    u64 page_delta = trace_reader_page(reader);
    if (!at->told) {
        return pass_over(pick, at);
    }
    struct read_item *read = trace_reader_item(reader, at->head);
    unsigned parts = trace_item_parts(&read->item, left_of(at));
    if (!tell_passed(pick) || !get_words(reader, read, parts) ||
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

static bool pick_all(struct pick *pick, size_t count)
{
    struct trace_reader *reader = pick->reader;
    trace_reader_next_page(reader);
    for (size_t i = 0; i < count; i++) {
        const struct occurrence *at = &reader->heads[i];
        if (!(at->head >= METIC_TRACE_EVENT ? pick_event(pick, at->head) : pick_item(pick, at))) {
            return false;
        }
    }
    return tell_passed(pick);
}

bool trace_reader_pick(struct trace_reader *reader, const struct trace_section *section,
                       const struct trace_want *want, const u64 **words, size_t *count)
{
    const unsigned first = want->places != NULL ? FRAME_HEADS | FRAME_ADDRESSES : FRAME_HEADS;
    *words = NULL;
    *count = 0;
    if (!make_briefs(reader, want->registers) || !trace_reader_open(reader, section, first) ||
        !list_heads(reader, want)) {
        return false;
    }
    size_t heads = wanted_heads(reader, want);
    if (heads == 0) {
        return true;
    }
    if (!mark_needed(reader, want, heads) ||
        !trace_reader_reopen(reader, section, first, FRAME_ADDRESSES | FRAME_VALUES)) {
        return false;
    }
    /* Each word stands for one of those there were, or tells of what was passed over in between. */
    size_t most = heads < section->count ? heads : section->count;
    struct pick pick = {.reader = reader, .want = want};
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
