/* See elfutils.h. */
#include "ui/symbols/elfutils.h"

#include "cpu/base/library.h"

#if HAVE_LIBDW

bool elfutils_open(struct elfutils *elfutils, struct metic_error *error)
{
    void *libelf = library_open("libelf.so.1");
    void *libdw = library_open("libdw.so.1");
    bool whole = libelf != NULL && libdw != NULL;
#define CALL(name)                                                                                \
    whole = whole && library_find(libelf, #name, (void *)&elfutils->name, sizeof(elfutils->name));
    ELF_CALLS(CALL)
#undef CALL
#define CALL(name)                                                                                \
    whole = whole && library_find(libdw, #name, (void *)&elfutils->name, sizeof(elfutils->name));
    DW_CALLS(CALL)
#undef CALL
    if (!whole) {
        return error_set(error, "install it (Debian: libdw1)",
                         "symbols need libdw, which this host has not, or too old a one");
    }
    elfutils->elf_version(EV_CURRENT);
    return true;
}

#endif
