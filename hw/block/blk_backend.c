/* See blk_backend.h. */
#include "hw/block/blk_backend.h"

#include "cpu/base/bits.h"
#include "hw/block/blk_overlay.h"
#include "hw/loader.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct blk_backend {
    int fd;
    enum blk_mode mode;
    u64 file_bytes; /* what the file had at open, or has grown to */
    u64 size_bytes; /* what the guest sees: whole sectors */
    struct blk_overlay overlay;
};

/* ---- Opening ---- */

/* First bytes of files that are no raw disk although people try them as one. */
struct blk_magic {
    const char *bytes;
    size_t size_bytes;
    const char *kind;
    const char *next;
};

static const struct blk_magic blk_magics[] = {
    {"QFI\xfb", 4, "a qcow2 image", "convert it: qemu-img convert -O raw IMAGE DISK"},
    {"KDMV", 4, "a VMDK image", "convert it: qemu-img convert -O raw IMAGE DISK"},
    {"vhdxfile", 8, "a VHDX image", "convert it: qemu-img convert -O raw IMAGE DISK"},
    {"\x1f\x8b", 2, "gzip-compressed", "unpack it first: gunzip"},
    {"\xfd" "7zXZ", 5, "xz-compressed", "unpack it first: xz -d"},
    {"\x28\xb5\x2f\xfd", 4, "zstd-compressed", "unpack it first: zstd -d"},
    {"\x7f" "ELF", 4, "a program (ELF)", "give a disk image, or boot the program itself"},
};

static bool blk_check_magic(int fd, const char *path, struct metic_error *error)
{
    u8 head[8] = {0};
    ssize_t got = pread(fd, head, sizeof(head), 0);
    for (size_t i = 0; got > 0 && i < ARRAY_LEN(blk_magics); i++) {
        const struct blk_magic *magic = &blk_magics[i];
        if (memcmp(head, magic->bytes, magic->size_bytes) == 0) {
            return error_set(error, magic->next, "the disk %s is %s, not a raw disk", path,
                             magic->kind);
        }
    }
    return true;
}

/* Text that fills whole sectors was meant as a disk. */
static bool blk_check_text(const struct blk_backend *backend, const char *path,
                           struct metic_error *error)
{
    u8 head[4096];
    ssize_t got = backend->file_bytes % BLK_SECTOR_BYTES == 0
                      ? 0 : pread(backend->fd, head, sizeof(head), 0);
    if (got > 0 && loader_is_text(head, (u64)got)) {
        return error_set(error,
                         "give a raw disk image; if the guest is to read the text itself, make it "
                         "whole sectors: truncate -s %512 FILE",
                         "the disk %s is a text file, not a raw disk", path);
    }
    return true;
}

static bool blk_find_size(struct blk_backend *backend, const char *path,
                          struct metic_error *error)
{
    struct stat info;
    if (fstat(backend->fd, &info) != 0) {
        return error_set(error, NULL, "cannot look at the disk %s: %s", path, strerror(errno));
    }
    if (S_ISREG(info.st_mode)) {
        backend->file_bytes = (u64)info.st_size;
    } else if (S_ISBLK(info.st_mode)) {
        u64 bytes = 0;
        if (ioctl(backend->fd, BLKGETSIZE64, &bytes) != 0) {
            return error_set(error, NULL, "cannot tell the size of the disk %s: %s", path,
                             strerror(errno));
        }
        backend->file_bytes = bytes;
    } else {
        return error_set(error, "give a file with a raw disk image",
                         "the disk %s is neither a file nor a block device", path);
    }
    if (backend->file_bytes == 0) {
        return error_set(error, "give it a size, for example: truncate -s 8G FILE",
                         "the disk %s is empty", path);
    }
    if (backend->file_bytes > (u64)INT64_MAX - BLK_SECTOR_BYTES) {
        return error_set(error, NULL, "the disk %s is too large", path);
    }
    backend->size_bytes = bits_align_up(backend->file_bytes, BLK_SECTOR_BYTES);
    return true;
}

