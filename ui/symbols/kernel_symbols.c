/* See kernel_symbols.h. */
#include "ui/symbols/kernel_symbols.h"

#include "cpu/base/types.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_RANGES = 1024, NULL_SECTION = 0, SYMTAB, STRTAB, SHSTRTAB, FIRST_RANGE };

/* Code or data of the kernel, code of a module: a section without contents. Debuggers take a symbol
 * for a function or a variable by its section: `print (long)jiffies_64` says what is there. */
struct range {
    u64 first, end;
    bool code;
};

struct writer {
    metic_machine *machine;
    struct metic_kernel *kernel;
    Elf64_Sym *symbols;
    size_t count, capacity;
    char *strings;
    size_t strings_bytes, strings_capacity;
    struct range ranges[MAX_RANGES];
    unsigned range_count;
    bool no_memory;
};

static bool grow(void **list, size_t *capacity, size_t needed, size_t each)
{
    if (needed > *capacity) {
        size_t more = *capacity * 2 > needed ? *capacity * 2 : needed + 4096;
        void *grown = realloc(*list, more * each);
        if (grown == NULL) {
            return false;
        }
        *list = grown;
        *capacity = more;
    }
    return true;
}

static void add_symbol(struct writer *writer, u64 address, u64 size_bytes, bool code,
                       unsigned section, const char *name)
{
    size_t length = strlen(name) + 1;
    if (!grow((void **)&writer->symbols, &writer->capacity, writer->count + 1,
              sizeof(*writer->symbols)) ||
        !grow((void **)&writer->strings, &writer->strings_capacity,
              writer->strings_bytes + length, 1)) {
        writer->no_memory = true;
        return;
    }
    writer->symbols[writer->count++] = (Elf64_Sym){
        .st_name = (Elf64_Word)writer->strings_bytes,
        .st_info = ELF64_ST_INFO(STB_GLOBAL, code ? STT_FUNC : STT_OBJECT),
        .st_shndx = (Elf64_Section)section,
        .st_value = address,
        .st_size = size_bytes,
    };
    memcpy(writer->strings + writer->strings_bytes, name, length);
    writer->strings_bytes += length;
}

/* --- what there is --- */

/* Addresses rise, and code and data of a kernel change a few times; of one that is mixed, half the
 * ranges are enough. */
static struct range *range_of(struct writer *writer, u64 address, bool code)
{
    struct range *range = &writer->ranges[writer->range_count - 1];
    if (range->code != code && writer->range_count < MAX_RANGES / 2) {
        range->end = address;
        range++;
        *range = (struct range){address, address, code};
        writer->range_count++;
    }
    return range;
}

static void on_kernel_symbol(void *opaque, uint64_t address, char type, const char *name)
{
    struct writer *writer = opaque;
    bool code = type == 't' || type == 'T' || type == 'w' || type == 'W';
    if (address < writer->ranges[writer->range_count - 1].first) { /* no address at all */
        add_symbol(writer, address, 0, false, SHN_ABS, name);
        return;
    }
    struct range *range = range_of(writer, address, code);
    range->end = address;
    add_symbol(writer, address, 0, code, FIRST_RANGE + writer->range_count - 1, name);
}

static void on_module_symbol(void *opaque, uint64_t address, uint64_t size_bytes, const char *name)
{
    struct writer *writer = opaque;
    const struct range *range = &writer->ranges[writer->range_count - 1];
    bool code = address >= range->first && address < range->end;
    add_symbol(writer, address, size_bytes, code,
               code ? FIRST_RANGE + writer->range_count - 1 : (unsigned)SHN_ABS, name);
}

static void on_module(void *opaque, const struct metic_kernel_module *module)
{
    struct writer *writer = opaque;
    if (writer->range_count < MAX_RANGES && module->size_bytes != 0) {
        writer->ranges[writer->range_count++] =
            (struct range){module->address, module->address + module->size_bytes, true};
        metic_kernel_module_symbols(writer->kernel, module, on_module_symbol, writer);
    }
}

/* --- the file --- */

static const char section_names[] = "\0.symtab\0.strtab\0.shstrtab\0.text\0.data";
enum { NAME_SYMTAB = 1, NAME_STRTAB = 9, NAME_SHSTRTAB = 17, NAME_TEXT = 27, NAME_DATA = 33 };

