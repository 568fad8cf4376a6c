/* See trace_reader.h. Only those frames are unpacked that are needed. */
#include "ui/trace_reader.h"

#include "ui/trace_bytes.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct trace_reader {
    const struct trace_file *file;
    ZSTD_DCtx *zstd;
    u8 *raw;
    size_t raw_capacity;
    u64 *words;
    size_t word_capacity;
    struct reader columns[TRACE_COLUMNS];
    u64 predicted[TRACE_COLUMNS][TRACE_PREDICTIONS];
    u64 page_in, page_delta; /* heads until the next unit that ran elsewhere, and where */
};

struct trace_reader *trace_reader_new(const struct trace_file *file)
{
    struct trace_reader *reader = calloc(1, sizeof(*reader));
    if (reader != NULL) {
        reader->file = file;
        reader->zstd = ZSTD_createDCtx();
    }
    if (reader != NULL && reader->zstd == NULL) {
        free(reader);
        return NULL;
    }
    return reader;
}

void trace_reader_free(struct trace_reader *reader)
{
    if (reader != NULL) {
        ZSTD_freeDCtx(reader->zstd);
        free(reader->raw);
        free(reader->words);
        free(reader);
    }
}

/* --- columns --- */

static bool make_room(void **bytes, size_t *capacity, size_t wanted)
{
    if (wanted > *capacity) {
        void *bigger = realloc(*bytes, wanted + wanted / 2);
        if (bigger == NULL) {
            return false;
        }
        *bytes = bigger;
        *capacity = wanted + wanted / 2;
    }
    return true;
}

/* Unpacks the frames of `mask`; columns of the others are empty. */
static bool open_columns(struct trace_reader *reader, const struct trace_section *section,
                         unsigned mask)
{
    const u8 *payload = reader->file->bytes + section->offset + section->index_bytes;
    struct reader r = {payload, payload + section->packed_bytes, false};
    const u8 *table = get_bytes(&r, TRACE_TABLE_BYTES);
    size_t used = 0;
    if (table == NULL || section->count > TRACE_MAX_CHUNK_WORDS ||
        !make_room((void **)&reader->raw, &reader->raw_capacity, section->raw_bytes + 1)) {
        return false;
    }
    for (unsigned frame = 0; frame < TRACE_FRAMES; frame++) {
        size_t start = used;
        for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
            u32 raw = ld_le32(table + 4 * i);
            if (trace_frame_of((enum trace_column)i) != frame) {
                continue;
            }
            if (raw > section->raw_bytes - used) {
                return false;
            }
            u8 *at = reader->raw + used;
            reader->columns[i] = (struct reader){at, mask >> frame & 1 ? at + raw : at, false};
            used += raw;
        }
        u32 packed = ld_le32(table + 4 * (TRACE_COLUMNS + frame));
        const u8 *from = get_bytes(&r, packed);
        if (r.bad || (mask >> frame & 1 &&
                      ZSTD_decompressDCtx(reader->zstd, reader->raw + start, used - start, from,
                                          packed) != used - start)) {
            return false;
        }
    }
    for (unsigned i = TRACE_ADDRESSES; i <= TRACE_REGISTERS; i++) {
        if (mask >> trace_frame_of((enum trace_column)i) & 1) {
            memset(reader->predicted[i], 0, sizeof(reader->predicted[i]));
        }
    }
    return true;
}

/* --- words --- */

static void next_page(struct trace_reader *reader)
{
    struct reader *r = &reader->columns[TRACE_PAGES];
    reader->page_in = r->at < r->end ? get_varint(r) : 0;
    reader->page_delta = reader->page_in != 0 ? trace_unzigzag(get_varint(r)) : 0;
}

static void get_slots(struct trace_reader *reader, const struct metic_trace_unit *unit, u32 number,
                      u64 *words)
{
    for (unsigned i = 0; i < unit->slot_count; i++) {
        enum trace_column from = trace_column_of(unit->slots[i].kind);
        u64 *predicted = &reader->predicted[from][trace_prediction(number, i)];
        *predicted += trace_unzigzag(get_varint(&reader->columns[from]));
        words[i] = *predicted;
    }
}

/* The next head: an event's, or a unit that there is; ~0: damaged. */
static u32 get_head(struct trace_reader *reader)
{
    const u8 *at = get_bytes(&reader->columns[TRACE_HEADS], 4);
    u32 head = at != NULL ? ld_le32(at) & METIC_TRACE_NUMBER : ~0u;
    return head >= METIC_TRACE_EVENT || head < reader->file->unit_count ? head : ~0u;
}

