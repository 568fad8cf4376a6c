/* Linux Images for RISC-V and for others, and their wrappings. */
#include "tests/hw/loader_build.h"

#include <criterion/criterion.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static u8 kernel[BUILD_KERNEL_BYTES];

static void expect_refused(const u8 *bytes, u64 size_bytes, enum image_kind kind, const char *text)
{
    u8 *exact = malloc(size_bytes + 1);
    memcpy(exact, bytes, size_bytes);
    struct image *image = build_open(exact, size_bytes);
    struct metic_error error = {{0}, {0}};
    cr_assert_not_null(image);
    cr_expect_not(image_check_startable(image, &error), "'%s' was not refused", text);
    cr_expect_eq(image->kind, kind, "kind %d for '%s'", image->kind, text);
    cr_expect_not_null(strstr(error.what, text), "'%s' does not say '%s'", error.what, text);
    image_free(image);
    free(exact);
}

static size_t pack_gzip(const u8 *bytes, size_t size_bytes, u8 *out, size_t capacity_bytes)
{
    z_stream stream = {0};
    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)size_bytes;
    stream.next_out = out;
    stream.avail_out = (uInt)capacity_bytes;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t used = capacity_bytes - stream.avail_out;
    deflateEnd(&stream);
    return used;
}

/* An EFI zboot program around `payload`; returns its size. */
static size_t wrap_zboot(const u8 *payload, size_t payload_bytes, u8 *out)
{
    memset(out, 0, 0x100);
    memcpy(out, "MZ\0\0zimg", 8);
    st_le32(out + 8, 0x100);
    st_le32(out + 12, (u32)payload_bytes);
    memcpy(out + 0x18, "zstd22", 6);
    memcpy(out + 0x100, payload, payload_bytes);
    return 0x100 + payload_bytes;
}

static void expect_kernel(const u8 *bytes, size_t size_bytes, const char *text)
{
    struct image *image = build_open(bytes, size_bytes);
    cr_assert_not_null(image, "%s", text);
    cr_expect_eq(image->kind, IMAGE_LINUX, "%s: kind %d", text, image->kind);
    cr_expect_eq(image->mode, IMAGE_MODE_SUPERVISOR);
    cr_expect_eq(image->size_bytes, BUILD_KERNEL_BYTES);
    const char *description = image_describe(image);
    cr_expect_not_null(strstr(description, "6.12.48-test"), "%s", description);
    cr_expect_not_null(strstr(description, text), "%s", description);
    cr_expect_eq(image_describe(image), description);
    image_free(image);
}

Test(loader_kernel, flat_image)
{
    build_kernel(kernel);
    expect_kernel(kernel, sizeof(kernel), "EFI stub");
    struct image *image = build_open(kernel, sizeof(kernel));
    struct memory *memory = build_memory(4 << 20);
    gpa_t entry, end;
    cr_assert(image_place(memory, image, 0x80200000, &entry, &end, NULL));
    cr_expect_eq(entry, 0x80200000);
    cr_expect_eq(end, 0x80209000, "bss is part of it");
    build_memory_free(memory);
    memory = build_memory(0x200000 + 0x8000);
    struct metic_error error;
    cr_expect_not(image_place(memory, image, 0x80200000, NULL, NULL, &error), "bss must fit");
    cr_expect_not_null(strstr(error.next, "--ram 64M"));
    build_memory_free(memory);
    image_free(image);
}

/* A large kernel's pages go into guest memory; its file is read again for the next time, unless it
 * is another one by then. */
