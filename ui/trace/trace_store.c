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

void trace_store_text(struct trace_store *store, enum trace_section_kind kind, const char *text,
                      size_t text_bytes)
{
    struct trace_section section = {.kind = kind};
    trace_store_write_bytes(store, &section, text, text_bytes);
}

/* Definitions from number `first` on, whose bytes begin at `from`. */
static void write_items(struct trace_store *store, enum trace_section_kind kind,
                        const struct written_items *items, u32 first, size_t from)
{
    struct trace_section section = {
        .kind = kind, .first = first, .count = items->count - first,
    };
    if (section.count != 0) {
        store->index.used = 0;
        trace_store_write_bytes(store, &section, items->defined.bytes + from,
                                items->defined.used - from);
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

void trace_store_chunk(struct trace_store *store, const struct metic_trace_chunk *chunk)
{
    const struct written_items *units = &store->units, *paths = &store->paths;
    u32 unit_count = units->count, path_count = paths->count;
    size_t unit_bytes = units->defined.used, path_bytes = paths->defined.used;
    u64 kinds = store->failed == 0 ? trace_store_put_words(store, chunk) : 0;
    if (store->failed != 0) {
        return;
    }
    write_items(store, TRACE_UNITS, units, unit_count, unit_bytes);
    write_items(store, TRACE_PATHS, paths, path_count, path_bytes);
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

/* Of which nothing was written; NULL allowed. */
static void free_empty(struct trace_store *store)
{
    if (store != NULL) {
        ZSTD_freeCCtx(store->zstd);
        arena_free(store->memory);
        zeros_free(store, sizeof(*store));
    }
}

struct trace_store *trace_store_new(const char *path, unsigned harts,
                                    const struct trace_source *source, struct metic_error *error)
{
    struct trace_store *store = zeros_new(sizeof(*store)); /* most of its sets stay empty */
    if (store != NULL) {
        store->zstd = ZSTD_createCCtx();
        store->memory = arena_new();
    }
    if (store == NULL || store->zstd == NULL || store->memory == NULL) {
        free_empty(store);
        error_set(error, NULL, "the host has no memory for the trace");
        return NULL;
    }
    snprintf(store->path, sizeof(store->path), "%s", path);
    store->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (store->fd < 0) {
        error_set(error, "give a file that can be written", "the trace %s: %s", path,
                  strerror(errno));
        free_empty(store);
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
    trace_store_items_fini(store);
    zeros_free(store->met, store->met_capacity * sizeof(*store->met));
    ZSTD_freeCCtx(store->zstd);
    zeros_free(store, sizeof(*store));
    return failed == 0;
}
