/* See trace_store.h. */
#include "ui/trace_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
    ZSTD_LEVEL = 1, MAX_PAGES = 4096, PAGE_SET = 8192, /* a power of two */
    GROUP_SECTIONS = 512, GROUP_BYTES = 1 << 20,
};

struct column {
    u8 *bytes;
    size_t used, capacity;
};

/* Lines met in one chunk, by page. */
struct line_set {
    struct line_page {
        u64 page, lines; /* lines 0: empty */
    } pages[PAGE_SET];   /* hash table */
    u16 used[MAX_PAGES]; /* its places in use */
    unsigned count;
    bool full; /* more than there is room for: any line may be in it */
};

struct trace_store {
    int fd;
    char path[256];
    int failed; /* errno */
    trace_unit_fn *unit;
    void *opaque;
    struct metic_trace_unit *units; /* as written */
    u32 unit_count, unit_capacity;
    struct column all_units; /* as UNITS_AGAIN has them */
    struct column columns[TRACE_COLUMNS], raw, packed, index;
    u64 offset;          /* in the file */
    struct column group; /* what the next INDEX will have, */
    u32 group_count;     /*   of so many sections */
    u64 last_index;      /* offset of the last one; 0: none */
    u64 predicted[TRACE_COLUMNS][TRACE_PREDICTIONS];
    struct line_set written, read, moved;
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
        store->offset += (u64)wrote;
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

/* Writes what is in `packed`: room for a header, the index, the payload. */
static void write_packed(struct trace_store *store, struct trace_section *section,
                         size_t payload_bytes)
{
    u8 *header = store->packed.bytes;
    u64 offset = store->offset;
    bool listed = section->kind <= TRACE_SYMBOLS;
    section->packed_bytes = payload_bytes;
    section->index_bytes = store->index.used;
    put_header(section, header);
    write_all(store, header, TRACE_SECTION_BYTES + store->index.used + payload_bytes);
    size_t told = TRACE_SECTION_BYTES + store->index.used;
    u8 *to = listed ? column_room(store, &store->group, 8 + told) : NULL;
    if (to != NULL) {
        st_le64(to, offset);
        memcpy(to + 8, header, told);
        store->group.used += 8 + told;
        store->group_count++;
    }
    store->index.used = 0;
}

/* Packs `raw` and writes it as a section. */
static void write_section(struct trace_store *store, struct trace_section *section)
{
    size_t bound = ZSTD_compressBound(store->raw.used);
    store->packed.used = 0;
    u8 *to = column_room(store, &store->packed, TRACE_SECTION_BYTES + bound);
    if (to == NULL) {
        return;
    }
    size_t packed = ZSTD_compress2(store->zstd, to + TRACE_SECTION_BYTES, bound, store->raw.bytes,
                                   store->raw.used);
    if (ZSTD_isError(packed)) {
        store->failed = ENOMEM;
        return;
    }
    section->raw_bytes = store->raw.used;
    store->raw.used = 0;
    write_packed(store, section, packed);
}

/* What was told of the sections since the last one. */
static void write_index(struct trace_store *store)
{
    struct trace_section section = {
        .kind = TRACE_INDEX, .first = store->last_index, .count = store->group_count,
    };
    u64 offset = store->offset;
    u8 *to = column_room(store, &store->raw, store->group.used + 1);
    if (to != NULL && store->group_count != 0) {
        memcpy(to, store->group.bytes, store->group.used);
        store->raw.used = store->group.used;
        store->group.used = 0;
        store->group_count = 0;
        write_section(store, &section);
        store->last_index = offset;
    }
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
    u8 *again = column_room(store, &store->all_units, store->raw.used + 1);
    if (again != NULL) {
        memcpy(again, store->raw.bytes, store->raw.used);
        store->all_units.used += store->raw.used;
    }
    write_section(store, &section);
}

/* All units once more, the last INDEX, and where both are. */
static void write_end(struct trace_store *store)
{
    write_index(store);
    struct trace_section units = {.kind = TRACE_UNITS_AGAIN, .count = store->unit_count};
    struct trace_section end = {.kind = TRACE_END, .first = store->last_index,
                                .count = store->offset};
    struct column none = store->raw;
    store->raw = store->all_units;
    write_section(store, &units);
    store->all_units = store->raw;
    store->raw = none;
    u8 header[TRACE_SECTION_BYTES];
    put_header(&end, header);
    write_all(store, header, sizeof(header));
}

/* --- the index --- */

static void lines_note(struct line_set *set, u64 page, u64 lines)
{
    unsigned at = (unsigned)(page * 0x9e3779b97f4a7c15u >> 51) % PAGE_SET;
    while (set->pages[at].page != page || set->pages[at].lines == 0) {
        if (set->pages[at].lines == 0) {
            if (set->count == MAX_PAGES) {
                set->full = true;
                return;
            }
            set->pages[at].page = page;
            set->used[set->count++] = (u16)at;
            break;
        }
        at = (at + 1) % PAGE_SET;
    }
    set->pages[at].lines |= lines;
}

/* An access, which may reach into more pages. */
static void bytes_note(struct line_set *set, u64 address, u64 size_bytes)
{
    while (size_bytes != 0 && !set->full) {
        u64 here = 4096 - (address & 4095);
        here = here < size_bytes ? here : size_bytes;
        lines_note(set, address >> 12, trace_lines(address, here));
        address += here;
        size_bytes -= here;
    }
}

static inline void access_note(struct line_set *set, u64 address, unsigned size_bytes)
{
    if (LIKELY((address & 63) + size_bytes <= 64)) {
        lines_note(set, address >> 12, (u64)1 << (address >> TRACE_LINE_SHIFT & 63));
    } else {
        bytes_note(set, address, size_bytes);
    }
}

static int by_page(const void *a, const void *b)
{
    const struct line_page *x = a, *y = b;
    return x->page < y->page ? -1 : x->page > y->page;
}

/* Empties the set. */
static void put_lines(struct trace_store *store, struct line_set *set)
{
    struct line_page sorted[MAX_PAGES];
    u64 last = 0;
    for (unsigned i = 0; i < set->count; i++) {
        sorted[i] = set->pages[set->used[i]];
        set->pages[set->used[i]].lines = 0;
    }
    qsort(sorted, set->count, sizeof(sorted[0]), by_page);
    u8 *start = column_room(store, &store->index, 10 + 18 * (size_t)set->count);
    if (start != NULL) {
        u8 *at = put_varint(start, set->full ? ~(u64)0 : set->count);
        for (unsigned i = 0; i < set->count && !set->full; i++) {
            at = put_varint(at, sorted[i].page - last);
            st_le64(at, sorted[i].lines);
            at += 8;
            last = sorted[i].page;
        }
        store->index.used += (size_t)(at - start);
    }
    set->count = 0;
    set->full = false;
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
        if (to == TRACE_ADDRESSES && slot->kind != METIC_SLOT_LOAD_ADDRESS) {
            access_note(&store->written, value, slot->size_bytes);
        }
        if (to == TRACE_ADDRESSES && slot->kind != METIC_SLOT_STORE_ADDRESS) {
            access_note(&store->read, value, slot->size_bytes);
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
    if ((head >> 8 & 0xff) == METIC_EVENT_MEMORY) {
        bytes_note(words[4] >> 8 & 1 ? &store->written : &store->read, words[2], words[4] & 0xff);
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

/* Packs the columns of a frame behind `used` bytes of the payload; how much that was, 0 when it
 * failed. Its checksum goes into the index. */
static size_t pack_frame(struct trace_store *store, unsigned frame, u8 *to, size_t room)
{
    store->raw.used = 0;
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        const struct column *column = &store->columns[i];
        if (trace_frame_of((enum trace_column)i) == frame) {
            u8 *at = column_room(store, &store->raw, column->used + 1);
            if (at == NULL) {
                return 0;
            }
            memcpy(at, column->bytes, column->used);
            store->raw.used += column->used;
        }
    }
    size_t packed = ZSTD_compress2(store->zstd, to, room, store->raw.bytes, store->raw.used);
    store->raw.used = 0;
    if (ZSTD_isError(packed) || packed < 4) {
        store->failed = ENOMEM;
        return 0;
    }
    /* a frame ends with its checksum */
    memcpy(store->index.bytes + TRACE_CHECKS_AT + 4 * frame, to + packed - 4, 4);
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
    u8 *to = column_room(store, &store->packed, TRACE_SECTION_BYTES + store->index.used + bound);
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
    u8 *at = column_room(store, &store->index, TRACE_LISTS_AT);
    if (at == NULL) {
        return false;
    }
    memset(at, 0, TRACE_LISTS_AT);
    st_le64(at + TRACE_SATP_AT, chunk->satp);
    st_le64(at + TRACE_KINDS_AT, kinds);
    store->index.used = TRACE_LISTS_AT;
    return true;
}

void trace_store_chunk(struct trace_store *store, const struct metic_trace_chunk *chunk,
                       u32 unit_count)
{
    write_units(store, unit_count);
    if (store->failed != 0 || !make_room(store, chunk->count)) {
        return;
    }
    struct column *heads = &store->columns[TRACE_HEADS];
    u64 heads_since = 0, kinds = 0;
    memset(store->predicted, 0, sizeof(store->predicted)); /* each section stands for itself */
    for (size_t i = 0; i < chunk->count;) {
        u32 head = (u32)chunk->words[i] & METIC_TRACE_NUMBER;
        st_le32(heads->bytes + heads->used, head);
        heads->used += 4;
        if (head >= METIC_TRACE_EVENT) {
            put_event(store, head, &chunk->words[i + 1]);
            kinds |= (u64)1 << (head >> 8 & 63);
            i += 1 + (head & 0xff);
            continue;
        }
        if (head >= store->unit_count) {
            store->failed = EPROTO;
            return;
        }
        const struct metic_trace_unit *unit = &store->units[head];
        u64 page = trace_page(chunk->words[i], unit->address);
        heads_since++;
        if (store->ran[head]++ == 0) {
            store->touched[store->touched_count++] = head;
        }
        if (UNLIKELY(page != (unit->address & ~(u64)0xfff))) {
            put_page(store, page, unit, &heads_since);
            bytes_note(&store->moved, page | (unit->address & 0xfff), unit->bytes);
        }
        put_slots(store, unit, head, &chunk->words[i + 1]);
        i += 1u + unit->slot_count;
    }
    struct trace_section section = {
        .kind = TRACE_STREAM, .stream = chunk->stream, .privilege = chunk->privilege,
        .first = chunk->start_insns, .count = chunk->count, .start_ns = chunk->start_ns,
    };
    if (!begin_stream_index(store, chunk, kinds)) {
        return;
    }
    put_lines(store, &store->written);
    put_lines(store, &store->read);
    put_counts(store);
    put_lines(store, &store->moved);
    if (store->failed == 0) {
        write_stream(store, &section);
    }
    if (store->group_count >= GROUP_SECTIONS || store->group.used >= GROUP_BYTES) {
        write_index(store);
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
    if (store->failed == 0) {
        write_end(store);
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
    free(store->all_units.bytes);
    free(store->units);
    free(store->ran);
    free(store->touched);
    ZSTD_freeCCtx(store->zstd);
    free(store);
    return failed == 0;
}
