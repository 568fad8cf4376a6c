/* See trace_file.h. */
#include "ui/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { MAX_RAW_BYTES = 256 << 20, MAX_UNIT_BYTES = 4096 };

/* What is left to read. */
struct reader {
    const u8 *at, *end;
    bool bad; /* read beyond the end, or something that cannot be */
};

static u64 get_varint(struct reader *r)
{
    u64 value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end) {
            r->bad = true;
            return 0;
        }
        u8 byte = *r->at++;
        value |= (u64)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return value;
        }
    }
    r->bad = true;
    return 0;
}

static const u8 *get_bytes(struct reader *r, u64 count)
{
    if (count > (u64)(r->end - r->at)) {
        r->bad = true;
        return NULL;
    }
    const u8 *at = r->at;
    r->at += count;
    return at;
}

static u64 get_u64(struct reader *r)
{
    const u8 *at = get_bytes(r, 8);
    return at != NULL ? ld_le64(at) : 0;
}

/* --- sections --- */

static bool get_section(const struct trace_file *file, u64 offset, struct trace_section *section)
{
    if (file->size - offset < TRACE_SECTION_BYTES) {
        return false;
    }
    const u8 *at = file->bytes + offset;
    *section = (struct trace_section){
        .kind = ld_le32(at + 4), .stream = ld_le32(at + 8), .privilege = ld_le32(at + 12),
        .raw_bytes = ld_le64(at + 16), .packed_bytes = ld_le64(at + 24),
        .index_bytes = ld_le64(at + 32), .first = ld_le64(at + 40), .count = ld_le64(at + 48),
        .start_ns = ld_le64(at + 56), .offset = offset + TRACE_SECTION_BYTES,
    };
    u64 left = file->size - section->offset;
    return ld_le32(at) == TRACE_SECTION_MAGIC && (u32)crc32(0, at, 68) == ld_le32(at + 68) &&
           section->index_bytes <= left && section->packed_bytes <= left - section->index_bytes &&
           section->raw_bytes <= MAX_RAW_BYTES && section->stream <= METIC_MAX_HARTS;
}

/* The payload, or NULL when it is damaged; for the caller to free. */
static u8 *unpack(struct trace_file *file, const struct trace_section *section)
{
    u8 *raw = malloc(section->raw_bytes + 1);
    if (raw == NULL) {
        return NULL;
    }
    const u8 *packed = file->bytes + section->offset + section->index_bytes;
    size_t got = ZSTD_decompressDCtx(file->zstd, raw, section->raw_bytes, packed,
                                     section->packed_bytes);
    if (ZSTD_isError(got) || got != section->raw_bytes) {
        free(raw);
        return NULL;
    }
    raw[got] = '\0';
    return raw;
}

/* --- units --- */

static bool get_unit(struct reader *r, struct metic_trace_unit *unit)
{
    unit->physical = get_varint(r);
    unit->address = get_varint(r);
    unit->mode = (u32)get_varint(r);
    u64 insns = get_varint(r), bytes = get_varint(r), slots = get_varint(r);
    if (r->bad || insns > 256 || bytes > MAX_UNIT_BYTES || slots > TRACE_UNIT_SLOTS_MAX) {
        return false;
    }
    const u8 *code = get_bytes(r, bytes);
    const u8 *packed = get_bytes(r, 6 * slots);
    struct metic_trace_slot *made = calloc(slots + 1, sizeof(*made));
    u8 *copy = malloc(bytes + 4);
    if (r->bad || made == NULL || copy == NULL) {
        free(made);
        free(copy);
        return false;
    }
    memcpy(copy, code, bytes);
    memset(copy + bytes, 0, 4);
    unit->insn_count = (u16)insns;
    unit->bytes = (u16)bytes;
    unit->slot_count = (u16)slots;
    unit->code = copy;
    unit->slots = made;
    bool good = true;
    for (u64 i = 0; i < slots; i++, packed += 6) {
        made[i] = (struct metic_trace_slot){packed[0], packed[1], packed[2], packed[3],
                                            (u16)(packed[4] | packed[5] << 8)};
        good &= packed[0] <= METIC_SLOT_REGISTER && packed[3] < insns &&
                (i == 0 || packed[3] >= made[i - 1].insn);
    }
    return good;
}

static bool get_units(struct trace_file *file, const struct trace_section *section)
{
    if (section->first != file->unit_count || section->count > section->raw_bytes ||
        section->first + section->count > METIC_TRACE_EVENT) {
        return false;
    }
    u8 *raw = unpack(file, section);
    struct metic_trace_unit *bigger =
        raw == NULL ? NULL
                    : realloc(file->units, (file->unit_count + section->count + 1) *
                                               sizeof(*bigger));
    if (bigger == NULL) {
        free(raw);
        return false;
    }
    file->units = bigger;
    struct reader r = {raw, raw + section->raw_bytes, false};
    bool good = true;
    for (u64 i = 0; i < section->count && good; i++) {
        file->units[file->unit_count] = (struct metic_trace_unit){0};
        good = get_unit(&r, &file->units[file->unit_count]);
        file->unit_count++;
    }
    free(raw);
    return good;
}

