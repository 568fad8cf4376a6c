/* See blk_overlay_file.h. */
#include "hw/block/blk_overlay_file.h"

#include "hw/block/qcow2.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

char *blk_overlay_file_name_under(const char *path, const char *under)
{
    size_t folder = folder_length(path);
    if (folder == folder_length(under) && strncmp(path, under, folder) == 0) {
        return strdup(under + folder);
    }
    return realpath(under, NULL);
}

static const char *format_name(enum blk_format format, const struct blk_image *image)
{
    return format == BLK_FORMAT_RAW ? "raw" : format == BLK_FORMAT_QCOW2 ? "qcow2"
                                                                          : image->driver->name;
}

static bool overlay_write_new(const char *path, const struct qcow2_create *how,
                              struct metic_error *error)
{
    struct blk_file file;
    if (!blk_file_create(&file, path, error)) {
        return false;
    }
    bool ok = qcow2_create(&file, path, how, error);
    blk_file_close(&file);
    if (!ok) {
        unlink(path);
    }
    return ok;
}

bool blk_overlay_file_make(const char *path, const char *under, enum blk_format under_format,
                           u64 size_bytes, struct metic_error *error)
{
    struct blk_open how = {.path = under, .format = under_format};
    struct blk_image *image = blk_image_open(&how, error);
    if (image == NULL) {
        return false;
    }
    char *name = blk_overlay_file_name_under(path, under);
    struct qcow2_create create = {
        .size_bytes = size_bytes != 0 ? size_bytes : image->size_bytes,
        .backing_name = name,
        .backing_format = format_name(under_format, image),
    };
    bool ok = name != NULL ? overlay_write_new(path, &create, error)
                           : error_set(error, "check the path", "cannot find %s: %s", under,
                                       strerror(errno));
    blk_image_close(image);
    free(name);
    return ok;
}

static bool overlay_is_over(const struct blk_image *image, const char *under,
                            struct metic_error *error)
{
    struct stat wanted, got;
    if (!qcow2_is(image) || image->backing == NULL) {
        return error_set(error, "Name a file that does not exist: it will be made.",
                         "%s is no overlay", image->path);
    }
    if (stat(under, &wanted) != 0 || fstat(image->backing->file.fd, &got) != 0 ||
        wanted.st_dev != got.st_dev || wanted.st_ino != got.st_ino) {
        return error_set(error, "Give that one, or name an overlay that does not exist yet.",
                         "the overlay %s lies over %s, not over %s", image->path,
                         image->backing->path, under);
    }
    return true;
}

struct blk_image *blk_overlay_file_open(const char *path, const char *under,
                                        enum blk_format under_format, struct metic_error *error)
{
    if (access(path, F_OK) != 0 && errno == ENOENT &&
        !blk_overlay_file_make(path, under, under_format, 0, error)) {
        return NULL;
    }
    struct blk_open how = {.path = path, .writable = true};
    struct blk_image *image = blk_image_open(&how, error);
    if (image != NULL && !overlay_is_over(image, under, error)) {
        blk_image_close(image);
        return NULL;
    }
    return image;
}