/* A file system without locks (EOPNOTSUPP, ENOLCK) is no reason to refuse. */
static bool blk_lock(int fd, enum blk_mode mode, const char *path, struct metic_error *error)
{
    int how = mode == BLK_WRITE_BACK ? LOCK_EX : LOCK_SH;
    if (flock(fd, how | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
        return true;
    }
    return error_set(error,
                     mode == BLK_WRITE_BACK
                         ? "end the other machine, or leave the image as it is (no --write)"
                         : "end the other machine, or give this one a copy",
                     mode == BLK_WRITE_BACK ? "the disk %s is in use by another machine"
                                            : "the disk %s is being written to by another machine",
                     path);
}

static bool blk_open_file(struct blk_backend *backend, const char *path,
                          struct metic_error *error)
{
    int flags = backend->mode == BLK_WRITE_BACK ? O_RDWR : O_RDONLY;
    backend->fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (backend->fd < 0) {
        bool denied = errno == EACCES || errno == EROFS || errno == EPERM;
        return error_set(error,
                         denied && backend->mode == BLK_WRITE_BACK
                             ? "leave the image as it is (no --write), or change its permissions"
                             : "check the path",
                         "cannot open the disk %s: %s", path, strerror(errno));
    }
    return blk_find_size(backend, path, error) && blk_check_magic(backend->fd, path, error) &&
           blk_check_text(backend, path, error) &&
           blk_lock(backend->fd, backend->mode, path, error);
}

struct blk_backend *blk_backend_open(const char *path, enum blk_mode mode,
                                     struct metic_error *error)
{
    struct blk_backend *backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    backend->mode = mode;
    if (!blk_open_file(backend, path, error) ||
        (mode == BLK_OVERLAY &&
         !blk_overlay_init(&backend->overlay, backend->size_bytes, error))) {
        blk_backend_close(backend);
        return NULL;
    }
    return backend;
}

void blk_backend_close(struct blk_backend *backend)
{
    if (backend == NULL) {
        return;
    }
    blk_overlay_fini(&backend->overlay);
    if (backend->fd >= 0) {
        close(backend->fd); /* the lock goes with it */
    }
    free(backend);
}

u64 blk_backend_size_bytes(const struct blk_backend *backend)
{
    return backend->size_bytes;
}

bool blk_backend_is_writable(const struct blk_backend *backend)
{
    return backend->mode != BLK_READ_ONLY;
}

u64 blk_backend_overlay_bytes(const struct blk_backend *backend)
{
    return backend->overlay.used_clusters * BLK_CLUSTER_BYTES;
}

/* ---- Vectors ---- */

/* A place in a vector that is being used up. */
struct blk_vector {
    struct iovec *parts;
    unsigned count;
};

static void vector_skip(struct blk_vector *vector, size_t size_bytes)
{
    while (vector->count > 0 && size_bytes >= vector->parts->iov_len) {
        size_bytes -= vector->parts->iov_len;
        vector->parts++;
        vector->count--;
    }
    if (size_bytes > 0) {
        vector->parts->iov_base = (u8 *)vector->parts->iov_base + size_bytes;
        vector->parts->iov_len -= size_bytes;
    }
}

/* Copies between the front of the vector and `bytes`, and moves on. */
static void vector_copy(struct blk_vector *vector, u8 *bytes, size_t size_bytes, bool to_vector)
{
    while (size_bytes > 0) {
        size_t part = vector->parts->iov_len;
        part = part < size_bytes ? part : size_bytes;
        memcpy(to_vector ? vector->parts->iov_base : bytes,
               to_vector ? bytes : vector->parts->iov_base, part);
        vector_skip(vector, part);
        bytes += part;
        size_bytes -= part;
    }
}

static void vector_zero(struct blk_vector *vector, size_t size_bytes)
{
    while (size_bytes > 0) {
        size_t part = vector->parts->iov_len;
        part = part < size_bytes ? part : size_bytes;
        memset(vector->parts->iov_base, 0, part);
        vector_skip(vector, part);
        size_bytes -= part;
    }
}

/* ---- The file ---- */

static unsigned file_vector_count(unsigned count)
{
    return count < IOV_MAX ? count : IOV_MAX;
}

/* Fills the vector's next `size_bytes` from the file. A vector part may go beyond them: then it is
 * cut for the call. */
static int file_read(const struct blk_backend *backend, u64 offset, struct blk_vector *vector,
                     u64 size_bytes)
{
    while (size_bytes > 0 && offset < backend->file_bytes) {
        u64 left_in_file = backend->file_bytes - offset;
        u64 wanted = size_bytes < left_in_file ? size_bytes : left_in_file;
        ssize_t got;
        if (vector->parts->iov_len > wanted) {
            got = pread(backend->fd, vector->parts->iov_base, wanted, (off_t)offset);
        } else {
            unsigned fit = 0;
            u64 sum = 0;
            while (fit < file_vector_count(vector->count) &&
                   sum + vector->parts[fit].iov_len <= wanted) {
                sum += vector->parts[fit++].iov_len;
            }
            got = preadv(backend->fd, vector->parts, (int)fit, (off_t)offset);
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? errno : EIO; /* the file was cut short under us */
        }
        vector_skip(vector, (size_t)got);
        offset += (u64)got;
        size_bytes -= (u64)got;
    }
    vector_zero(vector, size_bytes);
    return 0;
}

static int file_write(struct blk_backend *backend, u64 offset, struct blk_vector vector)
{
    while (vector.count > 0) {
        ssize_t put = pwritev(backend->fd, vector.parts, (int)file_vector_count(vector.count),
                              (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return put < 0 ? errno : EIO;
        }
        vector_skip(&vector, (size_t)put);
        offset += (u64)put;
        backend->file_bytes = offset > backend->file_bytes ? offset : backend->file_bytes;
    }
    return 0;
}

static int file_write_zeros_slowly(struct blk_backend *backend, u64 offset, u64 size_bytes)
{
    static const u8 zeros[65536];
    int failed = 0;
    while (failed == 0 && size_bytes > 0) {
        size_t part = size_bytes < sizeof(zeros) ? (size_t)size_bytes : sizeof(zeros);
        struct iovec one = {(void *)(uintptr_t)zeros, part};
        failed = file_write(backend, offset, (struct blk_vector){&one, 1});
        offset += part;
        size_bytes -= part;
    }
    return failed;
}

static int file_write_zeroes(struct blk_backend *backend, u64 offset, u64 size_bytes, bool unmap)
{
    int how = unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
    if (fallocate(backend->fd, how | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size_bytes) == 0) {
        return 0;
    }
    return file_write_zeros_slowly(backend, offset, size_bytes);
}

/* ---- The overlay ---- */

/* How many bytes from `offset` on, at most `limit`, are alike: all in the overlay or all not. */
static u64 overlay_run(const struct blk_overlay *overlay, u64 offset, u64 limit)
{
    bool here = blk_overlay_has(overlay, offset / BLK_CLUSTER_BYTES);
    u64 run = BLK_CLUSTER_BYTES - offset % BLK_CLUSTER_BYTES;
    while (run < limit &&
           blk_overlay_has(overlay, (offset + run) / BLK_CLUSTER_BYTES) == here) {
        run += BLK_CLUSTER_BYTES;
    }
    return run < limit ? run : limit;
}

static int overlay_read(struct blk_backend *backend, u64 offset, struct blk_vector vector,
                        u64 size_bytes)
{
    struct blk_overlay *overlay = &backend->overlay;
    int failed = 0;
    while (failed == 0 && size_bytes > 0) {
        u64 run = overlay_run(overlay, offset, size_bytes);
        if (blk_overlay_has(overlay, offset / BLK_CLUSTER_BYTES)) {
            vector_copy(&vector, overlay->bytes + offset, run, true);
        } else {
            failed = file_read(backend, offset, &vector, run);
        }
        offset += run;
        size_bytes -= run;
    }
    return failed;
}

/* Brings the cluster into the overlay, when the write to come leaves part of it as it was. */
static int overlay_take(struct blk_backend *backend, u64 cluster)
{
    struct blk_overlay *overlay = &backend->overlay;
    u64 offset = cluster * BLK_CLUSTER_BYTES;
    if (blk_overlay_has(overlay, cluster)) {
        return 0;
    }
    struct iovec one = {overlay->bytes + offset, BLK_CLUSTER_BYTES};
    struct blk_vector vector = {&one, 1};
    int failed = file_read(backend, offset, &vector, BLK_CLUSTER_BYTES);
    if (failed == 0) {
        blk_overlay_add(overlay, cluster);
    }
    return failed;
}

static int overlay_take_edges(struct blk_backend *backend, u64 offset, u64 size_bytes)
{
    u64 end = offset + size_bytes;
    int failed = 0;
    if (offset % BLK_CLUSTER_BYTES != 0) {
        failed = overlay_take(backend, offset / BLK_CLUSTER_BYTES);
    }
    if (failed == 0 && end % BLK_CLUSTER_BYTES != 0) {
        failed = overlay_take(backend, end / BLK_CLUSTER_BYTES);
    }
    return failed;
}

static int overlay_write(struct blk_backend *backend, u64 offset, struct blk_vector vector,
                         u64 size_bytes)
{
    struct blk_overlay *overlay = &backend->overlay;
    int failed = overlay_take_edges(backend, offset, size_bytes);
    if (failed != 0) {
        return failed;
    }
    vector_copy(&vector, overlay->bytes + offset, size_bytes, false);
    for (u64 at = offset / BLK_CLUSTER_BYTES; at * BLK_CLUSTER_BYTES < offset + size_bytes; at++) {
        blk_overlay_add(overlay, at);
    }
    return 0;
}

static int overlay_write_zeroes(struct blk_backend *backend, u64 offset, u64 size_bytes)
{
    struct blk_overlay *overlay = &backend->overlay;
    u64 end = offset + size_bytes;
    u64 first = bits_align_up(offset, BLK_CLUSTER_BYTES);
    u64 last = bits_align_down(end, BLK_CLUSTER_BYTES);
    int failed = overlay_take_edges(backend, offset, size_bytes);
    if (failed != 0) {
        return failed;
    }
    if (first >= last) {
        memset(overlay->bytes + offset, 0, size_bytes);
        return 0;
    }
    memset(overlay->bytes + offset, 0, first - offset);
    memset(overlay->bytes + last, 0, end - last);
    blk_overlay_zero(overlay, first / BLK_CLUSTER_BYTES, (last - first) / BLK_CLUSTER_BYTES);
    return 0;
}

/* ---- Requests ---- */

static u64 vector_bytes(const struct iovec *vector, unsigned count)
{
    u64 sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += vector[i].iov_len;
    }
    return sum;
}

int blk_backend_read(struct blk_backend *backend, u64 offset, struct iovec *vector,
                     unsigned count)
{
    struct blk_vector parts = {vector, count};
    u64 size_bytes = vector_bytes(vector, count);
    CHECK(offset + size_bytes <= backend->size_bytes);
    return backend->mode == BLK_OVERLAY ? overlay_read(backend, offset, parts, size_bytes)
                                        : file_read(backend, offset, &parts, size_bytes);
}

int blk_backend_write(struct blk_backend *backend, u64 offset, struct iovec *vector,
                      unsigned count)
{
    struct blk_vector parts = {vector, count};
    u64 size_bytes = vector_bytes(vector, count);
    CHECK(offset + size_bytes <= backend->size_bytes);
    switch (backend->mode) {
    case BLK_OVERLAY: return overlay_write(backend, offset, parts, size_bytes);
    case BLK_WRITE_BACK: return file_write(backend, offset, parts);
    default: return EROFS;
    }
}

int blk_backend_flush(struct blk_backend *backend)
{
    return backend->mode == BLK_WRITE_BACK && fdatasync(backend->fd) != 0 ? errno : 0;
}

int blk_backend_write_zeroes(struct blk_backend *backend, u64 offset, u64 size_bytes, bool unmap)
{
    CHECK(offset + size_bytes <= backend->size_bytes);
    if (size_bytes == 0) {
        return 0;
    }
    switch (backend->mode) {
    case BLK_OVERLAY: return overlay_write_zeroes(backend, offset, size_bytes);
    case BLK_WRITE_BACK: return file_write_zeroes(backend, offset, size_bytes, unmap);
    default: return EROFS;
    }
}

int blk_backend_discard(struct blk_backend *backend, u64 offset, u64 size_bytes)
{
    CHECK(offset + size_bytes <= backend->size_bytes);
    if (backend->mode == BLK_WRITE_BACK && size_bytes > 0) {
        int failed = fallocate(backend->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               (off_t)offset, (off_t)size_bytes);
        (void)failed; /* a hint: not every file system can */
        return 0;
    }
    return blk_backend_write_zeroes(backend, offset, size_bytes, true);
}

/* ---- Saved state: u64 size, then { u64 cluster, its bytes } and UINT64_MAX ---- */

void blk_backend_save(struct blk_backend *backend, struct state_writer *writer)
{
    const struct blk_overlay *overlay = &backend->overlay;
    state_write_u64(writer, backend->size_bytes);
    if (backend->mode != BLK_OVERLAY) {
        return;
    }
    for (u64 at = blk_overlay_next(overlay, 0); at != UINT64_MAX;
         at = blk_overlay_next(overlay, at + 1)) {
        state_write_u64(writer, at);
        state_write_bytes(writer, overlay->bytes + at * BLK_CLUSTER_BYTES, BLK_CLUSTER_BYTES);
    }
    state_write_u64(writer, UINT64_MAX);
}

static bool blk_load_overlay(struct blk_overlay *overlay, struct state_reader *reader)
{
    u64 cluster = 0;
    blk_overlay_clear(overlay);
    while (state_read_u64(reader, &cluster)) {
        if (cluster == UINT64_MAX) {
            return true;
        }
        if (cluster >= overlay->size_bytes / BLK_CLUSTER_BYTES ||
            !state_read_bytes(reader, overlay->bytes + cluster * BLK_CLUSTER_BYTES,
                              BLK_CLUSTER_BYTES)) {
            return false;
        }
        blk_overlay_add(overlay, cluster);
    }
    return false;
}

bool blk_backend_load(struct blk_backend *backend, struct state_reader *reader,
                      struct metic_error *error)
{
    u64 size_bytes = 0;
    if (!state_read_u64(reader, &size_bytes) || size_bytes != backend->size_bytes) {
        return error_set(error, "give the disk the machine was saved with",
                         "the saved state is of a disk of %llu bytes, not of %llu",
                         (unsigned long long)size_bytes, (unsigned long long)backend->size_bytes);
    }
    if (backend->mode == BLK_OVERLAY && !blk_load_overlay(&backend->overlay, reader)) {
        return error_set(error, NULL, "the saved overlay of a disk is damaged");
    }
    return true;
}
