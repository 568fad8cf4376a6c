/* See trace_file.h. */
#include "ui/trace/trace_file_private.h"


#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { MAX_RAW_BYTES = 256 << 20, AHEAD_BYTES = 16 << 20 };

/* --- sections --- */

bool trace_file_parse(const struct trace_file *file, const u8 *at, u64 offset,
                      struct trace_section *section)
{
    *section = (struct trace_section){
        .kind = ld_le32(at + 4), .stream = ld_le32(at + 8) & 0xffff, .privilege = ld_le32(at + 12),
        .raw_bytes = ld_le64(at + 16), .packed_bytes = ld_le64(at + 24),
        .index_bytes = ld_le64(at + 32), .first = ld_le64(at + 40), .count = ld_le64(at + 48),
        .start_ns = ld_le64(at + 56),
        .turn_ns = ld_le64(at + 56) - (ld_le32(at + 8) >> 16), .check = ld_le32(at + 64),
        .offset = offset + TRACE_SECTION_BYTES,
        .before = TRACE_NONE, .behind = TRACE_NONE, .group = TRACE_NONE,
    };
    u64 left = file->size - section->offset;
    return ld_le32(at) == TRACE_SECTION_MAGIC && (u32)crc32(0, at, 68) == ld_le32(at + 68) &&
           section->index_bytes <= left && section->packed_bytes <= left - section->index_bytes &&
           section->raw_bytes <= MAX_RAW_BYTES && section->stream <= METIC_MAX_HARTS;
}

bool trace_file_section(const struct trace_file *file, u64 offset, struct trace_section *section)
{
    return offset <= file->size && file->size - offset >= TRACE_SECTION_BYTES &&
           trace_file_parse(file, file->bytes + offset, offset, section);
}

/* The header at `offset`, which is none that can be used, is whole as far as the file goes. */
static bool is_cut(const struct trace_file *file, u64 offset)
{
    u64 left = file->size - offset;
    const u8 *at = file->bytes + offset;
    return left < TRACE_SECTION_BYTES || (ld_le32(at) == TRACE_SECTION_MAGIC &&
                                          (u32)crc32(0, at, 68) == ld_le32(at + 68));
}

/* Sections are small parts of a large file, and who reads them knows which: the host's own reading
 * around each fault would bring all of it. */
static void will_read(const struct trace_file *file, u64 offset, u64 bytes)
{
    u64 page = (u64)sysconf(_SC_PAGESIZE);
    u64 from = offset - offset % page;
    bytes += offset - from;
    madvise((void *)(uintptr_t)(file->bytes + from), bytes, MADV_WILLNEED);
}

void trace_file_will_read(const struct trace_file *file, const struct trace_section *section)
{
    u64 from = section->offset - TRACE_SECTION_BYTES;
    will_read(file, from, trace_section_end(section) - from);
}

void trace_ahead_ask(const struct trace_file *file, struct trace_ahead *ahead,
                     const struct trace_section *section)
{
    trace_file_will_read(file, section);
    ahead->bytes += section->index_bytes + section->packed_bytes;
}

/* For one who reads all of it from `offset` on; what is before *ahead is on its way. */
static void read_ahead(const struct trace_file *file, u64 offset, u64 *ahead)
{
    if (offset + AHEAD_BYTES / 2 > *ahead && *ahead < file->size) {
        u64 from = offset > *ahead ? offset : *ahead;
        u64 left = file->size - from;
        u64 bytes = left < AHEAD_BYTES ? left : AHEAD_BYTES;
        will_read(file, from, bytes);
        *ahead = from + bytes;
    }
}

/* What follows the header is what was written; of a STREAM the index and the table. */
static bool index_is_whole(const struct trace_file *file, const struct trace_section *section)
{
    return (section->kind != TRACE_STREAM || section->packed_bytes >= TRACE_TABLE_BYTES) &&
           (section->check == 0 ||
            section->check == trace_section_check(section, file->bytes + section->offset));
}

