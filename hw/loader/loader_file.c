/* Reading the user's files, with the reasons people need when that fails. */
#include "hw/loader/loader_private.h"

#include "cpu/base/zeros.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool file_open_failed(const char *path, int why, struct metic_error *error)
{
    switch (why) {
    case ENOENT:
    case ENOTDIR:
        return error_set(error, "Check the path; relative ones count from the current directory.",
                         "there is no file '%s'", path);
    case EACCES:
    case EPERM:
        return error_set(error, "Give yourself read permission (chmod +r), or run as its owner.",
                         "'%s' may not be read", path);
    case ENXIO:
        return error_set(error, "Name a file.", "'%s' is a socket, not a file", path);
    default:
        return error_set(error, NULL, "'%s' cannot be opened: %s", path, strerror(why));
    }
}

static bool file_check(const char *path, const struct stat *stat, struct metic_error *error)
{
    if (S_ISDIR(stat->st_mode)) {
        return error_set(error, "Name a file in it.", "'%s' is a directory", path);
    }
    if (S_ISCHR(stat->st_mode)) {
        return error_set(error, "Name a file or a pipe.", "'%s' is a character device", path);
    }
    return true;
}

static bool file_grow(const char *path, u8 **bytes, u64 *capacity_bytes, u64 wanted_bytes,
                      struct metic_error *error)
{
    if (wanted_bytes <= *capacity_bytes) {
        return true;
    }
    u8 *grown = realloc(*bytes, wanted_bytes);
    if (grown == NULL) {
        return error_set(error, "Free some memory.", "no memory to read '%s' (%llu bytes)", path,
                         (unsigned long long)wanted_bytes);
    }
    *bytes = grown;
    *capacity_bytes = wanted_bytes;
    return true;
}

/* The next read goes here: what it fills is asked of the host, if it is much. */
static void file_ask(const struct loader_file *file, u64 capacity_bytes, u64 expected_bytes)
{
    enum { MUCH_BYTES = 128 << 10 };
    u64 end = capacity_bytes < expected_bytes ? capacity_bytes : expected_bytes;
    if (end >= file->size_bytes + MUCH_BYTES) {
        zeros_ask(file->bytes + file->size_bytes, end - file->size_bytes);
    }
}

/* Reads until the file ends or `limit_bytes` are there. */
static bool file_read_up_to(int fd, const char *path, u64 expected_bytes, u64 limit_bytes,
                            struct loader_file *file, u64 *capacity_bytes,
                            struct metic_error *error)
{
    while (file->size_bytes < limit_bytes) {
        if (file->size_bytes == *capacity_bytes) {
            u64 wanted = *capacity_bytes < LOADER_HEAD_BYTES ? LOADER_HEAD_BYTES
                                                             : *capacity_bytes * 2;
            bool is_small = expected_bytes != 0 && expected_bytes < LOADER_HEAD_BYTES;
            /* One byte more than expected, so that the end is seen without growing again. */
            if ((*capacity_bytes >= LOADER_HEAD_BYTES && expected_bytes >= *capacity_bytes) ||
                (*capacity_bytes == 0 && is_small)) {
                wanted = expected_bytes + 1;
            }
            if (!file_grow(path, &file->bytes, capacity_bytes, wanted, error)) {
                return false;
            }
            file_ask(file, *capacity_bytes, expected_bytes);
        }
        u64 room = *capacity_bytes - file->size_bytes;
        u64 left = limit_bytes - file->size_bytes;
        ssize_t got = read(fd, file->bytes + file->size_bytes, room < left ? room : left);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return error_set(error, NULL, "'%s' cannot be read: %s", path, strerror(errno));
        }
        if (got == 0) {
            return true;
        }
        file->size_bytes += (u64)got;
    }
    return true;
}

/* --- large files: into pages that guest memory can take over --- */

enum { FILE_PAGES_ALIGN_BYTES = 2 << 20, FILE_PAGES_LEAST_BYTES = 4 << 20 };

static u64 file_pages_bytes(u64 size_bytes)
{
    return (size_bytes + PAGE_BYTES - 1) & ~(u64)(PAGE_BYTES - 1);
}

void loader_pages_free(u8 *bytes, u64 size_bytes)
{
    munmap(bytes, file_pages_bytes(size_bytes));
}

