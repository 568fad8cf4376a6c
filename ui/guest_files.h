/* ELF files of the host as they lie in the guest: which of them an address belongs to, by what
 * name, and who called. A program or library is where a copy of its ELF header is seen in the
 * address space the hart is in, so what is found is right for each process, however it was moved; a
 * kernel, firmware or bare-metal program is where its file says. Call frame information (.eh_frame
 * or .debug_frame, DWARF 5 section 6.4) is read by libdw; without libdw nothing is found.
 *
 * All functions are for one thread at a time, on which the hart stands between two instructions. */
#ifndef METIC_UI_GUEST_FILES_H
#define METIC_UI_GUEST_FILES_H

#include "hw/metic.h"
#include "ui/symbols/symbols.h"

struct guest_files;

/* NULL: no libdw, no memory, or no ELF file among them. The paths outlive it. */
struct guest_files *guest_files_new(metic_machine *machine, const char *const *paths,
                                    unsigned count);
void guest_files_free(struct guest_files *files); /* NULL allowed */

/* Programs are looked for in the hart's present address space (`user`), or all else. The symbol
 * lives as long as the files; its address is as in the file, and `*above` how far above it the
 * address is in the guest. NULL: none. */
const struct symbol *guest_files_symbol(struct guest_files *files, unsigned hart, bool user,
                                        u64 address, u64 *above);

/* Likewise which file an address of a program is in: its name without folders, which lives as long
 * as the files, and at which address of the file. NULL: none. */
const char *guest_files_name(struct guest_files *files, unsigned hart, u64 address,
                             u64 *file_address);

/* The calls the hart is in: its pc, then return addresses. Where a frame has no call frame
 * information, the convention of frame pointers is tried. Returns their number; 0 when there is no
 * information for the pc itself. */
unsigned guest_files_unwind(struct guest_files *files, unsigned hart, bool user, u64 *stack,
                            unsigned limit);
/* The same of a program that is not running now but has its memory: from its pc and x1 to x31. */
unsigned guest_files_unwind_from(struct guest_files *files, unsigned hart, const u64 regs[32],
                                 u64 *stack, unsigned limit);

#endif
