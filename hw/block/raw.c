/* Raw images: the file's bytes are the disk's. A size that is no multiple of 512 is rounded up; the
 * missing bytes read as zeros. Holes of the file are parts that were never written. */
#include "hw/block/blk_image.h"

#include "cpu/base/bits.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int raw_read(struct blk_image *image, u64 offset, struct blk_vector *vector, u64 size_bytes)
{
    return blk_file_read(&image->file, offset, vector, size_bytes);
}

/* Whether the write would make this image, the next time its format is guessed, something else. */
static bool raw_would_change_kind(struct blk_image *image, u64 offset,
                                  const struct blk_vector *vector)
{
    u8 head[8];
    if (!image->guessed || offset >= sizeof(head) ||
        blk_file_read_bytes(&image->file, 0, head, sizeof(head)) != 0) {
        return false;
    }
    blk_vector_peek(vector, head + offset, sizeof(head) - (size_t)offset);
    return blk_image_looks_formatted(head, sizeof(head));
}

static int raw_write(struct blk_image *image, u64 offset, struct blk_vector *vector,
                     u64 size_bytes)
{
    if (UNLIKELY(offset < 8) && raw_would_change_kind(image, offset, vector)) {
        snprintf(image->trouble, sizeof(image->trouble),
                 "the guest writes the header of an image format to a raw disk whose format was "
                 "guessed; say format=raw if it may");
        return EPERM;
    }
    return blk_file_write(&image->file, offset, vector, size_bytes);
}

static int raw_zero(struct blk_image *image, u64 offset, u64 size_bytes, bool unmap)
{
    return blk_file_zero(&image->file, offset, size_bytes, unmap);
}

static int raw_discard(struct blk_image *image, u64 offset, u64 size_bytes)
{
    blk_file_punch(&image->file, offset, size_bytes);
    return 0;
}

static int raw_flush(struct blk_image *image)
{
    return blk_file_sync(&image->file);
}

static int raw_look(struct blk_image *image, u64 offset, u64 limit, enum blk_content *content,
                    u64 *run_bytes)
{
    bool hole = false;
    *run_bytes = blk_file_run(&image->file, offset, limit, &hole);
    *content = hole ? BLK_CONTENT_ZEROS : BLK_CONTENT_DATA;
    return 0;
}

static bool raw_resize(struct blk_image *image, u64 size_bytes, struct metic_error *error)
{
    int failed = blk_file_resize(&image->file, size_bytes);
    if (failed != 0) {
        return error_set(error, "Look whether the host has room.",
                         "cannot change the size of the disk %s: %s", image->path,
                         strerror(failed));
    }
    image->size_bytes = size_bytes;
    return true;
}

static void raw_describe(struct blk_image *image, FILE *to, bool json)
{
    (void)image, (void)to, (void)json;
}

static void raw_close(struct blk_image *image)
{
    (void)image;
}

static const struct blk_driver raw_driver = {
    .name = "raw",
    .read = raw_read,
    .write = raw_write,
    .zero = raw_zero,
    .discard = raw_discard,
    .flush = raw_flush,
    .look = raw_look,
    .resize = raw_resize,
    .describe = raw_describe,
    .close = raw_close,
};

struct blk_image *raw_new(void)
{
    struct blk_image *image = calloc(1, sizeof(*image));
    if (image != NULL) {
        image->driver = &raw_driver;
    }
    return image;
}

bool raw_open(struct blk_image *image, struct metic_error *error)
{
    u64 file_bytes = image->file.size_bytes;
    if (file_bytes > (u64)INT64_MAX - BLK_SECTOR_BYTES) {
        return error_set(error, NULL, "the disk %s is too large", image->path);
    }
    image->size_bytes = bits_align_up(file_bytes, BLK_SECTOR_BYTES);
    return true;
}
