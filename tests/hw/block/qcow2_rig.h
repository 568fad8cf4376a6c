/* qcow2 images in temporary files, and an array beside them that gets the same writes. */
#ifndef METIC_TESTS_HW_BLOCK_QCOW2_RIG_H
#define METIC_TESTS_HW_BLOCK_QCOW2_RIG_H

#include "hw/block/qcow2.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RIG_MAX_BYTES = 2 << 20 };

struct rig {
    char path[80];
    struct blk_image *image;
    u8 model[RIG_MAX_BYTES];
    u64 size_bytes;
    u64 random;
};

static inline u64 rig_random(struct rig *rig)
{
    rig->random = rig->random * 6364136223846793005u + 1442695040888963407u;
    return rig->random >> 17;
}

/* In memory where the host has that, so that syncing costs nothing. */
static inline void rig_path(char *path, size_t path_bytes, const char *name)
{
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, path_bytes, "%s/metic-%s-XXXXXX", folder, name);
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

static inline void rig_make(const char *path, const struct qcow2_create *how)
{
    struct metic_error error = {.what = ""};
    struct blk_file file;
    cr_assert(blk_file_create(&file, path, &error), "%s", error.what);
    cr_assert(qcow2_create(&file, path, how, &error), "%s", error.what);
    blk_file_close(&file);
}

static inline struct blk_image *rig_open_at(const char *path, bool writable)
{
    struct metic_error error = {.what = ""};
    struct blk_open how = {.path = path, .writable = writable};
    struct blk_image *image = blk_image_open(&how, &error);
    cr_assert_not_null(image, "%s: %s", path, error.what);
    return image;
}

static inline void rig_init(struct rig *rig, const struct qcow2_create *how, u64 seed)
{
    rig->size_bytes = how->size_bytes;
    rig->random = seed;
    memset(rig->model, 0, sizeof(rig->model));
    rig_path(rig->path, sizeof(rig->path), "qcow2");
    rig_make(rig->path, how);
    rig->image = rig_open_at(rig->path, true);
}

static inline void rig_reopen(struct rig *rig)
{
    blk_image_close(rig->image);
    rig->image = rig_open_at(rig->path, true);
}

static inline void rig_compare(struct rig *rig, const char *when)
{
    static u8 got[RIG_MAX_BYTES];
    cr_assert_eq(blk_image_read(rig->image, 0, got, rig->size_bytes), 0, "%s", when);
    for (u64 i = 0; i < rig->size_bytes; i++) {
        cr_assert_eq(got[i], rig->model[i], "%s: byte %llu is %d, not %d", when,
                     (unsigned long long)i, got[i], rig->model[i]);
    }
}

/* What a check finds in the closed image. */
static inline struct qcow2_check rig_check(const char *path, enum qcow2_repair repair)
{
    struct metic_error error = {.what = ""};
    struct blk_open how = {.path = path, .writable = repair != QCOW2_REPAIR_NONE,
                           .no_backing = true, .repairing = true};
    struct blk_image *image = blk_image_open(&how, &error);
    struct qcow2_check check = {0};
    cr_assert_not_null(image, "%s", error.what);
    cr_assert(qcow2_check(qcow2_of(image), &check, repair, &error), "%s", error.what);
    blk_image_close(image);
    return check;
}

static inline void rig_expect_clean(const char *path)
{
    struct qcow2_check check = rig_check(path, QCOW2_REPAIR_NONE);
    cr_assert_eq(check.corruptions, 0);
    cr_assert_eq(check.leaks, 0);
}

static inline void rig_fini(struct rig *rig)
{
    blk_image_close(rig->image);
    rig_expect_clean(rig->path);
    unlink(rig->path);
}

enum rig_op { RIG_WRITE, RIG_ZERO, RIG_DISCARD, RIG_READ, RIG_FLUSH, RIG_OPS };

/* A place on the disk, in sectors, mostly short. */
static inline void rig_range(struct rig *rig, u64 *offset, u64 *size_bytes)
{
    u64 sectors = rig->size_bytes / BLK_SECTOR_BYTES;
    u64 most = rig_random(rig) % 8 == 0 ? 600 : 20;
    u64 at = rig_random(rig) % sectors;
    u64 count = 1 + rig_random(rig) % most;
    count = count < sectors - at ? count : sectors - at;
    *offset = at * BLK_SECTOR_BYTES;
    *size_bytes = count * BLK_SECTOR_BYTES;
}

/* Does one random thing to image and model; an errno when the image could not. What a discard
 * leaves is read back into the model: nothing is promised of it. */
static inline int rig_step(struct rig *rig, u64 *offset, u64 *size_bytes)
{
    static u8 got[RIG_MAX_BYTES];
    struct blk_image *image = rig->image;
    u8 *model = rig->model;
    int failed;
    rig_range(rig, offset, size_bytes);
    switch ((enum rig_op)(rig_random(rig) % RIG_OPS)) {
    case RIG_WRITE:
        for (u64 i = 0; i < *size_bytes; i++) {
            model[*offset + i] = (u8)rig_random(rig);
        }
        return blk_image_write(image, *offset, model + *offset, *size_bytes);
    case RIG_ZERO:
        memset(model + *offset, 0, *size_bytes);
        return image->driver->zero(image, *offset, *size_bytes, rig_random(rig) % 2 == 0);
    case RIG_DISCARD:
        failed = image->driver->discard(image, *offset, *size_bytes);
        return failed != 0 ? failed
                           : blk_image_read(image, *offset, model + *offset, *size_bytes);
    case RIG_READ:
        failed = blk_image_read(image, *offset, got, *size_bytes);
        if (failed == 0) {
            cr_assert_eq(memcmp(got, model + *offset, *size_bytes), 0);
        }
        *size_bytes = 0;
        return failed;
    default:
        *size_bytes = 0;
        return rig_random(rig) % 8 == 0 ? image->driver->flush(image) : 0;
    }
}

#endif
