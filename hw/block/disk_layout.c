/* See disk_layout.h. */
#include "hw/block/disk_layout.h"

#include "cpu/base/bits.h"
#include "hw/block/fat.h"

#include <stdio.h>
#include <string.h>

enum {
    LAYOUT_HEAD_BYTES = 72 << 10, /* Btrfs has its superblock at 64 KiB */
    LAYOUT_MAX_ENTRIES = 1024,    /* of a GPT that are looked at; 128 is usual */
    LAYOUT_GPT_TYPES = 16,
};

bool disk_source_read(const struct disk_source *source, u64 offset, void *buffer,
                      size_t size_bytes)
{
    u64 there = offset < source->size_bytes ? source->size_bytes - offset : 0;
    size_t got = there < size_bytes ? (size_t)there : size_bytes;
    memset((u8 *)buffer + got, 0, size_bytes - got);
    return got == 0 || source->read(source->opaque, offset, buffer, got);
}

/* --- file systems --- */

struct layout_magic {
    u32 offset;
    u8 magic_bytes;
    const char *magic;
    const char *file_system;
    u32 label_offset; /* 0: none */
    u8 label_bytes;
};

/* Surer ones first. */
static const struct layout_magic layout_magics[] = {
    {0x10040, 8, "_BHRfS_M", "Btrfs", 0x1012b, 32},
    {0, 4, "XFSB", "XFS", 108, 12},
    {0, 4, "hsqs", "SquashFS", 0, 0},
    {0x8001, 5, "CD001", "ISO 9660", 0x8028, 32},
    {1024, 4, "\xe2\xe1\xf5\xe0", "EROFS", 1088, 16},
    {1024, 4, "\x10\x20\xf5\xf2", "F2FS", 0, 0},
    {0xff6, 10, "SWAPSPACE2", "swap", 0x41c, 16},
    {0, 6, "LUKS\xba\xbe", "LUKS (encrypted)", 0, 0},
    {0x218, 8, "LVM2 001", "LVM", 0, 0},
    {3, 8, "NTFS    ", "NTFS", 0, 0},
    {3, 8, "EXFAT   ", "exFAT", 0, 0},
    {0x55c, 4, "\x19\x01\x54\x19", "UFS2 (BSD)", 0, 0},
};

static void layout_text(char *to, size_t to_bytes, const u8 *from, size_t from_bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < from_bytes && from[i] != 0 && used + 1 < to_bytes; i++) {
        to[used++] = from[i] >= ' ' && from[i] < 0x7f ? (char)from[i] : '?';
    }
    while (used > 0 && to[used - 1] == ' ') {
        used--;
    }
    to[used] = '\0';
}

/* By the features that only the newer ones have (ext4 layout, superblock). */
static const char *layout_ext_name(const u8 *super)
{
    u32 compat = ld_le32(super + 0x5c), incompat = ld_le32(super + 0x60);
    bool extents_or_newer = (incompat & 0x3c0) != 0;
    return extents_or_newer ? "ext4" : (compat & 4) != 0 ? "ext3" : "ext2";
}

static bool layout_is_ext(const u8 *super)
{
    return ld_le16(super + 56) == 0xef53 && ld_le32(super + 24) <= 6 &&
           ld_le32(super + 76) <= 1 && ld_le32(super + 4) != 0;
}

struct layout_efi_name {
    const char *path;
    enum disk_efi_arch arch;
    const char *processor;
};

static const struct layout_efi_name layout_efi_names[] = {
    {"EFI/BOOT/BOOTRISCV64.EFI", DISK_EFI_RISCV64, "64-bit RISC-V"},
    {"EFI/BOOT/BOOTX64.EFI", DISK_EFI_X86_64, "x86-64"},
    {"EFI/BOOT/BOOTIA32.EFI", DISK_EFI_IA32, "32-bit x86"},
    {"EFI/BOOT/BOOTAA64.EFI", DISK_EFI_AARCH64, "AArch64"},
    {"EFI/BOOT/BOOTARM.EFI", DISK_EFI_ARM, "32-bit Arm"},
    {"EFI/BOOT/BOOTLOONGARCH64.EFI", DISK_EFI_LOONGARCH64, "LoongArch"},
};

/* Systems that boot by a name of their own, which their installer wrote into the firmware's
 * variables. */
