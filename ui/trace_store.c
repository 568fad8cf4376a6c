/* See trace_store.h. */
#include "ui/trace_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { ZSTD_LEVEL = 1, MAX_PAGES = 4096, PAGE_SET = 8192 };

struct column {
    u8 *bytes;
    size_t used, capacity;
};

/* Pages met in one chunk. */
struct page_set {
    u64 pages[PAGE_SET]; /* hash table; ~0: empty */
    u64 last;
    unsigned count;
    bool full; /* more than there is room for: any page may be in it */
};

struct trace_store {
    int fd;
    char path[256];
    int failed; /* errno */
    trace_unit_fn *unit;
    void *opaque;
    struct metic_trace_unit *units; /* as written */
    u32 unit_count, unit_capacity;
    struct column columns[TRACE_COLUMNS], raw, packed, index;
    u64 predicted[TRACE_COLUMNS][TRACE_PREDICTIONS];
    struct page_set code, written;
    u32 *ran;          /* by unit: how often it began in this chunk */
    u32 *touched;      /* units with a count */
    u32 touched_count;
    ZSTD_CCtx *zstd;
};

/* --- growing bytes --- */

static u8 *column_room(struct trace_store *store, struct column *column, size_t bytes)
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

static inline u8 *put_varint(u8 *at, u64 value)
{
    while (value >= 0x80) {
        *at++ = (u8)(value | 0x80);
        value >>= 7;
    }
    *at++ = (u8)value;
    return at;
}

/* --- sections --- */

static void write_all(struct trace_store *store, const void *bytes, size_t size)
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
    }
}

static void put_header(const struct trace_section *section, u8 *at)
{
    st_le32(at, TRACE_SECTION_MAGIC);
    st_le32(at + 4, section->kind);
    st_le32(at + 8, section->stream);
    st_le32(at + 12, section->privilege);
    const u64 words[] = {section->raw_bytes, section->packed_bytes, section->index_bytes,
                         section->first, section->count, section->start_ns};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        st_le64(at + 16 + 8 * i, words[i]);
    }
    st_le64(at + 64, 0);
    st_le32(at + 68, (u32)crc32(0, at, 68));
}

/* Packs `raw` and writes it as a section, with what is in `index` before it. */
static void write_section(struct trace_store *store, struct trace_section *section)
{
    size_t bound = ZSTD_compressBound(store->raw.used);
    store->packed.used = 0;
    u8 *to = column_room(store, &store->packed, TRACE_SECTION_BYTES + store->index.used + bound);
    if (to == NULL) {
        return;
    }
    u8 *index = to + TRACE_SECTION_BYTES;
    u8 *payload = index + store->index.used;
    size_t packed = ZSTD_compress2(store->zstd, payload, bound, store->raw.bytes, store->raw.used);
    if (ZSTD_isError(packed)) {
        store->failed = ENOMEM;
        return;
    }
    section->raw_bytes = store->raw.used;
    section->packed_bytes = packed;
    section->index_bytes = store->index.used;
    memcpy(index, store->index.bytes, store->index.used);
    put_header(section, to);
    write_all(store, to, TRACE_SECTION_BYTES + store->index.used + packed);
    store->raw.used = 0;
    store->index.used = 0;
}

void trace_store_text(struct trace_store *store, enum trace_section_kind kind, const char *text,
                      size_t text_bytes)
{
    struct trace_section section = {.kind = kind};
    u8 *to = column_room(store, &store->raw, text_bytes + 1);
    if (to != NULL) {
        memcpy(to, text, text_bytes);
        store->raw.used = text_bytes;
        write_section(store, &section);
    }
}

/* --- units: gpa, gva, mode, insn_count, bytes, slot_count as varints, code, slots (6 bytes) --- */

