#include "hw/block/blk_backend.h"

#include "cpu/base/bits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char path[64];

static void setup(void)
{
    snprintf(path, sizeof(path), "/tmp/metic-disk-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

static void teardown(void)
{
    unlink(path);
}

TestSuite(blk_backend, .init = setup, .fini = teardown);

static void put_file(const void *bytes, size_t size_bytes)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size_bytes, file), size_bytes);
    fclose(file);
}

/* Opening must fail with a reason that names the file, and something to do. */
static void expect_refused(const char *what, enum blk_mode mode, const char *reason)
{
    struct metic_error error = {0};
    struct blk_disk disk = {.path = what, .mode = mode};
    struct blk_backend *backend = blk_backend_open(&disk, &error);
    cr_assert_null(backend);
    cr_assert_not_null(strstr(error.what, what), "%s", error.what);
    cr_assert_not_null(strstr(error.what, reason), "%s", error.what);
    cr_assert_neq(error.next[0], '\0', "%s", error.what);
}

static struct blk_backend *open_disk(enum blk_mode mode)
{
    struct metic_error error = {0};
    struct blk_disk disk = {.path = path, .mode = mode};
    struct blk_backend *backend = blk_backend_open(&disk, &error);
    cr_assert_not_null(backend, "%s", error.what);
    return backend;
}

static int read_at(struct blk_backend *backend, u64 offset, void *bytes, size_t size_bytes)
{
    struct iovec one = {bytes, size_bytes};
    return blk_backend_read(backend, offset, &one, 1);
}

static int write_at(struct blk_backend *backend, u64 offset, const void *bytes, size_t size_bytes)
{
    struct iovec one = {(void *)(uintptr_t)bytes, size_bytes};
    return blk_backend_write(backend, offset, &one, 1);
}

