/* Writing snapshots; see snapshot_file.h. */
#include "hw/snapshot/snapshot_private.h"

#include "cpu/base/bits.h"
#include "cpu/base/path.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

struct snapshot_writer {
    struct snapshot_file *file; /* its regions fill as RAM is written */
    u32 flags;
    u64 end;         /* of what is written */
    char *path;      /* where it will be, or NULL */
    char *temporary; /* where it is */
};

/* --- pages --- */

u64 snapshot_digest(const u8 *bytes, size_t size_bytes, u64 first, u64 digest)
{
    for (size_t at = 0; at < size_bytes; at += PAGE_BYTES) {
        size_t part = size_bytes - at < PAGE_BYTES ? size_bytes - at : PAGE_BYTES;
        if (!bytes_are_all(bytes + at, part, 0)) {
            digest = state_digest_bytes(bytes + at, part, digest + first + at + 1);
            digest = digest != 0 ? digest : 1;
        }
    }
    return digest;
}

/* --- life --- */

static bool open_temporary(struct snapshot_writer *writer, const char *path,
                           struct metic_error *error)
{
    size_t length = strlen(path) + 16;
    if (path_is_special(path)) {
        return error_set(error, "give the path of a file",
                         "%s is no file, whose place a snapshot could take", path);
    }
    writer->path = strdup(path);
    writer->temporary = malloc(length);
    if (writer->path == NULL || writer->temporary == NULL) {
        return error_set(error, NULL, "the host has no memory for a snapshot");
    }
    snprintf(writer->temporary, length, "%s.XXXXXX", path);
    writer->file->fd = mkostemp(writer->temporary, O_CLOEXEC);
    if (writer->file->fd < 0) {
        free(writer->temporary);
        writer->temporary = NULL;
        return error_set(error, "give a path that can be written",
                         "cannot write the snapshot %s: %s", path, strerror(errno));
    }
    return true;
}

struct snapshot_writer *snapshot_writer_new(const char *path, u32 flags,
                                            struct metic_error *error)
{
    struct snapshot_writer *writer = calloc(1, sizeof(*writer));
    struct snapshot_file *file = calloc(1, sizeof(*file));
    if (writer == NULL || file == NULL) {
        free(writer);
        free(file);
        error_set(error, NULL, "the host has no memory for a snapshot");
        return NULL;
    }
    *writer = (struct snapshot_writer){.file = file, .flags = flags, .end = PAGE_BYTES};
    file->fd = -1;
    file->in_memory = path == NULL;
    bool ok = true;
    if (path != NULL) {
        ok = open_temporary(writer, path, error);
    } else {
        file->fd = memfd_create("metic-snapshot", MFD_CLOEXEC);
        ok = file->fd >= 0 ||
             error_set(error, NULL, "the host gives no memory file: %s", strerror(errno));
    }
    if (!ok) {
        snapshot_writer_drop(writer);
        return NULL;
    }
    return writer;
}

void snapshot_writer_drop(struct snapshot_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->temporary != NULL) {
        unlink(writer->temporary);
    }
    snapshot_file_free(writer->file);
    free(writer->temporary);
    free(writer->path);
    free(writer);
}

static bool put(struct snapshot_writer *writer, const void *bytes, size_t size_bytes, u64 offset,
                struct metic_error *error)
{
    const u8 *from = bytes;
    while (size_bytes > 0) {
        ssize_t done = pwrite(writer->file->fd, from, size_bytes, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return error_set(error, "make room, or give another path",
                             "cannot write the snapshot%s%s: %s",
                             writer->path != NULL ? " " : "",
                             writer->path != NULL ? writer->path : "",
                             done < 0 ? strerror(errno) : "no room");
        }
        from += done;
        size_bytes -= (size_t)done;
        offset += (u64)done;
    }
    return true;
}

/* --- RAM --- */

