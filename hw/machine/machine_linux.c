/* A Linux kernel in the guest, seen from outside: its modules, with their sections and symbols. The
 * kernel's own table (machine_kallsyms.c) says where its list of modules and its type information
 * are, and the latter (BTF) where the members of its structures lie, so this follows no version's
 * layout. What it follows is the names: struct module, module_memory, mod_kallsyms,
 * module_sect_attrs, as Linux has them from 6.4 on. Everything read may be nonsense. */
#include "hw/btf.h"
#include "hw/machine/machine.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_BTF_BYTES = 64 << 20, MAX_MODULES = 1000, MAX_SECTIONS = 200, MAX_MODULE_SYMBOLS = 100000,
    MAX_STRINGS_BYTES = 16 << 20,
};

/* Offsets of members, in bytes. */
struct layout {
    u32 list, name, memory, kallsyms, sections;         /* struct module */
    u32 memory_base, memory_bytes;                      /* struct module_memory */
    u32 symbols, symbol_count, strings, types;          /* struct mod_kallsyms */
    u32 section_count, section_list, section_bytes;     /* struct module_sect_attrs */
    u32 section_name, section_address;                  /* struct module_sect_attr */
    bool has_sections;
};

struct metic_kernel {
    metic_machine *machine;
    unsigned hart;  /* whose address space has the kernel */
    u64 modules, btf, btf_end, text, end; /* virtual addresses */
    struct layout layout;
    bool has_layout;
};

static bool get(const struct metic_kernel *kernel, u64 address, void *to, size_t bytes)
{
    return metic_read_virtual(kernel->machine, kernel->hart, address, to, bytes);
}

static bool get64(const struct metic_kernel *kernel, u64 address, u64 *value)
{
    u8 bytes[8];
    bool good = get(kernel, address, bytes, sizeof(bytes));
    *value = good ? ld_le64(bytes) : 0;
    return good;
}

static bool get32(const struct metic_kernel *kernel, u64 address, u32 *value)
{
    u8 bytes[4];
    bool good = get(kernel, address, bytes, sizeof(bytes));
    *value = good ? ld_le32(bytes) : 0;
    return good;
}

/* Up to a zero byte; what does not fit is cut off. */
static bool get_text(const struct metic_kernel *kernel, u64 address, char *text, size_t text_bytes)
{
    size_t n = 0;
    while (n < text_bytes - 1 && get(kernel, address + n, &text[n], 1) && text[n] != '\0') {
        n++;
    }
    text[n] = '\0';
    return n != 0;
}

/* --- layout --- */

struct wanted {
    const char *name;
    u32 *offset;
};

static bool find_members(const struct btf *btf, u32 type, const struct wanted *wanted,
                         unsigned count)
{
    struct btf_member member;
    for (unsigned i = 0; i < count; i++) {
        if (!btf_find_member(btf, type, wanted[i].name, &member)) {
            return false;
        }
        *wanted[i].offset = member.offset_bytes;
    }
    return true;
}

/* attrs[] of struct module_sect_attr; later kernels have only the attributes of sysfs. */
static bool find_sections(const struct btf *btf, u32 module, struct layout *to)
{
    const struct wanted in_module[] = {{"sect_attrs", &to->sections}};
    const struct wanted in_list[] = {{"nsections", &to->section_count},
                                     {"attrs", &to->section_list}};
    const struct wanted in_one[] = {{"battr", &to->section_name},
                                    {"address", &to->section_address}};
    u32 one = btf_find_struct(btf, "module_sect_attr");
    to->section_bytes = btf_struct_bytes(btf, one);
    return find_members(btf, module, in_module, ARRAY_LEN(in_module)) &&
           find_members(btf, btf_find_struct(btf, "module_sect_attrs"), in_list,
                        ARRAY_LEN(in_list)) &&
           find_members(btf, one, in_one, ARRAY_LEN(in_one)) && to->section_bytes != 0;
}

static bool read_layout(const struct btf *btf, struct layout *to)
{
    const struct wanted in_module[] = {
        {"list", &to->list}, {"name", &to->name}, {"mem", &to->memory},
        {"kallsyms", &to->kallsyms},
    };
    const struct wanted in_memory[] = {{"base", &to->memory_base}, {"size", &to->memory_bytes}};
    const struct wanted in_symbols[] = {
        {"symtab", &to->symbols}, {"num_symtab", &to->symbol_count}, {"strtab", &to->strings},
        {"typetab", &to->types},
    };
    u32 module = btf_find_struct(btf, "module");
    to->has_sections = find_sections(btf, module, to);
    return find_members(btf, module, in_module, ARRAY_LEN(in_module)) &&
           find_members(btf, btf_find_struct(btf, "module_memory"), in_memory,
                        ARRAY_LEN(in_memory)) &&
           find_members(btf, btf_find_struct(btf, "mod_kallsyms"), in_symbols,
                        ARRAY_LEN(in_symbols));
}