static const struct layout_efi_name layout_vendor_names[] = {
    {"EFI/debian/grubriscv64.efi", DISK_EFI_RISCV64, NULL},
    {"EFI/ubuntu/grubriscv64.efi", DISK_EFI_RISCV64, NULL},
    {"EFI/fedora/grubriscv64.efi", DISK_EFI_RISCV64, NULL},
    {"EFI/debian/grubx64.efi", DISK_EFI_X86_64, NULL},
    {"EFI/ubuntu/grubx64.efi", DISK_EFI_X86_64, NULL},
    {"EFI/Microsoft/Boot/bootmgfw.efi", DISK_EFI_X86_64, NULL},
    {"EFI/debian/grubaa64.efi", DISK_EFI_AARCH64, NULL},
    {"EFI/ubuntu/grubaa64.efi", DISK_EFI_AARCH64, NULL},
};

/* Directories and files that tell which boot loader is installed. */
static const struct {
    const char *path;
    const char *loader;
} layout_loaders[] = {
    {"loader/loader.conf", "systemd-boot"},
    {"EFI/debian/grub.cfg", "GRUB"},
    {"EFI/ubuntu/grub.cfg", "GRUB"},
    {"EFI/fedora/grub.cfg", "GRUB"},
    {"EFI/debian/grubriscv64.efi", "GRUB"},
    {"boot/grub/grub.cfg", "GRUB"},
    {"grub/grub.cfg", "GRUB"},
    {"extlinux/extlinux.conf", "extlinux.conf"},
    {"boot/extlinux/extlinux.conf", "extlinux.conf"},
    {"boot.scr", "U-Boot script"},
    {"EFI/freebsd/loader.efi", "FreeBSD's loader"},
};

static void layout_look_into_fat(struct disk_partition *partition, const struct fat *fat)
{
    struct fat_file file;
    for (size_t i = 0; i < ARRAY_LEN(layout_efi_names); i++) {
        partition->efi_archs |=
            fat_find(fat, layout_efi_names[i].path, &file) ? layout_efi_names[i].arch : 0u;
    }
    for (size_t i = 0; i < ARRAY_LEN(layout_vendor_names); i++) {
        partition->efi_archs |=
            fat_find(fat, layout_vendor_names[i].path, &file) ? layout_vendor_names[i].arch : 0u;
    }
    for (size_t i = 0; i < ARRAY_LEN(layout_loaders) && partition->loader[0] == '\0'; i++) {
        if (fat_find(fat, layout_loaders[i].path, &file)) {
            snprintf(partition->loader, sizeof(partition->loader), "%s", layout_loaders[i].loader);
        }
    }
}

/* Which file system lies in the partition, whose beginning is in `head`. */
static void layout_identify(struct disk_partition *partition, const struct disk_source *source,
                            const u8 *head)
{
    for (size_t i = 0; i < ARRAY_LEN(layout_magics); i++) {
        const struct layout_magic *magic = &layout_magics[i];
        if (memcmp(head + magic->offset, magic->magic, magic->magic_bytes) == 0) {
            partition->file_system = magic->file_system;
            layout_text(partition->label, sizeof(partition->label), head + magic->label_offset,
                        magic->label_bytes);
            return;
        }
    }
    struct fat fat;
    if (layout_is_ext(head + 1024)) {
        partition->file_system = layout_ext_name(head + 1024);
        layout_text(partition->label, sizeof(partition->label), head + 1024 + 0x78, 16);
    } else if (fat_open(&fat, source, partition->offset, partition->size_bytes)) {
        partition->file_system = "FAT";
        layout_text(partition->label, sizeof(partition->label), (const u8 *)fat.label, 11);
        layout_look_into_fat(partition, &fat);
    }
}

/* --- tables --- */

struct layout_gpt_type {
    u8 guid[16]; /* as it is stored */
    const char *name;
};