/* The pages of a piece that are not zeros, in runs. */
static bool put_runs(struct snapshot_writer *writer, const u8 *bytes, size_t size_bytes,
                     u64 offset, struct metic_error *error)
{
    size_t run = 0;
    bool ok = true;
    for (size_t at = 0; ok && at <= size_bytes; at += PAGE_BYTES) {
        if (at < size_bytes && !bytes_are_all(bytes + at, PAGE_BYTES, 0)) {
            run += PAGE_BYTES;
        } else if (run > 0) {
            ok = put(writer, bytes + at - run, run, offset + at - run, error);
            run = 0;
        }
    }
    return ok;
}

/* The pages that end in the headers of the parts' frames. */
static bool put_part_headers(struct snapshot_writer *writer, const struct snapshot_region *region,
                             struct metic_error *error)
{
    bool ok = true;
    for (u64 at = 0; ok && at < region->size_bytes; at += SNAPSHOT_PART_BYTES) {
        u64 left = region->size_bytes - at;
        u8 head[8], tail[8];
        st_le32(head, SNAPSHOT_SKIPPABLE);
        st_le32(head + 4, (u32)PAGE_BYTES - 16);
        st_le32(tail, SNAPSHOT_SKIPPABLE);
        st_le32(tail + 4, (u32)(left < SNAPSHOT_PART_BYTES ? left : SNAPSHOT_PART_BYTES));
        u64 data = region->offset + snapshot_stored_at(at);
        ok = put(writer, head, 8, data - PAGE_BYTES, error) &&
             put(writer, tail, 8, data - 8, error);
    }
    return ok;
}

static bool put_packed(struct snapshot_writer *writer, struct snapshot_region *region, u64 piece,
                       const u8 *bytes, size_t size_bytes, struct metic_error *error)
{
    size_t bound = ZSTD_compressBound(size_bytes);
    u8 *packed = malloc(bound);
    size_t packed_bytes = packed != NULL ? ZSTD_compress(packed, bound, bytes, size_bytes, 3) : 0;
    bool ok = packed != NULL && !ZSTD_isError(packed_bytes);
    if (!ok) {
        error_set(error, NULL, "the host has no memory for compressing a snapshot");
    } else {
        region->packed[2 * piece] = writer->end;
        region->packed[2 * piece + 1] = packed_bytes;
        ok = put(writer, packed, packed_bytes, writer->end, error);
        writer->end += packed_bytes;
    }
    free(packed);
    return ok;
}

static bool write_region(struct snapshot_writer *writer, struct memory *memory,
                         const struct memory_region *ram, struct metic_error *error)
{
    struct snapshot_file *file = writer->file;
    struct snapshot_region *region = &file->regions[file->head.region_count++];
    bool packs = (writer->flags & SNAPSHOT_PACKED) != 0;
    u64 pieces = snapshot_piece_count(ram->size_bytes);
    *region = (struct snapshot_region){.gpa = ram->gpa, .size_bytes = ram->size_bytes,
                                       .offset = writer->end};
    snprintf(region->name, sizeof(region->name), "%s", ram->name);
    region->digests = calloc((size_t)pieces, sizeof(u64));
    region->packed = packs ? calloc((size_t)pieces, 2 * sizeof(u64)) : NULL;
    if (region->digests == NULL || (packs && region->packed == NULL)) {
        return error_set(error, NULL, "the host has no memory for a snapshot");
    }
    if (!packs) {
        writer->end += snapshot_stored_bytes(ram->size_bytes);
        if (!put_part_headers(writer, region, error)) {
            return false;
        }
    }
    for (u64 i = 0; i < pieces; i++) {
        u64 at = i * SNAPSHOT_PIECE_BYTES;
        size_t size_bytes = snapshot_piece_bytes(ram->size_bytes, i);
        if (!memory_is_touched(memory, ram, at, size_bytes)) {
            continue;
        }
        region->digests[i] = snapshot_digest(ram->host + at, size_bytes, 0, 0);
        if (region->digests[i] != 0 &&
            !(packs ? put_packed(writer, region, i, ram->host + at, size_bytes, error)
                    : put_runs(writer, ram->host + at, size_bytes,
                               region->offset + snapshot_stored_at(at), error))) {
            return false;
        }
    }
    return true;
}

