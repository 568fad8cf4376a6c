/* A disk's contents on the host: a raw file, or a block device.
 *
 * Three ways to use it. Overlay: the file is only read, what the guest writes is kept in memory
 * and forgotten at close. Write-back: writes go to the file. Read-only: there are none. An overlay
 * or a read-only disk takes a shared lock on the file, write-back an exclusive one (flock), so that
 * two machines may share an image but never write one that another uses.
 *
 * A size that is no multiple of 512 is rounded up; the missing bytes read as zeros.
 *
 * One thread at a time. Offsets and sizes are bytes inside the disk; the caller has checked
 * them. */
#ifndef METIC_HW_BLOCK_BLK_BACKEND_H
#define METIC_HW_BLOCK_BLK_BACKEND_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "cpu/state.h"
#include <sys/uio.h>

enum blk_mode { BLK_OVERLAY, BLK_WRITE_BACK, BLK_READ_ONLY };

enum { BLK_SECTOR_BYTES = 512 };

struct blk_backend;

/* NULL with a reason when the file is missing, empty, in use, or of a kind that holds no raw disk
 * (a directory, a compressed file, a qcow2 image). */
struct blk_backend *blk_backend_open(const char *path, enum blk_mode mode,
                                     struct metic_error *error);
void blk_backend_close(struct blk_backend *backend); /* NULL allowed */

u64 blk_backend_size_bytes(const struct blk_backend *backend);
bool blk_backend_is_writable(const struct blk_backend *backend);

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

/* How much of the overlay is in use; 0 for the other modes. */
u64 blk_backend_overlay_bytes(const struct blk_backend *backend);

/* The overlay's contents, and back; nothing for the other modes but the size, which must be the
 * same. */
void blk_backend_save(struct blk_backend *backend, struct state_writer *writer);
bool blk_backend_load(struct blk_backend *backend, struct state_reader *reader,
                      struct metic_error *error);

#endif
