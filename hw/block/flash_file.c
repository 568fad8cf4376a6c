/* See flash_file.h. */
#include "hw/block/flash_file.h"

#include "cpu/base/bits.h"
#include "hw/block/cfi_flash.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* An erased sector without a page of its own: all sectors map one file of ones, copy-on-write. */
static void flash_file_map_erased(u8 *sector, int ones_fd)
{
    int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
    if (ones_fd < 0 || mmap(sector, CFI_FLASH_SECTOR_BYTES, PROT_READ | PROT_WRITE, flags, ones_fd,
                            0) == MAP_FAILED) {
        memset(sector, 0xff, CFI_FLASH_SECTOR_BYTES);
    }
}

static int flash_file_make_ones(void)
{
    int fd = memfd_create("erased-flash", MFD_CLOEXEC);
    u8 page[4096];
    struct iovec pages[CFI_FLASH_SECTOR_BYTES / sizeof(page)];
    memset(page, 0xff, sizeof(page));
    for (unsigned n = 0; n < ARRAY_LEN(pages); n++) {
        pages[n] = (struct iovec){page, sizeof(page)};
    }
    if (fd >= 0 && writev(fd, pages, ARRAY_LEN(pages)) != CFI_FLASH_SECTOR_BYTES) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool flash_file_read_sector(int fd, u64 offset, u8 *sector)
{
    size_t done = 0;
    while (done < CFI_FLASH_SECTOR_BYTES) {
        ssize_t got = pread(fd, sector + done, CFI_FLASH_SECTOR_BYTES - done,
                            (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return false;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    memset(sector + done, 0xff, CFI_FLASH_SECTOR_BYTES - done);
    return true;
}

static bool flash_file_check(u64 size_bytes, int fd, const char *path, struct metic_error *error)
{
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        return error_set(error, "check the path", "cannot open the flash image %s: %s", path,
                         strerror(errno));
    }
    if (!S_ISREG(info.st_mode) || (u64)info.st_size > size_bytes) {
        return error_set(error, "give a file that fits into one flash bank",
                         "the flash image %s is no file of at most %llu MiB", path,
                         (unsigned long long)(size_bytes >> 20));
    }
    return true;
}

static bool flash_file_copy(u8 *bytes, u64 size_bytes, int fd, int ones_fd, const char *path,
                            struct metic_error *error)
{
    for (u64 at = 0; at < size_bytes; at += CFI_FLASH_SECTOR_BYTES) {
        if (!flash_file_read_sector(fd, at, bytes + at)) {
            return error_set(error, "check the disk", "cannot read the flash image %s: %s", path,
                             strerror(errno));
        }
        if (bytes_are_all(bytes + at, CFI_FLASH_SECTOR_BYTES, 0xff)) {
            flash_file_map_erased(bytes + at, ones_fd);
        } else if (bytes_are_all(bytes + at, CFI_FLASH_SECTOR_BYTES, 0)) {
            madvise(bytes + at, CFI_FLASH_SECTOR_BYTES, MADV_DONTNEED);
        }
    }
    return true;
}

bool flash_file_load(u8 *bytes, u64 size_bytes, const char *path, struct metic_error *error)
{
    int ones_fd = flash_file_make_ones();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = flash_file_check(size_bytes, fd, path, error) &&
              flash_file_copy(bytes, size_bytes, fd, ones_fd, path, error);
    if (fd >= 0) {
        close(fd);
    }
    if (ones_fd >= 0) {
        close(ones_fd); /* the mappings keep it */
    }
    return ok;
}

void flash_file_erase(u8 *bytes, u64 size_bytes)
{
    int ones_fd = flash_file_make_ones();
    for (u64 at = 0; at < size_bytes; at += CFI_FLASH_SECTOR_BYTES) {
        flash_file_map_erased(bytes + at, ones_fd);
    }
    if (ones_fd >= 0) {
        close(ones_fd);
    }
}

bool flash_file_write_sector(int fd, const u8 *bytes, u64 offset)
{
    size_t done = 0;
    while (done < CFI_FLASH_SECTOR_BYTES) {
        ssize_t put = pwrite(fd, bytes + offset + done, CFI_FLASH_SECTOR_BYTES - done,
                             (off_t)(offset + done));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        done += (size_t)put;
    }
    return true;
}
