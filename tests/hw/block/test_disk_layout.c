#include "hw/block/disk_layout.h"

#include "hw/block/fat.h"
#include "tests/hw/block/disk_build.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static u8 disk[DISK_BUILD_BYTES];
static bool read_fails;

static bool read_disk(void *opaque, u64 offset, void *buffer, size_t size_bytes)
{
    (void)opaque;
    cr_assert(offset <= sizeof(disk) && size_bytes <= sizeof(disk) - offset);
    memcpy(buffer, disk + offset, size_bytes);
    return !read_fails;
}

static const struct disk_source source = {DISK_BUILD_BYTES, read_disk, NULL};
static struct disk_layout layout;

static void look(void)
{
    cr_assert(disk_layout_read(&layout, &source));
}

static void usual(void)
{
    read_fails = false;
    disk_build(disk, "BOOTRISCV64.EFI", "BOOTRI~1EFI");
}

TestSuite(disk_layout, .init = usual);

Test(disk_layout, partitions_of_a_gpt)
{
    look();
    cr_expect_eq(layout.table, DISK_TABLE_GPT);
    cr_assert_eq(layout.count, 2);
    cr_expect(!layout.damaged && !layout.empty && !layout.more);
    const struct disk_partition *esp = &layout.partitions[0], *root = &layout.partitions[1];
    cr_expect(esp->is_esp && !root->is_esp && disk_layout_has_esp(&layout));
    cr_expect_str_eq(esp->type, "EFI system");
    cr_expect_str_eq(esp->file_system, "FAT");
    cr_expect_str_eq(esp->label, "ESP");
    cr_expect_str_eq(esp->name, "a");
    cr_expect_eq(esp->offset, 512 * DISK_BUILD_ESP_SECTOR);
    cr_expect_eq(esp->size_bytes, 512 * DISK_BUILD_ESP_SECTORS);
    cr_expect_str_eq(root->file_system, "ext4");
    cr_expect_str_eq(root->label, "root");
    cr_expect_eq(disk_layout_efi_archs(&layout), DISK_EFI_RISCV64);
}

Test(disk_layout, boot_programs_of_other_processors)
{
    char names[128];
    disk_build(disk, "BOOTX64.EFI", "BOOTX64 EFI");
    look();
    cr_expect_eq(disk_layout_efi_archs(&layout), DISK_EFI_X86_64);
    disk_efi_arch_names(DISK_EFI_X86_64 | DISK_EFI_AARCH64, names, sizeof(names));
    cr_expect_str_eq(names, "x86-64 and AArch64");
    disk_efi_arch_names(0, names, sizeof(names));
    cr_expect_str_eq(names, "");
    disk_efi_arch_names(63, names, 8);
    cr_expect_eq(strlen(names), 7);
}

/* FAT knows no case. */
Test(disk_layout, names_in_any_case)
{
    disk_build(disk, "bootriscv64.efi", "BOOTRI~1EFI");
    look();
    cr_expect_eq(disk_layout_efi_archs(&layout), DISK_EFI_RISCV64);
}

/* A long name counts only for the short one that follows it. */
Test(disk_layout, long_name_with_a_wrong_checksum)
{
    u8 *data = disk + 512 * (DISK_BUILD_ESP_SECTOR + 1 + 2 * DISK_BUILD_FAT_SECTORS) +
               32 * DISK_BUILD_ROOT_ENTRIES;
    data[512 + 64] = 'X';
    look();
    cr_expect_eq(disk_layout_efi_archs(&layout), 0);
}

Test(disk_layout, empty_disk)
{
    memset(disk, 0, sizeof(disk));
    look();
    cr_expect(layout.empty && layout.count == 0 && layout.table == DISK_TABLE_NONE);
}

Test(disk_layout, file_system_without_a_table)
{
    memmove(disk, disk + 512 * DISK_BUILD_EXT_SECTOR, 4096);
    memset(disk + 512, 0, 512);
    memset(disk + 4096, 0, 8192);
    look();
    cr_assert_eq(layout.count, 1);
    cr_expect_eq(layout.table, DISK_TABLE_NONE);
    cr_expect_str_eq(layout.partitions[0].file_system, "ext4");
}

Test(disk_layout, mbr)
{
    memset(disk, 0, 4096);
    disk[446] = 0x80;
    disk[450] = 0xef;
    st_le32(disk + 454, DISK_BUILD_ESP_SECTOR);
    st_le32(disk + 458, DISK_BUILD_ESP_SECTORS);
    disk[466] = 0x83;
    st_le32(disk + 470, DISK_BUILD_EXT_SECTOR);
    st_le32(disk + 474, 1u << 30); /* beyond the end */
    st_le16(disk + 510, 0xaa55);
    look();
    cr_expect_eq(layout.table, DISK_TABLE_MBR);
    cr_assert_eq(layout.count, 1);
    cr_expect(layout.damaged && layout.partitions[0].bootable && layout.partitions[0].is_esp);
    cr_expect_eq(disk_layout_efi_archs(&layout), DISK_EFI_RISCV64);
}

Test(disk_layout, too_many_partitions_and_damaged_ones)
{
    for (unsigned i = 0; i < 40; i++) {
        memcpy(disk + 1024 + 128 * i, disk + 1024, 128);
    }
    st_le64(disk + 1024 + 32, 0); /* no partition begins at the table itself */
    look();
    cr_expect_eq(layout.count, DISK_MAX_PARTITIONS);
    cr_expect(layout.more && layout.damaged);
}

/* A directory whose chain goes round ends somewhere. */
Test(disk_layout, chain_that_goes_round)
{
    u8 *esp = disk + 512 * DISK_BUILD_ESP_SECTOR;
    u8 *data = esp + 512 * (1 + 2 * DISK_BUILD_FAT_SECTORS) + 32 * DISK_BUILD_ROOT_ENTRIES;
    st_le16(esp + 512 + 3, 0x0002); /* cluster 2 is followed by itself */
    for (unsigned i = 0; i < 16; i++) {
        disk_build_entry(data + 32 * i, "OTHER      ", 0x10, 3);
    }
    look();
    cr_expect_eq(disk_layout_efi_archs(&layout), 0);
}

Test(disk_layout, host_that_cannot_read)
{
    read_fails = true;
    cr_expect(!disk_layout_read(&layout, &source));
}