#define GUID(a, b, c, d, e)                                                                     \
    {(a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24 & 0xff, (b) & 0xff, (b) >> 8 & 0xff, \
     (c) & 0xff, (c) >> 8 & 0xff, (d) >> 8 & 0xff, (d) & 0xff, (e) >> 40 & 0xff, (e) >> 32 & 0xff, \
     (e) >> 24 & 0xff, (e) >> 16 & 0xff, (e) >> 8 & 0xff, (e) & 0xff}

/* The first is the EFI system partition. */
static const struct layout_gpt_type layout_gpt_types[] = {
    {GUID(0xc12a7328u, 0xf81f, 0x11d2, 0xba4b, 0x00a0c93ec93bull), "EFI system"},
    {GUID(0x0fc63dafu, 0x8483, 0x4772, 0x8e79, 0x3d69d8477de4ull), "Linux"},
    {GUID(0x72ec70a6u, 0xcf74, 0x40e6, 0xbd49, 0x4bda08e8f224ull), "Linux root (riscv64)"},
    {GUID(0x4f68bce3u, 0xe8cd, 0x4db1, 0x96e7, 0xfbcaf984b709ull), "Linux root (x86-64)"},
    {GUID(0xb921b045u, 0x1df0, 0x41c3, 0xaf44, 0x4c6f280d3faeull), "Linux root (AArch64)"},
    {GUID(0xbc13c2ffu, 0x59e6, 0x4262, 0xa352, 0xb275fd6f7172ull), "Linux boot"},
    {GUID(0x0657fd6du, 0xa4ab, 0x43c4, 0x84e5, 0x0933c84b4f4full), "Linux swap"},
    {GUID(0xe6d6d379u, 0xf507, 0x44c2, 0xa23c, 0x238f2a3df928ull), "Linux LVM"},
    {GUID(0x21686148u, 0x6449, 0x6e6f, 0x744e, 0x656564454649ull), "BIOS boot"},
    {GUID(0xebd0a0a2u, 0xb9e5, 0x4433, 0x87c0, 0x68b6b72699c7ull), "Microsoft data"},
    {GUID(0x516e7cb6u, 0x6ecf, 0x11d6, 0x8ff8, 0x00022d09712bull), "FreeBSD UFS"},
    {GUID(0x516e7cbau, 0x6ecf, 0x11d6, 0x8ff8, 0x00022d09712bull), "FreeBSD ZFS"},
    {GUID(0x5b193300u, 0xfc78, 0x40cd, 0x8002, 0xe86c45580b47ull), "U-Boot SPL"},
    {GUID(0x2e54b353u, 0x1271, 0x4842, 0x806f, 0xe436d6af6985ull), "RISC-V firmware"},
};

static void layout_gpt_entry(struct disk_partition *partition, const u8 *entry)
{
    for (size_t i = 0; i < ARRAY_LEN(layout_gpt_types); i++) {
        if (memcmp(entry, layout_gpt_types[i].guid, 16) == 0) {
            partition->type = layout_gpt_types[i].name;
            partition->is_esp = i == 0;
        }
    }
    partition->bootable = (entry[48] & 4) != 0; /* attribute 2: legacy BIOS bootable */
    u8 name[36];
    for (unsigned i = 0; i < 36; i++) {
        u16 unit = ld_le16(entry + 56 + 2 * i);
        name[i] = unit < 0x7f ? (u8)unit : '?';
    }
    layout_text(partition->name, sizeof(partition->name), name, sizeof(name));
}

/* Takes a partition in, if it lies inside the disk and there is room. */
static struct disk_partition *layout_add(struct disk_layout *layout,
                                         const struct disk_source *source, u64 first_sector,
                                         u64 sectors, u32 sector_bytes)
{
    u64 disk_sectors = source->size_bytes / sector_bytes;
    if (sectors == 0 || first_sector == 0 || first_sector >= disk_sectors ||
        sectors > disk_sectors - first_sector) {
        layout->damaged = true;
        return NULL;
    }
    if (layout->count == DISK_MAX_PARTITIONS) {
        layout->more = true;
        return NULL;
    }
    struct disk_partition *partition = &layout->partitions[layout->count++];
    *partition = (struct disk_partition){.offset = first_sector * sector_bytes,
                                         .size_bytes = sectors * sector_bytes};
    return partition;
}

static bool layout_gpt(struct disk_layout *layout, const struct disk_source *source,
                       const u8 *header, u32 sector_bytes)
{
    u64 entries_sector = ld_le64(header + 72);
    u32 count = ld_le32(header + 80), entry_bytes = ld_le32(header + 84);
    layout->table = DISK_TABLE_GPT;
    if (entry_bytes < 128 || entry_bytes > 4096 ||
        entries_sector >= source->size_bytes / sector_bytes) {
        layout->damaged = true;
        return true;
    }
    for (u32 i = 0; i < count && i < LAYOUT_MAX_ENTRIES; i++) {
        static const u8 unused[16];
        u8 entry[128];
        if (!disk_source_read(source, entries_sector * sector_bytes + (u64)i * entry_bytes, entry,
                              sizeof(entry))) {
            return false;
        }
        u64 first = ld_le64(entry + 32), last = ld_le64(entry + 40);
        if (memcmp(entry, unused, sizeof(unused)) == 0) {
            continue;
        }
        struct disk_partition *partition =
            layout_add(layout, source, first, last >= first ? last - first + 1 : 0, sector_bytes);
        if (partition != NULL) {
            layout_gpt_entry(partition, entry);
        }
    }
    return true;
}

static const char *layout_mbr_type(u8 type)
{
    switch (type) {
    case 0x01: case 0x04: case 0x06: case 0x0b: case 0x0c: case 0x0e: return "FAT";
    case 0x05: case 0x0f: return "extended";
    case 0x07: return "NTFS or exFAT";
    case 0x82: return "Linux swap";
    case 0x83: return "Linux";
    case 0x8e: return "Linux LVM";
    case 0xa5: return "FreeBSD";
    case 0xa6: return "OpenBSD";
    case 0xee: return "GPT protective";
    case 0xef: return "EFI system";
    default: return NULL;
    }
}

/* Four entries at 446. Only believed when every one of them makes sense: the same signature ends
 * a FAT boot sector, where other things stand there. */
static void layout_mbr(struct disk_layout *layout, const struct disk_source *source,
                       const u8 *sector)
{
    bool any = false;
    for (unsigned i = 0; i < 4; i++) {
        const u8 *entry = sector + 446 + 16 * i;
        if ((entry[0] & 0x7f) != 0) {
            return;
        }
        any = any || entry[4] != 0;
    }
    if (!any) {
        return;
    }
    layout->table = DISK_TABLE_MBR;
    for (unsigned i = 0; i < 4; i++) {
        const u8 *entry = sector + 446 + 16 * i;
        struct disk_partition *partition =
            entry[4] == 0
                ? NULL
                : layout_add(layout, source, ld_le32(entry + 8), ld_le32(entry + 12), 512);
        if (partition != NULL) {
            partition->type = layout_mbr_type(entry[4]);
            partition->is_esp = entry[4] == 0xef;
            partition->bootable = entry[0] == 0x80;
        }
    }
}

/* A jump or a stack set up at the start is how x86 boot sectors begin. */
static bool layout_has_boot_code(const u8 *sector)
{
    return sector[510] == 0x55 && sector[511] == 0xaa &&
           (sector[0] == 0xeb || sector[0] == 0xe9 || sector[0] == 0xfa || sector[0] == 0x33 ||
            sector[0] == 0x31 || sector[0] == 0xfc);
}

static bool layout_read_table(struct disk_layout *layout, const struct disk_source *source,
                              const u8 *head)
{
    static const u32 sector_sizes[] = {512, 4096};
    for (size_t i = 0; i < ARRAY_LEN(sector_sizes); i++) {
        if (memcmp(head + sector_sizes[i], "EFI PART", 8) == 0) {
            return layout_gpt(layout, source, head + sector_sizes[i], sector_sizes[i]);
        }
    }
    if (head[510] == 0x55 && head[511] == 0xaa) {
        layout_mbr(layout, source, head);
    }
    if (layout->table == DISK_TABLE_NONE && memcmp(head + 0x8001, "CD001", 5) == 0) {
        layout->table = DISK_TABLE_ISO;
    }
    return true;
}

bool disk_layout_read(struct disk_layout *layout, const struct disk_source *source)
{
    u8 head[LAYOUT_HEAD_BYTES];
    *layout = (struct disk_layout){.table = DISK_TABLE_NONE};
    if (!disk_source_read(source, 0, head, sizeof(head)) ||
        !layout_read_table(layout, source, head)) {
        return false;
    }
    layout->boot_code = layout_has_boot_code(head);
    if (layout->table == DISK_TABLE_NONE || layout->table == DISK_TABLE_ISO) {
        layout->empty = bytes_are_all(head, sizeof(head), 0);
        layout->partitions[0] = (struct disk_partition){.size_bytes = source->size_bytes};
        layout_identify(&layout->partitions[0], source, head);
        layout->count = layout->partitions[0].file_system != NULL ? 1 : 0;
        return true;
    }
    for (unsigned i = 0; i < layout->count; i++) {
        struct disk_partition *partition = &layout->partitions[i];
        if (!disk_source_read(source, partition->offset, head, sizeof(head))) {
            return false;
        }
        layout_identify(partition, source, head);
    }
    return true;
}

const char *disk_table_name(enum disk_table table)
{
    static const char *const names[] = {"none", "MBR", "GPT", "ISO 9660"};
    return names[table];
}

unsigned disk_layout_efi_archs(const struct disk_layout *layout)
{
    unsigned archs = 0;
    for (unsigned i = 0; i < layout->count; i++) {
        archs |= layout->partitions[i].efi_archs;
    }
    return archs;
}

bool disk_layout_has_esp(const struct disk_layout *layout)
{
    bool found = false;
    for (unsigned i = 0; i < layout->count; i++) {
        found |= layout->partitions[i].is_esp;
    }
    return found;
}

void disk_efi_arch_names(unsigned archs, char *text, size_t text_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(layout_efi_names) && used < text_bytes; i++) {
        if ((archs & layout_efi_names[i].arch) != 0) {
            used += (size_t)snprintf(text + used, text_bytes - used, "%s%s",
                                     used > 0 ? " and " : "", layout_efi_names[i].processor);
        }
    }
}