Test(loader_kernel, large_file_is_placed_again)
{
    enum { LARGE_BYTES = (5 << 20) + 100, LAST = LARGE_BYTES - 1 };
    char path[] = "kernel-test-XXXXXX";
    struct metic_error error;
    gpa_t end;
    build_kernel(kernel);
    st_le64(kernel + 16, 6 << 20);
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, kernel, sizeof(kernel)), sizeof(kernel));
    cr_assert_eq(ftruncate(fd, LARGE_BYTES), 0);
    cr_assert_eq(pwrite(fd, "\x55", 1, LAST), 1);
    struct image *image = image_open(path, &error);
    unlink(path); /* what is open is enough */
    cr_assert_not_null(image, "%s", error.what);
    struct memory *memory = build_memory(16 << 20);
    for (unsigned round = 0; round < 3; round++) {
        memset(memory_host(memory, 0x80200000, 6 << 20), 0xee, 6 << 20);
        cr_assert(image_place(memory, image, 0x80200000, NULL, &end, &error), "%s", error.what);
        const u8 *host = memory_host(memory, 0x80200000, 6 << 20);
        cr_expect_eq(memcmp(host, kernel, sizeof(kernel)), 0);
        cr_expect_eq(host[LAST], 0x55);
        cr_expect_eq(host[LAST - 1], 0);
        cr_expect_eq(host[LAST + 1], 0, "bss");
        cr_expect_eq(host[(6 << 20) - 1], 0, "bss");
        cr_expect_eq(end, 0x80200000 + (6 << 20));
    }
    cr_assert_eq(ftruncate(fd, LARGE_BYTES + 1), 0);
    cr_expect_not(image_place(memory, image, 0x80200000, NULL, NULL, &error));
    cr_expect_not_null(strstr(error.what, "changed"), "%s", error.what);
    close(fd);
    build_memory_free(memory);
    image_free(image);
}

Test(loader_kernel, without_efi_stub)
{
    build_kernel(kernel);
    memset(kernel + BUILD_PE_OFFSET, 0, 64);
    st_le32(kernel + 0x3c, 0);
    st_le32(kernel, 0x0000106f); /* j .+0x1000 */
    st_le32(kernel + 4, 0);
    struct image *image = build_open(kernel, sizeof(kernel));
    cr_expect_eq(image->kind, IMAGE_LINUX);
    cr_expect_not(image->efi_stub);
    image_free(image);
    expect_refused(kernel, 0x1000, IMAGE_DAMAGED, "truncated kernel");
}

Test(loader_kernel, wrapped)
{
    static u8 packed[BUILD_KERNEL_BYTES + 0x400], twice[BUILD_KERNEL_BYTES + 0x800];
    build_kernel(kernel);
    size_t gzip_bytes = pack_gzip(kernel, sizeof(kernel), packed, sizeof(packed));
    expect_kernel(packed, gzip_bytes, "gzip-compressed");
    expect_kernel(twice, wrap_zboot(packed, gzip_bytes, twice), "gzip-compressed (EFI zboot)");
    size_t zstd_bytes = ZSTD_compress(packed, sizeof(packed), kernel, sizeof(kernel), 3);
    cr_assert_not(ZSTD_isError(zstd_bytes));
    expect_kernel(packed, zstd_bytes, "zstd-compressed");
    expect_kernel(twice, wrap_zboot(packed, zstd_bytes, twice), "zstd-compressed (EFI zboot)");
    memset(packed + zstd_bytes, 0, 16);
    expect_kernel(packed, zstd_bytes + 16, "zstd-compressed");
}

Test(loader_kernel, members_and_frames_add_up)
{
    static u8 packed[BUILD_KERNEL_BYTES + 0x400];
    build_kernel(kernel);
    size_t first = pack_gzip(kernel, 5000, packed, sizeof(packed));
    size_t second = pack_gzip(kernel + 5000, sizeof(kernel) - 5000, packed + first,
                              sizeof(packed) - first);
    expect_kernel(packed, first + second, "gzip-compressed");
    first = ZSTD_compress(packed, sizeof(packed), kernel, 5000, 3);
    second = ZSTD_compress(packed + first, sizeof(packed) - first, kernel + 5000,
                           sizeof(kernel) - 5000, 3);
    expect_kernel(packed, first + second, "zstd-compressed");
}

