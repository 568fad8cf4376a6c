/* See trace_store.h. */
#include "ui/trace/trace_store_private.h"

#include "cpu/base/zeros.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
    ZSTD_LEVEL = 1,
    VALUES_LEVEL = -3, /* they hardly shrink, whatever is tried */
};

/* --- growing bytes --- */

u8 *trace_column_room(struct trace_store *store, struct column *column, size_t bytes)
{
    if (column->capacity - column->used < bytes) {
        size_t capacity = (column->used + bytes) * 2 + 4096;
        u8 *bigger = realloc(column->bytes, capacity);
        if (bigger == NULL) {
            store->failed = ENOMEM;
            return NULL;
        }
        column->bytes = bigger;
        column->capacity = capacity;
    }
    return column->bytes + column->used;
}

bool trace_store_grow(struct trace_store *store, void **list, size_t had, size_t wanted,
                      size_t bytes)
{
    void *bigger = zeros_grow(*list, had * bytes, wanted * bytes);
    if (bigger == NULL) {
        store->failed = ENOMEM;
        return false;
    }
    *list = bigger;
    return true;
}

/* What will be written in full, if it is much: see zeros_ask(). */
static void ask_much(void *bytes, size_t size_bytes)
{
    enum { MUCH_BYTES = 64 << 10 };
    if (size_bytes >= MUCH_BYTES) {
        zeros_ask(bytes, size_bytes);
    }
}

/* --- sections --- */

void trace_store_write(struct trace_store *store, const void *bytes, size_t size)
{
    const u8 *at = bytes;
    while (size != 0 && store->failed == 0) {
        ssize_t wrote = write(store->fd, at, size);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            store->failed = wrote < 0 ? errno : ENOSPC;
            return;
        }
        at += wrote;
        size -= (size_t)wrote;
        store->offset += (u64)wrote;
    }
}

void trace_store_put_header(const struct trace_section *section, u8 *at)
{
    st_le32(at, TRACE_SECTION_MAGIC);
    st_le32(at + 4, section->kind);
    st_le32(at + 8, section->stream | (u32)(section->start_ns - section->turn_ns) << 16);
    st_le32(at + 12, section->privilege);
    const u64 words[] = {section->raw_bytes, section->packed_bytes, section->index_bytes,
                         section->first, section->count, section->start_ns};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        st_le64(at + 16 + 8 * i, words[i]);
    }
    st_le32(at + 64, section->check);
    st_le32(at + 68, (u32)crc32(0, at, 68));
}

/* Writes what is in `packed`: room for a header, the index, the payload. */
static void write_packed(struct trace_store *store, struct trace_section *section,
                         size_t payload_bytes)
{
    u8 *header = store->packed.bytes;
    u64 offset = store->offset;
    bool listed = section->kind < TRACE_INDEX;
    section->packed_bytes = payload_bytes;
    section->index_bytes = store->index.used;
    section->check = trace_section_check(section, header + TRACE_SECTION_BYTES);
    trace_store_put_header(section, header);
    trace_store_write(store, header, TRACE_SECTION_BYTES + store->index.used + payload_bytes);
    size_t told = TRACE_SECTION_BYTES + store->index.used;
    u8 *to = listed ? trace_column_room(store, &store->group, 8 + told) : NULL;
    if (to != NULL) {
        st_le64(to, offset);
        memcpy(to + 8, header, told);
        store->group.used += 8 + told;
        store->group_count++;
    }
    store->index.used = 0;
}

