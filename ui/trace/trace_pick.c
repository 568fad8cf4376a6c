/* See trace_reader.h: the words of those items alone that somebody asked for.
 *
 * What an item is and how many bytes its words have is known without looking at them, so most are
 * passed over. What is left of these is how many instructions they were, and which registers they
 * wrote: by which item last, since its words are there until it comes again, and then it writes
 * the same registers. */
#include "ui/trace/trace_reader_private.h"

#include <stdlib.h>
#include <string.h>

enum { FRAME_HEADS = 1u << 0, FRAME_ADDRESSES = 1u << 1, FRAME_VALUES = 1u << 2 };

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

/* --- which items --- */

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

/* Notes which heads have an access to the places, or an event that has; false: damaged. */
static bool choose(struct trace_reader *reader, const struct trace_want *want, bool *any)
{
    struct reader *heads = &reader->columns[TRACE_HEADS];
    size_t at = 0, last = 0;
    *any = false;
    if (!trace_reader_room((void **)&reader->chosen, &reader->chosen_capacity,
                           (size_t)(heads->end - heads->at) / 4 + 1)) {
        return false;
    }
    for (; heads->at < heads->end; at++) {
        u32 left, head = trace_reader_head(reader, &left);
        if (head == ~0u) {
            return false;
        }
        reader->chosen[at] = 0;
        if (head >= METIC_TRACE_EVENT) {
            bool touches = event_touches(reader, head, want);
            *any |= touches;
            reader->chosen[last] |= touches; /* it happened in there */
            continue;
        }
        struct read_item *read = trace_reader_item(reader, head);
        if (read == NULL) {
            return false;
        }
        unsigned parts = trace_item_parts(&read->item, reader->file->units, left);
        if (!trace_reader_get(&reader->columns[TRACE_ADDRESSES], read, 0,
                              read->item.address_words, trace_item_words(&read->item, parts))) {
            return false;
        }
        last = at;
        reader->chosen[at] = item_touches(read, parts, want);
        *any |= reader->chosen[at];
    }
    return true;
}

static bool is_wanted(const struct pick *pick, struct read_item *read, size_t at, u64 page_delta)
{
    const struct trace_want *want = pick->want;
    if (want->places != NULL) {
        return pick->reader->chosen[at];
    }
    if (want->item == NULL) {
        return false;
    }
    if (page_delta != 0) {
        return want->item(want->opaque, read->item.parts, read->item.part_count, page_delta);
    }
    if (read->marked != want->version) {
        read->wanted = want->item(want->opaque, read->item.parts, read->item.part_count, 0);
        read->marked = want->version;
    }
    return read->wanted;
}

/* --- registers --- */

