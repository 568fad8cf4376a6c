/* See trace_reader_private.h: which heads of a section a pick has to do with.
 *
 * What an item is and how many bytes its words have is known without looking at them. So the heads
 * alone are gone through: forwards for what is wanted, then backwards from there for which item was
 * the last one to write each register that is to be known. */
#include "ui/trace/trace_reader_private.h"

#include <stdlib.h>

/* None. */
#define NO_HEAD (~(u32)0)

/* --- what is known of items --- */

/* For a pick that asks for this. */
static bool make_briefs(struct trace_reader *reader, const struct trace_want *want)
{
    size_t count = (size_t)reader->file->unit_count + reader->file->path_count;
    if (UNLIKELY(reader->briefs == NULL)) {
        reader->briefs = calloc(count + 1, sizeof(*reader->briefs));
        reader->brief_writes = calloc(count + 1, sizeof(*reader->brief_writes));
    }
    if (reader->briefs == NULL || reader->brief_writes == NULL) {
        return false;
    }
    for (size_t i = 0; i < count && reader->brief_registers != want->registers; i++) {
        reader->brief_writes[i] = 0;
    }
    for (size_t i = 0; i < count && reader->brief_version != want->version; i++) {
        reader->briefs[i].state &= BRIEF_MET | BRIEF_LARGE;
    }
    reader->brief_registers = want->registers;
    reader->brief_version = want->version;
    return true;
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
    u32 insns = item->insns_at[item->part_count - 1];
    brief->insns = (u16)insns;
    brief->address_bytes = (u16)((item->address_words + 1u) / 2);
    brief->value_bytes = (u16)((item->word_count - item->address_words + 1u) / 2);
    brief->state = BRIEF_MET | (insns > 0xffff ? BRIEF_LARGE : 0);
    return true;
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

u32 trace_pick_writes(const struct read_item *read, unsigned parts, u32 mask,
                      void (*each)(void *opaque, const struct read_item *read,
                                   const struct item_write *write), void *opaque)
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
                each(opaque, read, write);
            }
        }
    }
    return found;
}

/* Registers that the item writes, or as much of it as ran. */
static u32 writes_of(struct trace_reader *reader, u32 head, u32 left, u32 registers)
{
    u32 *known = &reader->brief_writes[trace_pick_brief(reader, head) - reader->briefs];
    if (LIKELY(*known & 1 && left == TRACE_WHOLE)) {
        return *known;
    }
    struct read_item *read = trace_reader_item(reader, head);
    if (read == NULL || !know_writes(reader, read, registers)) {
        return 0;
    }
    *known = trace_pick_writes(read, read->item.part_count, 0, NULL, NULL) | 1;
    return left == TRACE_WHOLE
               ? *known : trace_pick_writes(read, trace_item_parts(&read->item, left), 0, NULL,
                                            NULL);
}

/* --- forwards: which are wanted --- */

static bool add_mark(struct mark_list *marks, u32 at, u32 registers)
{
    if (!trace_reader_more((void **)&marks->list, &marks->capacity, marks->count + 1,
                           sizeof(*marks->list))) {
        return false;
    }
    marks->list[marks->count++] = (struct mark){at, registers};
    return true;
}

/* The head is told; only the last one may be so already. */
static bool tell(struct trace_reader *reader, u32 at)
{
    struct mark_list *told = &reader->told;
    return (told->count != 0 && told->list[told->count - 1].at == at) || add_mark(told, at, 0);
}

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
static bool is_at_places(struct trace_reader *reader, u32 head, u32 left,
                         const struct trace_want *want, bool *bad)
{
    struct read_item *read = trace_reader_item(reader, head);
    unsigned parts = trace_item_parts(&read->item, left);
    *bad = !trace_reader_get_addresses(reader, read, trace_item_words(&read->item, parts));
    return !*bad && item_touches(read, parts, want);
}

static bool is_wanted(struct trace_reader *reader, u32 head, struct item_brief *brief,
                      const struct trace_want *want)
{
    u64 page_delta = trace_reader_page(reader);
    if (LIKELY(page_delta == 0 && brief->state & BRIEF_ASKED)) {
        return brief->state & BRIEF_WANTED;
    }
    const struct trace_item *item = &trace_reader_item(reader, head)->item;
    bool wanted = want->item != NULL &&
                  want->item(want->opaque, item->parts, item->part_count, page_delta);
    if (page_delta == 0) {
        brief->state |= BRIEF_ASKED | (wanted ? BRIEF_WANTED : 0);
    }
    return wanted;
}

/* An event, which happened in the item at `last`; false: no memory. */
static bool list_event(struct trace_reader *reader, const struct trace_want *want, u32 at,
                       u32 head, u32 last)
{
    bool touches = want->places != NULL && event_touches(reader, head, want);
    if (!touches && !want->before_events) {
        return true;
    }
    return last != NO_HEAD ? tell(reader, last) : !touches || tell(reader, at);
}

