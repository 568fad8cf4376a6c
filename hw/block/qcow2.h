/* qcow2 images, versions 2 and 3 ("The QCOW2 image format", docs/interop/qcow2 of QEMU). Private to
 * qcow2*.c.
 *
 *   header -> L1 table -> L2 tables -> clusters        where each part of the disk lies
 *          -> refcount table -> refcount blocks        how many users each cluster of the file has
 *
 * qcow2.c          open, close, the driver             qcow2_header.c    the header, refusals
 * qcow2_io.c       reads, and writes in place          qcow2_write.c     writes that allocate
 * qcow2_map.c      L1 and L2                           qcow2_zero.c      zeroing, discarding
 * qcow2_refcount.c allocating and freeing clusters     qcow2_cache.c     tables in memory
 * qcow2_sync.c     what is written before what         qcow2_compress.c  compressed clusters
 * qcow2_check.c    checking, qcow2_repair.c repairing  qcow2_create.c    new images, other sizes
 *
 * The order of writes. Tables change in memory and are written by qcow2_sync (a flush, or a full
 * cache): data and refcounts first, then what points at them, with the host's cache flushed in
 * between. A cluster that is given up stays in use until nothing on the disk points at it any more.
 * So at any moment the file is a consistent image, whatever was not synced is as before, and the
 * worst a kill leaves is a cluster counted as used that nobody uses (a leak).
 *
 * Locks. `lock` is held shared by whoever reads, or writes in place, and alone by whoever changes
 * where things lie. `cache_lock` is for the caches, which change when they are looked at.
 *
 * Nothing in the file is trusted. An entry that points to where no data can be ends in EIO, and
 * when the image is being written also in its `corrupt` mark, after which it is only read. */
#ifndef METIC_HW_BLOCK_QCOW2_H
#define METIC_HW_BLOCK_QCOW2_H

#include "cpu/base/bits.h"
#include "hw/block/blk_image.h"
#include <pthread.h>

enum qcow2_field { /* byte offsets in the header; all numbers are big-endian */
    QCOW2_AT_VERSION = 4,
    QCOW2_AT_BACKING_OFFSET = 8,
    QCOW2_AT_BACKING_BYTES = 16,
    QCOW2_AT_CLUSTER_BITS = 20,
    QCOW2_AT_SIZE = 24,
    QCOW2_AT_CRYPT = 32,
    QCOW2_AT_L1_COUNT = 36,
    QCOW2_AT_L1_OFFSET = 40,
    QCOW2_AT_REFTABLE_OFFSET = 48,
    QCOW2_AT_REFTABLE_CLUSTERS = 56,
    QCOW2_AT_SNAPSHOT_COUNT = 60,
    QCOW2_AT_SNAPSHOTS_OFFSET = 64,
    QCOW2_V2_BYTES = 72,
    QCOW2_AT_INCOMPATIBLE = 72,
    QCOW2_AT_COMPATIBLE = 80,
    QCOW2_AT_AUTOCLEAR = 88,
    QCOW2_AT_REFCOUNT_ORDER = 96,
    QCOW2_AT_HEADER_BYTES = 100,
    QCOW2_V3_BYTES = 104,
    QCOW2_AT_COMPRESSION = 104,
    QCOW2_OUR_BYTES = 112,
};

#define QCOW2_MAGIC 0x514649fbu /* "QFI\xfb" */

/* Incompatible features: who does not know one must not touch the image. */
#define QCOW2_DIRTY BIT(0)         /* refcounts may be wrong */
#define QCOW2_CORRUPT BIT(1)
#define QCOW2_DATA_FILE BIT(2)
#define QCOW2_COMPRESSION BIT(3)   /* the header says which */
#define QCOW2_EXTENDED_L2 BIT(4)   /* subclusters */
#define QCOW2_LAZY_REFCOUNTS BIT(0) /* compatible: refcounts may be left dirty; we never do */
#define QCOW2_BITMAPS BIT(0)       /* autoclear: the bitmaps are up to date */

