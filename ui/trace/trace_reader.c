/* See trace_reader.h. Only those frames are unpacked that are needed. */
#include "ui/trace/trace_reader_private.h"

#include <stdlib.h>
#include <string.h>

struct trace_reader *trace_reader_new(const struct trace_file *file)
{
    struct trace_reader *reader = calloc(1, sizeof(*reader));
    if (reader != NULL) {
        reader->file = file;
        reader->zstd = ZSTD_createDCtx();
        reader->memory = arena_new();
        reader->items = calloc((size_t)file->unit_count + file->path_count + 1,
                               sizeof(*reader->items));
    }
    if (reader != NULL && (reader->zstd == NULL || reader->memory == NULL ||
                           reader->items == NULL)) {
        ZSTD_freeDCtx(reader->zstd);
        arena_free(reader->memory);
        free(reader->items);
        free(reader);
        return NULL;
    }
    return reader;
}

void trace_reader_free(struct trace_reader *reader)
{
    if (reader != NULL) {
        u32 items = reader->file->unit_count + reader->file->path_count;
        for (u32 i = 0; i < items; i++) {
            free(reader->items[i].writes);
        }
        free(reader->items);
        arena_free(reader->memory);
        ZSTD_freeDCtx(reader->zstd);
        free(reader->raw);
        free(reader->words);
        free(reader->briefs);
        free(reader->brief_writes);
        free(reader->told.list);
        free(reader->marks.list);
        free(reader->needed.list);
        free(reader);
    }
}

/* --- columns --- */

bool trace_reader_room(void **bytes, size_t *capacity, size_t wanted)
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

bool trace_reader_more(void **list, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count > *capacity) {
        void *bigger = realloc(*list, (count + count / 2 + 64) * item_bytes);
        if (bigger == NULL) {
            return false;
        }
        *list = bigger;
        *capacity = count + count / 2 + 64;
    }
    return true;
}

/* The packed frame is what was written, by its sum. */
static bool frame_is_whole(const struct trace_reader *reader, const struct trace_section *section,
                           unsigned frame, const u8 *packed, size_t packed_bytes)
{
    const u8 *index = reader->file->bytes + section->offset;
    u32 sum = section->index_bytes >= TRACE_LISTS_AT ? ld_le32(index + TRACE_CHECKS_AT + 4 * frame)
                                                     : 0;
    return sum == 0 || sum == trace_sum(packed, packed_bytes);
}

/* Columns of the frames of `mask`, of which those of `fresh` are still to be unpacked. */
static bool open_frames(struct trace_reader *reader, const struct trace_section *section,
                        unsigned mask, unsigned fresh)
{
    const u8 *payload = reader->file->bytes + section->offset + section->index_bytes;
    struct reader r = {payload, payload + section->packed_bytes, false};
    const u8 *table = get_bytes(&r, TRACE_TABLE_BYTES);
    size_t used = 0;
    if (table == NULL) {
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
        if (r.bad || (fresh >> frame & 1 &&
                      (!frame_is_whole(reader, section, frame, from, packed) ||
                       ZSTD_decompressDCtx(reader->zstd, reader->raw + start, used - start, from,
                                           packed) != used - start))) {
            return false;
        }
    }
    reader->section++;
    return true;
}

static bool index_is_whole(const struct trace_reader *reader, const struct trace_section *section)
{
    const u8 *index = reader->file->bytes + section->offset;
    return section->packed_bytes >= TRACE_TABLE_BYTES &&
           section->count <= TRACE_MAX_CHUNK_WORDS &&
           (section->check == 0 ||
            section->check == trace_section_check(section, index));
}

bool trace_reader_open(struct trace_reader *reader, const struct trace_section *section,
                       unsigned mask)
{
    return index_is_whole(reader, section) &&
           trace_reader_room((void **)&reader->raw, &reader->raw_capacity,
                             section->raw_bytes + 1) &&
           open_frames(reader, section, mask, mask);
}

bool trace_reader_reopen(struct trace_reader *reader, const struct trace_section *section,
                         unsigned had, unsigned more)
{
    return open_frames(reader, section, had | more, more & ~had);
}

/* --- words --- */

void trace_reader_next_page(struct trace_reader *reader)
{
    struct reader *r = &reader->columns[TRACE_PAGES];
    reader->page_in = r->at < r->end ? get_varint(r) : 0;
    reader->page_delta = reader->page_in != 0 ? trace_unzigzag(get_varint(r)) : 0;
}

