/* What kind of ELF file one is, and where its code lies that is not where it was linked to. */
#ifndef METIC_UI_ELF_PLACE_H
#define METIC_UI_ELF_PLACE_H

#include "cpu/base/types.h"

/* Its e_type, of whatever processor; ET_NONE (0) when it is no ELF file or cannot be read. */
unsigned elf_type(const char *path);
/* How far behind the addresses in `path` its code runs: position-independent firmware, as OpenSBI's
 * ELF files are, is loaded to the beginning of memory. 0 for all else, also for programs and
 * libraries of a guest's Linux, which lie where that puts them, and for what is no ELF file. */
u64 elf_place(const char *path);
/* The addresses [*first, *end) of what is loaded of a RISC-V ELF file, by elf_place. False: nothing
 * is, or it is no such file. */
bool elf_span(const char *path, u64 *first, u64 *end);

#endif
