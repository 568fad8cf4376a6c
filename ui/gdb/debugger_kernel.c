/* See debugger_kernel.h. What GDB is given is written in Python, in the files beside this one. */
#include "ui/gdb/debugger_kernel.h"

#include "ui/symbols/elf_place.h"
#include "ui/symbols/symbols.h"

#include <elf.h>
#include <sys/stat.h>

/* A file of the tree, as a string; -I says where the tree is. */
#define PROGRAM(label, file)                                                             \
    __asm__(".section .rodata\n" #label ":\n.incbin \"" file "\"\n.byte 0\n.previous\n"); \
    extern const char label[]

PROGRAM(kernel_symbols_program, "ui/gdb/kernel_symbols.py");
PROGRAM(kernel_frames_program, "ui/gdb/kernel_frames.py");

bool debugger_is_module(const char *path)
{
    struct stat status;
    return (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) || elf_type(path) == ET_REL;
}

static void put_string(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            fputc('\\', to);
        }
        fputc(*text == '\n' ? ' ' : *text, to);
    }
    fputc('\'', to);
}

/* Where a vmlinux was linked to; 0: the file is no kernel with symbols. */
static u64 linked_at(const char *path)
{
    struct symbols symbols = {0};
    struct metic_error ignored;
    u64 address = 0;
    if (path != NULL && symbols_add_elf(&symbols, path, 0, &ignored) &&
        symbols_find_name(&symbols, "linux_banner") != NULL) {
        const struct symbol *start = symbols_find_name(&symbols, "_start");
        start = start != NULL ? start : symbols_find_name(&symbols, "_text");
        address = start != NULL ? start->address : 0;
    }
    symbols_fini(&symbols);
    return address;
}

void debugger_write_kernel(FILE *to, const struct run_args *args, const char *main,
                           const char *symbols)
{
    u64 linked = linked_at(main);
    fputs("set breakpoint pending on\npython\nFILES = [", to); /* what modules bring, later */
    for (unsigned i = 0; i < args->symbol_count; i++) {
        if (debugger_is_module(args->symbols[i])) {
            put_string(to, args->symbols[i]);
            fputs(", ", to);
        }
    }
    fputs("]\nMAIN = ", to);
    put_string(to, main != NULL ? main : "");
    fputs("\nSYMBOLS = ", to);
    put_string(to, symbols);
    if (linked != 0) {
        fprintf(to, "\nLINKED = 0x%llx\n", (unsigned long long)linked);
    } else {
        fputs("\nLINKED = None\n", to);
    }
    fputs(kernel_frames_program, to);
    fputs(kernel_symbols_program, to);
    fputs("end\n", to);
}

void debugger_write_frames(FILE *to)
{
    fputs("python\n", to);
    fputs(kernel_frames_program, to);
    fputs("end\n", to);
}
