/* See symbols.h. ELF and DWARF are read by elfutils. */
#include "ui/symbols/symbols.h"

#include "cpu/base/arena.h"
#include "cpu/base/hex.h"
#include "cpu/base/zeros.h"
#include "ui/command/args.h"
#include "ui/symbols/elf_place.h"
#include "ui/symbols/elfutils.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYMBOL_PLACE_BYTES = 512 };

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    if (x->address != y->address) {
        return x->address < y->address ? -1 : 1;
    }
    return x->size > y->size ? -1 : x->size < y->size; /* the larger one is found */
}

static bool add_room(struct symbols *symbols)
{
    if (symbols->names == NULL && (symbols->names = arena_new()) == NULL) {
        return false;
    }
    if (symbols->count == symbols->capacity) {
        size_t capacity = symbols->capacity * 2 + 256;
        void *bigger = zeros_grow(symbols->list, symbols->capacity * sizeof(*symbols->list),
                                  capacity * sizeof(*symbols->list));
        if (bigger == NULL) {
            return false;
        }
        symbols->list = bigger;
        symbols->capacity = capacity;
    }
    zeros_ahead(symbols->list, symbols->capacity * sizeof(*symbols->list),
                (symbols->count + 1) * sizeof(*symbols->list), &symbols->asked_bytes);
    return true;
}

/* Kernels have more than a hundred thousand, in order. */
void symbols_add(struct symbols *symbols, u64 address, u64 size, const char *name)
{
    if (!add_room(symbols)) {
        return;
    }
    size_t bytes = strlen(name) + 1;
    char *copy = arena_alloc(symbols->names, bytes);
    memcpy(copy, name, bytes);
    struct symbol *to = &symbols->list[symbols->count++];
    *to = (struct symbol){address, size, copy};
    symbols->unsorted |= symbols->count > 1 && by_address(to - 1, to) > 0;
}

void symbols_fini(struct symbols *symbols)
{
    arena_free(symbols->names);
    zeros_free(symbols->list, symbols->capacity * sizeof(*symbols->list));
    *symbols = (struct symbols){0};
}

static void sort(struct symbols *symbols)
{
    if (symbols->unsorted) {
        qsort(symbols->list, symbols->count, sizeof(*symbols->list), by_address);
        symbols->unsorted = false;
    }
}

u64 symbols_end(const struct symbols *symbols, const struct symbol *symbol)
{
    if (symbol->size != 0) {
        return symbol->address + symbol->size;
    }
    for (const struct symbol *next = symbol + 1; next < symbols->list + symbols->count; next++) {
        if (next->address != symbol->address) {
            return next->address;
        }
    }
    return symbol->address + 4096;
}

const struct symbol *symbols_find(struct symbols *symbols, u64 address)
{
    sort(symbols);
    size_t low = 0, high = symbols->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols->list[middle].address <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    while (low > 1 && symbols->list[low - 2].address == symbols->list[low - 1].address) {
        low--;
    }
    const struct symbol *found = low != 0 ? &symbols->list[low - 1] : NULL;
    return found != NULL && address < symbols_end(symbols, found) ? found : NULL;
}

const struct symbol *symbols_find_name(struct symbols *symbols, const char *name)
{
    sort(symbols);
    for (size_t i = 0; i < symbols->count; i++) {
        if (strcmp(symbols->list[i].name, name) == 0) {
            return &symbols->list[i];
        }
    }
    return NULL;
}

bool symbols_cut_offset(char *name, u64 *number)
{
    char *plus = strrchr(name, '+'), *rest;
    if (plus == NULL || plus[1] < '0' || plus[1] > '9') {
        return false;
    }
    *number = strtoull(plus + 1, &rest, 0);
    if (*rest != '\0') {
        return false;
    }
    *plus = '\0';
    return true;
}

/* Static functions of several files have the same name: whoever gives it may mean another one. */
static void say_others(const struct symbols *symbols, const struct symbol *named)
{
    const struct symbol *other = NULL;
    size_t others = 0;
    for (size_t i = 0; i < symbols->count; i++) {
        const struct symbol *symbol = &symbols->list[i];
        if (symbol->address != named->address && strcmp(symbol->name, named->name) == 0) {
            other = others++ == 0 ? symbol : other;
        }
    }
    if (others != 0) {
        char more[48] = "";
        if (others > 1) {
            snprintf(more, sizeof(more), " and %zu more places", others - 1);
        }
        fprintf(stderr, "metic: '%s' is the one at 0x%" PRIx64 "; there are others at 0x%" PRIx64
                "%s: give an address for these\n", named->name, named->address, other->address,
                more);
    }
}

