/* Reading snapshots; see snapshot_file.h. */
#include "hw/snapshot/snapshot_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum {
    WRITTEN_PAGES = 2048, /* with more of them mapping all anew is quicker */
};

static const char *const next_step = "load it with the version of metic that wrote it";

/* --- the head --- */

void snapshot_head_put(const struct snapshot_head *head, u8 page[PAGE_BYTES])
{
    memset(page, 0, PAGE_BYTES);
    st_le32(page, SNAPSHOT_SKIPPABLE);
    st_le32(page + 4, (u32)PAGE_BYTES - 8);
    memcpy(page + 8, SNAPSHOT_MAGIC, 8);
    const u64 numbers[] = {head->file_bytes, head->state_offset, head->state_stored_bytes,
                           head->state_bytes, head->ram_bytes, head->clock_ns, head->insns,
                           head->created_s};
    st_le32(page + 16, head->format);
    st_le32(page + 20, head->flags);
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        st_le64(page + 24 + 8 * i, numbers[i]);
    }
    st_le32(page + 88, head->harts);
    st_le32(page + 92, head->region_count);
    memcpy(page + 96, head->version, SNAPSHOT_NAME_BYTES);
    memcpy(page + 128, head->board, SNAPSHOT_NAME_BYTES);
    st_le64(page + PAGE_BYTES - 8, state_digest_bytes(page, PAGE_BYTES - 8, 0));
}

static void head_get(struct snapshot_head *head, const u8 page[PAGE_BYTES])
{
    u64 *const numbers[] = {&head->file_bytes, &head->state_offset, &head->state_stored_bytes,
                            &head->state_bytes, &head->ram_bytes, &head->clock_ns, &head->insns,
                            &head->created_s};
    head->format = ld_le32(page + 16);
    head->flags = ld_le32(page + 20);
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        *numbers[i] = ld_le64(page + 24 + 8 * i);
    }
    head->harts = ld_le32(page + 88);
    head->region_count = ld_le32(page + 92);
    memcpy(head->version, page + 96, SNAPSHOT_NAME_BYTES);
    memcpy(head->board, page + 128, SNAPSHOT_NAME_BYTES);
    head->version[SNAPSHOT_NAME_BYTES - 1] = head->board[SNAPSHOT_NAME_BYTES - 1] = '\0';
}

static bool read_head(struct snapshot_file *file, const char *path, struct metic_error *error)
{
    u8 page[PAGE_BYTES];
    struct stat status;
    struct snapshot_head *head = &file->head;
    if (pread(file->fd, page, PAGE_BYTES, 0) != (ssize_t)PAGE_BYTES ||
        memcmp(page + 8, SNAPSHOT_MAGIC, 8) != 0) {
        return error_set(error, "metic inspect says what it is", "%s is no snapshot", path);
    }
    head_get(head, page);
    if (head->format != SNAPSHOT_FORMAT) {
        return error_set(error, next_step,
                         "%s is a snapshot of format %u, by metic %s; this one reads format %d",
                         path, head->format, head->version, SNAPSHOT_FORMAT);
    }
    if (ld_le64(page + PAGE_BYTES - 8) != state_digest_bytes(page, PAGE_BYTES - 8, 0)) {
        return error_set(error, NULL, "%s is damaged: its first page is not what was written",
                         path);
    }
    if (fstat(file->fd, &status) != 0 || (u64)status.st_size != head->file_bytes) {
        return error_set(error, NULL, "%s is cut short: %lld bytes of %llu", path,
                         (long long)status.st_size, (unsigned long long)head->file_bytes);
    }
    bool sane = head->state_offset <= head->file_bytes &&
                head->state_stored_bytes <= head->file_bytes - head->state_offset &&
                head->state_bytes <= SNAPSHOT_MAX_STATE_BYTES &&
                head->region_count <= SNAPSHOT_MAX_REGIONS &&
                (head->flags & ~(u32)SNAPSHOT_PACKED) == 0;
    return sane || error_set(error, NULL, "%s is damaged", path);
}

/* --- the state --- */

/* Its packed bytes, heap; NULL with a reason. A frame says how large it is unpacked: no memory is
 * asked for that it would not fill. */