u8 *trace_file_unpack(struct trace_file *file, const struct trace_section *section)
{
    u8 *raw = index_is_whole(file, section) ? malloc(section->raw_bytes + 1) : NULL;
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

/* --- what sections hold --- */

static bool get_text(struct trace_file *file, const struct trace_section *section, char **text)
{
    u8 *raw = trace_file_unpack(file, section);
    if (raw == NULL) {
        return false;
    }
    free(*text);
    *text = (char *)raw;
    return true;
}

bool trace_file_take(struct trace_file *file, const struct trace_section *section)
{
    switch (section->kind) {
    case TRACE_META: return get_text(file, section, &file->meta);
    case TRACE_SYMBOLS: return get_text(file, section, &file->symbols);
    case TRACE_UNITS: return trace_file_get_units(file, section);
    case TRACE_PATHS: return trace_file_get_paths(file, section);
    default: return section->kind > 0 && section->kind < TRACE_SECTION_KINDS;
    }
}

bool trace_file_add(struct trace_file *file, const struct trace_section *section)
{
    size_t capacity = file->section_capacity;
    if (file->section_count == capacity) {
        capacity = capacity * 2 + 64;
        void *bigger = realloc(file->sections, capacity * sizeof(*file->sections));
        if (bigger == NULL || capacity >= TRACE_NONE) {
            return false;
        }
        file->sections = bigger;
        file->section_capacity = capacity;
    }
    file->sections[file->section_count++] = *section;
    return true;
}

/* From there to its end, or to where it was cut off. */
static void scan(struct trace_file *file, u64 offset)
{
    u64 ahead = offset;
    while (offset < file->size) {
        struct trace_section section;
        file->damage_offset = offset;
        read_ahead(file, offset, &ahead);
        if (!trace_file_section(file, offset, &section)) {
            file->cut = is_cut(file, offset);
            file->damage = file->cut ? "the file ends in the middle of a section"
                                     : "a section's header is damaged";
            return;
        }
        if (!index_is_whole(file, &section) || !trace_file_take(file, &section)) {
            file->damage = "a section is damaged";
            return;
        }
        section.satp = section.index_bytes >= 8
                           ? ld_le64(file->bytes + section.offset + TRACE_SATP_AT) : 0;
        if (section.kind < TRACE_INDEX && !trace_file_add(file, &section)) {
            file->damage = "the host has no memory for the rest";
            return;
        }
        offset = trace_section_end(&section);
    }
}

/* By its END; false: there is none, or it leads nowhere. */
static bool open_finished(struct trace_file *file)
{
    struct trace_section end, units, paths;
    bool good = file->size >= TRACE_HEADER_BYTES + TRACE_SECTION_BYTES &&
                trace_file_section(file, file->size - TRACE_SECTION_BYTES, &end) &&
                end.kind == TRACE_END && end.count <= file->size;
    if (good) { /* units, paths and the directory stand between there and here */
        will_read(file, end.count, file->size - end.count);
    }
    return good && trace_file_section(file, end.count, &units) &&
           units.kind == TRACE_UNITS_AGAIN &&
           trace_file_section(file, trace_section_end(&units), &paths) &&
           paths.kind == TRACE_PATHS_AGAIN && trace_file_get_units(file, &units) &&
           trace_file_get_paths(file, &paths) && trace_file_take_groups(file, end.first, false);
}

/* One that was cut off, by the last INDEX or DIRECTORY that its header knows of, and from there on
 * section by section; false: it knows of none, or that is not in the file any more. */
static bool open_cut(struct trace_file *file)
{
    struct trace_section last;
    u64 offset = ld_le64(file->bytes + TRACE_LAST_AT);
    if (offset == 0 || !trace_file_section(file, offset, &last) ||
        !trace_file_take_groups(file, offset, true)) {
        return false;
    }
    scan(file, trace_section_end(&last));
    return true;
}

static void forget(struct trace_file *file)
{
    for (u32 i = 0; i < file->unit_count; i++) {
        free((void *)(uintptr_t)file->units[i].code);
        free((void *)(uintptr_t)file->units[i].slots);
    }
    for (u32 i = 0; i < file->path_count; i++) {
        free((void *)(uintptr_t)file->paths[i].parts);
        free((void *)(uintptr_t)file->paths[i].recipes);
        free((void *)(uintptr_t)file->paths[i].nodes);
    }
    free(file->paths);
    free(file->units);
    free(file->sections);
    free(file->order);
    file->order = NULL;
    file->order_count = 0;
    free(file->groups);
    free(file->group_bytes);
    free(file->meta);
    free(file->symbols);
    file->units = NULL;
    file->paths = NULL;
    file->path_count = 0;
    file->sections = file->groups = NULL;
    file->meta = file->symbols = NULL;
    file->group_bytes = NULL;
    file->section_count = file->section_capacity = 0;
    file->unit_count = file->group_count = 0;
}

/* Each section's neighbours of the same stream. */
static void link_streams(struct trace_file *file)
{
    u32 last[METIC_MAX_HARTS + 1];
    memset(last, 0xff, sizeof(last));
    for (u32 i = 0; i < file->section_count; i++) {
        struct trace_section *section = &file->sections[i];
        if (section->kind != TRACE_STREAM) {
            continue;
        }
        section->before = last[section->stream];
        if (section->before != TRACE_NONE) {
            file->sections[section->before].behind = i;
        }
        last[section->stream] = i;
    }
}

static bool header_is_whole(const u8 *header)
{
    u32 check = ld_le32(header + TRACE_HEADER_BYTES - 4);
    return check == 0 || check == (u32)crc32(0, header, TRACE_HEADER_BYTES - 4);
}

/* By when they begin; a stream's own sections stay in their order. */
static bool order_sections(struct trace_file *file)
{
    u32 next[METIC_MAX_HARTS + 1];
    u64 last_ns[METIC_MAX_HARTS + 1] = {0};
    memset(next, 0xff, sizeof(next));
    for (u32 i = (u32)file->section_count; i-- > 0;) {
        if (file->sections[i].kind == TRACE_STREAM) {
            next[file->sections[i].stream] = i;
        }
    }
    file->order = malloc((file->section_count + 1) * sizeof(*file->order));
    while (file->order != NULL) {
        unsigned first = METIC_MAX_HARTS + 1;
        u64 first_ns = 0;
        for (unsigned stream = 0; stream <= METIC_MAX_HARTS; stream++) {
            if (next[stream] != TRACE_NONE) {
                u64 ns = file->sections[next[stream]].turn_ns;
                ns = ns > last_ns[stream] ? ns : last_ns[stream];
                if (first > METIC_MAX_HARTS || ns < first_ns) {
                    first = stream;
                    first_ns = ns;
                }
            }
        }
        if (first > METIC_MAX_HARTS) {
            return true;
        }
        last_ns[first] = first_ns;
        file->order[file->order_count++] = next[first];
        next[first] = file->sections[next[first]].behind;
    }
    return false;
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
    } else if (!header_is_whole(bytes)) {
        known = error_set(error, "record it again", "%s is damaged in its first %d bytes", path,
                          TRACE_HEADER_BYTES);
    } else if (ld_le32(bytes + 12) < TRACE_VERSION_READ || ld_le32(bytes + 12) > TRACE_VERSION) {
        known = error_set(error, "ask the metic that wrote it, or record it again",
                          "%s is a trace of version %u; this metic reads versions %u to %u", path,
                          ld_le32(bytes + 12), (unsigned)TRACE_VERSION_READ,
                          (unsigned)TRACE_VERSION);
    }
    if (!known) {
        if (bytes != MAP_FAILED) {
            munmap(bytes, file->size);
        }
        return false;
    }
    madvise((void *)(uintptr_t)bytes, file->size, MADV_RANDOM); /* see will_read */
    file->harts = ld_le32(file->bytes + 16);
    file->harts = file->harts > METIC_MAX_HARTS ? METIC_MAX_HARTS : file->harts;
    file->zstd = ZSTD_createDCtx();
    if (!open_finished(file)) {
        forget(file);
        if (!open_cut(file)) {
            forget(file);
            scan(file, TRACE_HEADER_BYTES);
        }
    }
    link_streams(file);
    file->has_turns = trace_file_meta(file, "turns", 10, 0) == 1;
    if (!order_sections(file)) {
        trace_file_close(file);
        return error_set(error, NULL, "the host has no memory");
    }
    return true;
}

