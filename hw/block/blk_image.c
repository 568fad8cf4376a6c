/* See blk_image.h. */
#include "hw/block/blk_image.h"

#include "cpu/base/bits.h"
#include "hw/loader/loader.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What a file is ---- */

static const char *const format_names[] = {
    [BLK_FORMAT_RAW] = "raw",
    [BLK_FORMAT_QCOW2] = "qcow2",
};

bool blk_format_find(const char *name, enum blk_format *format)
{
    for (unsigned i = BLK_FORMAT_RAW; i < ARRAY_LEN(format_names); i++) {
        if (strcmp(name, format_names[i]) == 0) {
            *format = (enum blk_format)i;
            return true;
        }
    }
    return false;
}

static const char qcow2_magic[4] = "QFI\xfb";

/* What files begin with that are no raw disk although people try them as one. */
struct image_magic {
    size_t offset;
    const char *bytes;
    size_t size_bytes;
    const char *kind;
    const char *next;
    bool names_files; /* a header that may name other files */
};

static const char convert_next[] = "Convert it: qemu-img convert -O qcow2 IMAGE DISK.";
static const struct image_magic image_magics[] = {
#define FOREIGN_DISK(offset, magic, name, names_files)                                            \
    {offset, magic, sizeof(magic) - 1, "a " name " image", convert_next, names_files},
#include "hw/block/foreign.def"
#undef FOREIGN_DISK
    {0, "PK\3\4", 4, "a zip archive", "Unpack it first: unzip.", false},
    {0, "BZh", 3, "bzip2-compressed", "Unpack it first: bunzip2.", false},
    {0, "\x1f\x8b", 2, "gzip-compressed", "Unpack it first: gunzip.", false},
    {0, "\xfd" "7zXZ", 5, "xz-compressed", "Unpack it first: xz -d.", false},
    {0, "\x28\xb5\x2f\xfd", 4, "zstd-compressed", "Unpack it first: zstd -d.", false},
    {0, "\x7f" "ELF", 4, "a program (ELF)", "Give a disk image, or boot the program itself.",
     false},
};

bool blk_image_looks_formatted(const u8 *bytes, size_t size_bytes)
{
    bool looks = size_bytes >= sizeof(qcow2_magic) &&
                 memcmp(bytes, qcow2_magic, sizeof(qcow2_magic)) == 0;
    for (size_t i = 0; i < ARRAY_LEN(image_magics) && !looks; i++) {
        const struct image_magic *magic = &image_magics[i];
        looks = magic->names_files && size_bytes >= magic->size_bytes &&
                memcmp(bytes, magic->bytes, magic->size_bytes) == 0;
    }
    return looks;
}

static bool image_refuse_magic(const u8 *head, const char *path, struct metic_error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(image_magics); i++) {
        const struct image_magic *magic = &image_magics[i];
        if (memcmp(head + magic->offset, magic->bytes, magic->size_bytes) == 0) {
            return error_set(error, magic->next, "the disk %s is %s, not a raw disk", path,
                             magic->kind);
        }
    }
    return true;
}

enum { PROBE_BYTES = 4096 };

/* Text that fills whole sectors was meant as a disk. */
static bool image_refuse_text(const u8 *head, u64 file_bytes, const char *path,
                              struct metic_error *error)
{
    u64 bytes = file_bytes < PROBE_BYTES ? file_bytes : PROBE_BYTES;
    if (file_bytes % BLK_SECTOR_BYTES != 0 && loader_is_text(head, bytes)) {
        return error_set(error,
                         "Give a disk image; if the guest is to read the text itself, make it "
                         "whole sectors: truncate -s %512 FILE.",
                         "the disk %s is a text file, not a disk image", path);
    }
    return true;
}

static bool image_guess(struct blk_file *file, const char *path, enum blk_format *format,
                        struct metic_error *error)
{
    u8 head[PROBE_BYTES] = {0};
    if (blk_file_read_bytes(file, 0, head, sizeof(head)) != 0) {
        return error_set(error, "Check the host's disk.", "cannot read the disk %s", path);
    }
    bool qcow2 = memcmp(head, qcow2_magic, sizeof(qcow2_magic)) == 0;
    *format = qcow2 ? BLK_FORMAT_QCOW2 : BLK_FORMAT_RAW;
    return qcow2 || (image_refuse_magic(head, path, error) &&
                     image_refuse_text(head, file->size_bytes, path, error));
}

