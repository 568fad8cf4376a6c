/* The contents of a flash bank (cfi_flash.c) and the file they come from, in sectors of
 * CFI_FLASH_SECTOR_BYTES. Sectors that are all zeros or all ones cost the host no memory. */
#ifndef METIC_HW_BLOCK_FLASH_FILE_H
#define METIC_HW_BLOCK_FLASH_FILE_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

/* Fills a bank whose pages are zero and untouched so far from the file, which may be shorter than
 * the bank. False with a reason. */
bool flash_file_load(u8 *bytes, u64 size_bytes, const char *path, struct metic_error *error);
/* Fills such a bank with ones. */
void flash_file_erase(u8 *bytes, u64 size_bytes);
/* One sector of the file; what lies beyond its end is erased. False with errno. */
bool flash_file_read_sector(int fd, u64 offset, u8 *sector);
/* Writes the bank's sector at `offset` to the same place of the file. False with errno. */
bool flash_file_write_sector(int fd, const u8 *bytes, u64 offset);

#endif