/* Lists the heads that are wanted; false: damaged. */
static bool list_heads(struct trace_reader *reader, const struct trace_want *want, u32 count)
{
    u32 last = NO_HEAD, left = TRACE_WHOLE; /* last: an item */
    reader->told.count = 0;
    trace_reader_next_page(reader);
    for (u32 i = 0; i < count; i++) {
        u32 head = trace_pick_head(reader, i);
        if (UNLIKELY(head >= METIC_TRACE_LEFT)) {
            bool is_event = head >= METIC_TRACE_EVENT;
            if (left != TRACE_WHOLE || (is_event && !list_event(reader, want, i, head, last))) {
                return false;
            }
            left = is_event ? TRACE_WHOLE : head - METIC_TRACE_LEFT;
            continue;
        }
        if (!is_item(reader->file, head) || (left != TRACE_WHOLE && head < METIC_TRACE_PATH)) {
            return false;
        }
        struct item_brief *brief = trace_pick_brief(reader, head);
        if (UNLIKELY(brief->state == 0) && !make_brief(reader, head, brief)) {
            return false;
        }
        bool bad = false;
        last = i;
        bool told = want->places != NULL ? is_at_places(reader, head, left, want, &bad)
                                         : is_wanted(reader, head, brief, want);
        if (bad || (UNLIKELY(told) && !tell(reader, i))) {
            return false;
        }
        left = TRACE_WHOLE;
    }
    bool ends = want->before_events && last != NO_HEAD && last == count - 1;
    return left == TRACE_WHOLE && (!ends || tell(reader, last));
}

/* --- backwards: which write what is to be known --- */

/* Words of the item are needed from now on; false: no memory. */
static bool need(struct trace_reader *reader, u32 head)
{
    struct item_brief *brief = trace_pick_brief(reader, head);
    if (brief->state & BRIEF_NEEDED) {
        return true;
    }
    brief->state |= BRIEF_NEEDED;
    return add_mark(&reader->needed, head, 0);
}

static void need_none(struct trace_reader *reader)
{
    for (size_t i = 0; i < reader->needed.count; i++) {
        trace_pick_brief(reader, reader->needed.list[i].at)->state &= (u16)~BRIEF_NEEDED;
    }
    reader->needed.count = 0;
}

static bool mark(struct trace_reader *reader, u32 at, u32 head, u32 registers)
{
    return add_mark(&reader->marks, at, registers) &&
           (head >= METIC_TRACE_EVENT || need(reader, head));
}

/* Goes back from head number `count` - 1; false: no memory. Where nothing is missing it goes on at
 * the next head that is told. An item that an event follows may have been cut short: whoever
 * unrolls it looks how far it came. */
static bool mark_needed(struct trace_reader *reader, const struct trace_want *want, u32 count)
{
    size_t told = reader->told.count;
    u32 missing = want->end_registers;
    bool before_event = true;
    for (u32 i = count; i-- > 0;) {
        u32 head = trace_pick_head(reader, i);
        if (told != 0 && reader->told.list[told - 1].at == i) {
            told--;
            missing = want->registers;
            before_event = head >= METIC_TRACE_EVENT;
            if (!mark(reader, i, head, 0)) {
                return false;
            }
        } else if (missing == 0) {
            if (told == 0) {
                break;
            }
            i = reader->told.list[told - 1].at + 1;
        } else if (head >= METIC_TRACE_LEFT) {
            before_event |= head >= METIC_TRACE_EVENT;
        } else {
            u32 prefix = i != 0 ? trace_pick_head(reader, i - 1) : 0;
            bool whole = prefix < METIC_TRACE_LEFT || prefix >= METIC_TRACE_EVENT;
            u32 writes = missing & writes_of(reader, head,
                                             whole ? TRACE_WHOLE : prefix - METIC_TRACE_LEFT,
                                             want->registers);
            if (writes != 0 && !mark(reader, i, head, before_event ? 0 : writes)) {
                return false;
            }
            missing &= before_event ? ~(u32)0 : ~writes;
            before_event = false;
        }
    }
    return true;
}

/* How many heads there are up to the last one that is wanted, with events that say how far it
 * came. */
static u32 wanted_heads(const struct trace_reader *reader, const struct trace_want *want, u32 all)
{
    const struct mark_list *told = &reader->told;
    u32 count = told->count != 0 ? told->list[told->count - 1].at + 1 : 0;
    if (want->end_registers != 0 || want->before_events) {
        return all;
    }
    while (count != 0 && count < all && trace_pick_head(reader, count) >= METIC_TRACE_EVENT) {
        count++;
    }
    return count;
}

bool trace_pick_mark(struct trace_reader *reader, const struct trace_section *section,
                     const struct trace_want *want, u32 *count)
{
    const unsigned first = want->places != NULL ? FRAME_HEADS | FRAME_ADDRESSES : FRAME_HEADS;
    const struct reader *heads = &reader->columns[TRACE_HEADS];
    *count = 0;
    reader->marks.count = 0;
    if (!make_briefs(reader, want) || !trace_reader_open(reader, section, first) ||
        (heads->end - heads->at) % 4 != 0) {
        return false;
    }
    need_none(reader);
    u32 all = (u32)((heads->end - heads->at) / 4);
    if (!list_heads(reader, want, all)) {
        return false;
    }
    *count = wanted_heads(reader, want, all);
    return *count == 0 ||
           (mark_needed(reader, want, *count) &&
            trace_reader_reopen(reader, section, first, FRAME_ADDRESSES | FRAME_VALUES));
}