static void put_unit(struct trace_store *store, const struct metic_trace_unit *unit)
{
    u8 *start = column_room(store, &store->raw, 64u + unit->bytes + 6u * unit->slot_count);
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

static void write_units(struct trace_store *store, u32 count)
{
    if (count <= store->unit_count) {
        return;
    }
    if (count > store->unit_capacity) {
        u32 capacity = count * 2;
        struct metic_trace_unit *bigger = realloc(store->units, capacity * sizeof(*bigger));
        if (bigger == NULL) {
            store->failed = ENOMEM;
            return;
        }
        store->units = bigger;
        u32 *ran = realloc(store->ran, capacity * sizeof(*ran));
        u32 *touched = ran != NULL ? realloc(store->touched, capacity * sizeof(*touched)) : NULL;
        store->ran = ran != NULL ? ran : store->ran;
        store->touched = touched != NULL ? touched : store->touched;
        if (ran == NULL || touched == NULL) {
            store->failed = ENOMEM;
            return;
        }
        memset(ran + store->unit_capacity, 0, (capacity - store->unit_capacity) * sizeof(*ran));
        store->unit_capacity = capacity;
    }
    struct trace_section section = {
        .kind = TRACE_UNITS, .first = store->unit_count, .count = count - store->unit_count,
    };
    for (u32 n = store->unit_count; n < count; n++) {
        if (!store->unit(store->opaque, n, &store->units[n])) {
            store->units[n] = (struct metic_trace_unit){0};
        }
        put_unit(store, &store->units[n]);
    }
    store->unit_count = count;
    write_section(store, &section);
}

/* --- the index --- */

static void page_note(struct page_set *set, u64 page)
{
    if (LIKELY(page == set->last) || set->full) {
        return;
    }
    set->last = page;
    unsigned at = (unsigned)(page * 0x9e3779b97f4a7c15u >> 51) % PAGE_SET;
    while (set->pages[at] != ~(u64)0) {
        if (set->pages[at] == page) {
            return;
        }
        at = (at + 1) % PAGE_SET;
    }
    set->pages[at] = page;
    set->full = ++set->count == MAX_PAGES;
}

static int by_value(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

/* Count (~0: any page), then differences. Empties the set. */
static void put_pages(struct trace_store *store, struct page_set *set)
{
    const u64 empty = ~(u64)0;
    u64 sorted[MAX_PAGES];
    unsigned count = 0;
    u64 last = 0;
    for (unsigned i = 0; i < PAGE_SET && set->count != 0; i++) {
        if (set->pages[i] != empty && count < MAX_PAGES) {
            sorted[count++] = set->pages[i];
        }
        set->pages[i] = empty;
    }
    qsort(sorted, count, sizeof(sorted[0]), by_value);
    u8 *start = column_room(store, &store->index, 10u * (count + 1));
    if (start != NULL) {
        u8 *at = put_varint(start, set->full ? ~(u64)0 : count);
        for (unsigned i = 0; i < count && !set->full; i++) {
            at = put_varint(at, sorted[i] - last);
            last = sorted[i];
        }
        store->index.used += (size_t)(at - start);
    }
    set->count = 0;
    set->full = false;
    set->last = empty;
}

static int by_number(const void *a, const void *b)
{
    u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return x < y ? -1 : x > y;
}

/* Which units began how often: count of units, then differences and counts. */
static void put_counts(struct trace_store *store)
{
    u8 *start = column_room(store, &store->index, 10u + 15u * (size_t)store->touched_count);
    if (start == NULL) {
        return;
    }
    qsort(store->touched, store->touched_count, sizeof(u32), by_number);
    u8 *at = put_varint(start, store->touched_count);
    u32 last = 0;
    for (u32 i = 0; i < store->touched_count; i++) {
        u32 unit = store->touched[i];
        at = put_varint(at, unit - last);
        at = put_varint(at, store->ran[unit]);
        store->ran[unit] = 0;
        last = unit;
    }
    store->index.used += (size_t)(at - start);
    store->touched_count = 0;
}

/* --- streams --- */

/* The words of a unit into the columns; there is room. */
static void put_slots(struct trace_store *store, const struct metic_trace_unit *unit, u32 number,
                      const u64 *words)
{
    for (unsigned i = 0; i < unit->slot_count; i++) {
        const struct metic_trace_slot *slot = &unit->slots[i];
        enum trace_column to = trace_column_of(slot->kind);
        u64 value = to == TRACE_ADDRESSES ? words[i] : words[i] & trace_mask(slot->size_bytes);
        u64 *predicted = &store->predicted[to][trace_prediction(number, i)];
        struct column *column = &store->columns[to];
        u8 *at = column->bytes + column->used;
        column->used += (size_t)(put_varint(at, trace_zigzag(value - *predicted)) - at);
        *predicted = value;
        if (slot->kind == METIC_SLOT_STORE_ADDRESS || slot->kind == METIC_SLOT_AMO_ADDRESS) {
            page_note(&store->written, value >> 12);
        }
    }
}

static void put_page(struct trace_store *store, u64 page, const struct metic_trace_unit *unit,
                     u64 *heads_since)
{
    struct column *column = &store->columns[TRACE_PAGES];
    u8 *start = column->bytes + column->used;
    u8 *at = put_varint(start, *heads_since);
    at = put_varint(at, trace_zigzag((page >> 12) - (unit->address >> 12)));
    column->used += (size_t)(at - start);
    *heads_since = 0;
}

static void put_event(struct trace_store *store, u32 head, const u64 *words)
{
    struct column *column = &store->columns[TRACE_EVENTS];
    for (unsigned i = 0; i < (head & 0xff); i++) {
        st_le64(column->bytes + column->used, words[i]);
        column->used += 8;
    }
    if ((head >> 8 & 0xff) == METIC_EVENT_MEMORY && (words[4] >> 8 & 1)) {
        page_note(&store->written, words[2] >> 12);
    }
}

static bool make_room(struct trace_store *store, size_t words)
{
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        store->columns[i].used = 0;
        if (column_room(store, &store->columns[i], words * 20 + 64) == NULL) {
            return false;
        }
    }
    return true;
}

static void put_columns(struct trace_store *store)
{
    size_t total = 0;
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        total += 8 + store->columns[i].used;
    }
    u8 *at = column_room(store, &store->raw, total);
    for (unsigned i = 0; at != NULL && i < TRACE_COLUMNS; i++) {
        st_le64(at, store->columns[i].used);
        memcpy(at + 8, store->columns[i].bytes, store->columns[i].used);
        at += 8 + store->columns[i].used;
    }
    store->raw.used = at != NULL ? total : 0;
}

