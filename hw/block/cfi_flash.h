/* NOR flash with the Intel command set; see cfi_flash.c. */
#ifndef METIC_HW_BLOCK_CFI_FLASH_H
#define METIC_HW_BLOCK_CFI_FLASH_H

#include "hw/device.h"

enum { CFI_FLASH_SECTOR_BYTES = 256 << 10, CFI_FLASH_MAX_SECTORS = 128 };

/* One bank: two x16 chips side by side on a 32-bit bus. The region's size (a multiple of
 * CFI_FLASH_SECTOR_BYTES, a power of two, at most 32 MiB) comes from device_spec.region_bytes. */
struct cfi_flash_config {
    const char *path; /* initial contents, padded with 0xff; NULL: erased */
    bool write_back;  /* each change goes into the file at once */
};

extern const struct device_class cfi_flash_class;

#endif
