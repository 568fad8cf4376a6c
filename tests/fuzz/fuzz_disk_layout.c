/* Partition tables and FAT file systems of disks. */
#include "hw/block/disk_layout.h"
#include "tests/fuzz/fuzz.h"
#include "tests/hw/block/disk_build.h"

struct input {
    const u8 *bytes;
    size_t size_bytes;
};

static bool input_read(void *opaque, u64 offset, void *buffer, size_t size_bytes)
{
    const struct input *input = opaque;
    if (offset > input->size_bytes || size_bytes > input->size_bytes - offset) {
        abort(); /* the reader asks for what is there */
    }
    memcpy(buffer, input->bytes + offset, size_bytes);
    return true;
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static struct disk_layout layout;
    struct input input = {bytes, size_bytes};
    struct disk_source source = {size_bytes, input_read, &input};
    char names[16];
    if (!disk_layout_read(&layout, &source) || layout.count > DISK_MAX_PARTITIONS) {
        abort();
    }
    for (unsigned i = 0; i < layout.count; i++) {
        const struct disk_partition *partition = &layout.partitions[i];
        if (partition->offset > size_bytes ||
            partition->size_bytes > size_bytes - partition->offset ||
            memchr(partition->label, '\0', DISK_LABEL_BYTES) == NULL ||
            memchr(partition->name, '\0', DISK_LABEL_BYTES) == NULL) {
            abort();
        }
        disk_efi_arch_names(partition->efi_archs, names, sizeof(names));
    }
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static u8 disk[DISK_BUILD_BYTES];
    disk_build(disk, "BOOTRISCV64.EFI", "BOOTRI~1EFI");
    size_t used = 512 * (DISK_BUILD_ESP_SECTOR + 16);
    add(disk, used < FUZZ_MAX_BYTES ? used : FUZZ_MAX_BYTES);
    u8 *esp = disk + 512 * DISK_BUILD_ESP_SECTOR;
    add(esp, 512 * 16);
}