void trace_store_chunk(struct trace_store *store, const struct metic_trace_chunk *chunk,
                       u32 unit_count)
{
    write_units(store, unit_count);
    if (store->failed != 0 || !make_room(store, chunk->count)) {
        return;
    }
    struct column *heads = &store->columns[TRACE_HEADS];
    u64 heads_since = 0;
    memset(store->predicted, 0, sizeof(store->predicted)); /* each section stands for itself */
    for (size_t i = 0; i < chunk->count;) {
        u32 head = (u32)chunk->words[i] & METIC_TRACE_NUMBER;
        st_le32(heads->bytes + heads->used, head);
        heads->used += 4;
        if (head >= METIC_TRACE_EVENT) {
            put_event(store, head, &chunk->words[i + 1]);
            i += 1 + (head & 0xff);
            continue;
        }
        if (head >= store->unit_count) {
            store->failed = EPROTO;
            return;
        }
        const struct metic_trace_unit *unit = &store->units[head];
        u64 page = trace_page(chunk->words[i], unit->address);
        page_note(&store->code, page >> 12);
        heads_since++;
        if (store->ran[head]++ == 0) {
            store->touched[store->touched_count++] = head;
        }
        if (UNLIKELY(page != (unit->address & ~(u64)0xfff))) {
            put_page(store, page, unit, &heads_since);
        }
        put_slots(store, unit, head, &chunk->words[i + 1]);
        i += 1u + unit->slot_count;
    }
    struct trace_section section = {
        .kind = TRACE_STREAM, .stream = chunk->stream, .privilege = chunk->privilege,
        .first = chunk->start_insns, .count = chunk->count, .start_ns = chunk->start_ns,
    };
    put_pages(store, &store->code);
    put_pages(store, &store->written);
    put_counts(store);
    u8 *satp = column_room(store, &store->index, 8);
    if (satp != NULL) {
        st_le64(satp, chunk->satp);
        store->index.used += 8;
        put_columns(store);
        write_section(store, &section);
    }
}

/* --- life --- */

struct trace_store *trace_store_new(const char *path, unsigned harts, trace_unit_fn *unit,
                                    void *opaque, struct metic_error *error)
{
    struct trace_store *store = calloc(1, sizeof(*store));
    if (store == NULL || (store->zstd = ZSTD_createCCtx()) == NULL) {
        free(store);
        error_set(error, NULL, "the host has no memory for the trace");
        return NULL;
    }
    snprintf(store->path, sizeof(store->path), "%s", path);
    store->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (store->fd < 0) {
        error_set(error, "give a file that can be written", "the trace %s: %s", path,
                  strerror(errno));
        ZSTD_freeCCtx(store->zstd);
        free(store);
        return NULL;
    }
    ZSTD_CCtx_setParameter(store->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(store->zstd, ZSTD_c_checksumFlag, 1);
    store->unit = unit;
    store->opaque = opaque;
    memset(store->code.pages, 0xff, sizeof(store->code.pages));
    memset(store->written.pages, 0xff, sizeof(store->written.pages));
    store->code.last = store->written.last = ~(u64)0;
    u8 header[TRACE_HEADER_BYTES] = TRACE_MAGIC;
    st_le32(header + 12, TRACE_VERSION);
    st_le32(header + 16, harts);
    write_all(store, header, sizeof(header));
    return store;
}

bool trace_store_end(struct trace_store *store, struct metic_error *error)
{
    if (store == NULL) {
        return true;
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
    free(store->units);
    free(store->ran);
    free(store->touched);
    ZSTD_freeCCtx(store->zstd);
    free(store);
    return failed == 0;
}