enum qcow2_extension {
    QCOW2_EXT_END = 0,
    QCOW2_EXT_BACKING_FORMAT = 0xe2792aca,
    QCOW2_EXT_FEATURES = 0x6803f857,
    QCOW2_EXT_BITMAPS = 0x23852875,
};

enum qcow2_compression { QCOW2_ZLIB = 0, QCOW2_ZSTD = 1 };

#define QCOW2_OFFSET_MASK 0x00fffffffffffe00ull /* of L1 and plain L2 entries */
#define QCOW2_ZERO_FLAG BIT(0)
#define QCOW2_COMPRESSED BIT(62)
#define QCOW2_COPIED BIT(63) /* the refcount is exactly 1: may be written in place */

enum {
    QCOW2_MIN_CLUSTER_BITS = 9,
    QCOW2_MAX_CLUSTER_BITS = 21,
    QCOW2_MAX_L1_BYTES = 32 << 20,
    QCOW2_MAX_REFTABLE_BYTES = 8 << 20,
    QCOW2_MAX_SNAPSHOTS = 65536,
    QCOW2_MAX_NAME_BYTES = 1023,
};

/* ---- qcow2_cache.c: clusters of metadata in memory ---- */

struct qcow2;

struct qcow2_table {
    u64 offset; /* in the file; 0: none (that is the header) */
    u8 *bytes;
    u64 used_at; /* larger: later */
    bool dirty;
};

struct qcow2_cache {
    struct qcow2_table *tables;
    unsigned set_count; /* a power of two */
    unsigned dirty_count;
    u64 clock;
    bool is_l2; /* a dirty table may be written only by qcow2_sync */
};

bool qcow2_cache_init(struct qcow2_cache *cache, const struct qcow2 *q, bool is_l2);
void qcow2_cache_fini(struct qcow2_cache *cache);
/* The table at `offset`, good until the next call on this cache. */
int qcow2_cache_get(struct qcow2 *q, struct qcow2_cache *cache, u64 offset,
                    struct qcow2_table **table);
/* The same without reading it: its bytes are zeros. */
int qcow2_cache_new(struct qcow2 *q, struct qcow2_cache *cache, u64 offset,
                    struct qcow2_table **table);
void qcow2_cache_dirty(struct qcow2_cache *cache, struct qcow2_table *table);
void qcow2_cache_drop(struct qcow2_cache *cache, u64 offset); /* it is no table any more */
int qcow2_cache_write(struct qcow2 *q, struct qcow2_cache *cache); /* all that is dirty */
void qcow2_cache_empty(struct qcow2_cache *cache); /* forgets everything, dirty or not */

/* ---- A set of cluster numbers, with open addressing ---- */

struct qcow2_set {
    u64 *slots; /* cluster + 1; 0: free, UINT64_MAX: was removed */
    size_t slot_count, used;
};

void qcow2_set_fini(struct qcow2_set *set);
bool qcow2_set_add(struct qcow2_set *set, u64 cluster); /* false: no memory */
void qcow2_set_remove(struct qcow2_set *set, u64 cluster);
bool qcow2_set_has(const struct qcow2_set *set, u64 cluster);

/* ---- The image ---- */

struct qcow2_range {
    u64 first, count; /* clusters */
};

/* A table that is wholly in memory, host-endian, and the part that is newer than the file's. */
struct qcow2_root {
    u64 *entries;
    u64 count;
    u64 offset;
    u64 dirty_first, dirty_end;
};

struct qcow2 {
    struct blk_image image; /* first */
    unsigned version;
    unsigned cluster_bits, l2_bits, refcount_order, block_bits; /* log2 of entries per table */
    u64 cluster_bytes;
    u64 incompatible, compatible, autoclear;
    u32 header_bytes;
    u8 compression;
    u32 snapshot_count;
    u64 snapshots_offset;
    u64 bitmaps_offset, bitmaps_bytes; /* of the bitmap directory, when up to date */
    u32 bitmap_count;
    struct qcow2_root l1, reftable;