/* ---- Opening ---- */

static bool image_refuse_empty(const struct blk_file *file, const char *path,
                               struct metic_error *error)
{
    if (file->size_bytes == 0) {
        return error_set(error, "Give it a size, for example: truncate -s 8G FILE.",
                         "the disk %s is empty", path);
    }
    return true;
}

static struct blk_image *image_make(const struct blk_open *how, struct blk_file *file,
                                    struct metic_error *error)
{
    enum blk_format format = how->format;
    if (!image_refuse_empty(file, how->path, error) ||
        (format == BLK_FORMAT_AUTO && !image_guess(file, how->path, &format, error))) {
        return NULL;
    }
    struct blk_image *image = format == BLK_FORMAT_RAW ? raw_new() : qcow2_new();
    char *path = strdup(how->path);
    if (image == NULL || path == NULL) {
        error_set(error, NULL, "out of memory for the disk %s", how->path);
        free(image);
        free(path);
        return NULL;
    }
    image->file = *file;
    file->fd = -1;
    image->path = path;
    image->writable = how->writable;
    image->guessed = how->format == BLK_FORMAT_AUTO;
    return image;
}

/* Opens one file of a chain. */
static struct blk_image *image_open_one(const struct blk_open *how, struct metic_error *error)
{
    struct blk_file file;
    enum blk_file_share share = how->unlocked   ? BLK_FILE_UNLOCKED
                                : how->writable ? BLK_FILE_EXCLUSIVE
                                                : BLK_FILE_SHARED;
    if (!blk_file_open(&file, how->path, how->writable, share, error)) {
        return NULL;
    }
    struct blk_image *image = image_make(how, &file, error);
    if (image == NULL) {
        blk_file_close(&file);
        return NULL;
    }
    bool ok = strcmp(image->driver->name, format_names[BLK_FORMAT_RAW]) == 0
                  ? raw_open(image, error) : qcow2_open(image, how, error);
    if (!ok) {
        blk_image_close(image);
        return NULL;
    }
    return image;
}

char *blk_image_backing_path(const char *image_path, const char *backing_name)
{
    const char *slash = strrchr(image_path, '/');
    if (backing_name[0] == '/' || slash == NULL) {
        return strdup(backing_name);
    }
    size_t folder_bytes = (size_t)(slash - image_path) + 1;
    char *path = malloc(folder_bytes + strlen(backing_name) + 1);
    if (path != NULL) {
        memcpy(path, image_path, folder_bytes);
        strcpy(path + folder_bytes, backing_name);
    }
    return path;
}

