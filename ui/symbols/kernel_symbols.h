/* The symbols of a Linux kernel in the guest and of its modules, as an ELF file that debuggers
 * read: no file of the guest's is needed, and they are where the kernel really lies (KASLR). */
#ifndef METIC_UI_KERNEL_SYMBOLS_H
#define METIC_UI_KERNEL_SYMBOLS_H

#include "cpu/base/error.h"
#include "hw/metic.h"

/* While the machine stands still. False with a reason: there is no kernel, or the file cannot be
 * written. *symbols: how many were written. */
bool kernel_symbols_write(metic_machine *machine, const char *path, size_t *symbols,
                          struct metic_error *error);

#endif
