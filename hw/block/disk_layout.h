/* What a disk holds: partitions, the file systems in them, and what would boot from it.
 *
 * Everything read is hostile: sizes are bounded, and nothing is believed that lies outside the
 * disk. Sources: UEFI specification 2.10, sections 5.2 and 5.3 (MBR, GPT) and 3.5.1.1 (removable
 * media's boot program); Microsoft's FAT specification 1.03; ISO 9660; the kernel's
 * Documentation/filesystems/ext4. Left out: extended MBR partitions and partitions in partitions.
 * */
#ifndef METIC_HW_BLOCK_DISK_LAYOUT_H
#define METIC_HW_BLOCK_DISK_LAYOUT_H

#include "cpu/base/types.h"

/* Where the bytes come from. */
struct disk_source {
    u64 size_bytes;
    /* False when the host cannot read them. The range lies inside the disk. */
    bool (*read)(void *opaque, u64 offset, void *buffer, size_t size_bytes);
    void *opaque;
};

/* Zeros behind the end of the disk; false only for an error of the host's. */
bool disk_source_read(const struct disk_source *source, u64 offset, void *buffer,
                      size_t size_bytes);

enum { DISK_MAX_PARTITIONS = 16, DISK_LABEL_BYTES = 40 };

enum disk_table { DISK_TABLE_NONE, DISK_TABLE_MBR, DISK_TABLE_GPT, DISK_TABLE_ISO };

/* Processors that a boot program's name in an EFI system partition stands for. */
enum disk_efi_arch {
    DISK_EFI_RISCV64 = 1,
    DISK_EFI_X86_64 = 2,
    DISK_EFI_IA32 = 4,
    DISK_EFI_AARCH64 = 8,
    DISK_EFI_ARM = 16,
    DISK_EFI_LOONGARCH64 = 32,
};

struct disk_partition {
    u64 offset, size_bytes;
    const char *type;        /* of the partition, "EFI system"; NULL: not known */
    const char *file_system; /* "ext4", "FAT", ...; NULL: none that is known */
    char name[DISK_LABEL_BYTES];  /* GPT's; printable ASCII, or empty */
    char label[DISK_LABEL_BYTES]; /* the file system's; printable ASCII, or empty */
    bool is_esp, bootable;   /* an EFI system partition; marked as the one to boot from */
    unsigned efi_archs;      /* enum disk_efi_arch, whose boot programs it holds */
    char loader[DISK_LABEL_BYTES]; /* what else is seen of a boot loader: "GRUB", or empty */
};

struct disk_layout {
    enum disk_table table;
    bool damaged;            /* the table contradicts itself */
    bool more;               /* there are partitions that did not fit */
    bool empty;              /* zeros where a table or file system would begin */
    bool boot_code;          /* the first sector has x86 code */
    unsigned count;          /* without a table: one, if the whole disk is a file system */
    struct disk_partition partitions[DISK_MAX_PARTITIONS];
};

/* False only when the host cannot read the disk. */
bool disk_layout_read(struct disk_layout *layout, const struct disk_source *source);

const char *disk_table_name(enum disk_table table); /* "GPT" */
/* All boot programs that were found. */
unsigned disk_layout_efi_archs(const struct disk_layout *layout);
bool disk_layout_has_esp(const struct disk_layout *layout);
/* "x86-64 and AArch64"; "" for none. */
void disk_efi_arch_names(unsigned archs, char *text, size_t text_bytes);

#endif
