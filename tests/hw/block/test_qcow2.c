/* qcow2 images against an array that gets the same writes, in every shape the format has. */
#include "tests/hw/block/qcow2_rig.h"

#include <sys/stat.h>

struct shape {
    struct qcow2_create how;
    unsigned steps;
};

static const struct shape shapes[] = {
    {{.size_bytes = 1 << 20}, 1500},
    {{.size_bytes = 1000 * 512, .cluster_bytes = 512}, 1500},
    {{.size_bytes = 1 << 20, .cluster_bytes = 512, .refcount_bits = 64}, 1500},
    {{.size_bytes = 1 << 20, .cluster_bytes = 4096, .refcount_bits = 1}, 1500},
    {{.size_bytes = 1 << 20, .cluster_bytes = 4096, .refcount_bits = 8, .lazy_refcounts = true},
     1500},
    {{.size_bytes = RIG_MAX_BYTES, .cluster_bytes = 2 << 20, .refcount_bits = 32}, 100},
    {{.size_bytes = 2047 * 512, .cluster_bytes = 65536, .compression = QCOW2_ZSTD}, 1000},
    {{.size_bytes = 1 << 20, .cluster_bytes = 4096, .version = 2}, 1500},
    {{.size_bytes = 1 << 20, .cluster_bytes = 512, .version = 2}, 1500},
};

static struct rig rig;

static void random_steps(unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        u64 offset, size_bytes;
        cr_assert_eq(rig_step(&rig, &offset, &size_bytes), 0, "step %u", i);
        if (rig_random(&rig) % 400 == 0) {
            rig_reopen(&rig);
        }
    }
    rig_compare(&rig, "in the end");
    rig_reopen(&rig);
    rig_compare(&rig, "after closing");
}

Test(qcow2, is_like_an_array)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        rig_init(&rig, &shapes[i].how, i + 1);
        random_steps(shapes[i].steps);
        rig_fini(&rig);
    }
}

static void put_raw(const char *path, const u8 *bytes, u64 size_bytes)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size_bytes, file), size_bytes);
    fclose(file);
}

/* Over a raw image that is shorter, and over a qcow2 image over that; the format is named. */
Test(qcow2, over_a_backing_image)
{
    static u8 bytes[700 * 512];
    char raw[80], middle[80];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u8)(i / 512 + i * 3 + 1);
    }
    rig_path(raw, sizeof(raw), "raw");
    put_raw(raw, bytes, sizeof(bytes));
    rig_path(middle, sizeof(middle), "middle");
    rig_make(middle, &(struct qcow2_create){.size_bytes = 800 * 512, .cluster_bytes = 1024,
                                            .backing_name = raw, .backing_format = "raw"});
    for (unsigned version = 2; version <= 3; version++) {
        for (unsigned depth = 0; depth < 2; depth++) {
            struct qcow2_create how = {.size_bytes = 1000 * 512, .cluster_bytes = 4096,
                                       .version = version,
                                       .backing_name = depth == 0 ? raw : middle,
                                       .backing_format = depth == 0 ? "raw" : "qcow2"};
            rig_init(&rig, &how, version + 10 * depth);
            memcpy(rig.model, bytes, sizeof(bytes));
            rig_compare(&rig, "at first");
            random_steps(1200);
            rig_fini(&rig);
        }
    }
    unlink(raw);
    unlink(middle);
}

/* Compressed clusters lie one behind the other; what is written over them goes elsewhere. */
static void compressed_image(enum qcow2_compression compression, unsigned refcount_bits)
{
    enum { CLUSTER = 4096, SIZE = 100 * CLUSTER };
    rig_init(&rig, &(struct qcow2_create){.size_bytes = SIZE, .cluster_bytes = CLUSTER,
                                          .compression = compression,
                                          .refcount_bits = refcount_bits}, 5);
    for (u64 at = 0; at < SIZE; at += CLUSTER) {
        for (u64 i = 0; i < CLUSTER; i++) {
            bool noise = at % (7 * CLUSTER) == 0;
            rig.model[at + i] = noise ? (u8)rig_random(&rig) : (u8)(i / 64 + at / CLUSTER);
        }
        cr_assert_eq(qcow2_write_compressed(rig.image, at, rig.model + at), 0);
    }
    rig_compare(&rig, "compressed");
    rig_reopen(&rig);
    rig_compare(&rig, "compressed and opened again");
    for (u64 i = 0; i < 300; i++) { /* what is given up is not packed behind */
        u64 at = rig_random(&rig) % (SIZE / CLUSTER) * CLUSTER;
        memset(rig.model + at, (int)i, CLUSTER);
        cr_assert_eq(i % 3 != 0 ? qcow2_write_compressed(rig.image, at, rig.model + at)
                                : blk_image_write(rig.image, at, rig.model + at, CLUSTER), 0);
        cr_assert_eq(i % 10 == 0 ? rig.image->driver->flush(rig.image) : 0, 0);
    }
    rig_compare(&rig, "written compressed and not");
    cr_assert_lt(rig.image->file.size_bytes, SIZE + 40 * CLUSTER);
    random_steps(1000);
    rig_fini(&rig);
}

Test(qcow2, compressed_clusters)
{
    compressed_image(QCOW2_ZLIB, 16);
    compressed_image(QCOW2_ZSTD, 16);
    compressed_image(QCOW2_ZSTD, 1); /* no cluster can have two users */
}