static bool get_text(struct trace_file *file, const struct trace_section *section, char **text)
{
    u8 *raw = unpack(file, section);
    if (raw == NULL) {
        return false;
    }
    free(*text);
    *text = (char *)raw;
    return true;
}

static bool take_section(struct trace_file *file, const struct trace_section *section)
{
    switch (section->kind) {
    case TRACE_META: return get_text(file, section, &file->meta);
    case TRACE_SYMBOLS: return get_text(file, section, &file->symbols);
    case TRACE_UNITS: return get_units(file, section);
    default: return section->kind < TRACE_SECTION_KINDS;
    }
}

static void scan(struct trace_file *file)
{
    size_t capacity = 0;
    u64 offset = TRACE_HEADER_BYTES;
    while (offset < file->size) {
        struct trace_section section;
        file->damage_offset = offset;
        if (!get_section(file, offset, &section)) {
            file->damage = "the file ends, or is damaged, there";
            return;
        }
        if (!take_section(file, &section)) {
            file->damage = "a section is damaged there";
            return;
        }
        if (file->section_count == capacity) {
            capacity = capacity * 2 + 64;
            void *bigger = realloc(file->sections, capacity * sizeof(*file->sections));
            if (bigger == NULL) {
                file->damage = "the host has no memory for the rest";
                return;
            }
            file->sections = bigger;
        }
        file->sections[file->section_count++] = section;
        offset = section.offset + section.index_bytes + section.packed_bytes;
    }
}

bool trace_file_open(struct trace_file *file, const char *path, struct metic_error *error)
{
    *file = (struct trace_file){0};
    snprintf(file->path, sizeof(file->path), "%s", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_set(error, NULL, "%s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    file->size = S_ISREG(status.st_mode) ? (size_t)status.st_size : 0;
    void *bytes = file->size != 0 ? mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0)
                                  : MAP_FAILED;
    close(fd);
    file->bytes = bytes;
    bool known = bytes != MAP_FAILED && file->size >= TRACE_HEADER_BYTES &&
                 memcmp(bytes, TRACE_MAGIC, sizeof(TRACE_MAGIC) - 1) == 0;
    if (!known) {
        error_set(error, "metic run ... --trace FILE writes one", "%s is no metic trace", path);
    } else if (ld_le32(file->bytes + 12) != TRACE_VERSION) {
        known = error_set(error, "use the metic that wrote it", "%s is a trace of version %u", path,
                          ld_le32(file->bytes + 12));
    }
    if (!known) {
        if (bytes != MAP_FAILED) {
            munmap(bytes, file->size);
        }
        return false;
    }
    file->harts = ld_le32(file->bytes + 16);
    file->harts = file->harts > METIC_MAX_HARTS ? METIC_MAX_HARTS : file->harts;
    file->zstd = ZSTD_createDCtx();
    scan(file);
    return true;
}

void trace_file_close(struct trace_file *file)
{
    for (u32 i = 0; i < file->unit_count; i++) {
        free((void *)(uintptr_t)file->units[i].code);
        free((void *)(uintptr_t)file->units[i].slots);
    }
    free(file->units);
    free(file->sections);
    free(file->meta);
    free(file->symbols);
    ZSTD_freeDCtx(file->zstd);
    munmap((void *)(uintptr_t)file->bytes, file->size);
}

/* --- streams --- */

struct columns {
    struct reader r[TRACE_COLUMNS];
    u64 predicted[TRACE_COLUMNS][TRACE_PREDICTIONS];
    u64 page_in, page_delta; /* heads until the next unit that ran elsewhere, and where */
};

static bool open_columns(struct columns *columns, const u8 *raw, u64 raw_bytes)
{
    struct reader all = {raw, raw + raw_bytes, false};
    memset(columns->predicted, 0, sizeof(columns->predicted));
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        u64 size = get_u64(&all);
        const u8 *at = get_bytes(&all, size);
        if (all.bad) {
            return false;
        }
        columns->r[i] = (struct reader){at, at + size, false};
    }
    return true;
}

static void next_page(struct columns *columns)
{
    struct reader *r = &columns->r[TRACE_PAGES];
    columns->page_in = r->at < r->end ? get_varint(r) : 0;
    columns->page_delta = columns->page_in != 0 ? trace_unzigzag(get_varint(r)) : 0;
}

