/* See blk_file.h. */
#include "hw/block/blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Locks ---- */

enum {
    DOES_AT = 100,
    REFUSES_AT = 200,
    TO_READ = 0,
    TO_WRITE = 1,
    TO_RESIZE = 3,
};

static int lock_byte(int fd, int command, short type, off_t at, short *found)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    int result = fcntl(fd, command, &lock);
    *found = lock.l_type;
    return result;
}

static bool lock_take(int fd, off_t at)
{
    short found;
    return lock_byte(fd, F_OFD_SETLK, F_RDLCK, at, &found) == 0 || errno != EAGAIN;
}

/* Nobody else has the byte. */
static bool lock_is_free(int fd, off_t at)
{
    short found;
    return lock_byte(fd, F_OFD_GETLK, F_WRLCK, at, &found) != 0 || found == F_UNLCK;
}

/* First says what this one does and refuses, then looks at the others: of two that come at once,
 * at least one sees the other. */
static bool lock_all(int fd, bool writable, bool exclusive)
{
    bool ok = lock_take(fd, DOES_AT + TO_READ) &&
              lock_take(fd, REFUSES_AT + TO_WRITE) &&
              lock_take(fd, REFUSES_AT + TO_RESIZE);
    if (ok && (writable || exclusive)) {
        ok = lock_take(fd, DOES_AT + TO_WRITE) &&
             lock_take(fd, DOES_AT + TO_RESIZE) &&
             lock_is_free(fd, REFUSES_AT + TO_WRITE) &&
             lock_is_free(fd, REFUSES_AT + TO_RESIZE);
    }
    return ok && lock_is_free(fd, REFUSES_AT + TO_READ) &&
           lock_is_free(fd, DOES_AT + TO_WRITE) &&
           lock_is_free(fd, DOES_AT + TO_RESIZE);
}

static bool file_lock(struct blk_file *file, const char *path, enum blk_file_share share,
                      struct metic_error *error)
{
    bool exclusive = share == BLK_FILE_EXCLUSIVE;
    if (share == BLK_FILE_UNLOCKED || lock_all(file->fd, file->writable, exclusive)) {
        return true;
    }
    if (file->writable || exclusive) {
        return error_set(error, "End the other one, or leave the image as it is (no --write).",
                         "the disk %s is in use by another machine or program", path);
    }
    return error_set(error, "End the other one, or give this machine a copy.",
                     "the disk %s is being written to by another machine or program", path);
}

/* ---- Opening ---- */

static bool file_find_size(struct blk_file *file, const char *path, struct metic_error *error)
{
    struct stat info;
    u64 bytes = 0;
    if (fstat(file->fd, &info) != 0) {
        return error_set(error, NULL, "cannot look at the disk %s: %s", path, strerror(errno));
    }
    if (S_ISREG(info.st_mode)) {
        bytes = (u64)info.st_size;
    } else if (S_ISBLK(info.st_mode)) {
        file->is_device = true;
        if (ioctl(file->fd, BLKGETSIZE64, &bytes) != 0) {
            return error_set(error, NULL, "cannot tell the size of the disk %s: %s", path,
                             strerror(errno));
        }
    } else {
        return error_set(error, "Give a file with a disk image.",
                         "the disk %s is neither a file nor a block device", path);
    }
    atomic_store(&file->size_bytes, bytes);
    return true;
}

bool blk_file_open(struct blk_file *file, const char *path, bool writable,
                   enum blk_file_share share, struct metic_error *error)
{
    *file = (struct blk_file){.fd = -1, .writable = writable};
    int flags = writable ? O_RDWR : O_RDONLY;
    file->fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file->fd < 0) {
        if (errno == ENXIO) { /* a socket, or a device without a driver */
            return error_set(error, "Give a file with a disk image.",
                             "the disk %s is neither a file nor a block device", path);
        }
        bool denied = errno == EACCES || errno == EROFS || errno == EPERM;
        return error_set(error,
                         denied && writable
                             ? "Leave the image as it is (no --write), or change its permissions."
                             : "check the path",
                         "cannot open the disk %s: %s", path, strerror(errno));
    }
    if (!file_find_size(file, path, error) || !file_lock(file, path, share, error)) {
        blk_file_close(file);
        return false;
    }
    return true;
}

