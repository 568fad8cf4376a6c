/* See trace_file.h. */
#include "ui/trace/trace_file.h"

#include "ui/trace/trace_bytes.h"
#include "ui/trace/trace_sift.h"

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

/* --- sections --- */

/* From the header at `at`, which is at `offset` of the file. */
static bool parse_header(const struct trace_file *file, const u8 *at, u64 offset,
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

static bool get_section(const struct trace_file *file, u64 offset, struct trace_section *section)
{
    return offset <= file->size && file->size - offset >= TRACE_SECTION_BYTES &&
           parse_header(file, file->bytes + offset, offset, section);
}

/* The header at `offset`, which is none that can be used, is whole as far as the file goes. */
static bool is_cut(const struct trace_file *file, u64 offset)
{
    u64 left = file->size - offset;
    const u8 *at = file->bytes + offset;
    return left < TRACE_SECTION_BYTES || (ld_le32(at) == TRACE_SECTION_MAGIC &&
                                          (u32)crc32(0, at, 68) == ld_le32(at + 68));
}

/* What follows the header is what was written; of a STREAM the index and the table. */
static bool index_is_whole(const struct trace_file *file, const struct trace_section *section)
{
    return (section->kind != TRACE_STREAM || section->packed_bytes >= TRACE_TABLE_BYTES) &&
           (section->check == 0 ||
            section->check == trace_section_check(section, file->bytes + section->offset));
}

/* The payload, or NULL when it is damaged; for the caller to free. */
static u8 *unpack(struct trace_file *file, const struct trace_section *section)
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

/* --- units --- */

static bool get_unit(const struct trace_file *file, struct reader *r, void *item)
{
    struct metic_trace_unit *unit = item;
    (void)file;
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

/* --- paths: as trace_store_stream.c writes them --- */

static u16 get_reference(struct reader *r)
{
    u64 coded = get_varint(r);
    if (coded == 0) {
        return METIC_TRACE_NO_WORD;
    }
    r->bad |= coded > 2 * (u64)METIC_TRACE_NODE - 4; /* what it may name is looked at later */
    u16 number = (u16)((coded - 1) / 2);
    return coded % 2 == 0 ? (u16)(number | METIC_TRACE_NODE) : number;
}

static bool get_nodes(struct reader *r, struct metic_trace_path *path)
{
    u64 count = get_varint(r);
    struct metic_trace_node *nodes =
        count <= TRACE_PATH_NODES_MAX ? calloc(count + 1, sizeof(*nodes)) : NULL;
    path->nodes = nodes;
    path->node_count = (u16)count;
    for (u64 n = 0; nodes != NULL && n < count && !r->bad; n++) {
        u64 op = get_varint(r), sub = get_varint(r);
        unsigned operands = op < 256 ? metic_trace_node_operands((unsigned)op) : ~0u;
        r->bad |= operands > ARRAY_LEN(nodes[n].operands) || sub >= 512;
        nodes[n].op = (u8)op;
        nodes[n].sub = (u8)(sub / 2);
        nodes[n].wide = sub % 2 != 0;
        for (unsigned i = 0; i < operands && !r->bad; i++) {
            nodes[n].operands[i] = get_reference(r);
        }
        nodes[n].imm = operands == 0 ? trace_unzigzag(get_varint(r)) : 0;
    }
    return nodes != NULL && !r->bad;
}

static bool get_path(const struct trace_file *file, struct reader *r, void *item)
{
    struct metic_trace_path *path = item;
    u64 parts = get_varint(r), slots = 0;
    u32 *list = !r->bad && parts != 0 && parts <= TRACE_PATH_PARTS_MAX
                    ? malloc(parts * sizeof(*list)) : NULL;
    path->parts = list;
    for (u64 i = 0; list != NULL && i < parts; i++) {
        u64 unit = get_varint(r);
        if (r->bad || unit >= file->unit_count) {
            return false;
        }
        list[i] = (u32)unit;
        slots += file->units[unit].slot_count;
    }
    u64 words = get_varint(r);
    bool good = get_nodes(r, path);
    struct metic_trace_recipe *recipes =
        good && list != NULL && slots <= TRACE_UNIT_SLOTS_MAX && words <= TRACE_UNIT_SLOTS_MAX
            ? calloc(slots + 1, sizeof(*recipes)) : NULL;
    path->recipes = recipes;
    path->part_count = (u16)parts;
    path->slot_count = (u16)slots;
    path->word_count = (u16)words;
    for (u64 i = 0; recipes != NULL && i < slots; i++) {
        recipes[i].word = get_reference(r);
        recipes[i].add = trace_unzigzag(get_varint(r));
    }
    return recipes != NULL && !r->bad;
}

/* Makes the list's next items of a section's payload; each counts, whole or not, for forget(). */
static bool get_items(struct trace_file *file, const struct trace_section *section, void **list,
                      u32 *count, size_t item_bytes, u32 most,
                      bool (*get)(const struct trace_file *file, struct reader *r, void *item))
{
    if (section->first != *count || section->count > section->raw_bytes ||
        section->first + section->count > most) {
        return false;
    }
    u8 *raw = unpack(file, section);
    u8 *bigger = raw == NULL ? NULL : realloc(*list, (*count + section->count + 1) * item_bytes);
    if (bigger == NULL) {
        free(raw);
        return false;
    }
    *list = bigger;
    struct reader r = {raw, raw + section->raw_bytes, false};
    bool good = true;
    for (u64 i = 0; i < section->count && good; i++) {
        u8 *item = bigger + *count * item_bytes;
        memset(item, 0, item_bytes);
        ++*count;
        good = get(file, &r, item);
    }
    free(raw);
    return good;
}

static bool get_units(struct trace_file *file, const struct trace_section *section)
{
    return get_items(file, section, (void **)&file->units, &file->unit_count,
                     sizeof(*file->units), METIC_TRACE_EVENT, get_unit);
}

static bool get_paths(struct trace_file *file, const struct trace_section *section)
{
    return get_items(file, section, (void **)&file->paths, &file->path_count,
                     sizeof(*file->paths), METIC_TRACE_LEFT - METIC_TRACE_PATH, get_path);
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
    case TRACE_PATHS: return get_paths(file, section);
    default: return section->kind > 0 && section->kind < TRACE_SECTION_KINDS;
    }
}

static bool add_section(struct trace_file *file, const struct trace_section *section)
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

/* From its start to its end, or to where it was cut off. */
static void scan(struct trace_file *file)
{
    u64 offset = TRACE_HEADER_BYTES;
    while (offset < file->size) {
        struct trace_section section;
        file->damage_offset = offset;
        if (!get_section(file, offset, &section)) {
            file->cut = is_cut(file, offset);
            file->damage = file->cut ? "the file ends in the middle of a section"
                                     : "a section's header is damaged";
            return;
        }
        if (!index_is_whole(file, &section) || !take_section(file, &section)) {
            file->damage = "a section is damaged";
            return;
        }
        section.satp = section.index_bytes >= 8
                           ? ld_le64(file->bytes + section.offset + TRACE_SATP_AT) : 0;
        if (section.kind < TRACE_INDEX && !add_section(file, &section)) {
            file->damage = "the host has no memory for the rest";
            return;
        }
        offset = section.offset + section.index_bytes + section.packed_bytes;
    }
}

/* --- files that were finished --- */

/* The INDEX sections, in the order of the file; false: one of them is none. */
static bool find_groups(struct trace_file *file, u64 last)
{
    u64 offset = last;
    for (u64 at = last; at != 0; file->group_count++) {
        struct trace_section section;
        if (!get_section(file, at, &section) || section.kind != TRACE_INDEX ||
            section.first >= at) {
            return false;
        }
        at = section.first;
    }
    file->groups = calloc((size_t)file->group_count + 1, sizeof(*file->groups));
    for (u32 i = file->group_count; file->groups != NULL && i-- > 0;) {
        get_section(file, offset, &file->groups[i]);
        offset = file->groups[i].first;
    }
    return file->groups != NULL;
}

/* Unpacks a group's index, and forgets the one before. */
static bool load_group(struct trace_file *file, u32 group)
{
    if (file->group_bytes != NULL && file->group_now == group) {
        return true;
    }
    free(file->group_bytes);
    file->group_bytes = unpack(file, &file->groups[group]);
    file->group_now = group;
    return file->group_bytes != NULL;
}

void trace_file_view(const struct trace_file *file, struct trace_file *view)
{
    *view = *file;
    view->group_bytes = NULL;
    view->zstd = ZSTD_createDCtx();
}

void trace_file_view_end(struct trace_file *view)
{
    free(view->group_bytes);
    ZSTD_freeDCtx(view->zstd);
}

/* What a thread makes of each INDEX. */
struct taking {
    struct trace_file *file;
    struct taken {
        struct trace_section *sections;
        bool good;
    } *groups;
};

static bool get_headers(struct trace_file *view, u32 group, struct trace_section *sections)
{
    if (view->zstd == NULL || !load_group(view, group)) {
        return false;
    }
    struct reader r = {view->group_bytes, view->group_bytes + view->groups[group].raw_bytes, false};
    for (u64 i = 0; i < view->groups[group].count; i++) {
        struct trace_section *section = &sections[i];
        u64 offset = get_u64(&r);
        const u8 *header = get_bytes(&r, TRACE_SECTION_BYTES);
        if (r.bad || offset > view->size - TRACE_SECTION_BYTES ||
            !parse_header(view, header, offset, section)) {
            return false;
        }
        section->group = group;
        section->group_at = (u32)(r.at - view->group_bytes);
        const u8 *index = get_bytes(&r, section->index_bytes);
        section->satp = !r.bad && section->index_bytes >= 8 ? ld_le64(index + TRACE_SATP_AT) : 0;
        if (r.bad || section->kind >= TRACE_INDEX) {
            return false;
        }
    }
    return true;
}

static void take_group(void *opaque, unsigned thread, u32 group)
{
    struct taking *taking = opaque;
    struct taken *taken = &taking->groups[group];
    struct trace_file view;
    u64 count = taking->file->groups[group].count;
    (void)thread;
    if (count > taking->file->groups[group].raw_bytes / TRACE_SECTION_BYTES) {
        return; /* there cannot be so many */
    }
    taken->sections = malloc((count + 1) * sizeof(*taken->sections));
    trace_file_view(taking->file, &view);
    taken->good = taken->sections != NULL && get_headers(&view, group, taken->sections);
    trace_file_view_end(&view);
}

static bool add_group(struct trace_file *file, const struct trace_section *sections, u64 count)
{
    for (u64 i = 0; i < count; i++) {
        u32 kind = sections[i].kind;
        bool units = kind == TRACE_UNITS || kind == TRACE_PATHS; /* they come once more */
        if ((!units && !take_section(file, &sections[i])) || !add_section(file, &sections[i])) {
            return false;
        }
    }
    return true;
}

static bool take_groups(struct trace_file *file)
{
    struct taking taking = {file, calloc((size_t)file->group_count + 1, sizeof(struct taken))};
    bool good = taking.groups != NULL;
    if (good) {
        trace_parallel(file->group_count, take_group, &taking);
    }
    for (u32 i = 0; taking.groups != NULL && i < file->group_count; i++) {
        good = good && taking.groups[i].good &&
               add_group(file, taking.groups[i].sections, file->groups[i].count);
        free(taking.groups[i].sections);
    }
    free(taking.groups);
    return good;
}

/* By its END; false: there is none, or it leads nowhere. */
static bool open_by_index(struct trace_file *file)
{
    struct trace_section end, units, paths;
    bool good = file->size >= TRACE_HEADER_BYTES + TRACE_SECTION_BYTES &&
                get_section(file, file->size - TRACE_SECTION_BYTES, &end) &&
                end.kind == TRACE_END && find_groups(file, end.first) &&
                get_section(file, end.count, &units) && units.kind == TRACE_UNITS_AGAIN &&
                get_section(file, units.offset + units.index_bytes + units.packed_bytes, &paths) &&
                paths.kind == TRACE_PATHS_AGAIN && get_units(file, &units) &&
                get_paths(file, &paths);
    return good && take_groups(file);
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
    } else if (ld_le32(file->bytes + 12) != TRACE_VERSION) {
        known = error_set(error, "ask the metic that wrote it, or record it again",
                          "%s is a trace of version %u; this metic reads version %u", path,
                          ld_le32(file->bytes + 12), (unsigned)TRACE_VERSION);
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
    if (!open_by_index(file)) {
        forget(file);
        scan(file);
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

const u8 *trace_file_index(struct trace_file *file, const struct trace_section *section)
{
    if (section->group == TRACE_NONE) {
        return file->bytes + section->offset;
    }
    return load_group(file, section->group) ? file->group_bytes + section->group_at : NULL;
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
        if (get_section(file, offset, &section)) {
            return offset;
        }
        offset++;
    }
    return file->size;
}

void trace_file_check(struct trace_file *file,
                      void (*damaged)(void *opaque, u64 offset, const char *what), void *opaque)
{
    static const char *const names[TRACE_SECTION_KINDS] = {
        [TRACE_META] = "what was recorded", [TRACE_UNITS] = "pieces of code",
        [TRACE_STREAM] = "the index of a stream", [TRACE_SYMBOLS] = "symbols",
        [TRACE_PATHS] = "paths of code", [TRACE_INDEX] = "the index of all",
        [TRACE_UNITS_AGAIN] = "pieces of code, at the end",
        [TRACE_PATHS_AGAIN] = "paths of code, at the end", [TRACE_END] = "the end",
    };
    u64 offset = TRACE_HEADER_BYTES;
    while (offset < file->size) {
        struct trace_section section;
        if (!get_section(file, offset, &section)) {
            damaged(opaque, offset, is_cut(file, offset) ? "the file ends in it" : "a header");
            offset = find_section(file, offset + 1);
            continue;
        }
        const char *name = section.kind < TRACE_SECTION_KINDS ? names[section.kind] : NULL;
        bool has_frame = section.kind != TRACE_STREAM && section.kind != TRACE_END;
        u8 *raw = has_frame ? unpack(file, &section) : NULL;
        bool by_reader = section.kind == TRACE_STREAM &&
                         (file->damage == NULL || offset < file->damage_offset);
        if (name == NULL || (has_frame && raw == NULL) ||
            (!by_reader && !index_is_whole(file, &section))) {
            damaged(opaque, offset, name != NULL ? name : "a kind of section that is not known");
        }
        free(raw);
        offset = section.offset + section.index_bytes + section.packed_bytes;
    }
}