static void get_slots(struct columns *columns, const struct metic_trace_unit *unit, u32 number,
                      u64 *words)
{
    for (unsigned i = 0; i < unit->slot_count; i++) {
        enum trace_column from = trace_column_of(unit->slots[i].kind);
        u64 *predicted = &columns->predicted[from][trace_prediction(number, i)];
        *predicted += trace_unzigzag(get_varint(&columns->r[from]));
        words[i] = *predicted;
    }
}

/* One head and what belongs to it; number of words, 0 when damaged. */
static size_t get_item(const struct trace_file *file, struct columns *columns, u64 *words,
                       size_t room)
{
    const u8 *at = get_bytes(&columns->r[TRACE_HEADS], 4);
    u32 head = at != NULL ? ld_le32(at) & METIC_TRACE_NUMBER : 0;
    if (head >= METIC_TRACE_EVENT) {
        unsigned count = head & 0xff;
        if (count < 2 || count >= room) {
            return 0;
        }
        words[0] = head;
        for (unsigned i = 0; i < count; i++) {
            words[1 + i] = get_u64(&columns->r[TRACE_EVENTS]);
        }
        return columns->r[TRACE_EVENTS].bad ? 0 : 1 + count;
    }
    if (at == NULL || head >= file->unit_count || file->units[head].slot_count >= room) {
        return 0;
    }
    const struct metic_trace_unit *unit = &file->units[head];
    u64 page = unit->address >> 12;
    if (columns->page_in != 0 && --columns->page_in == 0) {
        page += columns->page_delta;
        next_page(columns);
    }
    words[0] = page << 28 | head;
    get_slots(columns, unit, head, words + 1);
    bool bad = columns->r[TRACE_ADDRESSES].bad || columns->r[TRACE_VALUES].bad ||
               columns->r[TRACE_REGISTERS].bad || columns->r[TRACE_PAGES].bad;
    return bad ? 0 : 1u + unit->slot_count;
}

bool trace_file_words(struct trace_file *file, const struct trace_section *section, u64 **words,
                      size_t *count)
{
    *words = NULL;
    if (section->count > TRACE_MAX_CHUNK_WORDS) {
        return false;
    }
    u8 *raw = unpack(file, section);
    struct columns *columns = malloc(sizeof(*columns));
    u64 *out = malloc((section->count + 1) * sizeof(*out));
    bool good = raw != NULL && columns != NULL && out != NULL &&
                open_columns(columns, raw, section->raw_bytes);
    size_t used = 0;
    if (good) {
        next_page(columns);
    }
    while (good && used < section->count) {
        size_t got = get_item(file, columns, out + used, section->count - used + 1);
        good = got != 0 && got <= section->count - used;
        used += got;
    }
    free(raw);
    free(columns);
    if (!good) {
        free(out);
        return false;
    }
    *words = out;
    *count = used;
    return true;
}

/* --- the index --- */

/* Whether a page of [first, end) is in the list at the reader, which is left behind it. */
static bool list_has(struct reader *r, u64 first, u64 end)
{
    u64 count = get_varint(r);
    u64 page = 0;
    bool has = false;
    if (count == ~(u64)0) {
        return true;
    }
    for (u64 i = 0; i < count && !r->bad; i++) {
        page += get_varint(r);
        has |= page >= first >> 12 && page <= (end - 1) >> 12;
    }
    return has || r->bad;
}

static struct reader index_of(const struct trace_file *file, const struct trace_section *section)
{
    const u8 *at = file->bytes + section->offset;
    return (struct reader){at, at + section->index_bytes, false};
}

bool trace_file_may_run(const struct trace_file *file, const struct trace_section *section,
                        u64 first, u64 end)
{
    struct reader r = index_of(file, section);
    return list_has(&r, first, end);
}

bool trace_file_may_write(const struct trace_file *file, const struct trace_section *section,
                          u64 first, u64 end)
{
    struct reader r = index_of(file, section);
    list_has(&r, 1, 2);
    return list_has(&r, first, end);
}

bool trace_file_counts(const struct trace_file *file, const struct trace_section *section,
                       u64 *counts)
{
    struct reader r = index_of(file, section);
    list_has(&r, 1, 2);
    list_has(&r, 1, 2);
    u64 count = get_varint(&r);
    u64 unit = 0;
    for (u64 i = 0; i < count && !r.bad; i++) {
        unit += get_varint(&r);
        u64 ran = get_varint(&r);
        if (unit >= file->unit_count) {
            return false;
        }
        counts[unit] += ran;
    }
    return !r.bad;
}

u64 trace_file_satp(const struct trace_file *file, const struct trace_section *section)
{
    return section->index_bytes >= 8
               ? ld_le64(file->bytes + section->offset + section->index_bytes - 8) : 0;
}