bool blk_file_create(struct blk_file *file, const char *path, struct metic_error *error)
{
    *file = (struct blk_file){.fd = -1, .writable = true};
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (file->fd < 0) {
        return error_set(error, "check the path and its permissions",
                         "cannot make the disk %s: %s", path, strerror(errno));
    }
    bool ok = file_find_size(file, path, error) &&
              file_lock(file, path, BLK_FILE_EXCLUSIVE, error);
    if (ok && !file->is_device && ftruncate(file->fd, 0) != 0) {
        ok = error_set(error, NULL, "cannot empty the disk %s: %s", path, strerror(errno));
    }
    if (!ok) {
        blk_file_close(file);
        return false;
    }
    if (!file->is_device) {
        atomic_store(&file->size_bytes, 0);
    }
    return true;
}

void blk_file_close(struct blk_file *file)
{
    if (file->fd >= 0) {
        close(file->fd); /* the locks go with it */
    }
    file->fd = -1;
}

/* ---- Reading and writing ---- */

static int file_fault(struct blk_file *file, enum blk_file_op op, u64 offset, u64 size_bytes)
{
    return UNLIKELY(file->fault != NULL)
               ? file->fault(file->fault_opaque, op, offset, size_bytes)
               : 0;
}

/* One call for as much of the next `size_bytes` as can go at once: whole parts of the vector, or
 * the beginning of its first. */
static ssize_t file_transfer(struct blk_file *file, u64 offset, const struct blk_vector *vector,
                             u64 size_bytes, bool write)
{
    unsigned fit = 0;
    for (u64 sum = 0; fit < vector->count && fit < IOV_MAX; fit++) {
        sum += vector->parts[fit].iov_len;
        if (sum > size_bytes) {
            break;
        }
    }
    if (fit == 0) {
        void *bytes = vector->parts->iov_base;
        return write ? pwrite(file->fd, bytes, size_bytes, (off_t)offset)
                     : pread(file->fd, bytes, size_bytes, (off_t)offset);
    }
    return write ? pwritev(file->fd, vector->parts, (int)fit, (off_t)offset)
                 : preadv(file->fd, vector->parts, (int)fit, (off_t)offset);
}

int blk_file_read(struct blk_file *file, u64 offset, struct blk_vector *vector, u64 size_bytes)
{
    int failed = file_fault(file, BLK_FILE_READ, offset, size_bytes);
    u64 end = atomic_load_explicit(&file->size_bytes, memory_order_relaxed);
    while (failed == 0 && size_bytes > 0 && offset < end) {
        u64 wanted = size_bytes < end - offset ? size_bytes : end - offset;
        ssize_t got = file_transfer(file, offset, vector, wanted, false);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? errno : EIO; /* the file was cut short under us */
        }
        blk_vector_skip(vector, (u64)got);
        offset += (u64)got;
        size_bytes -= (u64)got;
    }
    if (failed == 0) {
        blk_vector_zero(vector, size_bytes);
    }
    return failed;
}

static void file_grow(struct blk_file *file, u64 end)
{
    u64 size_bytes = atomic_load_explicit(&file->size_bytes, memory_order_relaxed);
    while (end > size_bytes &&
           !atomic_compare_exchange_weak(&file->size_bytes, &size_bytes, end)) {
    }
}

int blk_file_write(struct blk_file *file, u64 offset, struct blk_vector *vector, u64 size_bytes)
{
    int failed = file_fault(file, BLK_FILE_WRITE, offset, size_bytes);
    while (failed == 0 && size_bytes > 0) {
        ssize_t put = file_transfer(file, offset, vector, size_bytes, true);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return put < 0 ? errno : EIO;
        }
        blk_vector_skip(vector, (u64)put);
        offset += (u64)put;
        size_bytes -= (u64)put;
        file_grow(file, offset);
    }
    return failed;
}

