/* metic disk create, resize. */
#include "hw/disk/disk_tool.h"

#include "cpu/base/bits.h"
#include "hw/block/blk_overlay_file.h"
#include "hw/block/qcow2.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool disk_failed(struct metic_error *error, const char *doing, const struct blk_image *image,
                 int failed)
{
    const char *trouble = image->trouble[0] != '\0' ? image->trouble : strerror(failed);
    const char *next = failed == ENOSPC || failed == EFBIG || failed == EDQUOT
                           ? "Make room on the host." : "Check the image and the host's disk.";
    return error_set(error, next, "cannot %s %s: %s", doing, image->path, trouble);
}

/* Size and format of what is to lie under a new image; NULL when they cannot be told. */
static const char *create_look_under(const struct metic_disk_create *how, u64 *size_bytes,
                                     struct metic_error *error)
{
    struct blk_open open = {.path = how->backing, .format = disk_format(how->backing_format)};
    struct blk_image *image = blk_image_open(&open, error);
    if (image == NULL) {
        return NULL;
    }
    const char *format = image->driver->name;
    *size_bytes = *size_bytes != 0 ? *size_bytes : image->size_bytes;
    blk_image_close(image);
    return format;
}

static bool create_qcow2(struct blk_file *file, const char *path,
                         const struct metic_disk_create *how, struct metic_error *error)
{
    struct qcow2_create create = {
        .size_bytes = how->size_bytes,
        .cluster_bytes = how->cluster_bytes,
        .version = how->version,
        .refcount_bits = how->refcount_bits,
        .compression = how->zstd ? QCOW2_ZSTD : QCOW2_ZLIB,
        .lazy_refcounts = how->lazy_refcounts,
    };
    char *name = NULL;
    if (how->backing != NULL) {
        create.backing_format = create_look_under(how, &create.size_bytes, error);
        name = blk_overlay_file_name_under(path, how->backing);
        create.backing_name = name;
        if (create.backing_format == NULL || name == NULL) {
            free(name);
            return name != NULL || error_set(error, "Check the path.", "cannot find %s: %s",
                                             how->backing, strerror(errno));
        }
    }
    bool ok = qcow2_create(file, path, &create, error);
    free(name);
    return ok;
}

static bool create_raw(struct blk_file *file, const char *path,
                       const struct metic_disk_create *how, struct metic_error *error)
{
    if (how->backing != NULL) {
        return error_set(error, "Leave the format at qcow2.",
                         "a raw image cannot lie over another");
    }
    if (how->size_bytes == 0) {
        return error_set(error, "Give it a size, as 20G.", "%s needs a size", path);
    }
    int failed = blk_file_resize(file, bits_align_up(how->size_bytes, BLK_SECTOR_BYTES));
    return failed == 0 || error_set(error, "Make room on the host, or use qcow2.",
                                    "cannot make %s: %s", path, strerror(failed));
}

static bool create_file(const char *path, const struct metic_disk_create *how,
                        struct metic_error *error)
{
    struct blk_file file;
    bool is_new = access(path, F_OK) != 0;
    if (!is_new && !how->replace) {
        return error_set(error, "Name another file, or say --force.", "%s exists already", path);
    }
    if (!blk_file_create(&file, path, error)) {
        return false;
    }
    bool ok = how->format == METIC_DISK_RAW ? create_raw(&file, path, how, error)
                                            : create_qcow2(&file, path, how, error);
    blk_file_close(&file);
    if (!ok && is_new) {
        unlink(path);
    }
    return ok;
}

bool metic_disk_create(const char *path, const struct metic_disk_create *how,
                       struct metic_error *error)
{
    return create_file(path, how, error);
}

struct blk_image *disk_make(const char *path, const struct metic_disk_create *how,
                            struct metic_error *error)
{
    struct blk_open open = {
        .path = path,
        .format = how->format == METIC_DISK_RAW ? BLK_FORMAT_RAW : BLK_FORMAT_QCOW2,
        .writable = true,
        .no_backing = true,
    };
    return create_file(path, how, error) ? blk_image_open(&open, error) : NULL;
}

bool metic_disk_size(const char *path, enum metic_disk_format format, uint64_t *size_bytes,
                     struct metic_error *error)
{
    struct blk_open open = {.path = path, .format = disk_format(format), .no_backing = true,
                            .unlocked = true};
    struct blk_image *image = blk_image_open(&open, error);
    if (image == NULL) {
        return false;
    }
    *size_bytes = image->size_bytes;
    blk_image_close(image);
    return true;
}

bool metic_disk_resize(const char *path, enum metic_disk_format format, uint64_t size_bytes,
                       bool shrink, struct metic_error *error)
{
    struct blk_open open = {.path = path, .format = disk_format(format), .writable = true};
    struct blk_image *image = blk_image_open(&open, error);
    if (image == NULL) {
        return false;
    }
    size_bytes = bits_align_up(size_bytes, BLK_SECTOR_BYTES);
    bool ok = size_bytes != 0 && size_bytes <= (u64)INT64_MAX / 2
                  ? true : error_set(error, "Give it a size, as 20G.",
                                     "a disk cannot have this size");
    if (ok && size_bytes < image->size_bytes && !shrink) {
        ok = error_set(error, "If nothing there is needed, say --shrink.",
                       "%s would lose its last %llu bytes", path,
                       (unsigned long long)(image->size_bytes - size_bytes));
    }
    ok = ok && image->driver->resize(image, size_bytes, error);
    blk_image_close(image);
    return ok;
}