static u8 *read_packed_state(struct snapshot_file *file, const char *path,
                             struct metic_error *error)
{
    const struct snapshot_head *head = &file->head;
    size_t stored_bytes = (size_t)head->state_stored_bytes;
    u8 *stored = malloc(stored_bytes + 1);
    if (stored == NULL) {
        error_set(error, NULL, "the host has no memory for the snapshot %s", path);
    } else if (pread(file->fd, stored, stored_bytes, (off_t)head->state_offset) !=
                   (ssize_t)stored_bytes ||
               ZSTD_getFrameContentSize(stored, stored_bytes) != head->state_bytes) {
        error_set(error, NULL, "%s is damaged: its state does not unpack", path);
        free(stored);
        stored = NULL;
    }
    return stored;
}

static bool read_state(struct snapshot_file *file, const char *path, struct metic_error *error)
{
    const struct snapshot_head *head = &file->head;
    u8 *stored = read_packed_state(file, path, error);
    u8 *bytes = stored != NULL ? malloc((size_t)head->state_bytes + 1) : NULL;
    bool ok = false;
    if (stored != NULL && bytes == NULL) {
        error_set(error, NULL, "the host has no memory for the snapshot %s", path);
    } else if (bytes != NULL) {
        ok = ZSTD_decompress(bytes, (size_t)head->state_bytes, stored,
                             (size_t)head->state_stored_bytes) == head->state_bytes ||
             error_set(error, NULL, "%s is damaged: its state does not unpack", path);
    }
    free(stored);
    if (!ok) {
        free(bytes);
        return false;
    }
    file->state = (struct state_writer){bytes, (size_t)head->state_bytes,
                                        (size_t)head->state_bytes + 1, false};
    return true;
}

static bool read_u64s(struct state_reader *reader, u64 **values, u64 count)
{
    *values = calloc((size_t)count, sizeof(u64));
    for (u64 i = 0; *values != NULL && i < count; i++) {
        if (!state_read_u64(reader, &(*values)[i])) {
            return false;
        }
    }
    return *values != NULL;
}

/* The parts of a region are within the file; the same for packed pieces. */
static bool region_is_inside(const struct snapshot_file *file,
                             const struct snapshot_region *region)
{
    u64 file_bytes = file->head.file_bytes;
    if ((file->head.flags & SNAPSHOT_PACKED) == 0) {
        return (region->offset & PAGE_OFFSET_MASK) == 0 && region->offset <= file_bytes &&
               snapshot_stored_bytes(region->size_bytes) <= file_bytes - region->offset;
    }
    for (u64 i = 0; i < snapshot_piece_count(region->size_bytes); i++) {
        if (region->packed[2 * i] > file_bytes ||
            region->packed[2 * i + 1] > file_bytes - region->packed[2 * i]) {
            return false;
        }
    }
    return true;
}

static bool read_region(struct snapshot_file *file, struct state_reader *reader,
                        struct snapshot_region *region)
{
    bool packed = (file->head.flags & SNAPSHOT_PACKED) != 0;
    if (!state_read_bytes(reader, region->name, SNAPSHOT_NAME_BYTES) ||
        !state_read_u64(reader, &region->gpa) || !state_read_u64(reader, &region->size_bytes) ||
        !state_read_u64(reader, &region->offset) || region->size_bytes > SNAPSHOT_MAX_RAM_BYTES ||
        (region->size_bytes & PAGE_OFFSET_MASK) != 0) {
        return false;
    }
    region->name[SNAPSHOT_NAME_BYTES - 1] = '\0';
    u64 pieces = snapshot_piece_count(region->size_bytes);
    return pieces <= (reader->size_bytes - reader->position) / 8 &&
           read_u64s(reader, &region->digests, pieces) &&
           (!packed || (2 * pieces <= (reader->size_bytes - reader->position) / 8 &&
                        read_u64s(reader, &region->packed, 2 * pieces))) &&
           region_is_inside(file, region);
}

static bool read_regions(struct snapshot_file *file, const char *path, struct metic_error *error)
{
    struct state_reader reader;
    state_reader_init(&reader, file->state.bytes, file->state.size_bytes);
    for (u32 i = 0; i < file->head.region_count; i++) {
        if (!read_region(file, &reader, &file->regions[i])) {
            return error_set(error, NULL, "%s is damaged: its list of memory makes no sense",
                             path);
        }
    }
    file->sections_at = reader.position;
    return true;
}

