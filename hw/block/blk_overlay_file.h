/* An overlay that stays: a qcow2 image over another. */
#ifndef METIC_HW_BLOCK_BLK_OVERLAY_FILE_H
#define METIC_HW_BLOCK_BLK_OVERLAY_FILE_H

#include "hw/block/blk_image.h"

/* Opens the overlay at `path` for writing; makes it, over the image at `under`, when there is no
 * such file. NULL with a reason, also when it lies over another image. */
struct blk_image *blk_overlay_file_open(const char *path, const char *under,
                                        enum blk_format under_format, struct metic_error *error);
/* Makes one, whose name for `under` leads there from its own folder. `size_bytes` 0: as large as
 * what lies under it. */
bool blk_overlay_file_make(const char *path, const char *under, enum blk_format under_format,
                           u64 size_bytes, struct metic_error *error);
/* The name of `under` in an image at `path`: relative as given when both are in one folder,
 * otherwise whole. A heap string, or NULL. */
char *blk_overlay_file_name_under(const char *path, const char *under);

#endif