static void set_sections(const struct writer *writer, Elf64_Shdr *sections)
{
    u64 at = sizeof(Elf64_Ehdr) + (FIRST_RANGE + writer->range_count) * sizeof(Elf64_Shdr);
    u64 symbols_bytes = writer->count * sizeof(Elf64_Sym);
    sections[SYMTAB] = (Elf64_Shdr){
        .sh_name = NAME_SYMTAB, .sh_type = SHT_SYMTAB, .sh_offset = at, .sh_size = symbols_bytes,
        .sh_link = STRTAB, .sh_info = 1, .sh_addralign = 8, .sh_entsize = sizeof(Elf64_Sym),
    };
    at += symbols_bytes;
    sections[STRTAB] = (Elf64_Shdr){.sh_name = NAME_STRTAB, .sh_type = SHT_STRTAB, .sh_offset = at,
                                    .sh_size = writer->strings_bytes, .sh_addralign = 1};
    at += writer->strings_bytes;
    sections[SHSTRTAB] = (Elf64_Shdr){
        .sh_name = NAME_SHSTRTAB, .sh_type = SHT_STRTAB, .sh_offset = at,
        .sh_size = sizeof(section_names), .sh_addralign = 1,
    };
    at += sizeof(section_names);
    for (unsigned i = 0; i < writer->range_count; i++) {
        const struct range *range = &writer->ranges[i];
        sections[FIRST_RANGE + i] = (Elf64_Shdr){
            .sh_name = range->code ? NAME_TEXT : NAME_DATA, .sh_type = SHT_NOBITS,
            .sh_flags = SHF_ALLOC | (range->code ? SHF_EXECINSTR : SHF_WRITE),
            .sh_addr = range->first, .sh_offset = at, .sh_size = range->end - range->first,
            .sh_addralign = 1,
        };
    }
}

static bool write_file(const struct writer *writer, FILE *to)
{
    unsigned count = FIRST_RANGE + writer->range_count;
    Elf64_Shdr *sections = calloc(count, sizeof(*sections));
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC, .e_machine = EM_RISCV, .e_version = EV_CURRENT,
        .e_entry = writer->ranges[0].first, .e_shoff = sizeof(header),
        .e_ehsize = sizeof(header), .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = (Elf64_Half)count, .e_shstrndx = SHSTRTAB,
    };
    if (sections == NULL) {
        return false;
    }
    set_sections(writer, sections);
    fwrite(&header, sizeof(header), 1, to);
    fwrite(sections, sizeof(*sections), count, to);
    fwrite(writer->symbols, sizeof(Elf64_Sym), writer->count, to);
    fwrite(writer->strings, 1, writer->strings_bytes, to);
    fwrite(section_names, 1, sizeof(section_names), to);
    free(sections);
    return !ferror(to);
}

static bool save(const struct writer *writer, const char *path, struct metic_error *error)
{
    /* A new file, so that a debugger that has the old one mapped keeps it. */
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = to != NULL && write_file(writer, to);
    if (to != NULL) {
        good = fclose(to) == 0 && good;
    }
    return good || error_set(error, "give a file that can be written", "%s: %s", path,
                             strerror(errno));
}

bool kernel_symbols_write(metic_machine *machine, const char *path, size_t *symbols,
                          struct metic_error *error)
{
    struct writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return error_set(error, NULL, "the host has no memory for the symbols");
    }
    writer->machine = machine;
    writer->kernel = metic_kernel_find(machine);
    bool good = writer->kernel != NULL ||
                error_set(error, "try again when a Linux kernel runs with its page tables",
                          "there is no Linux kernel that is known");
    if (good) {
        u64 text = metic_kernel_text(writer->kernel);
        writer->ranges[writer->range_count++] = (struct range){text, text, true};
        add_symbol(writer, 0, 0, false, SHN_UNDEF, ""); /* as the format wants it */
        metic_kernel_symbols(machine, on_kernel_symbol, writer);
        metic_kernel_modules(writer->kernel, on_module, writer);
        *symbols = writer->count - 1;
        good = writer->no_memory ? error_set(error, NULL, "the host has no memory for the symbols")
                                 : save(writer, path, error);
    }
    metic_kernel_free(writer->kernel);
    free(writer->symbols);
    free(writer->strings);
    free(writer);
    return good;
}
