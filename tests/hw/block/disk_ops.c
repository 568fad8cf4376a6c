/* Random work on a disk image, for check_disk.sh: done by metic's block layer, or printed as
 * commands for qemu-io; either way a raw model gets the same bytes.
 *
 *     disk_ops do|print IMAGE MODEL SEED STEPS CLUSTER_BYTES */
#include "hw/block/blk_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPS_MAX_BYTES = 300 << 10 };

static u64 seed;

static u64 ops_random(u64 limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 24) % limit;
}

static void ops_must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "disk_ops: %s\n", what);
        exit(1);
    }
}

static struct blk_image *ops_open(const char *path, enum blk_format format)
{
    struct metic_error error = {.what = ""};
    struct blk_open how = {.path = path, .format = format, .writable = true};
    struct blk_image *image = blk_image_open(&how, &error);
    ops_must(image != NULL, error.what);
    return image;
}

/* One step; image NULL: printed. What was discarded is written again, since nothing says what it
 * reads as. */
static void ops_step(struct blk_image *image, struct blk_image *model, u64 cluster_bytes)
{
    static u8 bytes[OPS_MAX_BYTES];
    u64 kind = ops_random(8), pattern = 1 + ops_random(255);
    u64 offset = ops_random(model->size_bytes / 512) * 512;
    u64 size_bytes = (1 + ops_random(ops_random(6) == 0 ? OPS_MAX_BYTES / 512 : 40)) * 512;
    if (kind == 7 && cluster_bytes <= OPS_MAX_BYTES) { /* qemu-io's compressed writes: a cluster */
        offset -= offset % cluster_bytes;
        size_bytes = cluster_bytes;
    }
    u64 left = model->size_bytes - offset;
    size_bytes = size_bytes < left ? size_bytes : left;
    bool zero = kind == 4 || kind == 5, discard = kind == 6;
    /* One a run: QEMU 7.2 packs the next one behind the first even when that was given up, and its
     * cluster is somebody else's data by then. */
    static bool packed_before;
    bool packed = kind == 7 && size_bytes == cluster_bytes && !packed_before;
    packed_before |= packed;
    memset(bytes, zero ? 0 : (int)pattern, size_bytes);
    ops_must(blk_image_write(model, offset, bytes, size_bytes) == 0, "model");
    if (image == NULL) {
        if (discard || packed) { /* qemu-io compresses only what was not there */
            printf("discard %llu %llu\n", (unsigned long long)offset,
                   (unsigned long long)size_bytes);
        }
        printf(zero ? "write -z%s" : "write%s -P %llu", kind == 5 ? " -u" : packed ? " -c" : "",
               (unsigned long long)pattern);
        printf(" %llu %llu\n", (unsigned long long)offset, (unsigned long long)size_bytes);
        return;
    }
    int failed = discard ? image->driver->discard(image, offset, size_bytes) : 0;
    failed = failed != 0 ? failed
             : zero      ? image->driver->zero(image, offset, size_bytes, kind == 5)
                         : blk_image_write(image, offset, bytes, size_bytes);
    ops_must(failed == 0, strerror(failed));
    if (ops_random(10) == 0) {
        ops_must(image->driver->flush(image) == 0, "flush");
    }
}

int main(int argc, char **argv)
{
    ops_must(argc == 7, "usage: disk_ops do|print IMAGE MODEL SEED STEPS CLUSTER_BYTES");
    bool print = strcmp(argv[1], "print") == 0;
    struct blk_image *image = print ? NULL : ops_open(argv[2], BLK_FORMAT_AUTO);
    struct blk_image *model = ops_open(argv[3], BLK_FORMAT_RAW);
    seed = strtoull(argv[4], NULL, 0);
    for (u64 i = strtoull(argv[5], NULL, 0); i > 0; i--) {
        ops_step(image, model, strtoull(argv[6], NULL, 0));
    }
    blk_image_close(image);
    blk_image_close(model);
    return 0;
}