/* Makes it of what the file has of it; false: it cannot be. */
static bool make_item(struct trace_reader *reader, struct read_item *read,
                      const struct metic_trace_path *path)
{
    const struct trace_file *file = reader->file;
    const struct metic_trace_unit *units[TRACE_PATH_PARTS_MAX];
    for (unsigned p = 0; p < path->part_count; p++) {
        if (path->parts[p] >= file->unit_count) {
            return false;
        }
        units[p] = &file->units[path->parts[p]];
    }
    if (!trace_item_make(&read->item, units, path, reader->memory)) {
        return false;
    }
    read->last = arena_alloc(reader->memory, (read->item.word_count + 1u) * sizeof(u64));
    return true;
}

struct read_item *trace_reader_item(struct trace_reader *reader, u32 head)
{
    const struct trace_file *file = reader->file;
    u32 number = head >= METIC_TRACE_PATH ? head - METIC_TRACE_PATH : head;
    bool is_path = head >= METIC_TRACE_PATH;
    if (number >= (is_path ? file->path_count : file->unit_count)) {
        return NULL;
    }
    struct read_item *read = &reader->items[is_path ? file->unit_count + number : number];
    if (UNLIKELY(read->last == NULL)) {
        const struct metic_trace_path unit = {.part_count = 1, .parts = &number};
        if (!make_item(reader, read, is_path ? &file->paths[number] : &unit)) {
            return NULL;
        }
    }
    if (read->section != reader->section) {
        memset(read->last, 0, read->item.word_count * sizeof(u64));
        read->section = reader->section;
    }
    return read;
}

/* Words [first, end) of an item's order, those below `limit`. */
static bool get_words(struct reader *of_lengths, struct reader *r, struct read_item *read,
                      unsigned first, unsigned end, unsigned limit)
{
    const u16 *order = read->item.order;
    while (end > first && order[end - 1] >= limit) {
        end--;
    }
    unsigned count = end - first;
    if (count == 0) {
        return true;
    }
    const u8 *lengths = get_bytes(of_lengths, (count + 1) / 2);
    if (lengths == NULL) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned bytes = lengths[i / 2] >> (i % 2 * 4) & 15;
        u64 coded = 0;
        if (bytes > 8 || (size_t)(r->end - r->at) < bytes) {
            return false;
        }
        if (LIKELY(r->end - r->at >= 8)) {
            coded = bytes != 0 ? ld_le64(r->at) & trace_mask(bytes) : 0;
        } else {
            for (unsigned n = 0; n < bytes; n++) {
                coded |= (u64)r->at[n] << 8 * n;
            }
        }
        r->at += bytes;
        read->last[order[first + i]] += trace_unzigzag(coded);
    }
    return true;
}

bool trace_reader_get_addresses(struct trace_reader *reader, struct read_item *read,
                                unsigned limit)
{
    struct reader *columns = reader->columns;
    return get_words(&columns[TRACE_ADDRESS_LENGTHS], &columns[TRACE_ADDRESSES], read, 0,
                     read->item.address_words, limit);
}

bool trace_reader_get_values(struct trace_reader *reader, struct read_item *read, unsigned limit)
{
    struct reader *columns = reader->columns;
    return get_words(&columns[TRACE_VALUE_LENGTHS], &columns[TRACE_VALUES], read,
                     read->item.address_words, read->item.word_count, limit);
}

size_t trace_reader_unroll(const struct trace_reader *reader, const struct read_item *read,
                           unsigned parts, u64 page_delta, u64 *words)
{
    const struct trace_item *item = &read->item;
    const struct metic_trace_recipe *recipe = item->recipes;
    u64 nodes[TRACE_PATH_NODES_MAX];
    unsigned done = 0;
    size_t used = 0;
    for (unsigned p = 0; p < parts; p++) {
        const struct metic_trace_unit *unit = &reader->file->units[item->parts[p]];
        words[used++] = ((unit->address >> 12) + page_delta) << 28 | item->parts[p];
        for (unsigned i = 0; i < unit->slot_count; i++, recipe++) {
            u64 value = recipe->add;
            if (LIKELY(!(recipe->word & METIC_TRACE_NODE))) {
                value += read->last[recipe->word];
            } else if (recipe->word != METIC_TRACE_NO_WORD) {
                unsigned node = recipe->word & ~METIC_TRACE_NODE;
                if (node >= done) {
                    trace_item_nodes(item, done, node + 1, read->last, nodes);
                    done = node + 1;
                }
                value += nodes[node];
            }
            words[used++] = trace_column_of(unit->slots[i].kind) == TRACE_ADDRESSES
                                ? value : value & trace_mask(unit->slots[i].size_bytes);
        }
    }
    return used;
}

u32 trace_reader_left(struct reader *heads, u32 head, u32 *left)
{
    *left = head - METIC_TRACE_LEFT;
    const u8 *at = get_bytes(heads, 4);
    head = at != NULL ? ld_le32(at) & METIC_TRACE_NUMBER : ~0u;
    return head >= METIC_TRACE_PATH && head < METIC_TRACE_LEFT ? head : ~0u;
}