bool symbols_find_place(struct symbols *symbols, const char *text, u64 *first, u64 *end)
{
    char name[SYMBOL_PLACE_BYTES];
    u64 offset = 0, bytes = 1, number;
    const struct symbol *symbol = symbols_find_name(symbols, text);
    if (symbol != NULL) {
        say_others(symbols, symbol);
        *first = symbol->address;
        *end = symbols_end(symbols, symbol);
        return true;
    }
    snprintf(name, sizeof(name), "%s", text);
    for (unsigned cut = 0; symbol == NULL && cut < 2 && symbols_cut_offset(name, &number); cut++) {
        bytes = cut == 0 ? 1 : offset;
        offset = number;
        symbol = symbols_find_name(symbols, name);
    }
    if (symbol == NULL) {
        return false;
    }
    say_others(symbols, symbol);
    *first = symbol->address + offset;
    *end = *first + bytes;
    return *end > *first;
}

void symbols_say_nearest(const struct symbols *symbols, const char *wrong, const char *otherwise,
                         char *text, size_t text_bytes)
{
    const char *nearest = NULL;
    size_t wrong_bytes = strlen(wrong);
    unsigned best = wrong_bytes > 5 ? 3 : 2; /* of short names too many are near */
    for (size_t i = 0; i < symbols->count && best > 1; i++) {
        const char *name = symbols->list[i].name;
        size_t name_bytes = strlen(name);
        if (name_bytes + best <= wrong_bytes || name_bytes >= wrong_bytes + best) {
            continue; /* as many letters are too many or too few */
        }
        unsigned distance = args_distance(wrong, name);
        nearest = distance < best ? name : nearest;
        best = distance < best ? distance : best;
    }
    if (nearest != NULL) {
        snprintf(text, text_bytes, "Did you mean %s?", nearest);
    } else {
        snprintf(text, text_bytes, "%s", otherwise);
    }
}

void symbols_print(struct symbols *symbols, u64 address, char *text, size_t text_bytes)
{
    const struct symbol *symbol = symbols_find(symbols, address);
    if (symbol == NULL) {
        snprintf(text, text_bytes, "0x%" PRIx64, address);
    } else if (symbol->address == address) {
        snprintf(text, text_bytes, "%s", symbol->name);
    } else {
        snprintf(text, text_bytes, "%s+0x%" PRIx64, symbol->name, address - symbol->address);
    }
}

void symbols_add_text(struct symbols *symbols, const char *text)
{
    while (text != NULL && *text != '\0') {
        char name[256];
        char *rest;
        u64 before = *text == '+' && symbols->count != 0
                         ? symbols->list[symbols->count - 1].address : 0;
        u64 address = before + strtoull(text, &rest, 16);
        u64 size = strtoull(rest, &rest, 16);
        size_t length = strcspn(rest, "\n");
        if (length > 1) {
            snprintf(name, sizeof(name), "%.*s", (int)(length - 1), rest + 1);
            symbols_add(symbols, address, size, name);
        }
        text = rest[length] == '\n' ? rest + length + 1 : NULL;
    }
}

void symbols_text_add(struct symbols_text *text, u64 address, u64 size, const char *name)
{
    enum { NUMBERS_BYTES = 2 * 16 + 4 + 16 }; /* plus, two numbers, two blanks, end of line */
    size_t length = strlen(name);
    if (text->capacity - text->bytes < NUMBERS_BYTES + length) {
        size_t capacity = (text->capacity + length) * 2 + (1 << 20);
        char *bigger = zeros_grow(text->text, text->capacity, capacity);
        if (bigger == NULL) {
            return;
        }
        text->text = bigger;
        text->capacity = capacity;
    }
    zeros_ahead(text->text, text->capacity, text->bytes + NUMBERS_BYTES + length,
                &text->asked_bytes);
    char *to = text->text + text->bytes;
    if (text->bytes != 0) {
        *to++ = '+';
    }
    to = put_hex(to, address - text->last);
    *to++ = ' ';
    to = put_hex(to, size);
    *to++ = ' ';
    memcpy(to, name, length);
    to += length;
    *to++ = '\n';
    text->bytes = (size_t)(to - text->text);
    text->last = address;
}

void symbols_text_fini(struct symbols_text *text)
{
    zeros_free(text->text, text->capacity);
    *text = (struct symbols_text){0};
}

