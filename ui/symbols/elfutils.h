/* What is used of elfutils' libraries, libelf and libdw. They are opened when there is something to
 * read: with what they need themselves they are four libraries, a tenth of the start of a machine
 * that wants no symbols. */
#ifndef METIC_UI_ELFUTILS_H
#define METIC_UI_ELFUTILS_H

#include "config.h"
#include "cpu/base/error.h"

#if HAVE_LIBDW

#include <elfutils/libdw.h>
#include <gelf.h>

#define ELF_CALLS(CALL)                                                                           \
    CALL(elf_begin) CALL(elf_end) CALL(elf_getdata) CALL(elf_getphdrnum) CALL(elf_getscn)         \
    CALL(elf_kind) CALL(elf_nextscn) CALL(elf_strptr) CALL(elf_version) CALL(gelf_getehdr)        \
    CALL(gelf_getphdr) CALL(gelf_getshdr) CALL(gelf_getsym)

#define DW_CALLS(CALL)                                                                            \
    CALL(dwarf_addrdie) CALL(dwarf_begin) CALL(dwarf_begin_elf) CALL(dwarf_cfi_addrframe)         \
    CALL(dwarf_cfi_end) CALL(dwarf_end) CALL(dwarf_frame_cfa) CALL(dwarf_frame_info)              \
    CALL(dwarf_frame_register) CALL(dwarf_get_units) CALL(dwarf_getcfi) CALL(dwarf_getcfi_elf)    \
    CALL(dwarf_getsrc_die) CALL(dwarf_getsrclines) CALL(dwarf_haspc) CALL(dwarf_lineaddr)         \
    CALL(dwarf_linebeginstatement) CALL(dwarf_lineendsequence) CALL(dwarf_lineno)                 \
    CALL(dwarf_linesrc) CALL(dwarf_onesrcline)

/* Functions by their names. The libraries stay open to the end of the process. */
struct elfutils {
#define CALL(name) __typeof__(name) *name;
    ELF_CALLS(CALL) DW_CALLS(CALL)
#undef CALL
};

/* False: this host has none, or too old ones. A confined process may open no file, and so must have
 * opened them before. */
bool elfutils_open(struct elfutils *elfutils, struct metic_error *error);

#endif

#endif