int blk_file_read_bytes(struct blk_file *file, u64 offset, void *bytes, u64 size_bytes)
{
    struct iovec one = {bytes, size_bytes};
    return blk_file_read(file, offset, &(struct blk_vector){&one, 1}, size_bytes);
}

int blk_file_write_bytes(struct blk_file *file, u64 offset, const void *bytes, u64 size_bytes)
{
    struct iovec one = {(void *)(uintptr_t)bytes, size_bytes};
    return blk_file_write(file, offset, &(struct blk_vector){&one, 1}, size_bytes);
}

/* ---- Holes ---- */

static int file_write_zeros(struct blk_file *file, u64 offset, u64 size_bytes)
{
    static const u8 zeros[65536];
    int failed = 0;
    while (failed == 0 && size_bytes > 0) {
        u64 part = size_bytes < sizeof(zeros) ? size_bytes : sizeof(zeros);
        failed = blk_file_write_bytes(file, offset, zeros, part);
        offset += part;
        size_bytes -= part;
    }
    return failed;
}

static bool file_allocate(struct blk_file *file, int how, u64 offset, u64 size_bytes)
{
    int result;
    do {
        result = fallocate(file->fd, how, (off_t)offset, (off_t)size_bytes);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

int blk_file_zero(struct blk_file *file, u64 offset, u64 size_bytes, bool unmap)
{
    int failed = file_fault(file, BLK_FILE_WRITE, offset, size_bytes);
    if (failed != 0 || size_bytes == 0) {
        return failed;
    }
    if (unmap) {
        u64 end = atomic_load(&file->size_bytes);
        u64 inside = offset >= end ? 0 : end - offset < size_bytes ? end - offset : size_bytes;
        /* A hole beyond the end is there already. */
        if (inside == 0 ||
            file_allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, inside)) {
            return 0;
        }
    } else if (file_allocate(file, FALLOC_FL_ZERO_RANGE, offset, size_bytes)) {
        file_grow(file, offset + size_bytes);
        return 0;
    } else if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
        return errno;
    }
    return file_write_zeros(file, offset, size_bytes);
}

void blk_file_punch(struct blk_file *file, u64 offset, u64 size_bytes)
{
    if (size_bytes > 0 && file_fault(file, BLK_FILE_PUNCH, offset, size_bytes) == 0) {
        file_allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size_bytes);
    }
}

int blk_file_sync(struct blk_file *file)
{
    int failed = file_fault(file, BLK_FILE_SYNC, 0, 0);
    if (!file->writable) {
        return 0;
    }
    if (failed == 0 && atomic_load(&file->sync_failed)) {
        return EIO;
    }
    if (failed == 0 && fdatasync(file->fd) != 0) {
        failed = errno;
    }
    if (failed != 0) {
        atomic_store(&file->sync_failed, true);
    }
    return failed;
}

int blk_file_resize(struct blk_file *file, u64 size_bytes)
{
    int failed = file_fault(file, BLK_FILE_RESIZE, 0, size_bytes);
    if (failed == 0 && file->is_device) {
        return size_bytes <= atomic_load(&file->size_bytes) ? 0 : ENOSPC;
    }
    if (failed == 0 && ftruncate(file->fd, (off_t)size_bytes) != 0) {
        failed = errno;
    }
    if (failed == 0) {
        atomic_store(&file->size_bytes, size_bytes);
    }
    return failed;
}

u64 blk_file_run(struct blk_file *file, u64 offset, u64 limit, bool *hole)
{
    off_t data = lseek(file->fd, (off_t)offset, SEEK_DATA);
    off_t end = 0;
    *hole = data < 0 ? errno == ENXIO : (u64)data > offset;
    if (data < 0) {
        return limit; /* a hole to the end, or a file system without holes */
    }
    end = *hole ? data : lseek(file->fd, (off_t)offset, SEEK_HOLE);
    u64 run = end > (off_t)offset ? (u64)end - offset : limit;
    return run < limit ? run : limit;
}

u64 blk_file_used_bytes(const struct blk_file *file)
{
    struct stat info;
    return fstat(file->fd, &info) == 0 ? (u64)info.st_blocks * 512 : 0;
}