/* One head and what belongs to it; number of words, 0 when damaged. */
static size_t get_item(struct trace_reader *reader, u64 *words, size_t room)
{
    u32 head = get_head(reader);
    if (head == ~0u) {
        return 0;
    }
    if (head >= METIC_TRACE_EVENT) {
        unsigned count = head & 0xff;
        const u8 *from = get_bytes(&reader->columns[TRACE_EVENTS], 8u * count);
        if (count < 2 || count >= room || from == NULL) {
            return 0;
        }
        words[0] = head;
        for (unsigned i = 0; i < count; i++) {
            words[1 + i] = ld_le64(from + 8 * i);
        }
        return 1 + count;
    }
    const struct metic_trace_unit *unit = &reader->file->units[head];
    u64 page = unit->address >> 12;
    if (unit->slot_count >= room) {
        return 0;
    }
    if (reader->page_in != 0 && --reader->page_in == 0) {
        page += reader->page_delta;
        next_page(reader);
    }
    words[0] = page << 28 | head;
    get_slots(reader, unit, head, words + 1);
    bool bad = reader->columns[TRACE_ADDRESSES].bad || reader->columns[TRACE_VALUES].bad ||
               reader->columns[TRACE_REGISTERS].bad || reader->columns[TRACE_PAGES].bad;
    return bad ? 0 : 1u + unit->slot_count;
}

bool trace_reader_words(struct trace_reader *reader, const struct trace_section *section,
                        const u64 **words, size_t *count)
{
    size_t bytes = (section->count + 1) * sizeof(u64);
    *words = NULL;
    if (!open_columns(reader, section, ~0u) ||
        !make_room((void **)&reader->words, &reader->word_capacity, bytes)) {
        return false;
    }
    size_t used = 0;
    next_page(reader);
    while (used < section->count) {
        size_t got = get_item(reader, reader->words + used, section->count - used + 1);
        if (got == 0 || got > section->count - used) {
            return false;
        }
        used += got;
    }
    *words = reader->words;
    *count = used;
    return true;
}

bool trace_reader_cut(struct trace_reader *reader, const struct trace_section *section,
                      u64 words[TRACE_CUT_WORDS], size_t *count)
{
    if (!open_columns(reader, section, 1u << trace_frame_of(TRACE_EVENTS))) {
        return false;
    }
    const struct reader *heads = &reader->columns[TRACE_HEADS];
    while (heads->end - heads->at >= 4 &&
           (ld_le32(heads->at) & METIC_TRACE_NUMBER) >= METIC_TRACE_EVENT) {
        *count = get_item(reader, words, TRACE_CUT_WORDS);
        unsigned kind = (unsigned)words[0] >> 8 & 0xff;
        if (*count == 0 || kind == METIC_EVENT_SYNC || kind == METIC_EVENT_TRAP) {
            return *count != 0;
        }
    }
    return false;
}

/* --- accesses --- */

/* A memory event's words: instruction count, time, address, value, bytes | write << 8. */
static bool event_touches(struct trace_reader *reader, u32 head, u64 first, u64 end, bool reads)
{
    unsigned count = head & 0xff;
    const u8 *from = get_bytes(&reader->columns[TRACE_EVENTS], 8u * count);
    if (from == NULL) {
        return true;
    }
    if ((head >> 8 & 0xff) != METIC_EVENT_MEMORY || count < 5) {
        return false;
    }
    u64 address = ld_le64(from + 16), how = ld_le64(from + 32);
    return (reads || how >> 8 & 1) && address < end && address + (how & 0xff) > first;
}

static bool unit_touches(struct trace_reader *reader, u32 head, u64 first, u64 end, bool reads)
{
    const struct metic_trace_unit *unit = &reader->file->units[head];
    struct reader *r = &reader->columns[TRACE_ADDRESSES];
    bool found = false;
    for (unsigned i = 0; i < unit->slot_count; i++) {
        const struct metic_trace_slot *slot = &unit->slots[i];
        if (trace_column_of(slot->kind) != TRACE_ADDRESSES) {
            continue;
        }
        u64 *predicted = &reader->predicted[TRACE_ADDRESSES][trace_prediction(head, i)];
        *predicted += trace_unzigzag(get_varint(r));
        found |= (reads || slot->kind != METIC_SLOT_LOAD_ADDRESS) && *predicted < end &&
                 *predicted + slot->size_bytes > first;
    }
    return found || r->bad;
}

bool trace_reader_touches(struct trace_reader *reader, const struct trace_section *section,
                          u64 first, u64 end, bool reads)
{
    const unsigned mask = 1u << trace_frame_of(TRACE_HEADS) | 1u << trace_frame_of(TRACE_ADDRESSES);
    if (!open_columns(reader, section, mask)) {
        return true;
    }
    while (reader->columns[TRACE_HEADS].at < reader->columns[TRACE_HEADS].end) {
        u32 head = get_head(reader);
        if (head == ~0u ||
            (head >= METIC_TRACE_EVENT ? event_touches(reader, head, first, end, reads)
                                       : unit_touches(reader, head, first, end, reads))) {
            return true;
        }
    }
    return false;
}