Test(loader_kernel, damaged_wrapping)
{
    static u8 packed[BUILD_KERNEL_BYTES + 0x400], wrapped[BUILD_KERNEL_BYTES + 0x800];
    struct metic_error error;
    build_kernel(kernel);
    size_t bytes = pack_gzip(kernel, sizeof(kernel), packed, sizeof(packed));
    for (size_t length = 3; length < bytes; length++) {
        struct image *image = image_open_bytes("x", packed, length, &error);
        cr_assert_null(image, "%zu of %zu bytes", length, bytes);
        cr_expect_not_null(strstr(error.what, "truncated"), "%s", error.what);
    }
    packed[bytes - 6] ^= 1; /* the checksum */
    cr_expect_null(image_open_bytes("x", packed, bytes, &error));
    cr_expect_not_null(strstr(error.what, "damaged gzip data"), "%s", error.what);
    bytes = ZSTD_compress(packed, sizeof(packed), kernel, sizeof(kernel), 3);
    for (size_t length = 4; length < bytes; length++) {
        cr_assert_null(image_open_bytes("x", packed, length, &error), "%zu bytes", length);
    }
    size_t whole = wrap_zboot(packed, bytes, wrapped);
    st_le32(wrapped + 12, (u32)bytes + 1);
    expect_refused(wrapped, whole, IMAGE_DAMAGED, "payload lies behind its end");
    whole = wrap_zboot((const u8 *)"\x5d\0\0\0", 4, wrapped);
    memcpy(wrapped + 0x18, "lz\1a\0", 5);
    expect_refused(wrapped, whole, IMAGE_ARCHIVE, "compressed with lz?a");
}

/* `bytes` of packed zeros, 64 MiB of them, follow each other seventeen times. */
static void expect_too_large(const u8 *packed, size_t size_bytes)
{
    u8 *bomb = malloc(17 * size_bytes);
    for (unsigned i = 0; i < 17; i++) {
        memcpy(bomb + i * size_bytes, packed, size_bytes);
    }
    struct metic_error error;
    cr_expect_null(image_open_bytes("x", bomb, 17 * size_bytes, &error));
    cr_expect_not_null(strstr(error.what, "more than 1 GiB"), "%s", error.what);
    free(bomb);
}

Test(loader_kernel, bombs_are_limited)
{
    enum { ZEROS_BYTES = 64 << 20, OUT_BYTES = 1 << 20 };
    u8 *out = malloc(OUT_BYTES), *zeros = calloc(1, ZEROS_BYTES);
    expect_too_large(out, pack_gzip(zeros, ZEROS_BYTES, out, OUT_BYTES));
    expect_too_large(out, ZSTD_compress(out, OUT_BYTES, zeros, ZEROS_BYTES, 1));
    free(out);
    free(zeros);
}

Test(loader_kernel, too_many_layers)
{
    static u8 a[4096], b[4096];
    u8 *from = a, *to = b;
    size_t bytes = 5;
    memcpy(a, "bytes", 5);
    for (unsigned layer = 0; layer < 6; layer++) {
        bytes = pack_gzip(from, bytes, to, sizeof(a));
        u8 *swap = from;
        from = to;
        to = swap;
    }
    expect_refused(from, bytes, IMAGE_ARCHIVE, "more than 4 times");
}

Test(loader_kernel, truncated)
{
    build_kernel(kernel);
    for (u64 length = 0x40; length < sizeof(kernel); length += 7) {
        expect_refused(kernel, length, IMAGE_DAMAGED, "truncated kernel");
    }
    st_le16(kernel + BUILD_PE_OFFSET + 6, 0xffff);
    expect_refused(kernel, sizeof(kernel), IMAGE_DAMAGED, "section table");
    build_kernel(kernel);
    st_le64(kernel + 16, (u64)1 << 40);
    expect_refused(kernel, sizeof(kernel), IMAGE_DAMAGED, "damaged kernel header");
}

Test(loader_kernel, foreign)
{
    build_kernel(kernel);
    kernel[24] = 1;
    expect_refused(kernel, sizeof(kernel), IMAGE_FOREIGN, "big-endian");
    build_kernel(kernel);
    memcpy(kernel + 0x38, "ARM\x64", 4);
    expect_refused(kernel, sizeof(kernel), IMAGE_FOREIGN, "an AArch64 Linux kernel");
    build_kernel(kernel);
    memset(kernel + 0x30, 0, 12);
    memcpy(kernel + 0x202, "HdrS", 4);
    expect_refused(kernel, sizeof(kernel), IMAGE_FOREIGN, "an x86 Linux kernel");
    memset(kernel + 0x202, 0, 4);
    st_le16(kernel + BUILD_PE_OFFSET + 4, 0x8664);
    expect_refused(kernel, sizeof(kernel), IMAGE_FOREIGN, "x86-64 EFI");
    st_le16(kernel + BUILD_PE_OFFSET + 4, 0x5064);
    expect_refused(kernel, sizeof(kernel), IMAGE_ARCHIVE, "EFI program without a kernel's header");
}
