/* Symbols by address: of ELF files, and of a guest kernel's own table. */
#ifndef METIC_UI_SYMBOLS_H
#define METIC_UI_SYMBOLS_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include <stdio.h>

struct symbol {
    u64 address, size; /* size 0: up to the next one */
    const char *name;
};

struct symbols {
    struct symbol *list; /* in pages of its own (zeros.h) */
    size_t count, capacity, asked_bytes;
    struct arena *names;
    bool unsorted;
};

void symbols_add(struct symbols *symbols, u64 address, u64 size, const char *name);
/* Functions and objects of the file's symbol table, `moved` behind where they are linked to (see
 * elf_place); of a stripped file, those that it exports. False with a reason. */
bool symbols_add_elf(struct symbols *symbols, const char *path, u64 moved,
                     struct metic_error *error);
/* Lines "address size name", as a store has them; an address after a plus counts from the one
 * before. */
void symbols_add_text(struct symbols *symbols, const char *text);
/* The same lines as they are written; zero at first. `text` lies in pages of its own and ends with
 * no zero byte. Without memory symbols are left out. */
struct symbols_text {
    char *text;
    size_t bytes, capacity, asked_bytes;
    u64 last; /* address */
};
void symbols_text_add(struct symbols_text *text, u64 address, u64 size, const char *name);
void symbols_text_add_all(struct symbols_text *text, struct symbols *symbols);
void symbols_text_fini(struct symbols_text *text);
/* The one that holds the address, or NULL. Sorts when needed. */
const struct symbol *symbols_find(struct symbols *symbols, u64 address);
const struct symbol *symbols_find_name(struct symbols *symbols, const char *name);
/* Takes "+NUMBER" off the end of the name; false: it has none there. */
bool symbols_cut_offset(char *name, u64 *number);
/* The bytes that `text` names: a symbol's; of NAME+OFFSET, as symbols_print says places, the one
 * there, and of NAME+OFFSET+BYTES so many. Of several of that name it is the first, which is said
 * on the standard error. False: there is no such symbol. */
bool symbols_find_place(struct symbols *symbols, const char *text, u64 *first, u64 *end);
/* What to do about a name that is none of them: the one that was meant ("Did you mean memset?"), or
 * else `otherwise`. */
void symbols_say_nearest(const struct symbols *symbols, const char *wrong, const char *otherwise,
                         char *text, size_t text_bytes);
/* Where it ends. */
u64 symbols_end(const struct symbols *symbols, const struct symbol *symbol);
/* "name+0x12", or the address. */
void symbols_print(struct symbols *symbols, u64 address, char *text, size_t text_bytes);
void symbols_fini(struct symbols *symbols);

/* Source lines of ELF files (libdw); NULL when there is no libdw or no such file. */
struct source_lines;
struct source_lines *source_lines_new(const char *const *paths, unsigned count);
void source_lines_free(struct source_lines *lines);
/* Every piece of every line: [address, end) is from there. False: there are none. */
bool source_lines_each(struct source_lines *lines,
                       void (*each)(void *opaque, u64 address, u64 end, const char *file,
                                    unsigned line), void *opaque);
/* False: not known. `file` lives as long as the lines. */
bool source_lines_find(struct source_lines *lines, u64 address, const char **file, unsigned *line);

#endif
