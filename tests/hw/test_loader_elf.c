/* ELF files, good, foreign and hostile. */
#include "tests/hw/loader_build.h"

#include <criterion/criterion.h>

static u8 elf[BUILD_ELF_BYTES + 0x400];

/* Opens the spoilt file and checks that it is refused with `text` in the reason. */
static void expect_refused(u64 size_bytes, enum image_kind kind, const char *text)
{
    u8 *exact = malloc(size_bytes + 1); /* its own block, so that a sanitizer sees overreads */
    memcpy(exact, elf, size_bytes);
    struct image *image = build_open(exact, size_bytes);
    struct metic_error error = {{0}, {0}};
    cr_assert_not_null(image);
    cr_expect_not(image_check_startable(image, &error), "'%s' was not refused", text);
    cr_expect_eq(image->kind, kind, "kind %d for '%s'", image->kind, text);
    cr_expect_not_null(strstr(error.what, text), "'%s' does not say '%s'", error.what, text);
    image_free(image);
    free(exact);
}

Test(loader_elf, bare_metal)
{
    build_elf(elf, 0x80000000, 0x80000000);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    cr_assert_not_null(image);
    cr_expect_eq(image->kind, IMAGE_ELF);
    cr_expect_eq(image->mode, IMAGE_MODE_MACHINE);
    cr_expect_not(image->relocatable);
    cr_expect_eq(image->entry, 0x80000000);
    cr_expect_eq(image->tohost_gpa, 0x80000040);
    cr_expect_eq(image->fromhost_gpa, 0x80000048);
    cr_expect_eq(image->segment_count, 1);
    u64 value;
    cr_expect(image_find_symbol(image, "fromhost", &value));
    cr_expect_eq(value, 0x80000048);
    cr_expect_not(image_find_symbol(image, "from", &value), "a prefix is no name");
    image_free(image);
}

Test(loader_elf, high_entry_is_a_kernel)
{
    build_elf(elf, 0x80200000, 0x80200000);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    cr_expect_eq(image->mode, IMAGE_MODE_SUPERVISOR);
    cr_expect_eq(image->entry, 0x80200000);
    image_free(image);
}

Test(loader_elf, physical_addresses_count)
{
    build_elf(elf, 0x10000, 0x80001000);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    cr_expect_eq(image->mode, IMAGE_MODE_MACHINE);
    cr_expect_eq(image->entry, 0x80001000);
    cr_expect_eq(image->tohost_gpa, 0x80001040);
    image_free(image);
}

Test(loader_elf, vmlinux_goes_where_it_is_put)
{
    build_elf(elf, 0xffffffff80000000, 0);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    cr_expect_eq(image->mode, IMAGE_MODE_SUPERVISOR);
    cr_expect(image->relocatable);
    cr_expect_eq(image->entry, 0);
    struct memory *memory = build_memory(4 << 20);
    gpa_t entry, end;
    cr_assert(image_place(memory, image, 0x80200000, &entry, &end, NULL));
    cr_expect_eq(entry, 0x80200000);
    cr_expect_eq(end, 0x80200000 + 2 * BUILD_CODE_BYTES);
    build_memory_free(memory);
    image_free(image);
}

Test(loader_elf, vmlinux_with_some_good_addresses)
{
    build_elf(elf, 0xffffffff80000000, 0x80200000);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    cr_expect_not(image->relocatable, "physical addresses that make sense are kept");
    cr_expect_eq(image->mode, IMAGE_MODE_SUPERVISOR);
    cr_expect_eq(image->entry, 0x80200000);
    image_free(image);
    st_le16(elf + 56, 2);
    build_phdr(elf + 64 + 56, 1, BUILD_CODE_OFFSET, 0xffffffff80400000, 0xffffffff80400000, 16, 16);
    image = build_open(elf, BUILD_ELF_BYTES);
    cr_expect(image->relocatable, "one that does not is enough to forget them");
    cr_assert_eq(image->segment_count, 2);
    cr_expect_eq(image->segments[1].gpa, 0x400000);
    image_free(image);
}

Test(loader_elf, position_independent_firmware)
{
    build_elf(elf, 0, 0);
    st_le16(elf + 16, 3);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    cr_expect_eq(image->mode, IMAGE_MODE_MACHINE);
    cr_expect(image->relocatable);
    image_free(image);
}

