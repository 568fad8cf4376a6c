/* A Linux kernel that runs in the guest: its symbols and modules. */
#ifndef METIC_KERNEL_H
#define METIC_KERNEL_H

#include "hw/metic/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Symbols of a Linux kernel in guest memory, from its own table (kallsyms); the number found. Where
 * there can be none, since no hart has page tables and the image is too small, nobody looks.
 * `each` is called in order of addresses. */
size_t metic_kernel_symbols(metic_machine *machine,
                            void (*each)(void *opaque, uint64_t address, char type,
                                         const char *name), void *opaque);
/* The same, but only those for which `wants` is true, and those behind them, where they end.
 * `wants` is called in order of addresses: whether somebody asks for an address in [first, end),
 * which symbols of one address reach over. */
size_t metic_kernel_symbols_in(metic_machine *machine,
                               bool (*wants)(void *opaque, uint64_t first, uint64_t end),
                               void (*each)(void *opaque, uint64_t address, char type,
                                            const char *name), void *opaque);

/* A Linux kernel that runs in the guest, from 6.4 on and with BTF, as distributions build it. While
 * the machine stands still; what is found holds until it runs again. NULL: there is none, or none
 * that is mapped in any hart's address space now. */
struct metic_kernel;
/* Before that: where start_kernel of the kernel that was loaded as image is linked to; 0: none was,
 * or its symbols are not found. It is not moved (KASLR) unless it starts as an EFI program. */
uint64_t metic_kernel_start(metic_machine *machine);
struct metic_kernel *metic_kernel_find(metic_machine *machine);
void metic_kernel_free(struct metic_kernel *kernel); /* NULL allowed */
/* Where it begins, a virtual address: more than its file says when it has moved itself (KASLR). */
uint64_t metic_kernel_text(const struct metic_kernel *kernel);

struct metic_kernel_section {
    char name[64];
    uint64_t address;
};
struct metic_kernel_module {
    char name[64];
    uint64_t address, size_bytes; /* of its text */
    const struct metic_kernel_section *sections; /* as in its file; none: not known */
    unsigned section_count;
    uint64_t handle; /* for metic_kernel_module_symbols */
};
/* The newest first; the number found. */
unsigned metic_kernel_modules(struct metic_kernel *kernel,
                              void (*each)(void *opaque, const struct metic_kernel_module *module),
                              void *opaque);
/* Its symbols, as the kernel keeps them; the number found. Size 0: up to the next. */
size_t metic_kernel_module_symbols(struct metic_kernel *kernel,
                                   const struct metic_kernel_module *module,
                                   void (*each)(void *opaque, uint64_t address,
                                                uint64_t size_bytes, const char *name),
                                   void *opaque);

#endif
