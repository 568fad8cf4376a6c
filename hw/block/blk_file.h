/* A file (or block device) of the host's that holds a disk image: whole reads and writes, holes,
 * locks.
 *
 * Locks are open-file-description locks on single bytes of the file, those QEMU takes, so that the
 * two refuse each other as two of ours do: any number of readers, or one writer. Byte 100 + n says
 * "I do n", byte 200 + n "nobody else may do n"; n is 0 for reading, 1 for writing, 3 for changing
 * the size. Where the file system has no such locks there is none.
 *
 * Reads, writes, zeroing and punching may come from several threads at once. Answers are 0 or an
 * errno. After a failed sync every later one fails, too: the kernel forgets what it could not
 * write, so a later success would be a lie. */
#ifndef METIC_HW_BLOCK_BLK_FILE_H
#define METIC_HW_BLOCK_BLK_FILE_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/block/blk_vector.h"
#include <stdatomic.h>

enum blk_file_op { BLK_FILE_READ, BLK_FILE_WRITE, BLK_FILE_PUNCH, BLK_FILE_SYNC, BLK_FILE_RESIZE };

struct blk_file {
    int fd; /* -1: not open */
    bool writable;
    bool is_device;             /* its size is fixed */
    atomic_bool sync_failed;
    _Atomic u64 size_bytes;     /* what the file had at open, or has grown to */
    /* For tests: asked before each call to the host; what it returns unless 0 is the answer. */
    int (*fault)(void *opaque, enum blk_file_op op, u64 offset, u64 size_bytes);
    void *fault_opaque;
};

/* What a caller may do to the file: how others are kept out. */
enum blk_file_share {
    BLK_FILE_SHARED,    /* others may read; writers are refused, and refuse this */
    BLK_FILE_EXCLUSIVE, /* as a writer: other readers may not be there either */
    BLK_FILE_UNLOCKED,  /* only looks, whatever others do */
};

/* False with a reason that names the path. `file` is -1 then. */
bool blk_file_open(struct blk_file *file, const char *path, bool writable,
                   enum blk_file_share share, struct metic_error *error);
/* Makes a new, empty file and locks it; refuses an existing one that is in use. */
bool blk_file_create(struct blk_file *file, const char *path, struct metic_error *error);
void blk_file_close(struct blk_file *file);

/* What lies beyond the end reads as zeros. The vector moves on by size_bytes. */
int blk_file_read(struct blk_file *file, u64 offset, struct blk_vector *vector, u64 size_bytes);
int blk_file_write(struct blk_file *file, u64 offset, struct blk_vector *vector, u64 size_bytes);
int blk_file_read_bytes(struct blk_file *file, u64 offset, void *bytes, u64 size_bytes);
int blk_file_write_bytes(struct blk_file *file, u64 offset, const void *bytes, u64 size_bytes);

/* The range reads as zeros afterwards; the file may grow. `unmap` gives its space back if the host
 * can, otherwise the space stays reserved. */
int blk_file_zero(struct blk_file *file, u64 offset, u64 size_bytes, bool unmap);
/* Gives the space back if the host can; what it then reads as is not said. */
void blk_file_punch(struct blk_file *file, u64 offset, u64 size_bytes);
int blk_file_sync(struct blk_file *file);
int blk_file_resize(struct blk_file *file, u64 size_bytes);

/* How many bytes from `offset` on, at most `limit`, are alike: a hole of the file, or not. */
u64 blk_file_run(struct blk_file *file, u64 offset, u64 limit, bool *hole);
/* What the file takes up on the host. */
u64 blk_file_used_bytes(const struct blk_file *file);

#endif