void symbols_text_add_all(struct symbols_text *text, struct symbols *symbols)
{
    sort(symbols);
    for (size_t i = 0; i < symbols->count; i++) {
        const struct symbol *symbol = &symbols->list[i];
        symbols_text_add(text, symbol->address, symbol->size, symbol->name);
    }
}

#if HAVE_LIBDW

static bool is_code(const struct elfutils *api, Elf *elf, size_t section_number)
{
    GElf_Shdr header;
    Elf_Scn *section = api->elf_getscn(elf, section_number);
    return section != NULL && api->gelf_getshdr(section, &header) != NULL &&
           (header.sh_flags & SHF_EXECINSTR);
}

static void add_table(struct symbols *symbols, const struct elfutils *api, Elf *elf,
                      Elf_Scn *section, const GElf_Shdr *header, u64 moved)
{
    Elf_Data *data = api->elf_getdata(section, NULL);
    size_t count = header->sh_entsize != 0 ? header->sh_size / header->sh_entsize : 0;
    for (size_t i = 0; data != NULL && i < count; i++) {
        GElf_Sym symbol;
        if (api->gelf_getsym(data, (int)i, &symbol) == NULL || symbol.st_shndx == SHN_UNDEF) {
            continue;
        }
        unsigned type = GELF_ST_TYPE(symbol.st_info);
        const char *name = api->elf_strptr(elf, header->sh_link, symbol.st_name);
        bool none = symbol.st_shndx == SHN_ABS && symbol.st_size == 0; /* a linker's label */
        bool plain = type == STT_FUNC || (type == STT_OBJECT && !none) ||
                     (type == STT_NOTYPE && is_code(api, elf, symbol.st_shndx)); /* of assembly */
        if (plain && name != NULL && name[0] != '\0' && name[0] != '$' && name[0] != '.') {
            symbols_add(symbols, symbol.st_value + moved, symbol.st_size, name);
        }
    }
}