bool snapshot_writer_ram(struct snapshot_writer *writer, struct memory *memory,
                         struct metic_error *error)
{
    for (unsigned i = 0; i < memory->region_count; i++) {
        const struct memory_region *region = &memory->regions[i];
        if (region->kind != MEMORY_RAM && region->kind != MEMORY_ROM) {
            continue;
        }
        CHECK(writer->file->head.region_count < SNAPSHOT_MAX_REGIONS);
        if (!write_region(writer, memory, region, error)) {
            return false;
        }
    }
    return true;
}

/* --- the end --- */

static void list_regions(const struct snapshot_file *file, struct state_writer *state)
{
    for (u32 i = 0; i < file->head.region_count; i++) {
        const struct snapshot_region *region = &file->regions[i];
        u64 pieces = snapshot_piece_count(region->size_bytes);
        state_write_bytes(state, region->name, SNAPSHOT_NAME_BYTES);
        state_write_u64(state, region->gpa);
        state_write_u64(state, region->size_bytes);
        state_write_u64(state, region->offset);
        for (u64 k = 0; k < pieces; k++) {
            state_write_u64(state, region->digests[k]);
        }
        for (u64 k = 0; region->packed != NULL && k < 2 * pieces; k++) {
            state_write_u64(state, region->packed[k]);
        }
    }
}

/* Compressed, with zstd's checksum. */
static bool put_state(struct snapshot_writer *writer, struct metic_error *error)
{
    struct snapshot_file *file = writer->file;
    struct snapshot_head *head = &file->head;
    size_t bound = ZSTD_compressBound(file->state.size_bytes);
    u8 *packed = malloc(bound);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    bool ok = packed != NULL && context != NULL;
    if (ok) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
        size_t size_bytes = ZSTD_compress2(context, packed, bound, file->state.bytes,
                                           file->state.size_bytes);
        ok = !ZSTD_isError(size_bytes);
        head->state_stored_bytes = ok ? size_bytes : 0;
    }
    if (!ok) {
        error_set(error, NULL, "the host has no memory for a snapshot");
    } else {
        head->state_offset = writer->end;
        head->state_bytes = file->state.size_bytes;
        head->file_bytes = writer->end + head->state_stored_bytes;
        ok = put(writer, packed, (size_t)head->state_stored_bytes, writer->end, error);
    }
    ZSTD_freeCCtx(context);
    free(packed);
    return ok;
}

/* The file is on the disk before it takes the other's place. */
static bool move_into_place(struct snapshot_writer *writer, struct metic_error *error)
{
    if (writer->path == NULL) {
        return true;
    }
    if (fsync(writer->file->fd) != 0 || rename(writer->temporary, writer->path) != 0) {
        return error_set(error, "make room, or give another path",
                         "cannot write the snapshot %s: %s", writer->path, strerror(errno));
    }
    free(writer->temporary);
    writer->temporary = NULL;
    return true;
}

struct snapshot_file *snapshot_writer_finish(struct snapshot_writer *writer,
                                             struct snapshot_head *head,
                                             const struct state_writer *sections,
                                             struct metic_error *error)
{
    u8 page[PAGE_BYTES];
    struct snapshot_file *file = writer->file;
    head->format = SNAPSHOT_FORMAT;
    head->flags = writer->flags;
    head->region_count = file->head.region_count;
    file->head = *head;
    state_writer_init(&file->state);
    list_regions(file, &file->state);
    file->sections_at = file->state.size_bytes;
    state_write_bytes(&file->state, sections->bytes, sections->size_bytes);
    bool ok = !file->state.failed && !sections->failed;
    if (!ok) {
        error_set(error, NULL, "the host has no memory for a snapshot");
    }
    ok = ok && put_state(writer, error);
    if (ok) {
        snapshot_head_put(&file->head, page);
        ok = put(writer, page, sizeof(page), 0, error) && move_into_place(writer, error);
    }
    if (ok) {
        writer->file = NULL;
    } else {
        file = NULL;
    }
    snapshot_writer_drop(writer);
    return file;
}
