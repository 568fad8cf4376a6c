/* What is no kernel and no ELF; files; sizes; and bytes of every kind spoilt at random. */
#include "hw/metic.h"
#include "tests/hw/loader_build.h"

#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdio.h>
#include <unistd.h>

static u8 bytes[0x12000];

static void expect_kind(u64 size_bytes, enum image_kind kind, const char *text)
{
    u8 *exact = malloc(size_bytes + 1);
    memcpy(exact, bytes, size_bytes);
    struct image *image = build_open(exact, size_bytes);
    cr_assert_not_null(image);
    cr_expect_eq(image->kind, kind, "kind %d, wanted '%s'", image->kind, text);
    cr_expect_not_null(strstr(image->description, text), "'%s' does not say '%s'",
                       image->description, text);
    cr_expect_eq(image->mode == IMAGE_MODE_NONE, image->refusal.what[0] != '\0');
    image_free(image);
    free(exact);
}

static void fill(u8 value)
{
    memset(bytes, value, sizeof(bytes));
}

Test(loader, disks)
{
    fill(0);
    expect_kind(0, IMAGE_EMPTY, "an empty file");
    expect_kind(512, IMAGE_EMPTY, "zeros");
    fill(0x91);
    memcpy(bytes, "QFI\xfb", 4);
    expect_kind(512, IMAGE_QCOW2, "qcow2");
    fill(0x91);
    memcpy(bytes + 512, "EFI PART", 8);
    expect_kind(4096, IMAGE_DISK, "GPT");
    expect_kind(519, IMAGE_BINARY, "raw binary");
    fill(0);
    bytes[510] = 0x55, bytes[511] = 0xaa;
    expect_kind(4096, IMAGE_DISK, "MBR");
    fill(0);
    st_le16(bytes + 1024 + 56, 0xef53);
    st_le32(bytes + 1024 + 4, 100);
    expect_kind(4096, IMAGE_DISK, "ext4");
    expect_kind(1024 + 57, IMAGE_BINARY, "raw binary");
    st_le32(bytes + 1024 + 24, 99);
    expect_kind(4096, IMAGE_BINARY, "raw binary");
    fill(0);
    memcpy(bytes + 0x8001, "CD001", 5);
    expect_kind(0x9000, IMAGE_DISK, "ISO 9660");
    fill(0);
    memcpy(bytes + 0x10040, "_BHRfS_M", 8);
    expect_kind(sizeof(bytes), IMAGE_DISK, "Btrfs");
}

