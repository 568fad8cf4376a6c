/* Looking for files in a FAT file system (12, 16 or 32 bits), read only.
 *
 * Names are compared without regard to case, long ones included (Microsoft's FAT specification
 * 1.03, section 7). Everything read is hostile; chains and directories that do not end are cut off.
 * */
#ifndef METIC_HW_BLOCK_FAT_H
#define METIC_HW_BLOCK_FAT_H

#include "hw/block/disk_layout.h"

struct fat {
    const struct disk_source *source;
    u64 offset;             /* of the file system */
    u64 size_bytes;
    unsigned bits;          /* 12, 16 or 32 */
    u32 sector_bytes, cluster_bytes;
    u64 fat_offset;         /* from here on: from the file system's start */
    u64 root_offset, root_bytes; /* 12 and 16 bits: where the root directory is */
    u64 data_offset;
    u32 root_cluster;       /* 32 bits */
    u32 cluster_count;
    char label[12];         /* printable ASCII */
};

struct fat_file {
    u32 cluster; /* 0: the root directory of 12 and 16 bits, or an empty file */
    u32 size_bytes;
    bool is_directory;
};

/* False when there is no such file system. `source` is kept. */
bool fat_open(struct fat *fat, const struct disk_source *source, u64 offset, u64 size_bytes);
/* A path as "EFI/BOOT/BOOTRISCV64.EFI". False when there is no such file. */
bool fat_find(const struct fat *fat, const char *path, struct fat_file *file);

#endif
