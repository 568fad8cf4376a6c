/* See run_symbols.h. */
#include "ui/run/run_symbols.h"

#include "ui/gdb/debugger_kernel.h"
#include "ui/symbols/elf_place.h"

static void add_kernel_symbol(void *opaque, uint64_t address, char type, const char *name)
{
    (void)type;
    symbols_add(opaque, address, 0, name);
}

size_t run_symbols_add_kernel(struct symbols *symbols, metic_machine *machine)
{
    return metic_kernel_symbols(machine, add_kernel_symbol, symbols);
}

void run_symbols_complete(struct symbols *symbols, metic_machine *machine)
{
    if (symbols_find_name(symbols, "linux_banner") == NULL) {
        run_symbols_add_kernel(symbols, machine);
    }
}

bool run_symbols_add_files(struct symbols *symbols, const struct run_args *args,
                           struct metic_error *error)
{
    struct metic_error ignored;
    const char *const images[] = {args->thing, args->options.firmware};
    for (unsigned i = 0; i < ARRAY_LEN(images); i++) {
        if (images[i] != NULL) {
            symbols_add_elf(symbols, images[i], elf_place(images[i]), &ignored);
        }
    }
    for (unsigned i = 0; i < args->symbol_count; i++) {
        /* A module's addresses say nothing before it is loaded. */
        const char *path = args->symbols[i];
        if (!debugger_is_module(path) &&
            !symbols_add_elf(symbols, path, elf_place(path), error)) {
            return false;
        }
    }
    return true;
}

struct guest_files *run_symbols_files(const struct run_args *args, metic_machine *machine)
{
    const char *paths[ARRAY_LEN(args->symbols) + 1];
    unsigned count = 0;
    if (args->thing != NULL) {
        paths[count++] = args->thing;
    }
    for (unsigned i = 0; i < args->symbol_count; i++) {
        paths[count++] = args->symbols[i];
    }
    return guest_files_new(machine, paths, count);
}

bool run_symbols_add(struct symbols *symbols, const struct run_args *args, metic_machine *machine,
                     struct metic_error *error)
{
    bool good = run_symbols_add_files(symbols, args, error);
    if (good) {
        run_symbols_add_kernel(symbols, machine);
    }
    return good;
}
