/* Which firmware starts what: names of firmware, and the choice for a disk. The public side is
 * metic_plan_boot in hw/metic.h. */
#ifndef METIC_HW_BOOT_PLAN_H
#define METIC_HW_BOOT_PLAN_H

#include "hw/block/disk_layout.h"
#include "hw/metic.h"

enum firmware_id {
#define FIRMWARE(id, what, path, package, since) FIRMWARE_##id,
#include "hw/loader/firmware.def"
#undef FIRMWARE
    FIRMWARE_COUNT
};

struct firmware_info {
    const char *what, *path, *package;
    unsigned since; /* the first Debian whose package has it */
};
extern const struct firmware_info firmware_infos[FIRMWARE_COUNT];

/* The layout of the disk image at `path`; its size too, unless that is NULL. False with a reason.
 * */
bool boot_read_layout(const char *path, struct disk_layout *layout, u64 *size_bytes,
                      struct metic_error *error);

/* What would boot from it: "EDK2, else U-Boot"; NULL and the reason in `why` when nothing would. */
const char *boot_layout_firmware(const struct disk_layout *layout, char *why, size_t why_bytes);

#endif
