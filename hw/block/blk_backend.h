/* A disk as a device uses it: an image (blk_image.h) of any format, and where writes go.
 *
 * Overlay: the image is only read, what the guest writes is kept in memory, or when it is much in a
 * file without a name, and forgotten at close.
 * Overlay in a file: the same in a qcow2 image over it, which is made when it is not there yet and
 * stays. Write-back: writes go to the image. Read-only: there are none. What is only read may be
 * shared by any number of machines; what is written belongs to one.
 *
 * Requests may come from several threads at once; the rest from one, when there are no requests.
 * Offsets and sizes are bytes inside the disk; the caller has checked them. */
#ifndef METIC_HW_BLOCK_BLK_BACKEND_H
#define METIC_HW_BLOCK_BLK_BACKEND_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "cpu/state.h"
#include "hw/block/blk_image.h"

enum blk_mode { BLK_OVERLAY, BLK_WRITE_BACK, BLK_READ_ONLY };

struct blk_disk {
    const char *path;
    enum blk_mode mode;      /* BLK_OVERLAY with overlay_path: in that file */
    enum blk_format format;  /* of the image at path */
    const char *overlay_path; /* or NULL */
    const char *spill_folder; /* where an overlay in memory goes that takes more than: (or NULL) */
    u64 overlay_memory_bytes;
};

struct blk_backend;

/* NULL with a reason when a file is missing, empty, in use, damaged, or of a kind that holds no
 * disk (a directory, a compressed file). The strings are not kept. */
struct blk_backend *blk_backend_open(const struct blk_disk *disk, struct metic_error *error);
void blk_backend_close(struct blk_backend *backend); /* NULL allowed; flushes */

u64 blk_backend_size_bytes(const struct blk_backend *backend);
bool blk_backend_is_writable(const struct blk_backend *backend);
/* Bytes that reads and writes are best multiples of: a power of two, at least 4096. */
u64 blk_backend_good_bytes(const struct blk_backend *backend);
/* Why the image refuses to be used any further, or an empty string. */
const char *blk_backend_trouble(const struct blk_backend *backend);

/* The host's answers: 0, or an errno. The vector is used up: its elements change. */
int blk_backend_read(struct blk_backend *backend, u64 offset, struct iovec *vector,
                     unsigned count);
int blk_backend_write(struct blk_backend *backend, u64 offset, struct iovec *vector,
                      unsigned count);
int blk_backend_flush(struct blk_backend *backend); /* what was written survives the host */

/* The range reads as zeros afterwards; `unmap` gives its space back where the host can. */
int blk_backend_write_zeroes(struct blk_backend *backend, u64 offset, u64 size_bytes, bool unmap);
/* The contents of the range no longer matter; a hint that may do nothing. */
int blk_backend_discard(struct blk_backend *backend, u64 offset, u64 size_bytes);

/* How much of the overlay in memory is in use; 0 for the other modes. */
u64 blk_backend_overlay_bytes(const struct blk_backend *backend);

/* Saved state: what the guest wrote, for overlays of both kinds, and which image it lies over
 * (its size, and when it was last changed), which must be the same when it is loaded. Of an image
 * that is written itself, all that its file has: loading puts that back unless the file is as it
 * was left by the saving, so whoever loads it decides that it may be overwritten. */
void blk_backend_save(struct blk_backend *backend, struct state_writer *writer);
bool blk_backend_load(struct blk_backend *backend, struct state_reader *reader,
                      struct metic_error *error);

#endif
