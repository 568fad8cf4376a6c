/* The symbols that a run knows: of what is run, of the files given with --symbols, and of a Linux
 * kernel's own table in guest memory. */
#ifndef METIC_UI_RUN_SYMBOLS_H
#define METIC_UI_RUN_SYMBOLS_H

#include "ui/command/args.h"
#include "ui/guest_files.h"
#include "ui/symbols/symbols.h"

/* After loading. A thing that is no ELF has none; false with a reason: a file of --symbols cannot
 * be read. The symbols are the caller's in any case (symbols_fini). */
bool run_symbols_add(struct symbols *symbols, const struct run_args *args, metic_machine *machine,
                     struct metic_error *error);
/* The same without the kernel's. */
bool run_symbols_add_files(struct symbols *symbols, const struct run_args *args,
                           struct metic_error *error);
/* The same files, for programs that the guest has moved; NULL as guest_files_new. */
struct guest_files *run_symbols_files(const struct run_args *args, metic_machine *machine);
/* Adds the kernel's own; the number found. A kernel that unpacks itself has none before it did. Any
 * thread: it reads memory alone. */
size_t run_symbols_add_kernel(struct symbols *symbols, metic_machine *machine);
/* At the end: those of a kernel that was not there at the start, since firmware loaded it. */
void run_symbols_complete(struct symbols *symbols, metic_machine *machine);

#endif