Test(blk_backend, refusals_say_what_to_do)
{
    expect_refused(path, BLK_OVERLAY, "empty");
    expect_refused("/tmp", BLK_OVERLAY, "neither a file nor a block device");
    expect_refused("/dev/null", BLK_OVERLAY, "neither a file nor a block device");
    expect_refused("/tmp/metic-there-is-no-such-disk", BLK_OVERLAY, "No such file");
    char name[80];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(name, sizeof(name), "%s.sock", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    expect_refused(name, BLK_OVERLAY, "neither a file nor a block device");
    close(fd);
    unlink(name);
    put_file("QFI\xfb....", 8);
    expect_refused(path, BLK_OVERLAY, "qcow2");
    put_file("\x1f\x8b\x08....", 7);
    expect_refused(path, BLK_WRITE_BACK, "gzip");
    put_file("\x7f"
             "ELF....",
             8);
    expect_refused(path, BLK_READ_ONLY, "program");
    put_file("hello\n", 6);
    expect_refused(path, BLK_OVERLAY, "a text file");
}

Test(blk_backend, locks)
{
    put_file("012345678", 10);
    struct blk_backend *first = open_disk(BLK_OVERLAY);
    struct blk_backend *second = open_disk(BLK_READ_ONLY);
    expect_refused(path, BLK_WRITE_BACK, "in use");
    blk_backend_close(first);
    blk_backend_close(second);
    first = open_disk(BLK_WRITE_BACK);
    expect_refused(path, BLK_OVERLAY, "written to");
    expect_refused(path, BLK_WRITE_BACK, "in use");
    blk_backend_close(first);
    blk_backend_close(open_disk(BLK_WRITE_BACK));
}

Test(blk_backend, a_file_that_may_not_be_written)
{
    put_file("012345678", 10);
    cr_assert_eq(chmod(path, 0444), 0);
    if (geteuid() != 0) {
        expect_refused(path, BLK_WRITE_BACK, "Permission denied");
    }
    struct blk_backend *backend = open_disk(BLK_OVERLAY);
    cr_assert_eq(write_at(backend, 0, "x", 1), 0);
    blk_backend_close(backend);
}

/* An overlay that leaves memory for a file when it has more than so much. */
static struct blk_backend *open_spilling(u64 memory_bytes)
{
    struct metic_error error = {0};
    struct blk_disk disk = {.path = path, .mode = BLK_OVERLAY, .spill_folder = "/tmp",
                            .overlay_memory_bytes = memory_bytes};
    struct blk_backend *backend = blk_backend_open(&disk, &error);
    cr_assert_not_null(backend, "%s", error.what);
    return backend;
}

static void expect_saved_alike(struct blk_backend *backend, const u8 *model, size_t size_bytes)
{
    struct blk_backend *other = open_spilling(8192);
    struct state_writer writer;
    struct state_reader reader;
    u8 *got = malloc(size_bytes);
    state_writer_init(&writer);
    blk_backend_save(backend, &writer);
    cr_assert(!writer.failed);
    for (unsigned i = 0; i < 2; i++) { /* the second time what was there before goes */
        state_reader_init(&reader, writer.bytes, writer.size_bytes);
        cr_assert(blk_backend_load(other, &reader, NULL));
        cr_assert_eq(read_at(other, 0, got, size_bytes), 0);
        cr_assert_eq(memcmp(got, model, size_bytes), 0);
        cr_assert_eq(write_at(other, 5000, "else", 4), 0);
    }
    state_writer_fini(&writer);
    blk_backend_close(other);
    free(got);
}

/* The overlay and a plain array get the same random reads, writes and zeroings. */
static void compare_with_array(u64 memory_bytes)
{
    enum { SIZE = 300 * 512, ROUNDS = 5000 };
    static u8 model[SIZE], got[SIZE];
    u64 random = 12345;
    for (unsigned i = 0; i < SIZE; i++) {
        model[i] = (u8)(i * 7 + i / 512);
    }
    put_file(model, SIZE);
    struct blk_backend *backend = open_spilling(memory_bytes);
    cr_assert_eq(blk_backend_size_bytes(backend), SIZE);
    for (unsigned i = 0; i < ROUNDS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        u64 offset = (random >> 33) % SIZE;
        size_t size_bytes = (size_t)((random >> 20) % 9000);
        size_bytes = size_bytes < SIZE - offset ? size_bytes : (size_t)(SIZE - offset);
        switch (random >> 62) {
        case 0:
            memset(model + offset, (int)i, size_bytes);
            cr_assert_eq(write_at(backend, offset, model + offset, size_bytes), 0);
            break;
        case 1:
            memset(model + offset, 0, size_bytes);
            cr_assert_eq(blk_backend_write_zeroes(backend, offset, size_bytes, (random & 1) != 0),
                         0);
            break;
        default:
            cr_assert_eq(read_at(backend, offset, got, size_bytes), 0);
            cr_assert_eq(memcmp(got, model + offset, size_bytes), 0, "round %u", i);
            break;
        }
        if (i % 1000 == 0) {
            expect_saved_alike(backend, model, SIZE);
        }
    }
    cr_assert(blk_backend_overlay_bytes(backend) <= SIZE + 4096);
    blk_backend_close(backend);
}

Test(blk_backend, overlay_is_like_an_array)
{
    compare_with_array(UINT64_MAX);
}

Test(blk_backend, overlay_that_left_memory_is_like_an_array)
{
    compare_with_array(65536);
    compare_with_array(4096);
}

static void limit_files(u64 size_bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size_bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* What does not fit the host's disk stays in memory; what no longer does is an error, and what was
 * written before is there. */
Test(blk_backend, overlay_on_a_full_host)
{
    u8 bytes[4096], got[4096];
    memset(bytes, 'w', sizeof(bytes));
    cr_assert_eq(truncate(path, 1 << 20), 0);
    limit_files(100000);
    struct blk_backend *backend = open_spilling(131072);
    for (u64 at = 0; at < 1 << 20; at += 4096) {
        cr_assert_eq(write_at(backend, at, bytes, 4096), 0);
    }
    cr_assert_eq(read_at(backend, (1 << 20) - 4096, got, 4096), 0);
    cr_assert_arr_eq(got, bytes, 4096);
    cr_assert_eq(blk_backend_trouble(backend)[0], '\0');
    blk_backend_close(backend);
    backend = open_spilling(8192);
    int failed = 0;
    for (u64 at = 0; at < 98304; at += 4096) {
        failed |= write_at(backend, at, bytes, 4096);
    }
    cr_assert_eq(failed, 0);
    cr_assert_eq(write_at(backend, 512000, bytes, 4096), EFBIG);
    cr_assert_not_null(strstr(blk_backend_trouble(backend), "/tmp"));
    for (u64 at = 0; at < 98304; at += 4096) {
        cr_assert_eq(read_at(backend, at, got, 4096), 0);
        cr_assert_arr_eq(got, bytes, 4096);
    }
    cr_assert_eq(read_at(backend, 512000, got, 4096), 0);
    cr_assert_eq(got[0] | got[4095], 0, "as it was");
    limit_files(1 << 20);
    cr_assert_eq(write_at(backend, 512000, bytes, 4096), 0, "there is room again");
    blk_backend_close(backend);
}

Test(blk_backend, vectors_are_filled_in_order)
{
    u8 file[20000], a[100], b[8192], c[1];
    for (unsigned i = 0; i < sizeof(file); i++) {
        file[i] = (u8)(i * 31 + i / 256);
    }
    put_file(file, sizeof(file));
    struct blk_backend *backend = open_disk(BLK_OVERLAY);
    cr_assert_eq(write_at(backend, 4096, file + 4096, 4096), 0, "part of it from the overlay");
    struct iovec vector[] = {{a, sizeof(a)}, {b, sizeof(b)}, {c, sizeof(c)}};
    cr_assert_eq(blk_backend_read(backend, 3000, vector, 3), 0);
    cr_assert_eq(memcmp(a, file + 3000, 100), 0);
    cr_assert_eq(memcmp(b, file + 3100, 8192), 0);
    cr_assert_eq(c[0], file[3100 + 8192]);
    blk_backend_close(backend);
}

Test(blk_backend, a_large_sparse_disk_costs_nothing)
{
    cr_assert_eq(truncate(path, (off_t)1 << 40), 0);
    struct blk_backend *backend = open_disk(BLK_OVERLAY);
    u64 end = blk_backend_size_bytes(backend);
    u8 got[4] = {1, 1, 1, 1};
    cr_assert_eq(end, (u64)1 << 40);
    cr_assert_eq(write_at(backend, end - 4, "last", 4), 0);
    cr_assert_eq(blk_backend_overlay_bytes(backend), 4096);
    cr_assert_eq(read_at(backend, end - 4, got, 4), 0);
    cr_assert_arr_eq(got, "last", 4);
    cr_assert_eq(read_at(backend, end / 2, got, 4), 0);
    cr_assert_arr_eq(got, "\0\0\0\0", 4);
    blk_backend_close(backend);
}

Test(blk_backend, saved_overlay_comes_back)
{
    struct state_writer writer;
    struct state_reader reader;
    u8 got[4];
    put_file("0123456789abcde", 16);
    struct blk_backend *first = open_disk(BLK_OVERLAY);
    struct blk_backend *second = open_disk(BLK_OVERLAY);
    cr_assert_eq(write_at(first, 2, "XY", 2), 0);
    cr_assert_eq(write_at(second, 8, "ZZ", 2), 0, "what was there before goes");
    state_writer_init(&writer);
    blk_backend_save(first, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(blk_backend_load(second, &reader, NULL));
    cr_assert_eq(read_at(second, 1, got, 4), 0);
    cr_assert_arr_eq(got, "1XY4", 4);
    cr_assert_eq(read_at(second, 7, got, 4), 0);
    cr_assert_arr_eq(got, "789a", 4);
    for (size_t cut = 0; cut < writer.size_bytes; cut += 7) {
        state_reader_init(&reader, writer.bytes, cut);
        cr_assert(!blk_backend_load(second, &reader, NULL));
    }
    st_le64(writer.bytes + 8, 77); /* a cluster beyond the disk */
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(!blk_backend_load(second, &reader, NULL));
    state_writer_fini(&writer);
    blk_backend_close(first);
    blk_backend_close(second);
}

/* An image that is written itself is saved whole: it is put back when it was written since, and a
 * damaged state does not touch it. */
Test(blk_backend, saved_image_is_put_back)
{
    struct state_writer writer;
    struct state_reader reader;
    u8 got[6];
    put_file("0123456789abcde", 16);
    struct blk_backend *backend = open_disk(BLK_WRITE_BACK);
    cr_assert_eq(write_at(backend, 2, "XY", 2), 0);
    state_writer_init(&writer);
    blk_backend_save(backend, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(blk_backend_load(backend, &reader, NULL), "unchanged");
    cr_assert_eq(reader.position, writer.size_bytes);
    cr_assert_eq(write_at(backend, 1, "ZZZZ", 4), 0);
    for (size_t cut = 24; cut < writer.size_bytes; cut += 3) {
        state_reader_init(&reader, writer.bytes, cut);
        cr_assert(!blk_backend_load(backend, &reader, NULL));
    }
    cr_assert_eq(read_at(backend, 0, got, 6), 0);
    cr_assert_arr_eq(got, "0ZZZZ5", 6);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(blk_backend_load(backend, &reader, NULL));
    cr_assert_eq(reader.position, writer.size_bytes);
    cr_assert_eq(read_at(backend, 0, got, 6), 0);
    cr_assert_arr_eq(got, "01XY45", 6);
    state_writer_fini(&writer);
    blk_backend_close(backend);
}

static struct blk_backend *open_overlay_file(const char *overlay)
{
    struct metic_error error = {0};
    struct blk_disk disk = {.path = path, .overlay_path = overlay};
    struct blk_backend *backend = blk_backend_open(&disk, &error);
    cr_assert_not_null(backend, "%s", error.what);
    return backend;
}

/* The same through a qcow2 overlay, which stays; saved state brings back what it was. */
Test(blk_backend, an_overlay_in_a_file)
{
    enum { SIZE = 1 << 20 };
    static u8 bytes[SIZE], got[SIZE], then[SIZE];
    char overlay[80];
    struct state_writer writer;
    struct state_reader reader;
    memset(bytes, 0x11, SIZE);
    put_file(bytes, SIZE);
    snprintf(overlay, sizeof(overlay), "%s.over", path);
    struct blk_backend *backend = open_overlay_file(overlay);
    cr_assert_eq(write_at(backend, 70000, "kept", 4), 0);
    cr_assert_eq(blk_backend_write_zeroes(backend, 300000, 200000, true), 0);
    cr_assert_eq(read_at(backend, 0, then, SIZE), 0);
    state_writer_init(&writer);
    blk_backend_save(backend, &writer);
    cr_assert_not(writer.failed);
    cr_assert_eq(write_at(backend, 1, "later", 5), 0);
    cr_assert_eq(write_at(backend, 400000, "later", 5), 0);
    blk_backend_close(backend);
    backend = open_overlay_file(overlay);
    cr_assert_eq(read_at(backend, 0, got, SIZE), 0);
    cr_assert_eq(memcmp(got + 1, "later", 5), 0, "it stays");
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(blk_backend_load(backend, &reader, NULL));
    cr_assert_eq(read_at(backend, 0, got, SIZE), 0);
    cr_assert_eq(memcmp(got, then, SIZE), 0, "as it was when it was saved");
    blk_backend_close(backend);

    /* The image under it changed: nothing that was saved fits any more. */
    bytes[0] = 1;
    put_file(bytes, SIZE);
    backend = open_overlay_file(overlay);
    struct metic_error error = {0};
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert_not(blk_backend_load(backend, &reader, &error));
    cr_assert_not_null(strstr(error.what, "changed"), "%s", error.what);
    state_writer_fini(&writer);
    blk_backend_close(backend);
    unlink(overlay);
}

/* A guest must not turn a raw disk into an image that names files of the host's. */
Test(blk_backend, a_guessed_raw_disk_stays_raw)
{
    static u8 bytes[4096];
    put_file(bytes, sizeof(bytes));
    memcpy(bytes, "QFI\xfb\0\0\0\3", 8);
    struct blk_backend *backend = open_disk(BLK_WRITE_BACK);
    cr_assert_neq(write_at(backend, 0, bytes, 512), 0);
    cr_assert_neq(blk_backend_trouble(backend)[0], '\0');
    cr_assert_eq(write_at(backend, 512, bytes, 512), 0, "elsewhere it means nothing");
    blk_backend_close(backend);
    struct metic_error error;
    struct blk_disk disk = {.path = path, .mode = BLK_WRITE_BACK, .format = BLK_FORMAT_RAW};
    backend = blk_backend_open(&disk, &error);
    cr_assert_not_null(backend);
    cr_assert_eq(write_at(backend, 0, bytes, 512), 0, "the user said raw");
    blk_backend_close(backend);
}