static bool find_layout(struct metic_kernel *kernel)
{
    struct btf btf;
    u64 bytes = kernel->btf_end - kernel->btf;
    if (kernel->btf == 0 || kernel->btf_end < kernel->btf || bytes > MAX_BTF_BYTES) {
        return false;
    }
    u8 *data = malloc(bytes + 1);
    bool good = data != NULL && get(kernel, kernel->btf, data, bytes);
    if (good && btf_init(&btf, data, bytes)) {
        kernel->has_layout = read_layout(&btf, &kernel->layout);
        btf_fini(&btf);
    }
    free(data);
    return kernel->has_layout;
}

/* --- the kernel --- */

static void note_symbol(void *opaque, uint64_t address, char type, const char *name)
{
    struct metic_kernel *kernel = opaque;
    const struct {
        const char *name;
        u64 *address;
    } wanted[] = {
        {"modules", &kernel->modules}, {"__start_BTF", &kernel->btf},
        {"__stop_BTF", &kernel->btf_end}, {"_text", &kernel->text}, {"_start", &kernel->text},
        {"_end", &kernel->end},
    };
    (void)type;
    for (unsigned i = 0; i < ARRAY_LEN(wanted); i++) {
        if (*wanted[i].address == 0 && strcmp(wanted[i].name, name) == 0) {
            *wanted[i].address = address;
        }
    }
}

static void note_start(void *opaque, uint64_t address, char type, const char *name)
{
    uint64_t *start = opaque;
    (void)type;
    if (strcmp(name, "start_kernel") == 0) {
        *start = address;
    }
}

uint64_t metic_kernel_start(metic_machine *machine)
{
    uint64_t start = 0;
    if (machine->boot.main != NULL && machine->boot.main->kind == IMAGE_LINUX) {
        metic_kernel_symbols(machine, note_start, &start);
    }
    return start;
}

struct metic_kernel *metic_kernel_find(metic_machine *machine)
{
    struct metic_kernel *kernel = calloc(1, sizeof(*kernel));
    if (kernel == NULL) {
        return NULL;
    }
    kernel->machine = machine;
    uint64_t physical;
    unsigned harts = metic_hart_count(machine);
    /* Before, an image says where it was linked to lie, and it may yet move. */
    while (kernel->hart < harts && !machine_has_page_tables(machine, kernel->hart)) {
        kernel->hart++;
    }
    if (kernel->hart < harts) {
        metic_kernel_symbols(machine, note_symbol, kernel);
    }
    while (kernel->text != 0 && kernel->hart < harts &&
           !(machine_has_page_tables(machine, kernel->hart) &&
             metic_translate(machine, kernel->hart, kernel->text, &physical))) {
        kernel->hart++;
    }
    if (kernel->text == 0 || kernel->hart == harts) {
        free(kernel);
        return NULL;
    }
    find_layout(kernel);
    return kernel;
}

void metic_kernel_free(struct metic_kernel *kernel)
{
    free(kernel);
}

uint64_t metic_kernel_text(const struct metic_kernel *kernel)
{
    return kernel->text;
}

/* --- its modules --- */

static unsigned read_sections(const struct metic_kernel *kernel, u64 module,
                              struct metic_kernel_section *sections)
{
    const struct layout *layout = &kernel->layout;
    u64 list;
    u32 count = 0;
    unsigned found = 0;
    if (!layout->has_sections || !get64(kernel, module + layout->sections, &list) || list == 0 ||
        !get32(kernel, list + layout->section_count, &count)) {
        return 0;
    }
    for (u32 i = 0; i < count && i < MAX_SECTIONS; i++) {
        u64 at = list + layout->section_list + (u64)i * layout->section_bytes;
        u64 name;
        struct metic_kernel_section *section = &sections[found];
        if (get64(kernel, at + layout->section_name, &name) &&
            get64(kernel, at + layout->section_address, &section->address) &&
            get_text(kernel, name, section->name, sizeof(section->name))) {
            found++;
        }
    }
    return found;
}