Test(loader, archives_and_documents)
{
    static const struct {
        const char *magic;
        size_t magic_bytes;
        enum image_kind kind;
        const char *text;
    } cases[] = {
        {"070701", 6, IMAGE_CPIO, "initramfs"},
        {"\xfd" "7zXZ\0", 6, IMAGE_ARCHIVE, "xz"},
        {"BZh9", 4, IMAGE_ARCHIVE, "bzip2"},
        {"!<arch>\ndebian-binary", 21, IMAGE_ARCHIVE, "Debian package"},
        {"!<arch>\n", 8, IMAGE_ARCHIVE, "library archive"},
        {"PK\3\4", 4, IMAGE_ARCHIVE, "ZIP"},
        {"\x27\x05\x19\x56", 4, IMAGE_FOREIGN, "U-Boot image for another"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fill(0x91);
        memcpy(bytes, cases[i].magic, cases[i].magic_bytes);
        expect_kind(4096, cases[i].kind, cases[i].text);
    }
    fill(0x91);
    memcpy(bytes, "\x27\x05\x19\x56", 4);
    bytes[29] = 26;
    expect_kind(4096, IMAGE_ARCHIVE, "uImage");
}

Test(loader, text)
{
    static const struct {
        const char *text;
        enum image_kind kind;
        const char *description;
    } cases[] = {
        {"hello, world\n", IMAGE_TEXT, "a text file"},
        {"#!/bin/sh\n", IMAGE_TEXT, "a script"},
        {"d\xc3\xa9j\xc3\xa0 vu\n", IMAGE_TEXT, "a text file"},
        {"version https://git-lfs.github.com/spec/v1\n", IMAGE_TEXT, "LFS"},
        {"\xc3\x28\xa0\xa1 latin", IMAGE_BINARY, "raw binary"},
        {"abc\x01" "def", IMAGE_BINARY, "raw binary"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        memcpy(bytes, cases[i].text, strlen(cases[i].text));
        expect_kind(strlen(cases[i].text), cases[i].kind, cases[i].description);
    }
}

Test(loader, device_tree)
{
    fill(0);
    cr_assert_eq(fdt_create_empty_tree(bytes, 4096), 0);
    cr_assert_eq(fdt_setprop_string(bytes, 0, "model", "a board"), 0);
    expect_kind(4096, IMAGE_DTB, "device tree for \"a board\"");
    for (u64 length = 4; length < 4096; length += 41) {
        expect_kind(length, IMAGE_DAMAGED, "truncated");
    }
    cr_assert_eq(fdt_setprop_string(bytes, 0, "model", "\033[2Jevil\n"), 0);
    expect_kind(4096, IMAGE_DTB, "\"?[2Jevil?\"");
    cr_assert_geq(fdt_add_subnode(bytes, 0, "images"), 0);
    expect_kind(4096, IMAGE_DTB, "FIT");
    st_be32(bytes + 8, 0x7fffffff); /* off_dt_struct */
    expect_kind(4096, IMAGE_DAMAGED, "damaged");
}

Test(loader, binary)
{
    fill(0x13);
    expect_kind(3, IMAGE_BINARY, "a few bytes");
    struct image *image = build_open(bytes, 4096);
    cr_expect_eq(image->kind, IMAGE_BINARY);
    cr_expect_eq(image->mode, IMAGE_MODE_MACHINE);
    cr_expect(image->relocatable);
    struct memory *memory = build_memory(1 << 20);
    gpa_t entry, end;
    cr_assert(image_place(memory, image, 0x80000000, &entry, &end, NULL));
    cr_expect_eq(entry, 0x80000000);
    cr_expect_eq(end, 0x80001000);
    cr_expect_eq(*memory_host(memory, 0x80000fff, 1), 0x13);
    build_memory_free(memory);
    image_free(image);
}

Test(loader, files)
{
    char path[] = "loader-test-XXXXXX";
    struct metic_error error;
    cr_expect_null(image_open("there/is/no/such/file", &error));
    cr_expect_not_null(strstr(error.what, "there is no file"));
    cr_expect_null(image_open(".", &error));
    cr_expect_not_null(strstr(error.what, "is a directory"));
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_expect_null(image_open_raw(path, &error));
    cr_expect_not_null(strstr(error.what, "is empty"));
    cr_assert_eq(ftruncate(fd, (off_t)3 << 30), 0);
    struct image *image = image_open(path, &error);
    cr_assert_not_null(image, "a large empty disk is recognised without being read");
    cr_expect_eq(image->kind, IMAGE_EMPTY);
    cr_expect_eq(image->file_size_bytes, (u64)3 << 30);
    cr_expect_lt(image->size_bytes, (u64)2 << 20);
    image_free(image);
    cr_assert_eq(pwrite(fd, "\x13\1\2\3", 4, 0), 4);
    cr_expect_null(image_open(path, &error));
    cr_expect_not_null(strstr(error.what, "larger than 1 GiB"), "%s", error.what);
    cr_assert_eq(ftruncate(fd, 3 << 20), 0);
    image = image_open(path, &error);
    cr_assert_not_null(image);
    cr_expect_eq(image->size_bytes, 3 << 20);
    image_free(image);
    cr_assert_eq(pwrite(fd, "070701", 6, 0), 6);
    image = image_open_raw(path, &error);
    cr_assert_not_null(image);
    cr_expect_eq(image->kind, IMAGE_CPIO);
    image_free(image);
    close(fd);
    unlink(path);
}

Test(loader, sizes)
{
    static const struct {
        const char *text;
        u64 size_bytes;
    } good[] = {
        {"0", 0}, {"4096", 4096}, {"4k", 4096}, {"4K", 4096}, {"4KiB", 4096}, {"4kb", 4096},
        {"512M", 512 << 20}, {"4G", (u64)4 << 30}, {"4GB", (u64)4 << 30}, {"4GiB", (u64)4 << 30},
        {"4 GB", (u64)4 << 30}, {"1.5G", (u64)3 << 29}, {"0x1000", 4096}, {"100B", 100},
        {"1T", (u64)1 << 40}, {"18446744073709551615", ~(u64)0},
    };
    static const char *const bad[] = {
        "", "G", "-1", "4X", "4GG", "4GiBs", "1.5", "1.", ".5G", "0x", "0xzz", "4 4", "1e9",
        "18446744073709551616", "99999999999G", "16777216T", "0x10000000000000000", "4G ",
    };
    u64 size_bytes;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        cr_assert(metic_parse_size(good[i].text, &size_bytes), "'%s'", good[i].text);
        cr_expect_eq(size_bytes, good[i].size_bytes, "'%s' is %llu", good[i].text,
                     (unsigned long long)size_bytes);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_expect_not(metic_parse_size(bad[i], &size_bytes), "'%s' was taken", bad[i]);
    }
}

static u64 random_next(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Spoils a few bytes, perhaps cuts the end off, recognises and places: whatever comes out, the
 * process lives and an image that was placed lies inside RAM. */
static void spoil(const u8 *good, u64 size_bytes, unsigned rounds, u64 seed)
{
    struct memory *memory = build_memory(8 << 20);
    u8 *spoilt = malloc(size_bytes);
    for (unsigned round = 0; round < rounds; round++) {
        memcpy(spoilt, good, size_bytes);
        for (u64 n = random_next(&seed) % 6; n > 0; n--) {
            u64 where = random_next(&seed) % (random_next(&seed) % 2 ? 256 : size_bytes);
            u64 what = random_next(&seed);
            spoilt[where % size_bytes] = (u8)(what % 3 == 0 ? 0xff : what >> 8);
        }
        u64 cut = random_next(&seed) % 4 == 0 ? random_next(&seed) % size_bytes : 0;
        u8 *exact = malloc(size_bytes - cut);
        memcpy(exact, spoilt, size_bytes - cut);
        struct image *image = build_open(exact, size_bytes - cut);
        gpa_t end = 0;
        if (image != NULL && image_place(memory, image, 0x80200000, NULL, &end, NULL)) {
            cr_assert_leq(end, 0x80000000 + (8 << 20), "round %u", round);
        }
        image_free(image);
        free(exact);
    }
    free(spoilt);
    build_memory_free(memory);
}

Test(loader, spoilt_elf)
{
    static u8 good[BUILD_ELF_BYTES];
    build_elf(good, 0x80000000, 0x80000000);
    spoil(good, sizeof(good), 20000, 1);
    build_elf(good, 0xffffffff80000000, 0);
    spoil(good, sizeof(good), 20000, 2);
}

Test(loader, spoilt_kernel)
{
    static u8 good[BUILD_KERNEL_BYTES];
    build_kernel(good);
    spoil(good, sizeof(good), 10000, 3);
}

Test(loader, spoilt_device_tree)
{
    static u8 good[1024];
    cr_assert_eq(fdt_create_empty_tree(good, sizeof(good)), 0);
    cr_assert_eq(fdt_setprop_string(good, 0, "model", "a board"), 0);
    cr_assert_geq(fdt_add_subnode(good, 0, "images"), 0);
    spoil(good, sizeof(good), 20000, 4);
}