void trace_store_write_bytes(struct trace_store *store, struct trace_section *section,
                             const void *bytes, size_t size)
{
    size_t bound = ZSTD_compressBound(size);
    store->packed.used = 0;
    u8 *to = trace_column_room(store, &store->packed, TRACE_SECTION_BYTES + bound);
    if (to == NULL) {
        return;
    }
    ZSTD_CCtx_setParameter(store->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    size_t packed = ZSTD_compress2(store->zstd, to + TRACE_SECTION_BYTES, bound, bytes, size);
    if (ZSTD_isError(packed)) {
        store->failed = ENOMEM;
        return;
    }
    section->raw_bytes = size;
    write_packed(store, section, packed);
}

/* The same of `raw`. */
static void write_section(struct trace_store *store, struct trace_section *section)
{
    trace_store_write_bytes(store, section, store->raw.bytes, store->raw.used);
    store->raw.used = 0;
}

void trace_store_text(struct trace_store *store, enum trace_section_kind kind, const char *text,
                      size_t text_bytes)
{
    struct trace_section section = {.kind = kind};
    trace_store_write_bytes(store, &section, text, text_bytes);
}

/* --- units: gpa, gva, mode, insn_count, bytes, slot_count as varints, code, slots (6 bytes) --- */

static void put_unit(struct trace_store *store, const struct metic_trace_unit *unit)
{
    u8 *start = trace_column_room(store, &store->raw, 64u + unit->bytes + 6u * unit->slot_count);
    if (start == NULL) {
        return;
    }
    u8 *at = put_varint(start, unit->physical);
    at = put_varint(at, unit->address);
    at = put_varint(at, unit->mode);
    at = put_varint(at, unit->insn_count);
    at = put_varint(at, unit->bytes);
    at = put_varint(at, unit->slot_count);
    memcpy(at, unit->code, unit->bytes);
    at += unit->bytes;
    for (unsigned i = 0; i < unit->slot_count; i++, at += 6) {
        const struct metic_trace_slot *slot = &unit->slots[i];
        const u8 bytes[6] = {slot->kind, slot->size_bytes, slot->amo, slot->insn,
                             (u8)slot->reg, (u8)(slot->reg >> 8)};
        memcpy(at, bytes, sizeof(bytes));
    }
    store->raw.used += (size_t)(at - start);
}

static bool grow_there(struct trace_store *store)
{
    u32 had = store->there_capacity, capacity = had * 2 + 1024;
    if (!trace_store_grow(store, (void **)&store->units, had, capacity, sizeof(*store->units)) ||
        !trace_store_grow(store, (void **)&store->unit_items, had, capacity,
                          sizeof(*store->unit_items))) {
        return false;
    }
    store->there_capacity = capacity;
    return true;
}

/* Room for so many units. False: the store has failed. */
static bool grow_units(struct trace_store *store, u32 count)
{
    u32 had = store->unit_capacity, capacity = count * 2;
    if (count <= had) {
        return true;
    }
    if ((store->there_capacity == 0 && !grow_there(store)) ||
        !trace_store_grow(store, (void **)&store->places, had, capacity, sizeof(u32)) ||
        !trace_store_grow(store, (void **)&store->ran, had, capacity, sizeof(*store->ran)) ||
        !trace_store_grow(store, (void **)&store->touched, had, capacity,
                          sizeof(*store->touched))) {
        return false;
    }
    store->unit_capacity = capacity;
    return true;
}

/* A unit that is there. */
static void add_unit(struct trace_store *store, u32 number, const struct metic_trace_unit *unit)
{
    u32 place = store->there_count + 1;
    if (place < store->there_capacity || grow_there(store)) {
        zeros_ahead(store->units, store->there_capacity * sizeof(*store->units),
                    (place + 1) * sizeof(*store->units), &store->units_asked_bytes);
        zeros_ahead(store->unit_items, store->there_capacity * sizeof(*store->unit_items),
                    (place + 1) * sizeof(*store->unit_items), &store->items_asked_bytes);
        store->units[place] = *unit;
        store->places[number] = place;
        store->there_count = place;
    }
}

/* A copy of what `raw` has for the end of the file. */
static void keep_units(struct trace_store *store)
{
    u8 *again = trace_column_room(store, &store->all_units, store->raw.used + 1);
    if (again != NULL) {
        ask_much(again, store->raw.used);
        memcpy(again, store->raw.bytes, store->raw.used);
        store->all_units.used += store->raw.used;
    }
}

static void write_units(struct trace_store *store, u32 count)
{
    enum { LEAST_BYTES = 6 }; /* of a unit that is not there */
    if (count <= store->unit_count || !grow_units(store, count)) {
        return;
    }
    size_t least_bytes = LEAST_BYTES * (size_t)(count - store->unit_count);
    u8 *raw = trace_column_room(store, &store->raw, least_bytes);
    if (raw == NULL) {
        return;
    }
    ask_much(raw, least_bytes);
    struct trace_section section = {
        .kind = TRACE_UNITS, .first = store->unit_count, .count = count - store->unit_count,
    };
    static const struct metic_trace_unit nothing;
    for (u32 n = store->unit_count; n < count; n++) {
        struct metic_trace_unit unit;
        if (store->source.unit(store->source.opaque, n, &unit)) {
            add_unit(store, n, &unit);
            put_unit(store, &unit);
        } else {
            put_unit(store, &nothing);
        }
    }
    store->unit_count = count;
    keep_units(store);
    write_section(store, &section);
}

static int by_address(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

static void sort_starts(struct trace_store *store)
{
    if (!trace_store_grow(store, (void **)&store->starts, 0, store->there_count + 1,
                          sizeof(*store->starts))) {
        return;
    }
    for (u32 n = 1; n <= store->there_count; n++) {
        if (store->units[n].insn_count != 0) {
            store->starts[store->start_count++] = store->units[n].address;
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

/* Those from number `first` on, whose bytes begin at `from` of all_paths. */
static void write_paths(struct trace_store *store, u32 first, size_t from)
{
    struct trace_section section = {
        .kind = TRACE_PATHS, .first = first, .count = store->path_count - first,
    };
    size_t bytes = store->all_paths.used - from;
    u8 *to = section.count != 0 ? trace_column_room(store, &store->raw, bytes + 1) : NULL;
    if (to != NULL) {
        memcpy(to, store->all_paths.bytes + from, bytes);
        store->raw.used = bytes;
        store->index.used = 0;
        write_section(store, &section);
    }
}

/* Packs the columns of a frame behind `used` bytes of the payload; how much that was, 0 when it
 * failed. Its sum goes into the index. */
static size_t pack_frame(struct trace_store *store, unsigned frame, u8 *to, size_t room)
{
    const struct column *from = &store->columns[TRACE_VALUES];
    store->raw.used = 0;
    for (unsigned i = 0; frame != 2 && i < TRACE_COLUMNS; i++) {
        const struct column *column = &store->columns[i];
        if (trace_frame_of((enum trace_column)i) == frame) {
            u8 *at = trace_column_room(store, &store->raw, column->used + 1);
            if (at == NULL) {
                return 0;
            }
            memcpy(at, column->bytes, column->used);
            store->raw.used += column->used;
            from = &store->raw;
        }
    }
    ZSTD_CCtx_setParameter(store->zstd, ZSTD_c_compressionLevel,
                           frame == 2 ? VALUES_LEVEL : ZSTD_LEVEL);
    size_t packed = ZSTD_compress2(store->zstd, to, room, from->bytes, from->used);
    store->raw.used = 0;
    if (ZSTD_isError(packed)) {
        store->failed = ENOMEM;
        return 0;
    }
    st_le32(store->index.bytes + TRACE_CHECKS_AT + 4 * frame, trace_sum(to, packed));
    return packed;
}

/* Packs the columns behind the index and writes all that. */
static void write_stream(struct trace_store *store, struct trace_section *section)
{
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        section->raw_bytes += store->columns[i].used;
    }
    size_t bound = TRACE_TABLE_BYTES + ZSTD_compressBound(section->raw_bytes) + 1024;
    store->packed.used = 0;
    u8 *to = trace_column_room(store, &store->packed,
                               TRACE_SECTION_BYTES + store->index.used + bound);
    if (to == NULL) {
        return;
    }
    u8 *table = to + TRACE_SECTION_BYTES + store->index.used;
    size_t used = TRACE_TABLE_BYTES;
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        st_le32(table + 4 * i, (u32)store->columns[i].used);
    }
    for (unsigned i = 0; i < TRACE_FRAMES && store->failed == 0; i++) {
        size_t packed = pack_frame(store, i, table + used, bound - used);
        st_le32(table + 4 * (TRACE_COLUMNS + i), (u32)packed);
        used += packed;
    }
    memcpy(to + TRACE_SECTION_BYTES, store->index.bytes, store->index.used);
    if (store->failed == 0) {
        write_packed(store, section, used);
    }
}

/* The fixed part of the index. */
static bool begin_stream_index(struct trace_store *store, const struct metic_trace_chunk *chunk,
                               u64 kinds)
{
    store->index.used = 0;
    u8 *at = trace_column_room(store, &store->index, TRACE_LISTS_AT);
    if (at == NULL) {
        return false;
    }
    memset(at, 0, TRACE_LISTS_AT);
    st_le64(at + TRACE_SATP_AT, chunk->satp);
    st_le64(at + TRACE_KINDS_AT, kinds);
    store->index.used = TRACE_LISTS_AT;
    return true;
}

int trace_store_failed(const struct trace_store *store)
{
    return store->failed;
}

void trace_store_chunk(struct trace_store *store, const struct metic_trace_chunk *chunk,
                       u32 unit_count)
{
    write_units(store, unit_count);
    if (store->failed != 0) {
        return;
    }
    u32 paths = store->path_count;
    size_t path_bytes = store->all_paths.used;
    u64 kinds = trace_store_put_words(store, chunk);
    if (store->failed != 0) {
        return;
    }
    write_paths(store, paths, path_bytes);
    struct trace_section section = {
        .kind = TRACE_STREAM, .stream = chunk->stream, .privilege = chunk->privilege,
        .first = chunk->start_insns, .count = store->unrolled, .start_ns = chunk->start_ns,
    };
    bool in_turn = chunk->turn_ns != 0 && chunk->start_ns - chunk->turn_ns <= 0xffff;
    section.turn_ns = in_turn ? chunk->turn_ns : chunk->start_ns;
    if (!begin_stream_index(store, chunk, kinds)) {
        return;
    }
    trace_store_put_lists(store);
    if (store->failed == 0) {
        write_stream(store, &section);
    }
    trace_store_index(store);
}

/* --- life --- */

struct trace_store *trace_store_new(const char *path, unsigned harts,
                                    const struct trace_source *source, struct metic_error *error)
{
    struct trace_store *store = zeros_new(sizeof(*store)); /* most of its sets stay empty */
    if (store == NULL || (store->zstd = ZSTD_createCCtx()) == NULL) {
        zeros_free(store, sizeof(*store));
        error_set(error, NULL, "the host has no memory for the trace");
        return NULL;
    }
    snprintf(store->path, sizeof(store->path), "%s", path);
    store->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (store->fd < 0) {
        error_set(error, "give a file that can be written", "the trace %s: %s", path,
                  strerror(errno));
        ZSTD_freeCCtx(store->zstd);
        zeros_free(store, sizeof(*store));
        return NULL;
    }
    store->source = *source;
    store->harts = harts;
    u8 header[TRACE_HEADER_BYTES];
    trace_store_put_file_header(store, header);
    trace_store_write(store, header, sizeof(header));
    return store;
}

bool trace_store_end(struct trace_store *store, struct metic_error *error)
{
    if (store == NULL) {
        return true;
    }
    if (store->failed == 0) {
        trace_store_finish(store);
    }
    int failed = store->failed;
    if (close(store->fd) != 0 && failed == 0) {
        failed = errno;
    }
    if (failed != 0) {
        error_set(error, "make room, or give another file; what was written before can be read",
                  "the trace %s: %s", store->path, strerror(failed));
    }
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        free(store->columns[i].bytes);
    }
    free(store->raw.bytes);
    free(store->packed.bytes);
    free(store->index.bytes);
    free(store->group.bytes);
    free(store->indexes.bytes);
    free(store->all_units.bytes);
    free(store->all_paths.bytes);
    trace_store_free_items(store);
    zeros_free(store->units, store->there_capacity * sizeof(*store->units));
    zeros_free(store->places, store->unit_capacity * sizeof(*store->places));
    zeros_free(store->starts, (store->there_count + 1) * sizeof(*store->starts));
    zeros_free(store->ran, store->unit_capacity * sizeof(*store->ran));
    zeros_free(store->touched, store->unit_capacity * sizeof(*store->touched));
    ZSTD_freeCCtx(store->zstd);
    zeros_free(store, sizeof(*store));
    return failed == 0;
}