Test(loader_elf, place_copies_and_zeroes)
{
    build_elf(elf, 0x80000ff0, 0x80000ff0);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    struct memory *memory = build_memory(1 << 20);
    u8 *ram = memory_host(memory, 0x80000000, 1 << 20);
    memset(ram, 0xee, 0x3000);
    gpa_t entry, end;
    cr_assert(image_place(memory, image, 0, &entry, &end, NULL));
    cr_expect_eq(entry, 0x80000ff0);
    cr_expect_eq(end, 0x80000ff0 + 2 * BUILD_CODE_BYTES);
    cr_expect_eq(ram[0xfef], 0xee);
    cr_expect_eq(ram[0xff0], 0xa5);
    cr_expect_eq(ram[0xff0 + BUILD_CODE_BYTES - 1], 0xa5);
    cr_expect_eq(ram[0xff0 + BUILD_CODE_BYTES], 0);
    cr_expect_eq(ram[0xff0 + 2 * BUILD_CODE_BYTES - 1], 0);
    cr_expect_eq(ram[0xff0 + 2 * BUILD_CODE_BYTES], 0xee);
    build_memory_free(memory);
    image_free(image);
}

/* `ld -Ttext=0x80000000` makes this: the file's headers fill the page before RAM. */
Test(loader_elf, headers_before_ram_are_left_out)
{
    build_elf(elf, 0x80000000, 0x80000000);
    build_phdr(elf + 64, 1, 0, 0x80000000 - BUILD_CODE_OFFSET, 0x80000000 - BUILD_CODE_OFFSET,
               BUILD_CODE_OFFSET + BUILD_CODE_BYTES, BUILD_CODE_OFFSET + 2 * BUILD_CODE_BYTES);
    struct memory *memory = build_memory(1 << 20);
    u8 *ram = memory_host(memory, 0x80000000, 1 << 20);
    gpa_t entry, end;
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    cr_assert(image_place(memory, image, 0, &entry, &end, NULL));
    cr_expect(entry == 0x80000000 && end == 0x80000000 + 2 * BUILD_CODE_BYTES);
    cr_expect(ram[0] == 0xa5 && ram[BUILD_CODE_BYTES - 1] == 0xa5 && ram[BUILD_CODE_BYTES] == 0);
    image_free(image);
    elf[BUILD_CODE_OFFSET - 1] = 1; /* part of the program */
    image = build_open(elf, BUILD_ELF_BYTES);
    cr_expect_not(image_place(memory, image, 0, NULL, NULL, NULL));
    image_free(image);
    build_memory_free(memory);
}

Test(loader_elf, place_says_how_much_ram)
{
    build_elf(elf, 0x84000000, 0x84000000);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    struct memory *memory = build_memory(64 << 20);
    struct metic_error error;
    cr_expect_not(image_place(memory, image, 0, NULL, NULL, &error));
    cr_expect_not_null(strstr(error.what, "64.0 MiB"), "%s", error.what);
    cr_expect_not_null(strstr(error.next, "--ram 128M"), "%s", error.next);
    image_free(image);
    build_elf(elf, 0x1000, 0x1000);
    image = build_open(elf, BUILD_ELF_BYTES);
    cr_expect_not(image_place(memory, image, 0, NULL, NULL, &error));
    cr_expect_not_null(strstr(error.what, "at 0x1000, where the machine has no memory"));
    image_free(image);
    build_memory_free(memory);
}

Test(loader_elf, place_is_not_fooled_by_wrapping)
{
    build_elf(elf, 0, 0);
    st_le16(elf + 16, 3);
    st_le64(elf + 64 + 24, 0xfffffffffffff000 - 0x80000000); /* base + this wraps below RAM */
    st_le64(elf + 64 + 16, 0xfffffffffffff000 - 0x80000000);
    struct image *image = build_open(elf, BUILD_ELF_BYTES);
    struct memory *memory = build_memory(1 << 20);
    cr_expect_not(image_place(memory, image, 0x80000000, NULL, NULL, NULL));
    cr_expect_not(image_place(memory, image, 0x80002000, NULL, NULL, NULL));
    build_memory_free(memory);
    image_free(image);
}

