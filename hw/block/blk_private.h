/* What blk_backend.c and blk_saved.c share. */
#ifndef METIC_HW_BLOCK_BLK_PRIVATE_H
#define METIC_HW_BLOCK_BLK_PRIVATE_H

#include "hw/block/blk_backend.h"
#include "hw/block/blk_overlay.h"
#include <pthread.h>

struct blk_backend {
    struct blk_image *image;
    enum blk_mode mode;
    bool overlay_file; /* the image is an overlay that was asked for */
    pthread_rwlock_t lock; /* around the overlay in memory */
    struct blk_overlay overlay;
    char spill_note[160]; /* for errors once the overlay has left memory */
};

#endif