    pthread_rwlock_t lock;
    pthread_mutex_t cache_lock;
    struct qcow2_cache l2s, blocks;
    struct qcow2_set metadata; /* clusters that hold none of the guest's data */
    struct qcow2_range *freed; /* given up, still counted as used */
    size_t freed_count, freed_capacity;
    u64 free_hint;             /* no cluster before this one is free */
    u64 packed_at, packed_end; /* room behind the last compressed cluster, bytes of the file */
    atomic_bool unsynced;      /* tables are newer than the file's */
    atomic_bool broken;        /* found to be corrupt */

    u8 *bounce;    /* a cluster; who holds `lock` alone */
    u8 *unpacked;  /* a cluster; under cache_lock */
    u64 unpacked_entry; /* the L2 entry it is of; 0: none */
    u8 *packed;    /* the same before; a cluster and a sector */
};

static inline struct qcow2 *qcow2_of(struct blk_image *image)
{
    return (struct qcow2 *)image;
}

static inline u64 qcow2_in_cluster(const struct qcow2 *q, u64 offset)
{
    return offset & (q->cluster_bytes - 1);
}

static inline u64 qcow2_clusters(const struct qcow2 *q, u64 size_bytes)
{
    return (size_bytes + q->cluster_bytes - 1) >> q->cluster_bits;
}

/* Notes that the image is damaged, and says so in the file if that may be written. Returns EIO. */
int qcow2_broken(struct qcow2 *q, const char *why);

/* ---- qcow2_header.c ---- */

/* Reads and checks the header; the image has its file. */
bool qcow2_header_read(struct qcow2 *q, bool repairing, struct metic_error *error);
/* Writes some fields of the header in place. */
int qcow2_header_write_features(struct qcow2 *q);
int qcow2_header_write_u64(struct qcow2 *q, unsigned at, u64 value);
/* Writes the first cluster anew, with these names (NULL: no backing image). */
bool qcow2_header_set_backing(struct blk_image *image, const char *path, const char *format,
                              struct metic_error *error);
/* Fills the first cluster of an image, whose fields are set, into `bytes`; false when the names do
 * not fit. */
bool qcow2_header_build(const struct qcow2 *q, u8 *bytes, const char *backing_name,
                        const char *backing_format);

/* ---- qcow2_refcount.c; who calls holds `lock` alone ---- */

int qcow2_refcount_get(struct qcow2 *q, u64 cluster, u64 *count);
/* Allocates adjacent clusters, at least `minimum` and at most `wanted`, with refcount 1. */
int qcow2_alloc(struct qcow2 *q, u64 minimum, u64 wanted, u64 *first, u64 *count);
int qcow2_alloc_metadata(struct qcow2 *q, u64 count, u64 *offset);
/* One user more or less; less takes effect at once. */
int qcow2_refcount_add(struct qcow2 *q, u64 cluster);
int qcow2_refcount_drop(struct qcow2 *q, u64 cluster);
/* One user less, once nothing in the file points at them. */
int qcow2_free_later(struct qcow2 *q, u64 first, u64 count);
u64 qcow2_refcount_read(const u8 *block, u64 index, unsigned order);
void qcow2_refcount_write(u8 *block, u64 index, unsigned order, u64 value);
static inline u64 qcow2_refcount_max(const struct qcow2 *q)
{
    return q->refcount_order == 6 ? UINT64_MAX : (1ull << (1u << q->refcount_order)) - 1;
}

/* ---- qcow2_sync.c ---- */

/* Writes everything that is newer in memory, in order; who calls holds `lock` alone, or
 * `cache_lock`. */
int qcow2_sync(struct qcow2 *q);
int qcow2_flush(struct blk_image *image);
void qcow2_root_dirty(struct qcow2 *q, struct qcow2_root *root, u64 index);
/* Reads a table of `count` entries; false when there is no memory or no file. */
bool qcow2_root_read(struct qcow2 *q, struct qcow2_root *root, u64 offset, u64 count);

/* ---- qcow2_map.c ---- */

enum qcow2_kind { QCOW2_ABSENT, QCOW2_ZEROS, QCOW2_DATA, QCOW2_PACKED };