static bool image_is_same_file(const struct blk_image *a, const struct blk_image *b)
{
    struct stat first, second;
    return fstat(a->file.fd, &first) == 0 && fstat(b->file.fd, &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* As the name says, from the folder that image_path names, or else from where that leads: an image
 * behind a symbolic link. A heap string, or NULL. */
static char *image_find_backing(const struct blk_image *image)
{
    char *path = blk_image_backing_path(image->path, image->backing_name);
    char *real = path != NULL && access(path, F_OK) != 0 ? realpath(image->path, NULL) : NULL;
    char *there = real != NULL ? blk_image_backing_path(real, image->backing_name) : NULL;
    free(real);
    if (there != NULL && access(there, F_OK) == 0) {
        free(path);
        return there;
    }
    free(there);
    return path;
}

/* A name such as nbd://host or json:{...} is no path to any of the programs that write them. */
static bool image_name_is_path(const char *name)
{
    const char *colon = strchr(name, ':');
    const char *slash = strchr(name, '/');
    return colon == NULL || (slash != NULL && slash < colon);
}

static bool image_backing_how(const struct blk_image *image, const char *path,
                              struct blk_open *how, struct metic_error *error)
{
    *how = (struct blk_open){.path = path, .unlocked = how->unlocked};
    if (!image_name_is_path(image->backing_name)) {
        return error_set(error, "Make the backing image a file, then: metic disk rebase.",
                         "the disk %s lies over '%s', which is not a file", image->path,
                         image->backing_name);
    }
    if (image->backing_format != NULL && !blk_format_find(image->backing_format, &how->format)) {
        return error_set(error, convert_next,
                         "the disk %s lies over %s, whose format is '%s', not raw or qcow2",
                         image->path, path, image->backing_format);
    }
    return true;
}

/* Opens the image's backing image, which is only read. */
static bool image_open_backing(struct blk_image *image, const struct blk_image *top, bool unlocked,
                               struct metic_error *error)
{
    struct metic_error why = {.what = ""};
    struct blk_open how = {.unlocked = unlocked};
    char *path = image_find_backing(image);
    if (path == NULL) {
        return error_set(error, NULL, "out of memory for the disk %s", image->path);
    }
    bool ok = image_backing_how(image, path, &how, error);
    if (ok) {
        image->backing = image_open_one(&how, &why);
        ok = image->backing != NULL ||
             error_set(error, why.next[0] != '\0' ? why.next : NULL,
                       "the disk %s needs the image under it: %s", image->path, why.what);
    }
    free(path);
    for (const struct blk_image *at = top; ok && at != image->backing; at = at->backing) {
        if (image_is_same_file(at, image->backing)) {
            ok = error_set(error, "Name another backing image: metic disk rebase -u.",
                           "the disk %s lies over itself", at->path);
        }
    }
    if (ok && image->backing->guessed && image->backing->backing_name != NULL) {
        ok = error_set(error,
                       "If they are right, say the format: metic disk rebase -u -b FILE -F qcow2 "
                       "IMAGE.",
                       "the disk %s lies over %s without saying its format, and that leads on to "
                       "'%s': a guest could have written that name",
                       image->path, image->backing->path, image->backing->backing_name);
    }
    return ok;
}

struct blk_image *blk_image_open(const struct blk_open *how, struct metic_error *error)
{
    struct blk_image *top = image_open_one(how, error);
    struct blk_image *image = top;
    for (unsigned depth = 0; image != NULL && !how->no_backing && image->backing_name != NULL;
         depth++) {
        bool ok = depth < BLK_MAX_CHAIN
                      ? image_open_backing(image, top, how->unlocked, error)
                      : error_set(error, "Flatten it: metic disk convert IMAGE NEW.",
                                  "the disk %s lies over a chain of more than %d images",
                                  top->path, BLK_MAX_CHAIN);
        if (!ok) {
            blk_image_close(top);
            return NULL;
        }
        image = image->backing;
    }
    return top;
}

void blk_image_close(struct blk_image *image)
{
    while (image != NULL) {
        struct blk_image *backing = image->backing;
        image->driver->close(image);
        blk_file_close(&image->file);
        free(image->path);
        free(image->backing_name);
        free(image);
        image = backing;
    }
}

/* ---- Common ways to use one ---- */

int blk_image_read(struct blk_image *image, u64 offset, void *bytes, u64 size_bytes)
{
    struct iovec one = {bytes, size_bytes};
    return image->driver->read(image, offset, &(struct blk_vector){&one, 1}, size_bytes);
}

int blk_image_write(struct blk_image *image, u64 offset, const void *bytes, u64 size_bytes)
{
    struct iovec one = {(void *)(uintptr_t)bytes, size_bytes};
    return image->driver->write(image, offset, &(struct blk_vector){&one, 1}, size_bytes);
}

int blk_image_read_backing(struct blk_image *image, u64 offset, struct blk_vector *vector,
                           u64 size_bytes)
{
    struct blk_image *backing = image->backing;
    u64 end = backing != NULL ? backing->size_bytes : 0;
    u64 inside = offset >= end ? 0 : end - offset < size_bytes ? end - offset : size_bytes;
    int failed = 0;
    if (inside > 0) {
        failed = backing->driver->read(backing, offset, vector, inside);
    }
    if (failed == 0) {
        blk_vector_zero(vector, size_bytes - inside);
    }
    return failed;
}

int blk_image_look_down(struct blk_image *image, u64 offset, u64 limit,
                        enum blk_content *content, u64 *run_bytes)
{
    for (; image != NULL && offset < image->size_bytes; image = image->backing) {
        u64 left = image->size_bytes - offset;
        limit = left < limit ? left : limit;
        int failed = image->driver->look(image, offset, limit, content, run_bytes);
        if (failed != 0) {
            return failed;
        }
        limit = *run_bytes;
        if (*content != BLK_CONTENT_ABSENT) {
            return 0;
        }
    }
    *content = BLK_CONTENT_ZEROS;
    *run_bytes = limit;
    return 0;
}
