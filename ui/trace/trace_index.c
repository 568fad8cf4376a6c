/* See trace_file.h: what the indexes of sections know. */
#include "ui/trace/trace_file.h"

#include "ui/trace/trace_bytes.h"

#include <stdlib.h>
#include <string.h>

/* Each step can be undone, so that one word that was changed always changes the lane it is in. */
static inline u64 sum_word(u64 lane, u64 word)
{
    u64 mixed = (lane ^ word) * 0x9e3779b97f4a7c15u;
    return mixed << 29 | mixed >> 35;
}

u32 trace_sum(const u8 *bytes, u64 size_bytes)
{
    enum { LANES = 4 };
    u64 lanes[LANES] = {1, 2, 3, size_bytes};
    for (; size_bytes >= 8 * LANES; bytes += 8 * LANES, size_bytes -= 8 * LANES) {
        for (unsigned i = 0; i < LANES; i++) {
            lanes[i] = sum_word(lanes[i], ld_le64(bytes + 8 * i));
        }
    }
    u8 rest[8 * LANES] = {0};
    memcpy(rest, bytes, size_bytes);
    u64 sum = 0;
    for (unsigned i = 0; i < LANES; i++) {
        sum = sum_word(sum, sum_word(lanes[i], ld_le64(rest + 8 * i)));
    }
    u32 folded = (u32)(sum ^ sum >> 32);
    return folded != 0 ? folded : 1;
}

u32 trace_section_check(const struct trace_section *section, const u8 *index)
{
    bool is_stream = section->kind == TRACE_STREAM;
    return trace_sum(index, section->index_bytes +
                                (is_stream ? (u64)TRACE_TABLE_BYTES : section->packed_bytes));
}

/* Its bytes; `bad` when they cannot be had. */
static struct reader index_of(struct trace_file *file, const struct trace_section *section)
{
    const u8 *at = trace_file_index(file, section);
    bool good = at != NULL && section->index_bytes >= TRACE_LISTS_AT;
    return (struct reader){good ? at : NULL, good ? at + section->index_bytes : NULL, !good};
}

/* --- lines of memory --- */

