/* A qcow2 image of small clusters, whatever its bytes: opened, read, written to, checked, repaired.
 * Nothing it says may lead anywhere but to an error. */
#include "hw/block/qcow2.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PART_BYTES = 5000 };

static int image_fd = -1;
static char image_path[64];

static void put_file(const u8 *bytes, size_t size_bytes)
{
    if (image_fd < 0) {
        image_fd = memfd_create("image", MFD_CLOEXEC);
        snprintf(image_path, sizeof(image_path), "/proc/self/fd/%d", image_fd);
    }
    if (image_fd < 0 || ftruncate(image_fd, 0) != 0 ||
        pwrite(image_fd, bytes, size_bytes, 0) != (ssize_t)size_bytes) {
        abort();
    }
}

static struct blk_image *open_image(bool writable, bool repairing)
{
    struct metic_error error = {.what = ""};
    struct blk_open how = {.path = image_path, .format = BLK_FORMAT_QCOW2, .writable = writable,
                           .no_backing = true, .repairing = repairing};
    struct blk_image *image = blk_image_open(&how, &error);
    if (image == NULL && error.what[0] == '\0') {
        abort();
    }
    return image;
}

/* A few ranges of the disk: its beginning, its end, and one in between. */
static void use_image(struct blk_image *image, bool writable)
{
    static u8 part[PART_BYTES];
    u64 places[] = {0, image->size_bytes / 3, image->size_bytes - 1};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        u64 left = image->size_bytes - places[i];
        u64 size_bytes = left < PART_BYTES ? left : PART_BYTES;
        enum blk_content content;
        u64 run_bytes = 0;
        blk_image_read(image, places[i], part, size_bytes);
        if (image->driver->look(image, places[i], left, &content, &run_bytes) == 0 &&
            (run_bytes == 0 || run_bytes > left)) {
            abort();
        }
        if (writable) {
            blk_image_write(image, places[i], part, size_bytes);
            image->driver->zero(image, places[i], size_bytes, i % 2 == 0);
            image->driver->discard(image, places[i], size_bytes);
            image->driver->flush(image);
        }
    }
}

/* What is mended must be whole, and stay so when it is used. */
static void repair_image(void)
{
    struct blk_image *image = open_image(true, true);
    struct metic_error error;
    struct qcow2_check check = {0};
    if (image == NULL) {
        return;
    }
    bool whole = qcow2_check(qcow2_of(image), &check, QCOW2_REPAIR_ALL, &error) &&
                 check.corruptions == 0 && check.leaks == 0;
    blk_image_close(image);
    image = whole ? open_image(false, false) : NULL;
    if (image != NULL) {
        struct qcow2_check again = {0};
        if (qcow2_check(qcow2_of(image), &again, QCOW2_REPAIR_NONE, &error) &&
            again.corruptions + again.leaks != 0) {
            abort();
        }
    }
    blk_image_close(image);
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    for (unsigned writable = 0; writable < 2; writable++) {
        put_file(bytes, size_bytes);
        struct blk_image *image = open_image(writable != 0, false);
        if (image != NULL) {
            use_image(image, writable != 0);
        }
        blk_image_close(image);
    }
    put_file(bytes, size_bytes);
    repair_image();
}

static void seed_image(void (*add)(const u8 *bytes, size_t size_bytes),
                       const struct qcow2_create *how, bool packed)
{
    static u8 bytes[FUZZ_MAX_BYTES];
    struct blk_file file = {.fd = image_fd, .writable = true};
    struct metic_error error;
    u8 part[1024];
    put_file(bytes, 0);
    file.fd = image_fd;
    if (!qcow2_create(&file, image_path, how, &error)) {
        abort();
    }
    struct blk_image *image = open_image(true, false);
    if (image == NULL) {
        abort();
    }
    memset(part, 0x33, sizeof(part));
    blk_image_write(image, 512, part, sizeof(part));
    if (packed) {
        qcow2_write_compressed(image, 4096, part);
        qcow2_write_compressed(image, 4096 + 512, part);
    }
    image->driver->zero(image, 3072, 512, true);
    blk_image_close(image);
    ssize_t got = pread(image_fd, bytes, sizeof(bytes), 0);
    if (got > 0) {
        add(bytes, (size_t)got);
    }
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const struct qcow2_create images[] = {
        {.size_bytes = 16384, .cluster_bytes = 512},
        {.size_bytes = 16384, .cluster_bytes = 512, .version = 2},
        {.size_bytes = 1 << 20, .cluster_bytes = 512, .compression = QCOW2_ZSTD,
         .refcount_bits = 64},
        {.size_bytes = 16384, .cluster_bytes = 512, .refcount_bits = 1, .lazy_refcounts = true,
         .backing_name = "base", .backing_format = "raw"},
    };
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        seed_image(add, &images[i], i != 3);
    }
}