struct snapshot_file *snapshot_file_open(const char *path, struct metic_error *error)
{
    struct snapshot_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        error_set(error, NULL, "the host has no memory for a snapshot");
        return NULL;
    }
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0) {
        error_set(error, "info snapshots in the monitor lists those kept by name",
                  "cannot open the snapshot %s: %s", path, strerror(errno));
    }
    if (file->fd < 0 || !read_head(file, path, error) || !read_state(file, path, error) ||
        !read_regions(file, path, error)) {
        snapshot_file_free(file);
        return NULL;
    }
    return file;
}

void snapshot_file_free(struct snapshot_file *file)
{
    if (file == NULL) {
        return;
    }
    for (unsigned i = 0; i < SNAPSHOT_MAX_REGIONS; i++) {
        free(file->regions[i].digests);
        free(file->regions[i].packed);
    }
    state_writer_fini(&file->state);
    if (file->map != NULL) {
        munmap((void *)(uintptr_t)file->map, (size_t)file->head.file_bytes);
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    free(file);
}

/* --- RAM --- */

static struct memory_region *find_region(const struct snapshot_region *region,
                                         struct memory *memory, struct metic_error *error)
{
    struct memory_region *found = memory_find_by_name(memory, region->name);
    if (found == NULL || found->gpa != region->gpa || found->size_bytes != region->size_bytes ||
        (found->kind != MEMORY_RAM && found->kind != MEMORY_ROM)) {
        error_set(error, "give the machine the memory it was saved with",
                  "the snapshot has %llu MiB named %s at 0x%llx, the machine has not",
                  (unsigned long long)(region->size_bytes >> 20), region->name,
                  (unsigned long long)region->gpa);
        return NULL;
    }
    return found;
}

/* A part of a region that stands in the file as it is. */
struct part {
    u64 at, size_bytes; /* in the region */
    u64 offset;         /* in the file */
};

static bool next_part(const struct snapshot_region *region, struct part *part)
{
    u64 at = part->at + part->size_bytes;
    if (at >= region->size_bytes) {
        return false;
    }
    u64 left = region->size_bytes - at;
    part->offset = region->offset + snapshot_stored_at(at);
    part->at = at;
    part->size_bytes = left < SNAPSHOT_PART_BYTES ? left : SNAPSHOT_PART_BYTES;
    return true;
}

/* The map stays: a snapshot that is loaded again and again is compared each time. */
static const u8 *whole_file(struct snapshot_file *file)
{
    if (file->map == NULL) {
        void *map = mmap(NULL, (size_t)file->head.file_bytes, PROT_READ, MAP_SHARED, file->fd, 0);
        file->map = map != MAP_FAILED ? map : NULL;
    }
    return file->map;
}

/* Notes in `changed` which pages with translations will have other bytes, or may be stale. */
static bool compare_code(struct snapshot_file *file, const struct snapshot_region *region,
                         const struct memory_region *ram, u8 *changed)
{
    for (struct part part = {0}; next_part(region, &part);) {
        for (u64 at = part.at; at < part.at + part.size_bytes; at += PAGE_BYTES) {
            u8 flags = atomic_load_explicit(&ram->page_flags[at >> PAGE_BITS],
                                            memory_order_relaxed);
            if ((flags & MEMORY_PAGE_CODE) == 0) {
                continue;
            }
            const u8 *saved = whole_file(file);
            if (saved == NULL) {
                return false;
            }
            saved += part.offset + (at - part.at);
            changed[at >> PAGE_BITS] = (flags & MEMORY_PAGE_DIRTY) != 0 ||
                                       memcmp(saved, ram->host + at, PAGE_BYTES) != 0;
        }
    }
    return true;
}

static u64 number_of(struct snapshot_file *file)
{
    static _Atomic u64 last;
    if (file->number == 0) {
        file->number = atomic_fetch_add(&last, 1) + 1;
    }
    return file->number;
}

static bool map_region(struct snapshot_file *file, const struct snapshot_region *region,
                       struct memory *memory, struct memory_region *ram)
{
    for (struct part part = {0}; next_part(region, &part);) {
        if (!memory_map_file(memory, ram, part.at, part.size_bytes, file->fd, part.offset)) {
            return false;
        }
    }
    ram->file_number = number_of(file);
    return true;
}

/* What was written since a region was loaded is written back. */
struct writing_back {
    const struct snapshot_region *region;
    struct memory *memory;
    struct memory_region *ram;
    const u8 *saved; /* the file */
    u64 page_count;  /* so far; from WRITTEN_PAGES on nothing is written back */
};

static void write_back(void *opaque, u64 at, u64 size_bytes)
{
    struct writing_back *back = opaque;
    for (u64 end = at + size_bytes; at < end; at += PAGE_BYTES) {
        const u8 *saved = back->saved + back->region->offset + snapshot_stored_at(at);
        u8 *now = back->ram->host + at;
        bool few = back->page_count++ < WRITTEN_PAGES;
        if (!few || memcmp(now, saved, PAGE_BYTES) != 0) {
            memory_note_write(back->memory, back->ram->gpa + at, PAGE_BYTES);
        }
        if (few) {
            memcpy(now, saved, PAGE_BYTES);
        }
    }
}

/* Pages with translations that may be stale, whatever their bytes are. */
static void note_dirty(struct memory *memory, const struct memory_region *ram)
{
    for (u64 at = 0; at < ram->size_bytes; at += PAGE_BYTES) {
        u8 flags = atomic_load_explicit(&ram->page_flags[at >> PAGE_BITS], memory_order_relaxed);
        if ((flags & MEMORY_PAGE_CODE) != 0 && (flags & MEMORY_PAGE_DIRTY) != 0) {
            memory_note_write(memory, ram->gpa + at, PAGE_BYTES);
        }
    }
}

/* The memory is this file's already, but for what was written since it was loaded: only that is put
 * right, and the host need not map anything again. False: it is not, or the host does not tell. */
static bool load_again(struct snapshot_file *file, const struct snapshot_region *region,
                       struct memory *memory, struct memory_region *ram)
{
    struct writing_back back = {.region = region, .memory = memory, .ram = ram};
    if (file->number == 0 || ram->file_number != file->number || whole_file(file) == NULL) {
        return false;
    }
    back.saved = file->map;
    note_dirty(memory, ram);
    if (!memory_each_own(memory, ram, write_back, &back)) {
        return false;
    }
    return back.page_count <= WRITTEN_PAGES || map_region(file, region, memory, ram);
}

/* The same for a machine that has translated something. */
static bool map_over_code(struct snapshot_file *file, const struct snapshot_region *region,
                          struct memory *memory, struct memory_region *ram)
{
    u8 *changed = calloc((size_t)(region->size_bytes >> PAGE_BITS), 1);
    bool ok = changed != NULL && compare_code(file, region, ram, changed) &&
              map_region(file, region, memory, ram);
    for (u64 page = 0; ok && page < region->size_bytes >> PAGE_BITS; page++) {
        if (changed[page]) {
            memory_note_write(memory, region->gpa + (page << PAGE_BITS), PAGE_BYTES);
        }
    }
    free(changed);
    return ok;
}

static bool load_mapped(struct snapshot_file *file, const struct snapshot_region *region,
                        struct memory *memory, struct memory_region *ram)
{
    return load_again(file, region, memory, ram) ||
           (atomic_load_explicit(&memory->has_code, memory_order_relaxed)
                ? map_over_code(file, region, memory, ram)
                : map_region(file, region, memory, ram));
}

static bool unpack_piece(const struct snapshot_file *file, u64 offset, u64 stored_bytes, u8 *to,
                         size_t size_bytes)
{
    u8 *stored = stored_bytes <= ZSTD_compressBound(size_bytes) ? malloc((size_t)stored_bytes + 1)
                                                                : NULL;
    bool ok = stored != NULL &&
              pread(file->fd, stored, (size_t)stored_bytes, (off_t)offset) ==
                  (ssize_t)stored_bytes &&
              ZSTD_decompress(to, size_bytes, stored, (size_t)stored_bytes) == size_bytes;
    free(stored);
    return ok;
}

static bool load_packed(const struct snapshot_file *file, const struct snapshot_region *region,
                        struct memory *memory, struct memory_region *ram)
{
    bool ok = memory_map_file(memory, ram, 0, region->size_bytes, -1, 0);
    for (u64 i = 0; ok && i < snapshot_piece_count(region->size_bytes); i++) {
        if (region->packed[2 * i + 1] != 0) {
            ok = unpack_piece(file, region->packed[2 * i], region->packed[2 * i + 1],
                              ram->host + i * SNAPSHOT_PIECE_BYTES,
                              snapshot_piece_bytes(region->size_bytes, i));
        }
    }
    if (ok) {
        memory_note_write(memory, region->gpa, region->size_bytes);
    }
    return ok;
}

bool snapshot_file_load_ram(struct snapshot_file *file, struct memory *memory,
                            struct metic_error *error)
{
    bool packed = (file->head.flags & SNAPSHOT_PACKED) != 0;
    for (u32 i = 0; i < file->head.region_count; i++) {
        struct memory_region *ram = find_region(&file->regions[i], memory, error);
        if (ram == NULL) {
            return false;
        }
        if (!(packed ? load_packed(file, &file->regions[i], memory, ram)
                     : load_mapped(file, &file->regions[i], memory, ram))) {
            return error_set(error, NULL, "the memory in the snapshot cannot be mapped: %s",
                             packed ? "it is damaged" : strerror(errno));
        }
    }
    return true;
}

/* --- checking --- */

/* Bytes [from, to) of the file, in parts that fit the host's caches. */
static bool digest_run(int fd, u64 from, u64 to, u64 offset, u8 *buffer, u64 *digest)
{
    enum { PART_BYTES = 16 * PAGE_BYTES };
    for (u64 at = from; at < to;) {
        size_t part_bytes = to - at < PART_BYTES ? (size_t)(to - at) : PART_BYTES;
        if (pread(fd, buffer, part_bytes, (off_t)at) != (ssize_t)part_bytes) {
            return false;
        }
        *digest = snapshot_digest(buffer, part_bytes, at - offset, *digest);
        at += part_bytes;
    }
    return true;
}

/* The digest of a piece at `offset` of the file. Holes count for nothing in it and are not read:
 * most of a guest's memory is one. Where the host cannot tell, all is read. */
static bool digest_stored(int fd, u64 offset, size_t size_bytes, u8 *buffer, u64 *digest)
{
    *digest = 0;
    for (u64 at = offset, end = offset + size_bytes; at < end;) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        if ((data < 0 && errno == ENXIO) || data >= (off_t)end) {
            return true;
        }
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        /* In whole pages: a file system's blocks may be smaller. */
        u64 from = data < 0 ? at : (u64)data - ((u64)data - offset) % PAGE_BYTES;
        u64 to = hole < 0 || hole > (off_t)end ? end : (u64)hole;
        to += (offset - to) % PAGE_BYTES;
        to = to < end ? to : end;
        if (!digest_run(fd, from, to, offset, buffer, digest)) {
            return false;
        }
        at = to;
    }
    return true;
}