void trace_file_close(struct trace_file *file)
{
    forget(file);
    ZSTD_freeDCtx(file->zstd);
    munmap((void *)(uintptr_t)file->bytes, file->size);
}

bool trace_file_unit(void *file_opaque, u32 number, struct metic_trace_unit *unit)
{
    const struct trace_file *file = file_opaque;
    if (number >= file->unit_count) {
        return false;
    }
    *unit = file->units[number];
    return true;
}

u64 trace_file_meta(const struct trace_file *file, const char *key, int base, u64 otherwise)
{
    size_t bytes = strlen(key);
    for (const char *at = file->meta; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, key, bytes) == 0 && at[bytes] == '=') {
            return strtoull(at + bytes + 1, NULL, base);
        }
    }
    return otherwise;
}

/* --- all of it --- */

/* The next place behind `offset` where a section may begin; the file's size: nowhere. */
static u64 find_section(const struct trace_file *file, u64 offset)
{
    u8 magic[4];
    struct trace_section section;
    st_le32(magic, TRACE_SECTION_MAGIC);
    while (offset < file->size) {
        const u8 *at = memmem(file->bytes + offset, file->size - offset, magic, sizeof(magic));
        if (at == NULL) {
            break;
        }
        offset = (u64)(at - file->bytes);
        if (trace_file_section(file, offset, &section)) {
            return offset;
        }
        offset++;
    }
    return file->size;
}

