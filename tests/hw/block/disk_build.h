/* A small disk in memory for tests: GPT, an EFI system partition with FAT and a boot program, and
 * an ext4 superblock. */
#ifndef METIC_TESTS_DISK_BUILD_H
#define METIC_TESTS_DISK_BUILD_H

#include "cpu/base/bits.h"
#include "cpu/base/types.h"

#include <string.h>

enum {
    DISK_BUILD_BYTES = 512 << 10,
    DISK_BUILD_ESP_SECTOR = 64,
    DISK_BUILD_ESP_SECTORS = 600,
    DISK_BUILD_EXT_SECTOR = 700,
    DISK_BUILD_EXT_SECTORS = 200,
    DISK_BUILD_FAT_SECTORS = 2,
    DISK_BUILD_ROOT_ENTRIES = 16,
};

static inline void disk_build_entry(u8 *entry, const char *name, u8 attributes, u16 cluster)
{
    memcpy(entry, name, 11);
    entry[11] = attributes;
    st_le16(entry + 26, cluster);
}

/* The entries of a long name, the last part first, and the short one behind them. Returns what
 * follows. */
static inline u8 *disk_build_long(u8 *entry, const char *name, const char *alias, u16 cluster)
{
    static const u8 at[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    unsigned length = (unsigned)strlen(name), parts = (length + 12) / 13;
    u8 sum = 0;
    for (unsigned i = 0; i < 11; i++) {
        sum = (u8)((sum >> 1 | sum << 7) + (u8)alias[i]);
    }
    for (unsigned part = parts; part > 0; part--, entry += 32) {
        entry[0] = (u8)(part | (part == parts ? 0x40 : 0));
        entry[11] = 0x0f;
        entry[13] = sum;
        for (unsigned i = 0; i < 13; i++) {
            unsigned place = (part - 1) * 13 + i;
            st_le16(entry + at[i],
                    place < length ? (u8)name[place] : place == length ? 0 : (u16)0xffff);
        }
    }
    disk_build_entry(entry, alias, 0x20, cluster);
    return entry + 32;
}

/* FAT12: the root has EFI, that has BOOT, and that has the program. */
static inline void disk_build_fat(u8 *fat, const char *program, const char *alias)
{
    memcpy(fat, "\xeb\x3c\x90" "METIC   ", 11);
    st_le16(fat + 11, 512);
    fat[13] = 1;
    st_le16(fat + 14, 1);
    fat[16] = 2;
    st_le16(fat + 17, DISK_BUILD_ROOT_ENTRIES);
    st_le16(fat + 19, DISK_BUILD_ESP_SECTORS);
    fat[21] = 0xf8;
    st_le16(fat + 22, DISK_BUILD_FAT_SECTORS);
    fat[38] = 0x29;
    memcpy(fat + 43, "ESP        FAT12   ", 19);
    st_le16(fat + 510, 0xaa55);
    u8 *root = fat + 512 * (1 + 2 * DISK_BUILD_FAT_SECTORS);
    u8 *data = root + 32 * DISK_BUILD_ROOT_ENTRIES;
    memset(fat + 512, 0xff, 8); /* clusters 0 to 4: each the end of its chain */
    disk_build_entry(root, "ESP        ", 0x08, 0);
    disk_build_entry(root + 32, "EFI        ", 0x10, 2);
    disk_build_entry(data, "BOOT       ", 0x10, 3);
    disk_build_long(data + 512, program, alias, 4);
}

static inline void disk_build_gpt(u8 *disk)
{
    static const u8 types[2][16] = {
        {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
         0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b},
        {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
         0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4},
    };
    static const u32 sectors[2][2] = {{DISK_BUILD_ESP_SECTOR, DISK_BUILD_ESP_SECTORS},
                                      {DISK_BUILD_EXT_SECTOR, DISK_BUILD_EXT_SECTORS}};
    disk[450] = 0xee;
    st_le32(disk + 454, 1);
    st_le32(disk + 458, DISK_BUILD_BYTES / 512 - 1);
    st_le16(disk + 510, 0xaa55);
    memcpy(disk + 512, "EFI PART", 8);
    st_le64(disk + 512 + 72, 2);
    st_le32(disk + 512 + 80, 128);
    st_le32(disk + 512 + 84, 128);
    for (unsigned i = 0; i < 2; i++) {
        u8 *entry = disk + 1024 + 128 * i;
        memcpy(entry, types[i], 16);
        st_le64(entry + 32, sectors[i][0]);
        st_le64(entry + 40, (u64)sectors[i][0] + sectors[i][1] - 1);
        st_le16(entry + 56, (u16)('a' + i));
    }
}

/* `program` as "BOOTRISCV64.EFI", `alias` its eleven characters of the short name. */
static inline void disk_build(u8 *disk, const char *program, const char *alias)
{
    memset(disk, 0, DISK_BUILD_BYTES);
    disk_build_gpt(disk);
    disk_build_fat(disk + 512 * DISK_BUILD_ESP_SECTOR, program, alias);
    u8 *super = disk + 512 * DISK_BUILD_EXT_SECTOR + 1024;
    st_le32(super + 4, 100);
    st_le16(super + 56, 0xef53);
    st_le32(super + 76, 1);
    st_le32(super + 96, 0x40); /* extents: ext4 */
    memcpy(super + 120, "root", 4);
}

#endif