static bool read_module(const struct metic_kernel *kernel, u64 address,
                        struct metic_kernel_module *module,
                        struct metic_kernel_section *sections)
{
    const struct layout *layout = &kernel->layout;
    u64 memory = address + layout->memory; /* the first is the text's */
    u32 text_bytes = 0;
    module->handle = address;
    bool good = get_text(kernel, address + layout->name, module->name, sizeof(module->name)) &&
                get64(kernel, memory + layout->memory_base, &module->address) &&
                get32(kernel, memory + layout->memory_bytes, &text_bytes);
    module->size_bytes = text_bytes;
    module->section_count = good ? read_sections(kernel, address, sections) : 0;
    module->sections = sections;
    return good;
}

unsigned metic_kernel_modules(struct metic_kernel *kernel,
                              void (*each)(void *opaque, const struct metic_kernel_module *module),
                              void *opaque)
{
    struct metic_kernel_section *sections = calloc(MAX_SECTIONS, sizeof(*sections));
    unsigned count = 0;
    u64 at = 0;
    bool more = sections != NULL && kernel->has_layout && kernel->modules != 0 &&
                get64(kernel, kernel->modules, &at);
    while (more && at != kernel->modules && at != 0 && count < MAX_MODULES) {
        struct metic_kernel_module module = {0};
        if (!read_module(kernel, at - kernel->layout.list, &module, sections)) {
            break;
        }
        each(opaque, &module);
        count++;
        more = get64(kernel, at, &at);
    }
    free(sections);
    return count;
}

/* --- symbols of a module: an ELF symbol table, with addresses where values were --- */

struct symbol_tables {
    u8 *symbols;
    char *strings;
    u64 strings_bytes;
    u32 count;
};

/* The strings end where the last name that a symbol has ends. */
static bool read_tables(const struct metic_kernel *kernel, u64 tables, struct symbol_tables *to)
{
    const struct layout *layout = &kernel->layout;
    u64 symbols, strings;
    u32 last = 0;
    if (!get64(kernel, tables + layout->symbols, &symbols) ||
        !get32(kernel, tables + layout->symbol_count, &to->count) ||
        !get64(kernel, tables + layout->strings, &strings) || to->count > MAX_MODULE_SYMBOLS) {
        return false;
    }
    to->symbols = malloc((size_t)to->count * sizeof(Elf64_Sym) + 1);
    if (to->symbols == NULL ||
        !get(kernel, symbols, to->symbols, (size_t)to->count * sizeof(Elf64_Sym))) {
        return false;
    }
    for (u32 i = 0; i < to->count; i++) {
        u32 name = ld_le32(to->symbols + (size_t)i * sizeof(Elf64_Sym));
        last = name > last ? name : last;
    }
    char name[256];
    if (last > MAX_STRINGS_BYTES || (last != 0 && !get_text(kernel, strings + last, name,
                                                            sizeof(name)))) {
        return false;
    }
    to->strings_bytes = last + (last != 0 ? strlen(name) : 0) + 1;
    to->strings = calloc(1, to->strings_bytes + 1);
    return to->strings != NULL && get(kernel, strings, to->strings, to->strings_bytes);
}

size_t metic_kernel_module_symbols(struct metic_kernel *kernel,
                                   const struct metic_kernel_module *module,
                                   void (*each)(void *opaque, uint64_t address,
                                                uint64_t size_bytes, const char *name),
                                   void *opaque)
{
    struct symbol_tables tables = {0};
    u64 address;
    size_t told = 0;
    bool good = get64(kernel, module->handle + kernel->layout.kallsyms, &address) &&
                address != 0 && read_tables(kernel, address, &tables);
    for (u32 i = 1; good && i < tables.count; i++) {
        const u8 *symbol = tables.symbols + (size_t)i * sizeof(Elf64_Sym);
        const char *name = tables.strings + ld_le32(symbol + offsetof(Elf64_Sym, st_name));
        u64 value = ld_le64(symbol + offsetof(Elf64_Sym, st_value));
        bool defined = ld_le16(symbol + offsetof(Elf64_Sym, st_shndx)) != SHN_UNDEF;
        if (defined && value != 0 && name[0] != '\0' && name[0] != '$' &&
            strncmp(name, ".L", 2) != 0) {
            each(opaque, value, ld_le64(symbol + offsetof(Elf64_Sym, st_size)), name);
            told++;
        }
    }
    free(tables.symbols);
    free(tables.strings);
    return told;
}
