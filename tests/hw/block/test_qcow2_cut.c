/* qcow2 images when the host's writes end: a killed process, a power cut, a full host. At every
 * moment the file must be a consistent image, with all that was flushed. */
#include "tests/hw/block/qcow2_rig.h"

#include <errno.h>

enum { UNDO_MAX = 4096 };

/* A write the host has been given, and what was there before. */
struct undo {
    u64 offset, size_bytes;
    u8 *bytes;
};

struct cut {
    struct rig rig;
    u8 flushed[RIG_MAX_BYTES];    /* the model at the last flush that was done */
    bool later[RIG_MAX_BYTES / BLK_SECTOR_BYTES]; /* sectors that were changed since */
    unsigned left; /* calls to the host until the cut */
    bool is_cut;
    struct undo undo[UNDO_MAX]; /* since the last sync */
    unsigned undo_count;
};

static struct cut cut;

static void undo_forget(void)
{
    for (unsigned i = 0; i < cut.undo_count; i++) {
        free(cut.undo[i].bytes);
    }
    cut.undo_count = 0;
}

/* The host's part: counts calls, and remembers what it may forget. */
static int cut_fault(void *opaque, enum blk_file_op op, u64 offset, u64 size_bytes)
{
    (void)opaque;
    if (op == BLK_FILE_READ) {
        return 0;
    }
    if (cut.is_cut || cut.left-- == 0) {
        cut.is_cut = true;
        return EIO;
    }
    if (op == BLK_FILE_SYNC) {
        undo_forget();
    } else if (op == BLK_FILE_WRITE && cut.undo_count < UNDO_MAX) {
        struct undo *undo = &cut.undo[cut.undo_count++];
        *undo = (struct undo){offset, size_bytes, calloc(1, size_bytes)};
        cr_assert_not_null(undo->bytes);
        ssize_t got = pread(cut.rig.image->file.fd, undo->bytes, size_bytes, (off_t)offset);
        cr_assert_geq(got, 0);
    }
    return 0;
}

/* Some of the writes since the last sync never reached the disk. */
static void undo_some(const char *path)
{
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file);
    for (unsigned i = cut.undo_count; i-- > 0;) {
        if (rig_random(&cut.rig) % 2 == 0) {
            fseek(file, (long)cut.undo[i].offset, SEEK_SET);
            fwrite(cut.undo[i].bytes, 1, cut.undo[i].size_bytes, file);
        }
    }
    fclose(file);
}

/* Random work until the cut. */
static void cut_work(void)
{
    struct rig *rig = &cut.rig;
    while (!cut.is_cut) {
        u64 offset, size_bytes;
        int failed = rig_step(rig, &offset, &size_bytes);
        for (u64 at = 0; at < size_bytes; at += BLK_SECTOR_BYTES) {
            cut.later[(offset + at) / BLK_SECTOR_BYTES] = true;
        }
        if (failed == 0 && rig_random(rig) % 16 == 0) {
            failed = rig->image->driver->flush(rig->image);
            if (failed == 0) {
                memcpy(cut.flushed, rig->model, rig->size_bytes);
                memset(cut.later, 0, sizeof(cut.later));
            }
        }
        cr_assert(failed == 0 || cut.is_cut);
    }
}

static void cut_expect_flushed(struct blk_image *image, unsigned calls)
{
    u8 got[BLK_SECTOR_BYTES];
    for (u64 at = 0; at < cut.rig.size_bytes; at += BLK_SECTOR_BYTES) {
        if (!cut.later[at / BLK_SECTOR_BYTES]) {
            cr_assert_eq(blk_image_read(image, at, got, sizeof(got)), 0);
            cr_assert_eq(memcmp(got, cut.flushed + at, sizeof(got)), 0,
                         "cut after %u calls: the sector at %llu", calls,
                         (unsigned long long)at);
        }
    }
}

static void cut_once(const struct qcow2_create *how, unsigned calls, bool power, u64 seed)
{
    struct rig *rig = &cut.rig;
    rig_init(rig, how, seed);
    memset(cut.flushed, 0, sizeof(cut.flushed));
    memset(cut.later, 0, sizeof(cut.later));
    cut.left = calls;
    cut.is_cut = false;
    rig->image->file.fault = cut_fault;
    cut_work();
    blk_image_close(rig->image);
    if (power) {
        undo_some(rig->path);
    }
    undo_forget();
    struct qcow2_check check = rig_check(rig->path, QCOW2_REPAIR_NONE);
    cr_assert_eq(check.corruptions, 0, "cut after %u calls, seed %llu", calls,
                 (unsigned long long)seed);
    rig->image = rig_open_at(rig->path, true);
    cut_expect_flushed(rig->image, calls);
    blk_image_close(rig->image);
    check = rig_check(rig->path, QCOW2_REPAIR_LEAKS);
    cr_assert_eq(check.corruptions + check.leaks, 0);
    unlink(rig->path);
}

static const struct qcow2_create cut_shapes[] = {
    {.size_bytes = 256 << 10, .cluster_bytes = 4096},
    {.size_bytes = 256 << 10, .cluster_bytes = 512, .refcount_bits = 64},
    {.size_bytes = 256 << 10, .cluster_bytes = 1024, .version = 2},
};

Test(qcow2_cut, killed_at_any_moment)
{
    for (unsigned shape = 0; shape < ARRAY_LEN(cut_shapes); shape++) {
        for (unsigned calls = 0; calls < 150; calls++) {
            cut_once(&cut_shapes[shape], calls * (1 + calls / 20), false, shape * 1000 + calls);
        }
    }
}

Test(qcow2_cut, power_fails_at_any_moment)
{
    for (unsigned shape = 0; shape < ARRAY_LEN(cut_shapes); shape++) {
        for (unsigned calls = 0; calls < 150; calls++) {
            cut_once(&cut_shapes[shape], calls * (1 + calls / 20), true, shape * 1000 + calls);
        }
    }
}

/* The host has no room for some writes: they fail, nothing else does, and nothing is lost. */
static int full_fault(void *opaque, enum blk_file_op op, u64 offset, u64 size_bytes)
{
    const u64 *limit = opaque;
    return op == BLK_FILE_WRITE && offset + size_bytes > *limit ? ENOSPC : 0;
}

Test(qcow2_cut, a_full_host_loses_nothing)
{
    struct rig *rig = &cut.rig;
    u64 limit = 300 << 10;
    unsigned refused = 0;
    rig_init(rig, &(struct qcow2_create){.size_bytes = 1 << 20, .cluster_bytes = 4096}, 77);
    rig->image->file.fault = full_fault;
    rig->image->file.fault_opaque = &limit;
    for (unsigned i = 0; i < 3000; i++) {
        u64 offset, size_bytes;
        int failed = rig_step(rig, &offset, &size_bytes);
        cr_assert(failed == 0 || failed == ENOSPC, "%d", failed);
        if (failed != 0) {
            refused++;
            /* What the failed write left is the image's own affair. */
            cr_assert_eq(blk_image_read(rig->image, offset, rig->model + offset, size_bytes), 0);
        }
    }
    cr_assert_gt(refused, 10);
    rig_compare(rig, "while the host is full");
    limit = UINT64_MAX;
    cr_assert_eq(rig->image->driver->flush(rig->image), 0);
    rig_reopen(rig);
    rig_compare(rig, "when there is room again");
    rig_fini(rig);
}