Test(loader_elf, other_machines_are_named)
{
    static const struct {
        u16 machine;
        const char *text;
    } cases[] = {
        {62, "an x86-64 program"}, {183, "an AArch64 program"}, {40, "an Arm (32-bit) program"},
        {3, "an x86 (32-bit) program"}, {9999, "ELF machine 9999"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build_elf(elf, 0x80000000, 0x80000000);
        st_le16(elf + 18, cases[i].machine);
        expect_refused(BUILD_ELF_BYTES, IMAGE_FOREIGN, cases[i].text);
    }
    build_elf(elf, 0x80000000, 0x80000000);
    elf[4] = 1;
    expect_refused(BUILD_ELF_BYTES, IMAGE_FOREIGN, "32-bit RISC-V");
    build_elf(elf, 0x80000000, 0x80000000);
    elf[5] = 2;
    elf[18] = 0, elf[19] = 243;
    expect_refused(BUILD_ELF_BYTES, IMAGE_FOREIGN, "big-endian RISC-V");
    elf[19] = 21;
    expect_refused(BUILD_ELF_BYTES, IMAGE_FOREIGN, "a 64-bit PowerPC program");
}

Test(loader_elf, what_does_not_start)
{
    build_elf(elf, 0x80000000, 0x80000000);
    st_le16(elf + 16, 1);
    expect_refused(BUILD_ELF_BYTES, IMAGE_ARCHIVE, "object file");
    st_le16(elf + 16, 4);
    expect_refused(BUILD_ELF_BYTES, IMAGE_ARCHIVE, "core dump");
    build_elf(elf, 0x80000000, 0x80000000);
    st_le64(elf + 24, 0x90000000);
    expect_refused(BUILD_ELF_BYTES, IMAGE_DAMAGED, "entry, 0x90000000, in no segment");
    build_elf(elf, 0x10000, 0x10000);
    st_le16(elf + 56, 2);
    build_phdr(elf + 64 + 56, 3, 0, 0, 0, 1, 1);
    expect_refused(BUILD_ELF_BYTES, IMAGE_ELF, "program for Linux");
    build_phdr(elf + 64 + 56, 4, BUILD_STRINGS_OFFSET + 32, 0, 0, 32, 32);
    u8 *note = elf + BUILD_STRINGS_OFFSET + 32;
    st_le32(note, 4), st_le32(note + 4, 16), st_le32(note + 8, 1), memcpy(note + 12, "GNU", 4);
    expect_refused(BUILD_ELF_BYTES, IMAGE_ELF, "program for Linux");
}

Test(loader_elf, contradictions)
{
    build_elf(elf, 0x80000000, 0x80000000);
    st_le64(elf + 64 + 8, 0xfffffffffffffff0);
    expect_refused(BUILD_ELF_BYTES, IMAGE_DAMAGED, "segment's bytes lie behind its end");
    build_elf(elf, 0x80000000, 0x80000000);
    st_le64(elf + 64 + 32, BUILD_ELF_BYTES);
    expect_refused(BUILD_ELF_BYTES, IMAGE_DAMAGED, "segment's bytes lie behind its end");
    build_elf(elf, 0x80000000, 0x80000000);
    st_le64(elf + 64 + 40, BUILD_CODE_BYTES - 1);
    expect_refused(BUILD_ELF_BYTES, IMAGE_DAMAGED, "contradict");
    build_elf(elf, 0x80000000, 0x80000000);
    st_le64(elf + 64 + 40, 0xffffffff90000000);
    expect_refused(BUILD_ELF_BYTES, IMAGE_DAMAGED, "contradict");
    build_elf(elf, 0x80000000, 0x80000000);
    st_le64(elf + 32, 0xffffffffffffffc0);
    expect_refused(BUILD_ELF_BYTES, IMAGE_DAMAGED, "program headers lie behind its end");
    build_elf(elf, 0x80000000, 0x80000000);
    st_le16(elf + 54, 1);
    expect_refused(BUILD_ELF_BYTES, IMAGE_DAMAGED, "impossible size");
    build_elf(elf, 0x80000000, 0x80000000);
    st_le16(elf + 56, 0);
    expect_refused(BUILD_ELF_BYTES, IMAGE_DAMAGED, "no program headers");
}

Test(loader_elf, bad_symbols_do_no_harm)
{
    static const u64 bad[] = {0xffffffffffffffff, BUILD_ELF_BYTES, 0x8000000000000000, 0};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        for (unsigned field = 0; field < 4; field++) {
            build_elf(elf, 0x80000000, 0x80000000);
            u8 *section = elf + BUILD_SECTIONS_OFFSET + 64 * (1 + (field & 1));
            st_le64(section + (field < 2 ? 24 : 32), bad[i]);
            struct image *image = build_open(elf, BUILD_ELF_BYTES);
            cr_expect_eq(image->mode, IMAGE_MODE_MACHINE);
            cr_expect(image->tohost_gpa == 0 || bad[i] == 0x400, "field %u", field);
            image_free(image);
        }
    }
}

Test(loader_elf, every_truncation_is_refused_or_whole)
{
    build_elf(elf, 0x80000000, 0x80000000);
    for (u64 length = 4; length < BUILD_CODE_OFFSET + BUILD_CODE_BYTES; length++) {
        expect_refused(length, IMAGE_DAMAGED, "truncated");
    }
}
