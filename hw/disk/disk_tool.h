/* What the `metic disk` commands share (disk_*.c); the commands themselves are in hw/metic.h. */
#ifndef METIC_HW_DISK_TOOL_H
#define METIC_HW_DISK_TOOL_H

#include "hw/block/blk_image.h"
#include "hw/metic.h"

enum { DISK_CHUNK_BYTES = 1 << 20 };

static inline enum blk_format disk_format(enum metic_disk_format format)
{
    return format == METIC_DISK_RAW     ? BLK_FORMAT_RAW
           : format == METIC_DISK_QCOW2 ? BLK_FORMAT_QCOW2
                                        : BLK_FORMAT_AUTO;
}

/* The image is as the host says it cannot be: fills the error, returns false. */
bool disk_failed(struct metic_error *error, const char *doing, const struct blk_image *image,
                 int failed);

/* Writes a new image and opens it for writing, without what lies under it. */
struct blk_image *disk_make(const char *path, const struct metic_disk_create *how,
                            struct metic_error *error);

#endif