void trace_file_check(struct trace_file *file, struct trace_walk *walk, u64 end,
                      void (*damaged)(void *opaque, u64 offset, const char *what), void *opaque)
{
    static const char *const names[TRACE_SECTION_KINDS] = {
        [TRACE_META] = "what was recorded", [TRACE_UNITS] = "pieces of code",
        [TRACE_STREAM] = "the index of a stream", [TRACE_SYMBOLS] = "symbols",
        [TRACE_PATHS] = "paths of code", [TRACE_INDEX] = "an index of many",
        [TRACE_DIRECTORY] = "a directory of indexes",
        [TRACE_UNITS_AGAIN] = "pieces of code, at the end",
        [TRACE_PATHS_AGAIN] = "paths of code, at the end", [TRACE_END] = "the end",
    };
    u64 offset = walk->offset != 0 ? walk->offset : TRACE_HEADER_BYTES;
    for (; offset < end && offset < file->size; walk->offset = offset) {
        struct trace_section section;
        read_ahead(file, offset, &walk->ahead);
        if (!trace_file_section(file, offset, &section)) {
            damaged(opaque, offset, is_cut(file, offset) ? "the file ends in it" : "a header");
            offset = find_section(file, offset + 1);
            continue;
        }
        const char *name = section.kind < TRACE_SECTION_KINDS ? names[section.kind] : NULL;
        bool has_frame = section.kind != TRACE_STREAM && section.kind != TRACE_END;
        u8 *raw = has_frame ? trace_file_unpack(file, &section) : NULL;
        bool by_reader = section.kind == TRACE_STREAM &&
                         (file->damage == NULL || offset < file->damage_offset);
        if (name == NULL || (has_frame && raw == NULL) ||
            (!by_reader && !index_is_whole(file, &section))) {
            damaged(opaque, offset, name != NULL ? name : "a kind of section that is not known");
        }
        free(raw);
        offset = trace_section_end(&section);
    }
}
