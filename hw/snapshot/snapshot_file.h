/* A snapshot's bytes: a file that zstd takes for one of its own, and that RAM can be mapped from.
 *
 *   page 0     a skippable frame: struct snapshot_head, little-endian
 *   RAM        per region, in parts of at most 2 GiB: a page that ends in a skippable frame's
 *              header, then the bytes of the region, page by page where they lie in the guest.
 *              Pages of zeros are holes; the file is sparse.
 *   state      a zstd frame with its checksum: the sections, and a digest of each 2 MiB of RAM
 *
 * RAM stands there uncompressed because what is mapped costs nothing until it is touched:
 * unpacking 100 MB takes longer than a whole restore may. SNAPSHOT_PACKED files have zstd frames of
 * 2 MiB in its place, for keeping and for sending. In memory a snapshot is the same file without a
 * name (memfd).
 *
 * Nothing in a file is trusted: every offset and size is checked against the file before it is
 * used. The state's checksum is checked at opening; RAM's digests by snapshot_file_check, which
 * reads everything. */
#ifndef METIC_HW_SNAPSHOT_FILE_H
#define METIC_HW_SNAPSHOT_FILE_H

#include "cpu/base/error.h"
#include "cpu/memory.h"
#include "cpu/state.h"

enum {
    SNAPSHOT_FORMAT = 1,
    SNAPSHOT_MAX_REGIONS = 16,
    SNAPSHOT_NAME_BYTES = 32,
    SNAPSHOT_PACKED = 1, /* flag: RAM is compressed */
};

/* What can be told without reading further. */
struct snapshot_head {
    u32 format, flags;
    u64 file_bytes;
    u64 state_offset, state_stored_bytes, state_bytes;
    u64 ram_bytes;   /* of the machine */
    u64 clock_ns;    /* guest time */
    u64 insns;       /* of all harts */
    u64 created_s;   /* Unix time */
    u32 harts;
    u32 region_count;
    char version[SNAPSHOT_NAME_BYTES]; /* of the metic that wrote it */
    char board[SNAPSHOT_NAME_BYTES];
};

struct snapshot_region {
    char name[SNAPSHOT_NAME_BYTES];
    u64 gpa, size_bytes;
    u64 offset;   /* in the file, of its first part's header page */
    u64 *digests; /* of each SNAPSHOT_PIECE_BYTES; 0: zeros */
    u64 *packed;  /* SNAPSHOT_PACKED: offset and stored size of each piece; 0, 0: zeros */
};

struct snapshot_file {
    int fd;
    bool in_memory;
    struct snapshot_head head;
    struct snapshot_region regions[SNAPSHOT_MAX_REGIONS];
    struct state_writer state; /* unpacked */
    size_t sections_at;        /* in it: where the caller's part begins */
    const u8 *map;             /* the whole file, for comparing; NULL: not yet */
    u64 number;                /* no other of this process has it; 0: memory has none of it yet */
};

/* Begins a file at `path` (a temporary one beside it, 0600, that takes its place when it is
 * complete), or in memory when that is NULL. NULL with a reason. */
struct snapshot_writer *snapshot_writer_new(const char *path, u32 flags,
                                            struct metic_error *error);
/* RAM and ROM of the machine, which stands still. */
bool snapshot_writer_ram(struct snapshot_writer *writer, struct memory *memory,
                         struct metic_error *error);
/* Completes it. `head` need have only what is about the machine. The writer is freed in any case;
 * what is begun is removed when it fails. In memory the file comes back open, ready to load. */
struct snapshot_file *snapshot_writer_finish(struct snapshot_writer *writer,
                                             struct snapshot_head *head,
                                             const struct state_writer *sections,
                                             struct metic_error *error);
void snapshot_writer_drop(struct snapshot_writer *writer); /* NULL allowed */

/* NULL with a reason: it is none, of another version, cut short, or damaged. */
struct snapshot_file *snapshot_file_open(const char *path, struct metic_error *error);
void snapshot_file_free(struct snapshot_file *file); /* NULL allowed */

/* Puts RAM and ROM where they were, by mapping; regions must be the machine's. Blocks made from
 * pages that change are removed. False with a reason; memory may then be half changed. */
bool snapshot_file_load_ram(struct snapshot_file *file, struct memory *memory,
                            struct metic_error *error);

/* Reads all of RAM and compares it with its digests. False with the place of the damage. */
bool snapshot_file_check(struct snapshot_file *file, struct metic_error *error);

#endif