Test(qcow2, sizes_change)
{
    rig_init(&rig, &(struct qcow2_create){.size_bytes = 100 * 512, .cluster_bytes = 512}, 9);
    struct metic_error error = {.what = ""};
    for (unsigned i = 0; i < 30; i++) {
        u64 size_bytes = (1 + rig_random(&rig) % 4000) * 512;
        cr_assert(qcow2_resize(rig.image, size_bytes, &error), "%s", error.what);
        if (size_bytes > rig.size_bytes) {
            memset(rig.model + rig.size_bytes, 0, size_bytes - rig.size_bytes);
        }
        rig.size_bytes = size_bytes;
        rig_compare(&rig, "another size");
        random_steps(60);
    }
    rig_fini(&rig);
}

/* A refcount table that is too small is replaced by a larger one, more than once. */
Test(qcow2, refcount_table_grows)
{
    enum { CLUSTER = 512, SIZE = RIG_MAX_BYTES };
    /* A table of one cluster has 64 blocks of 64 counts: 2 MiB of file. */
    rig_init(&rig, &(struct qcow2_create){.size_bytes = SIZE, .cluster_bytes = CLUSTER,
                                          .refcount_bits = 64}, 3);
    u64 clusters = qcow2_of(rig.image)->reftable.count;
    for (u64 at = 0; at < SIZE; at += 8192) {
        memset(rig.model + at, (int)(at >> 13) + 1, 8192);
        cr_assert_eq(blk_image_write(rig.image, at, rig.model + at, 8192), 0);
    }
    cr_assert_gt(qcow2_of(rig.image)->reftable.count, clusters);
    rig_reopen(&rig);
    rig_compare(&rig, "after it has grown");
    random_steps(300);
    rig_fini(&rig);
}

/* Ten terabytes take no more than their tables. */
Test(qcow2, a_large_disk_costs_nothing)
{
    enum { TEN_TB_LOG2 = 43 };
    struct rig *r = &rig;
    rig_path(r->path, sizeof(r->path), "large");
    rig_make(r->path, &(struct qcow2_create){.size_bytes = 10ull << 40});
    r->image = rig_open_at(r->path, true);
    u64 last = (10ull << 40) - 4096;
    u8 bytes[4096], got[4096];
    memset(bytes, 0x5a, sizeof(bytes));
    cr_assert_eq(blk_image_write(r->image, last, bytes, sizeof(bytes)), 0);
    cr_assert_eq(r->image->driver->zero(r->image, 0, last, true), 0);
    cr_assert_eq(r->image->driver->discard(r->image, 0, last), 0);
    cr_assert_eq(blk_image_read(r->image, last, got, sizeof(got)), 0);
    cr_assert_eq(memcmp(bytes, got, sizeof(got)), 0);
    cr_assert_lt(blk_file_used_bytes(&r->image->file), 2u << 20);
    blk_image_close(r->image);
    rig_expect_clean(r->path);
    unlink(r->path);
}

/* What was discarded is given back to the host. */
Test(qcow2, discard_gives_space_back)
{
    enum { SIZE = 1 << 20 };
    rig_init(&rig, &(struct qcow2_create){.size_bytes = SIZE}, 1);
    memset(rig.model, 0x77, SIZE);
    cr_assert_eq(blk_image_write(rig.image, 0, rig.model, SIZE), 0);
    cr_assert_eq(rig.image->driver->flush(rig.image), 0);
    u64 full = blk_file_used_bytes(&rig.image->file);
    cr_assert_geq(full, SIZE);
    cr_assert_eq(rig.image->driver->discard(rig.image, 0, SIZE), 0);
    cr_assert_eq(rig.image->driver->flush(rig.image), 0);
    cr_assert_lt(blk_file_used_bytes(&rig.image->file), full - SIZE / 2);
    /* The space is used again: the file does not grow. */
    u64 file_bytes = rig.image->file.size_bytes;
    cr_assert_eq(blk_image_write(rig.image, 0, rig.model, SIZE), 0);
    cr_assert_leq(rig.image->file.size_bytes, file_bytes);
    rig_compare(&rig, "written again");
    rig_fini(&rig);
}

/* Several threads at once, each in its own part of the disk. */
struct part {
    struct blk_image *image;
    u64 first, size_bytes;
    bool ok;
};

static void *part_main(void *opaque)
{
    struct part *part = opaque;
    u64 random = part->first + 1;
    u8 want[4096], got[4096];
    part->ok = true;
    for (unsigned i = 0; i < 600 && part->ok; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        u64 at = part->first + (random >> 33) % (part->size_bytes / 4096) * 4096;
        memset(want, (int)(random >> 40), sizeof(want));
        part->ok = blk_image_write(part->image, at, want, sizeof(want)) == 0 &&
                   blk_image_read(part->image, at, got, sizeof(got)) == 0 &&
                   memcmp(want, got, sizeof(got)) == 0;
        if (i % 16 == 0) {
            part->ok = part->ok && part->image->driver->discard(part->image, at, 65536) == 0;
        }
        if (i % 64 == 0) {
            part->ok = part->ok && part->image->driver->flush(part->image) == 0;
        }
    }
    return NULL;
}

Test(qcow2, several_threads)
{
    enum { PARTS = 4, PART_BYTES = 256 << 10 };
    pthread_t threads[PARTS];
    struct part parts[PARTS];
    rig_init(&rig, &(struct qcow2_create){.size_bytes = PARTS * PART_BYTES,
                                          .cluster_bytes = 4096}, 1);
    for (unsigned i = 0; i < PARTS; i++) {
        parts[i] = (struct part){rig.image, i * PART_BYTES, PART_BYTES - 65536, false};
        cr_assert_eq(pthread_create(&threads[i], NULL, part_main, &parts[i]), 0);
    }
    for (unsigned i = 0; i < PARTS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert(parts[i].ok, "part %u", i);
    }
    rig_fini(&rig);
}