/* False: the file has no such table. */
static bool add_tables(struct symbols *symbols, const struct elfutils *api, Elf *elf,
                       unsigned type, u64 moved)
{
    bool any = false;
    Elf_Scn *section = NULL;
    while ((section = api->elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        if (api->gelf_getshdr(section, &header) != NULL && header.sh_type == type) {
            add_table(symbols, api, elf, section, &header, moved);
            any = true;
        }
    }
    return any;
}

bool symbols_add_elf(struct symbols *symbols, const char *path, u64 moved,
                     struct metic_error *error)
{
    struct elfutils api;
    if (!elfutils_open(&api, error)) {
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(error, NULL, "%s: %s", path, strerror(errno));
    }
    Elf *elf = api.elf_begin(fd, ELF_C_READ, NULL);
    bool good = elf != NULL && api.elf_kind(elf) == ELF_K_ELF;
    if (good && !add_tables(symbols, &api, elf, SHT_SYMTAB, moved) && moved == 0) {
        /* Stripped: what it exports. Of firmware that is a handful without sizes, after which all
         * code would be named (Debian's OpenSBI). */
        add_tables(symbols, &api, elf, SHT_DYNSYM, moved);
    }
    api.elf_end(elf);
    close(fd);
    return good || error_set(error, NULL, "%s is no ELF file", path);
}

enum { MAX_FILES = 8 };

struct source_lines {
    struct elfutils api;
    Dwarf *files[MAX_FILES];
    int fds[MAX_FILES];
    u64 moved[MAX_FILES]; /* see elf_place */
    unsigned count;
};

struct source_lines *source_lines_new(const char *const *paths, unsigned count)
{
    struct source_lines *lines = calloc(1, sizeof(*lines));
    struct metic_error ignored;
    if (lines != NULL && !elfutils_open(&lines->api, &ignored)) {
        free(lines);
        return NULL;
    }
    for (unsigned i = 0; lines != NULL && i < count && lines->count < MAX_FILES; i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        Dwarf *dwarf = fd >= 0 ? lines->api.dwarf_begin(fd, DWARF_C_READ) : NULL;
        if (dwarf == NULL) {
            if (fd >= 0) {
                close(fd);
            }
            continue;
        }
        lines->files[lines->count] = dwarf;
        lines->moved[lines->count] = elf_place(paths[i]);
        lines->fds[lines->count++] = fd;
    }
    return lines;
}

void source_lines_free(struct source_lines *lines)
{
    for (unsigned i = 0; lines != NULL && i < lines->count; i++) {
        lines->api.dwarf_end(lines->files[i]);
        close(lines->fds[i]);
    }
    free(lines);
}

bool source_lines_find(struct source_lines *lines, u64 place, const char **file, unsigned *line)
{
    for (unsigned i = 0; lines != NULL && i < lines->count; i++) {
        u64 address = place - lines->moved[i];
        Dwarf_Die unit;
        const struct elfutils *api = &lines->api;
        if (api->dwarf_addrdie(lines->files[i], address, &unit) == NULL) {
            Dwarf_CU *cu = NULL;
            Dwarf_Line *found = NULL;
            Dwarf_Die die;
            /* without .debug_aranges: unit by unit */
            while (found == NULL &&
                   api->dwarf_get_units(lines->files[i], cu, &cu, NULL, NULL, &die, NULL) == 0) {
                if (api->dwarf_haspc(&die, address) == 1) {
                    found = api->dwarf_getsrc_die(&die, address);
                }
            }
            if (found == NULL) {
                continue;
            }
            int number = 0;
            api->dwarf_lineno(found, &number);
            *file = api->dwarf_linesrc(found, NULL, NULL);
            *line = (unsigned)number;
            return *file != NULL;
        }
        Dwarf_Line *found = api->dwarf_getsrc_die(&unit, address);
        int number = 0;
        if (found != NULL && api->dwarf_lineno(found, &number) == 0) {
            *file = api->dwarf_linesrc(found, NULL, NULL);
            *line = (unsigned)number;
            return *file != NULL;
        }
    }
    return false;
}

static bool unit_lines(const struct elfutils *api, Dwarf_Die *die, u64 moved,
                       void (*each)(void *opaque, u64 address, u64 end, const char *file,
                                    unsigned line), void *opaque)
{
    Dwarf_Lines *table;
    size_t count;
    if (api->dwarf_getsrclines(die, &table, &count) != 0) {
        return false;
    }
    /* Backwards, since a row reaches to the next higher address: several may begin at one, where
     * the compiler has more to say of it (DWARF 5, 6.2; gcc's location views). */
    Dwarf_Addr here = 0, end = 0;
    for (size_t i = count; i-- > 0;) {
        Dwarf_Line *line = api->dwarf_onesrcline(table, i);
        Dwarf_Addr address;
        bool begins, last;
        int number;
        const char *file = api->dwarf_linesrc(line, NULL, NULL);
        if (api->dwarf_lineaddr(line, &address) != 0) {
            continue;
        }
        if (address != here) {
            end = here;
            here = address;
        }
        if (api->dwarf_lineno(line, &number) == 0 &&
            api->dwarf_linebeginstatement(line, &begins) == 0 &&
            api->dwarf_lineendsequence(line, &last) == 0 && !last && begins && end > address &&
            file != NULL && number > 0) {
            each(opaque, address + moved, end + moved, file, (unsigned)number);
        }
    }
    return count != 0;
}

bool source_lines_each(struct source_lines *lines,
                       void (*each)(void *opaque, u64 address, u64 end, const char *file,
                                    unsigned line), void *opaque)
{
    bool found = false;
    for (unsigned i = 0; lines != NULL && i < lines->count; i++) {
        Dwarf_CU *cu = NULL;
        Dwarf_Die die;
        while (lines->api.dwarf_get_units(lines->files[i], cu, &cu, NULL, NULL, &die, NULL) == 0) {
            found |= unit_lines(&lines->api, &die, lines->moved[i], each, opaque);
        }
    }
    return found;
}

#else

bool source_lines_each(struct source_lines *lines,
                       void (*each)(void *opaque, u64 address, u64 end, const char *file,
                                    unsigned line), void *opaque)
{
    (void)lines;
    (void)each;
    (void)opaque;
    return false;
}

bool symbols_add_elf(struct symbols *symbols, const char *path, u64 moved,
                     struct metic_error *error)
{
    (void)symbols;
    (void)moved;
    return error_set(error, "install libdw-dev and run configure again",
                     "%s: symbols need libdw, which is not built in", path);
}

struct source_lines *source_lines_new(const char *const *paths, unsigned count)
{
    (void)paths;
    (void)count;
    return NULL;
}

void source_lines_free(struct source_lines *lines)
{
    (void)lines;
}

bool source_lines_find(struct source_lines *lines, u64 address, const char **file, unsigned *line)
{
    (void)lines;
    (void)address;
    (void)file;
    (void)line;
    return false;
}

#endif