size_t trace_reader_event(struct trace_reader *reader, u32 head, u64 *words, size_t room)
{
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

/* One head and what belongs to it; number of words, 0 when damaged. */
static size_t get_item(struct trace_reader *reader, u64 *words, size_t room)
{
    u32 left, head = trace_reader_head(reader, &left);
    if (head == ~0u) {
        return 0;
    }
    if (head >= METIC_TRACE_EVENT) {
        return trace_reader_event(reader, head, words, room);
    }
    struct read_item *read = trace_reader_item(reader, head);
    if (read == NULL) {
        return 0;
    }
    const struct trace_item *item = &read->item;
    unsigned parts = trace_item_parts(item, left);
    unsigned limit = trace_item_words(item, parts);
    if (trace_item_unrolled(item, parts) >= room) {
        return 0;
    }
    u64 page_delta = trace_reader_page(reader);
    if (!trace_reader_get_addresses(reader, read, limit) ||
        !trace_reader_get_values(reader, read, limit) || reader->columns[TRACE_PAGES].bad) {
        return 0;
    }
    return trace_reader_unroll(reader, read, parts, page_delta, words);
}

bool trace_reader_words(struct trace_reader *reader, const struct trace_section *section,
                        const u64 **words, size_t *count)
{
    size_t bytes = (section->count + 1) * sizeof(u64);
    *words = NULL;
    if (!trace_reader_open(reader, section, ~0u) ||
        !trace_reader_room((void **)&reader->words, &reader->word_capacity, bytes)) {
        return false;
    }
    size_t used = 0;
    trace_reader_next_page(reader);
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

bool trace_reader_check(struct trace_reader *reader, const struct trace_section *section)
{
    const u8 *payload = reader->file->bytes + section->offset + section->index_bytes;
    struct reader r = {payload, payload + section->packed_bytes, false};
    if (!index_is_whole(reader, section)) {
        return false;
    }
    const u8 *table = get_bytes(&r, TRACE_TABLE_BYTES);
    for (unsigned frame = 0; frame < TRACE_FRAMES; frame++) {
        u32 packed = ld_le32(table + 4 * (TRACE_COLUMNS + frame));
        const u8 *from = get_bytes(&r, packed);
        if (r.bad || !frame_is_whole(reader, section, frame, from, packed)) {
            return false;
        }
    }
    return r.at == r.end;
}

bool trace_reader_events(struct trace_reader *reader, const struct trace_section *section,
                         const u64 **words, size_t *count)
{
    size_t used = 0;
    *words = NULL;
    if (!trace_reader_open(reader, section, 1u << trace_frame_of(TRACE_EVENTS)) ||
        !trace_reader_room((void **)&reader->words, &reader->word_capacity,
                           (section->count + 1) * sizeof(u64))) {
        return false;
    }
    while (reader->columns[TRACE_HEADS].at < reader->columns[TRACE_HEADS].end) {
        u32 left, head = trace_reader_head(reader, &left);
        size_t got = 0;
        if (head != ~0u && head < METIC_TRACE_EVENT) {
            continue;
        }
        if (head != ~0u && used <= section->count) {
            got = trace_reader_event(reader, head, reader->words + used, section->count - used + 1);
        }
        if (got == 0) {
            return false;
        }
        used += got;
    }
    *words = reader->words;
    *count = used;
    return true;
}

bool trace_reader_heads(struct trace_reader *reader, const struct trace_section *section,
                        const struct trace_heads *heads)
{
    u64 words[256];
    if (!trace_reader_open(reader, section, 1u << trace_frame_of(TRACE_HEADS))) {
        return false;
    }
    while (reader->columns[TRACE_HEADS].at < reader->columns[TRACE_HEADS].end) {
        u32 left, head = trace_reader_head(reader, &left);
        if (head != ~0u && head >= METIC_TRACE_EVENT) {
            size_t got = trace_reader_event(reader, head, words, ARRAY_LEN(words));
            if (got == 0) {
                return false;
            }
            heads->event(heads->opaque, (enum metic_trace_event)(head >> 8 & 0xff), words + 3,
                         (unsigned)got - 3);
            continue;
        }
        struct read_item *read = head != ~0u ? trace_reader_item(reader, head) : NULL;
        if (read == NULL) {
            return false;
        }
        unsigned parts = trace_item_parts(&read->item, left);
        for (unsigned i = 0; i < parts; i++) {
            heads->unit(heads->opaque, read->item.parts[i]);
        }
    }
    return true;
}

bool trace_reader_cut(struct trace_reader *reader, const struct trace_section *section,
                      u64 words[TRACE_CUT_WORDS], size_t *count)
{
    if (!trace_reader_open(reader, section, 1u << trace_frame_of(TRACE_EVENTS))) {
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