static bool piece_is_right(const struct snapshot_file *file, const struct snapshot_region *region,
                           u64 piece, u8 *buffer)
{
    size_t size_bytes = snapshot_piece_bytes(region->size_bytes, piece);
    u64 at = piece * SNAPSHOT_PIECE_BYTES;
    u64 digest = 0;
    bool got;
    if ((file->head.flags & SNAPSHOT_PACKED) != 0) {
        const u64 *packed = &region->packed[2 * piece];
        got = packed[1] == 0 || unpack_piece(file, packed[0], packed[1], buffer, size_bytes);
        digest = packed[1] == 0 || !got ? 0 : snapshot_digest(buffer, size_bytes, 0, 0);
    } else {
        u64 offset = region->offset + snapshot_stored_at(at);
        got = offset + size_bytes <= file->head.file_bytes &&
              digest_stored(file->fd, offset, size_bytes, buffer, &digest);
    }
    return got && digest == region->digests[piece];
}

bool snapshot_file_check(struct snapshot_file *file, struct metic_error *error)
{
    u8 *buffer = malloc(SNAPSHOT_PIECE_BYTES);
    bool ok = buffer != NULL || error_set(error, NULL, "the host has no memory");
    for (u32 i = 0; ok && i < file->head.region_count; i++) {
        const struct snapshot_region *region = &file->regions[i];
        for (u64 piece = 0; ok && piece < snapshot_piece_count(region->size_bytes); piece++) {
            ok = piece_is_right(file, region, piece, buffer) ||
                 error_set(error, "what the machine did since it was loaded means nothing",
                           "the snapshot is damaged: the memory at 0x%llx is not what was saved",
                           (unsigned long long)(region->gpa + piece * SNAPSHOT_PIECE_BYTES));
        }
    }
    free(buffer);
    return ok;
}