size_t trace_places_find(const struct trace_places *places, u64 address)
{
    size_t low = 0, high = places->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->list[middle].end <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The lines of a page that have a byte of [first, end). */
static u64 lines_of(u64 page, u64 first, u64 end)
{
    u64 from = page << 12 > first ? page << 12 : first;
    u64 to = (page << 12) + 4095 < end - 1 ? (page << 12) + 4095 : end - 1;
    return from <= to ? trace_lines(from, to - from + 1) : 0;
}

static bool page_has(const struct trace_places *places, u64 page, u64 lines)
{
    for (size_t i = trace_places_find(places, page << 12);
         i < places->count && places->list[i].first >> 12 <= page; i++) {
        if (lines & lines_of(page, places->list[i].first, places->list[i].end)) {
            return true;
        }
    }
    return false;
}

/* Whether any line of the places is in the list at the reader, which is left behind it. */
static bool lines_have(struct reader *r, const struct trace_places *places)
{
    u64 count = get_varint(r);
    u64 page = 0;
    bool has = false;
    if (count == ~(u64)0) {
        return places->count != 0;
    }
    for (u64 i = 0; i < count && !r->bad; i++) {
        page += get_varint(r);
        u64 lines = get_u64(r);
        has = has || (places->count != 0 && page_has(places, page, lines));
    }
    return has || r->bad;
}

static const struct trace_places nowhere;

bool trace_file_may_access(struct trace_file *file, const struct trace_section *section,
                           const struct trace_places *places, unsigned how)
{
    struct reader r = index_of(file, section);
    r.at += r.bad ? 0 : TRACE_LISTS_AT;
    return r.bad || lines_have(&r, how & TRACE_WRITES ? places : &nowhere) ||
           (how & TRACE_READS && lines_have(&r, places));
}

/* --- units --- */

/* The reader at the number of units. */
static struct reader units_of(struct trace_file *file, const struct trace_section *section)
{
    struct reader r = index_of(file, section);
    if (!r.bad) {
        r.at += TRACE_LISTS_AT;
        lines_have(&r, &nowhere);
        lines_have(&r, &nowhere);
    }
    return r;
}

/* Calls `each` for units and how often they began; the reader is left behind them. */
static bool each_unit(const struct trace_file *file, struct reader *r,
                      void (*each)(void *opaque, u64 unit, u64 ran), void *opaque)
{
    u64 count = get_varint(r);
    u64 unit = 0;
    for (u64 i = 0; i < count && !r->bad; i++) {
        unit += get_varint(r);
        u64 ran = get_varint(r);
        if (r->bad || unit >= file->unit_count) {
            return false;
        }
        each(opaque, unit, ran);
    }
    return !r->bad;
}

static void add_count(void *opaque, u64 unit, u64 ran)
{
    u64 *counts = opaque;
    counts[unit] += ran;
}

bool trace_file_counts(struct trace_file *file, const struct trace_section *section, u64 *counts)
{
    struct reader r = units_of(file, section);
    return !r.bad && each_unit(file, &r, add_count, counts);
}

bool trace_file_find_code(const struct trace_file *file, u64 first, u64 end,
                          struct trace_units *units)
{
    *units = (struct trace_units){first, end, calloc((size_t)file->unit_count + 1, 1)};
    for (u32 i = 0; units->wanted != NULL && i < file->unit_count; i++) {
        const struct metic_trace_unit *unit = &file->units[i];
        units->wanted[i] = unit->address < end && unit->address + unit->bytes > first;
    }
    return units->wanted != NULL;
}

bool trace_file_find_register(const struct trace_file *file, unsigned reg,
                              struct trace_units *units)
{
    *units = (struct trace_units){0, 0, calloc((size_t)file->unit_count + 1, 1)};
    for (u32 i = 0; units->wanted != NULL && i < file->unit_count; i++) {
        const struct metic_trace_unit *unit = &file->units[i];
        for (unsigned n = 0; n < unit->slot_count; n++) {
            units->wanted[i] |= unit->slots[n].kind == METIC_SLOT_REGISTER &&
                                unit->slots[n].reg == reg;
        }
    }
    return units->wanted != NULL;
}

bool trace_file_may_run(struct trace_file *file, const struct trace_section *section,
                        const struct trace_units *units)
{
    struct reader r = units_of(file, section);
    const struct trace_place place = {units->first, units->end};
    const struct trace_places moved = {&place, units->end > units->first};
    u64 count = get_varint(&r), unit = 0;
    for (u64 i = 0; i < count && !r.bad; i++) {
        unit += get_varint(&r);
        if (unit >= file->unit_count || units->wanted[unit] != 0) {
            return true;
        }
        (void)get_varint(&r);
    }
    return r.bad || lines_have(&r, &moved);
}

static void no_unit(void *opaque, u64 unit, u64 ran)
{
    (void)opaque;
    (void)unit;
    (void)ran;
}

/* The reader at the pages that fills told of. */
static struct reader fills_of(struct trace_file *file, const struct trace_section *section)
{
    struct reader r = units_of(file, section);
    r.bad = r.bad || !each_unit(file, &r, no_unit, NULL);
    if (!r.bad) {
        lines_have(&r, &nowhere);
    }
    return r;
}

/* Leaves the reader behind them; false: not all are known. */
static bool each_fill(struct reader *r, void (*each)(void *opaque, u64 gva_page, u64 gpa_page),
                      void *opaque)
{
    u64 count = get_varint(r);
    u64 gva_page = 0, gpa_page = 0;
    for (u64 i = 0; i < count && count != ~(u64)0 && !r->bad; i++) {
        gva_page += get_varint(r);
        gpa_page += trace_unzigzag(get_varint(r));
        if (!r->bad) {
            each(opaque, gva_page, gpa_page);
        }
    }
    return count != ~(u64)0 && !r->bad;
}

bool trace_file_fills(struct trace_file *file, const struct trace_section *section,
                      void (*each)(void *opaque, u64 gva_page, u64 gpa_page), void *opaque)
{
    struct reader r = fills_of(file, section);
    return !r.bad && each_fill(&r, each, opaque);
}

static void no_fill(void *opaque, u64 gva_page, u64 gpa_page)
{
    (void)opaque;
    (void)gva_page;
    (void)gpa_page;
}

bool trace_file_contexts(struct trace_file *file, const struct trace_section *section,
                         void (*each)(void *opaque, const struct trace_context *context),
                         void *opaque)
{
    struct reader r = fills_of(file, section);
    struct trace_context context = {0};
    if (!r.bad) {
        (void)each_fill(&r, no_fill, NULL);
    }
    u64 count = r.bad ? 0 : get_varint(&r);
    for (u64 i = 0; i < count && !r.bad; i++) {
        context.privilege = (u32)get_varint(&r) - 1;
        context.satp += trace_unzigzag(get_varint(&r));
        context.task += trace_unzigzag(get_varint(&r));
        context.insns = get_varint(&r);
        const u8 *name = context.insns & 1 ? get_bytes(&r, sizeof(context.name)) : NULL;
        context.insns >>= 1;
        if (name != NULL) {
            memcpy(context.name, name, sizeof(context.name));
        }
        if (!r.bad) {
            each(opaque, &context);
        }
    }
    return !r.bad;
}

u64 trace_file_kinds(struct trace_file *file, const struct trace_section *section)
{
    struct reader r = index_of(file, section);
    return r.bad ? ~(u64)0 : ld_le64(r.at + TRACE_KINDS_AT);
}

static void last_unit_is(void *opaque, u64 unit, u64 ran)
{
    (void)ran;
    *(u32 *)opaque = (u32)unit;
}

bool trace_file_checks(struct trace_file *file, const struct trace_section *section,
                       u32 checks[TRACE_FRAMES], u32 *last_unit)
{
    struct reader r = index_of(file, section);
    for (unsigned i = 0; !r.bad && i < TRACE_FRAMES; i++) {
        checks[i] = ld_le32(r.at + TRACE_CHECKS_AT + 4 * i);
    }
    r = units_of(file, section);
    *last_unit = 0;
    return !r.bad && each_unit(file, &r, last_unit_is, last_unit);
}