/* Aligned as a kernel in RAM is, so that whole tables of pages can move. NULL: none to be had. */
static u8 *file_pages_new(u64 size_bytes)
{
    u64 want_bytes = file_pages_bytes(size_bytes) + FILE_PAGES_ALIGN_BYTES;
    u8 *start = mmap(NULL, want_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    u64 before = -(uintptr_t)start & (FILE_PAGES_ALIGN_BYTES - 1);
    u8 *bytes = start + before, *end = bytes + file_pages_bytes(size_bytes);
    if (before != 0) {
        munmap(start, before);
    }
    munmap(end, (size_t)(start + want_bytes - end));
    zeros_ask(bytes, file_pages_bytes(size_bytes));
    return bytes;
}

u8 *loader_pages_read(int fd, u64 size_bytes)
{
    u8 *bytes = file_pages_new(size_bytes);
    u64 done = 0;
    while (bytes != NULL && done < size_bytes) {
        ssize_t got = pread(fd, bytes + done, size_bytes - done, (off_t)done);
        if (got > 0) {
            done += (u64)got;
        } else if (got == 0 || errno != EINTR) {
            loader_pages_free(bytes, size_bytes);
            bytes = NULL;
        }
    }
    return bytes;
}

/* In place of what was read so far. False: the usual way is left, which has the reasons, too. */
static bool file_read_pages(int fd, const struct stat *stat, struct loader_file *file)
{
    if (!S_ISREG(stat->st_mode) || stat->st_size < FILE_PAGES_LEAST_BYTES ||
        (u64)stat->st_size > IMAGE_LIMIT_BYTES) {
        return false;
    }
    u8 *bytes = loader_pages_read(fd, (u64)stat->st_size);
    if (bytes == NULL) {
        return false;
    }
    free(file->bytes);
    file->bytes = bytes;
    file->in_pages = true;
    file->size_bytes = (u64)stat->st_size;
    file->file_size_bytes = file->size_bytes;
    file->changed_ns = loader_changed_ns(stat);
    return true;
}

u64 loader_changed_ns(const struct stat *stat)
{
    return (u64)stat->st_mtim.tv_sec * 1000000000u + (u64)stat->st_mtim.tv_nsec;
}

static bool file_read_open(int fd, const char *path,
                           bool (*enough)(const u8 *head, u64 size_bytes),
                           struct loader_file *file, struct metic_error *error)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0) {
        return file_open_failed(path, errno, error);
    }
    if (!file_check(path, &stat, error)) {
        return false;
    }
    bool regular = S_ISREG(stat.st_mode);
    u64 size_bytes = regular && stat.st_size > 0 ? (u64)stat.st_size : 0;
    if (S_ISBLK(stat.st_mode)) {
        off_t end = lseek(fd, 0, SEEK_END);
        size_bytes = end > 0 ? (u64)end : 0;
        (void)lseek(fd, 0, SEEK_SET);
    }
    u64 capacity_bytes = 0;
    if (!file_read_up_to(fd, path, size_bytes, LOADER_HEAD_BYTES, file, &capacity_bytes, error)) {
        return false;
    }
    bool head_only = S_ISBLK(stat.st_mode) || (enough != NULL && enough(file->bytes,
                                                                        file->size_bytes));
    if (!head_only && file_read_pages(fd, &stat, file)) {
        return true;
    }
    if (!head_only) {
        if (size_bytes <= IMAGE_LIMIT_BYTES &&
            !file_read_up_to(fd, path, size_bytes, IMAGE_LIMIT_BYTES + 1, file, &capacity_bytes,
                             error)) {
            return false;
        }
        if (size_bytes > IMAGE_LIMIT_BYTES || file->size_bytes > IMAGE_LIMIT_BYTES) {
            return error_set(error, "Disks are given with --disk.",
                             "'%s' is larger than 1 GiB and no disk image", path);
        }
    }
    file->file_size_bytes = head_only && size_bytes > file->size_bytes ? size_bytes
                                                                       : file->size_bytes;
    return true;
}

bool loader_file_read(const char *path, bool (*enough)(const u8 *head, u64 size_bytes),
                      struct loader_file *file, struct metic_error *error)
{
    *file = (struct loader_file){.fd = -1};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return file_open_failed(path, errno, error);
    }
    bool ok = file_read_open(fd, path, enough, file, error);
    if (ok && file->in_pages) {
        file->fd = fd;
    } else {
        close(fd);
    }
    if (!ok) {
        free(file->bytes);
        file->bytes = NULL;
    }
    return ok;
}