struct qcow2_run {
    enum qcow2_kind kind;
    bool copied;
    u64 host;       /* QCOW2_DATA: offset in the file of the run's first byte */
    u64 entry;      /* the first L2 entry */
    u64 size_bytes; /* how far it is so */
};

enum qcow2_kind qcow2_entry_kind(u64 entry);
/* What lies at `offset`, and how far, at most `limit` bytes. With `writing`, data that lies on
 * metadata is an error. */
int qcow2_find(struct qcow2 *q, u64 offset, u64 limit, bool writing, struct qcow2_run *run);

/* The L2 table for an offset, made or copied when it is not ours alone; `lock` held alone. */
int qcow2_l2_for_write(struct qcow2 *q, u64 offset, struct qcow2_table **table);
static inline u64 qcow2_l2_index(const struct qcow2 *q, u64 offset)
{
    return offset >> q->cluster_bits & ((1ull << q->l2_bits) - 1);
}
/* Puts an entry into a table and gives up what only the old one pointed at. */
int qcow2_l2_set(struct qcow2 *q, struct qcow2_table *table, u64 index, u64 entry);

/* ---- qcow2_io.c, qcow2_write.c, qcow2_zero.c ---- */

int qcow2_read(struct blk_image *image, u64 offset, struct blk_vector *vector, u64 size_bytes);
int qcow2_write(struct blk_image *image, u64 offset, struct blk_vector *vector, u64 size_bytes);
int qcow2_look(struct blk_image *image, u64 offset, u64 limit, enum blk_content *content,
               u64 *run_bytes);
int qcow2_zero(struct blk_image *image, u64 offset, u64 size_bytes, bool unmap);
int qcow2_discard(struct blk_image *image, u64 offset, u64 size_bytes);
int qcow2_clear(struct blk_image *image);
/* With `lock` held. */
int qcow2_read_locked(struct qcow2 *q, u64 offset, struct blk_vector *vector, u64 size_bytes);
/* With `lock` held alone: writes the front of what is asked, at least one byte. */
int qcow2_write_some(struct qcow2 *q, u64 offset, struct blk_vector *vector, u64 size_bytes,
                     u64 *done_bytes);

/* ---- qcow2_compress.c ---- */

/* Where a compressed cluster lies in the file. */
void qcow2_packed_place(const struct qcow2 *q, u64 entry, u64 *offset, u64 *size_bytes);
/* Fills q->unpacked; under cache_lock. */
int qcow2_unpack(struct qcow2 *q, u64 entry);

/* ---- For the tools (disk_*.c) ---- */

struct qcow2_create {
    u64 size_bytes;
    u64 cluster_bytes;          /* 0: 64 KiB */
    unsigned version;           /* 2 or 3; 0: 3 */
    unsigned refcount_bits;     /* 0: 16 */
    enum qcow2_compression compression;
    bool lazy_refcounts;
    const char *backing_name;   /* NULL: none */
    const char *backing_format;
};

/* Writes an empty image into a file that is open and empty. */
bool qcow2_create(struct blk_file *file, const char *path, const struct qcow2_create *how,
                  struct metic_error *error);
bool qcow2_resize(struct blk_image *image, u64 size_bytes, struct metic_error *error);
/* Writes a whole cluster compressed, or plainly when that is no shorter. Single-threaded. */
int qcow2_write_compressed(struct blk_image *image, u64 offset, const u8 *bytes);
bool qcow2_is(const struct blk_image *image);

struct qcow2_check {
    u64 corruptions, leaks;             /* left in the end */
    u64 corruptions_fixed, leaks_fixed;
    u64 clusters, allocated, compressed, fragmented; /* of the guest's disk */
    u64 end_offset;                     /* of what is in use */
    /* A line for each thing found; may be NULL. */
    void (*say)(void *opaque, const char *line);
    void *say_opaque;
};
enum qcow2_repair { QCOW2_REPAIR_NONE, QCOW2_REPAIR_LEAKS, QCOW2_REPAIR_ALL };

/* Single-threaded. False with a reason when the check itself could not be done. */
bool qcow2_check(struct qcow2 *q, struct qcow2_check *check, enum qcow2_repair repair,
                 struct metic_error *error);

#endif