/* Lists what the item writes of the registers that are asked for. */
static bool know_writes(struct pick *pick, struct read_item *read)
{
    const struct trace_item *item = &read->item;
    const u32 registers = pick->want->registers;
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
            const struct metic_trace_unit *unit = &pick->reader->file->units[item->parts[parts]];
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

/* What registers hold that the item wrote, all of them when it is NULL. */
static void work_out(struct pick *pick, const struct read_item *of)
{
    struct passed *passed = &pick->passed;
    const struct read_item *now = NULL;
    u64 nodes[TRACE_PATH_NODES_MAX];
    unsigned done = 0;
    for (unsigned reg = 0; reg < 32; reg++) {
        const struct read_item *by = passed->by[reg];
        if (!(passed->fresh >> reg & 1) || by == NULL || (of != NULL && by != of)) {
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

/* Those of the item's first `parts`. */
static void note_writes(struct pick *pick, const struct read_item *read, unsigned parts)
{
    u32 found = 0;
    unsigned slots = parts != 0 ? read->item.slots_at[parts - 1] : 0;
    if (parts == read->item.part_count) {
        for (unsigned i = 0; i < read->last_count; i++) {
            note_write(pick, read, &read->writes[i]);
        }
        return;
    }
    for (unsigned i = 0; i < read->write_count; i++) {
        const struct item_write *write = &read->writes[i];
        if (write->slot < slots && !(found >> write->reg & 1)) {
            note_write(pick, read, write);
            found |= 1u << write->reg;
        }
    }
}

/* --- words --- */

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

static bool pass_over(struct pick *pick, struct read_item *read, unsigned parts)
{
    const struct trace_item *item = &read->item;
    bool whole = parts == item->part_count;
    pick->passed.insns += whole ? read->insns : 0;
    for (unsigned i = 0; !whole && i < parts; i++) {
        pick->passed.insns += pick->reader->file->units[item->parts[i]].insn_count;
    }
    if (pick->want->registers != 0 && !whole) { /* not all is written that was the last time */
        work_out(pick, read);
    }
    if (!get_words(pick->reader, read, parts)) {
        return false;
    }
    if (pick->want->registers != 0) {
        if (!know_writes(pick, read)) {
            return false;
        }
        note_writes(pick, read, parts);
    }
    return true;
}

/* Whether what follows may say that the item did not come to its end. */
static bool is_last_or_cut(const struct trace_reader *reader)
{
    const struct reader *heads = &reader->columns[TRACE_HEADS];
    return heads->end - heads->at < 4 ||
           (ld_le32(heads->at) & METIC_TRACE_NUMBER) >= METIC_TRACE_EVENT;
}

static bool pick_item(struct pick *pick, u32 head, u32 left, size_t at)
{
    struct trace_reader *reader = pick->reader;
    struct read_item *read = trace_reader_item(reader, head);
    if (read == NULL) {
        return false;
    }
    unsigned parts = trace_item_parts(&read->item, reader->file->units, left);
    u64 page_delta = trace_reader_page(reader);
    if (!is_wanted(pick, read, at, page_delta) &&
        !(pick->want->before_events && is_last_or_cut(reader))) {
        return pass_over(pick, read, parts);
    }
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

static bool pick_all(struct pick *pick)
{
    struct trace_reader *reader = pick->reader;
    struct reader *heads = &reader->columns[TRACE_HEADS];
    trace_reader_next_page(reader);
    for (size_t at = 0; heads->at < heads->end; at++) {
        u32 left, head = trace_reader_head(reader, &left);
        if (head == ~0u ||
            !(head >= METIC_TRACE_EVENT ? pick_event(pick, head)
                                        : pick_item(pick, head, left, at))) {
            return false;
        }
    }
    return tell_passed(pick);
}

bool trace_reader_pick(struct trace_reader *reader, const struct trace_section *section,
                       const struct trace_want *want, const u64 **words, size_t *count)
{
    const unsigned all = FRAME_HEADS | FRAME_ADDRESSES | FRAME_VALUES;
    const unsigned first = want->places != NULL ? FRAME_HEADS | FRAME_ADDRESSES : all;
    bool any = true;
    *words = NULL;
    *count = 0;
    if (!trace_reader_open(reader, section, first) ||
        (want->places != NULL && !choose(reader, want, &any))) {
        return false;
    }
    if (!any) {
        return true;
    }
    const struct reader *heads = &reader->columns[TRACE_HEADS];
    if (want->places != NULL && !trace_reader_reopen(reader, section, first, FRAME_VALUES)) {
        return false;
    }
    /* Each word stands for one of those there were, or tells of what was passed over in between. */
    size_t most = (size_t)(heads->end - heads->at) / 4;
    most = most < section->count ? most : section->count;
    struct pick pick = {.reader = reader, .want = want};
    pick.room = section->count + 1 + (most + 1) * (2 + (size_t)__builtin_popcount(want->registers))
                + 2 + 32;
    if (!trace_reader_room((void **)&reader->words, &reader->word_capacity,
                           pick.room * sizeof(u64))) {
        return false;
    }
    pick.words = reader->words;
    if (!pick_all(&pick)) {
        return false;
    }
    *words = pick.words;
    *count = pick.used;
    return true;
}
