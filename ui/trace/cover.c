/* See cover.h. What was told is a list, which is sorted and summed up before somebody looks; a
 * block is told by its address and length, since one that an exception cut short is another one. */
#include "ui/trace/cover.h"

#include "cpu/base/hex.h"
#include "cpu/base/zeros.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a block: address, and bytes << 32 | instructions; of an edge: from and to. */
struct entry {
    u64 key[2], count;
};
enum { BYTES_SHIFT = 32 };

struct list {
    struct entry *entries; /* in pages of their own (zeros.h), which it fills from the start */
    size_t count, capacity;
    size_t settled; /* so many from the start are sorted, each key once */
    unsigned shift; /* lower bits of key[1] are not part of the key */
};

struct cover {
    struct list blocks, edges;
    struct cover_block *sorted;
    struct cover_edge *sorted_edges;
    size_t sorted_count;
    size_t asked; /* cover_has: blocks before it are passed */
    u32 longest_bytes; /* of a sorted block */
};

static void list_free(struct list *list)
{
    zeros_free(list->entries, list->capacity * sizeof(*list->entries));
}

static bool list_grow(struct list *list)
{
    size_t capacity = list->capacity * 2 + (1 << 18); /* a boot's; the rest is not touched */
    struct entry *bigger = zeros_new_dense(capacity * sizeof(*bigger));
    if (bigger == NULL) {
        return false;
    }
    if (list->count != 0) {
        memcpy(bigger, list->entries, list->count * sizeof(*bigger));
    }
    list_free(list);
    list->entries = bigger;
    list->capacity = capacity;
    return true;
}

/* Without memory it is forgotten. */
static void list_add(struct list *list, u64 a, u64 b, u64 count)
{
    if (list->count < list->capacity || list_grow(list)) {
        list->entries[list->count++] = (struct entry){{a, b}, count};
    }
}

static void add_block_entry(struct cover *cover, u64 address, u32 bytes, u32 insns, u64 count)
{
    list_add(&cover->blocks, address, (u64)bytes << BYTES_SHIFT | insns, count);
}

enum { DIGIT_BITS = 11, DIGITS = 6, DIGIT_VALUES = 1 << DIGIT_BITS, FEW = 24 };

static unsigned digit_of(u64 key, unsigned digit)
{
    return (unsigned)(key >> digit * DIGIT_BITS) % DIGIT_VALUES;
}

static void move_by_digit(struct entry *to, const struct entry *from, size_t count,
                          unsigned digit, size_t starts[DIGIT_VALUES])
{
    size_t start = 0;
    for (unsigned value = 0; value < DIGIT_VALUES; value++) {
        size_t here = starts[value];
        starts[value] = start;
        start += here;
    }
    for (size_t i = 0; i < count; i++) {
        to[starts[digit_of(from[i].key[0], digit)]++] = from[i];
    }
}

/* By key[0], digit by digit; some digits are the same in all, and cost nothing. Exchanges the two
 * lists' memory as it likes. */
static void sort_by_first(struct list *list, struct entry **other,
                          size_t (*starts)[DIGIT_VALUES])
{
    for (size_t i = 0; i < list->count; i++) {
        for (unsigned digit = 0; digit < DIGITS; digit++) {
            starts[digit][digit_of(list->entries[i].key[0], digit)]++;
        }
    }
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        if (starts[digit][digit_of(list->entries[0].key[0], digit)] != list->count) {
            struct entry *from = list->entries;
            move_by_digit(*other, from, list->count, digit, starts[digit]);
            list->entries = *other;
            *other = from;
        }
    }
}

static int by_second(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->key[1] < y->key[1] ? -1 : x->key[1] > y->key[1];
}

/* Entries of one key[0], mostly a few: those stay in order where keys are the same. */
static void sort_run(struct entry *entries, size_t count, unsigned shift)
{
    if (count > FEW) {
        qsort(entries, count, sizeof(*entries), by_second);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct entry entry = entries[i];
        size_t to = i;
        for (; to > 0 && entries[to - 1].key[1] >> shift > entry.key[1] >> shift; to--) {
            entries[to] = entries[to - 1];
        }
        entries[to] = entry;
    }
}

/* Memory of a list's capacity, which the next one may need: touching it once is dear enough. */
struct spare {
    struct entry *entries;
    size_t capacity;
};

static bool spare_get(struct spare *spare, size_t capacity)
{
    if (spare->capacity != capacity) {
        zeros_free(spare->entries, spare->capacity * sizeof(*spare->entries));
        *spare = (struct spare){zeros_new_dense(capacity * sizeof(*spare->entries)), capacity};
    }
    return spare->entries != NULL;
}

/* Sorted by key[0], then key[1]. False: no memory. */
static bool list_sort(struct list *list, struct spare *spare)
{
    size_t (*starts)[DIGIT_VALUES] = calloc(DIGITS, sizeof(*starts));
    bool good = starts != NULL && spare_get(spare, list->capacity);
    size_t run = 0;
    if (good) {
        sort_by_first(list, &spare->entries, starts);
    }
    for (size_t i = 1; good && i <= list->count; i++) {
        if (i == list->count || list->entries[i].key[0] != list->entries[run].key[0]) {
            sort_run(list->entries + run, i - run, list->shift);
            run = i;
        }
    }
    free(starts);
    return good;
}

static bool same_key(const struct list *list, const struct entry *x, const struct entry *y)
{
    return x->key[0] == y->key[0] && x->key[1] >> list->shift == y->key[1] >> list->shift;
}

static bool list_settle(struct list *list, struct spare *spare)
{
    size_t kept = 0;
    if (list->settled == list->count) {
        return true;
    }
    if (!list_sort(list, spare)) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct entry *last = kept != 0 ? &list->entries[kept - 1] : NULL;
        if (last != NULL && same_key(list, last, &list->entries[i])) {
            u64 count = list->entries[i].count, most = ~(u64)0 - last->count;
            last->count += count < most ? count : most;
            last->key[1] = list->entries[i].key[1];
        } else {
            list->entries[kept++] = list->entries[i];
        }
    }
    list->count = list->settled = kept;
    return true;
}

bool cover_settle(struct cover *cover, struct metic_error *error)
{
    struct spare spare = {0};
    bool good = list_settle(&cover->blocks, &spare) && list_settle(&cover->edges, &spare);
    zeros_free(spare.entries, spare.capacity * sizeof(*spare.entries));
    return good || error_set(error, NULL, "the host has no memory for the coverage");
}

struct cover *cover_new(struct metic_error *error)
{
    struct cover *cover = calloc(1, sizeof(*cover));
    if (cover == NULL) {
        error_set(error, NULL, "the host has no memory for the coverage");
        return NULL;
    }
    cover->blocks.shift = BYTES_SHIFT;
    return cover;
}

void cover_free(struct cover *cover)
{
    if (cover != NULL) {
        list_free(&cover->blocks);
        list_free(&cover->edges);
        free(cover->sorted);
        free(cover->sorted_edges);
        free(cover);
    }
}

static void add_block(void *opaque, uint64_t address, unsigned bytes, unsigned insns,
                      uint64_t count)
{
    add_block_entry(opaque, address, bytes, insns, count);
}

static void add_edge(void *opaque, uint64_t from, uint64_t to, uint64_t count)
{
    struct cover *cover = opaque;
    list_add(&cover->edges, from, to, count);
}

bool cover_take(struct cover *cover, metic_machine *machine, struct metic_error *error)
{
    return metic_trace_coverage(machine, add_block, add_edge, cover) ||
           error_set(error, NULL, "the host has no memory for the coverage");
}

/* --- files: "metic-cover 2", then b ADDRESS BYTES INSNS COUNT, e FROM TO COUNT, and (not in
 * version 1) s ADDRESS BYTES NAME --- */

enum { LINE_BYTES = 640, NAME_BYTES = 512, NUMBERS_BYTES = 128 };

/* Lines on their way to a file; printf was a sixth of what coverage cost at the end of a boot. */
struct lines {
    FILE *to;
    size_t used;
    char text[1 << 16];
};

static void lines_flush(struct lines *lines)
{
    fwrite(lines->text, 1, lines->used, lines->to);
    lines->used = 0;
}

/* Room for a line of numbers. */
static char *line_begin(struct lines *lines, char kind)
{
    if (sizeof(lines->text) - lines->used < NUMBERS_BYTES) {
        lines_flush(lines);
    }
    char *at = lines->text + lines->used;
    *at++ = kind;
    *at++ = ' ';
    return at;
}

static char *line_hex(char *at, u64 value)
{
    at = put_hex(at, value);
    *at++ = ' ';
    return at;
}

static char *line_decimal(char *at, u64 value)
{
    at = put_decimal(at, value);
    *at++ = ' ';
    return at;
}

/* In place of the last blank. */
static void line_end(struct lines *lines, char *at)
{
    at[-1] = '\n';
    lines->used = (size_t)(at - lines->text);
}

static u32 bytes_of(const struct entry *block)
{
    return (u32)(block->key[1] >> BYTES_SHIFT);
}

static u32 insns_of(const struct entry *block)
{
    return (u32)block->key[1];
}

static void put_block(struct lines *lines, const struct entry *block)
{
    char *at = line_hex(line_begin(lines, 'b'), block->key[0]);
    at = line_decimal(at, bytes_of(block));
    at = line_decimal(at, insns_of(block));
    line_end(lines, line_decimal(at, block->count));
}

static void put_edge(struct lines *lines, const struct entry *edge)
{
    char *at = line_hex(line_begin(lines, 'e'), edge->key[0]);
    at = line_hex(at, edge->key[1]);
    line_end(lines, line_decimal(at, edge->count));
}

static void write_symbols(FILE *to, struct symbols *symbols, const struct list *blocks)
{
    const struct symbol *last = NULL;
    u64 end = 0; /* of the last */
    for (size_t i = 0; i < blocks->settled; i++) {
        u64 address = blocks->entries[i].key[0];
        if (last != NULL && last->size == 0 && address < end) {
            continue; /* up to the next one, it is the same */
        }
        const struct symbol *symbol = symbols_find(symbols, address);
        end = symbol != NULL ? symbols_end(symbols, symbol) : 0;
        if (symbol != NULL && symbol != last && strlen(symbol->name) < NAME_BYTES &&
            strpbrk(symbol->name, " \n") == NULL) {
            fprintf(to, "s %" PRIx64 " %" PRIx64 " %s\n", symbol->address, end - symbol->address,
                    symbol->name);
        }
        last = symbol;
    }
}

bool cover_write(struct cover *cover, struct symbols *symbols, const char *path,
                 struct metic_error *error)
{
    struct lines *lines = malloc(sizeof(*lines));
    FILE *to = lines != NULL ? fopen(path, "we") : NULL;
    if (to == NULL) {
        error_set(error, "give a file that can be written", "%s: %s", path, strerror(errno));
        free(lines);
        return false;
    }
    lines->to = to;
    lines->used = 0;
    fputs("metic-cover 2\n", to);
    for (size_t i = 0; i < cover->blocks.settled; i++) {
        put_block(lines, &cover->blocks.entries[i]);
    }
    for (size_t i = 0; i < cover->edges.settled; i++) {
        put_edge(lines, &cover->edges.entries[i]);
    }
    lines_flush(lines);
    free(lines);
    write_symbols(to, symbols, &cover->blocks);
    bool good = !ferror(to);
    return (fclose(to) == 0 && good) ||
           error_set(error, "make room, or give another file", "%s: %s", path, strerror(errno));
}

bool cover_read(struct cover *cover, struct symbols *symbols, const char *path,
                struct metic_error *error)
{
    FILE *from = fopen(path, "re");
    char line[LINE_BYTES], name[NAME_BYTES];
    unsigned number = 1;
    if (from == NULL) {
        return error_set(error, NULL, "%s: %s", path, strerror(errno));
    }
    bool good = fgets(line, sizeof(line), from) != NULL &&
                (strcmp(line, "metic-cover 2\n") == 0 || strcmp(line, "metic-cover 1\n") == 0);
    while (good && fgets(line, sizeof(line), from) != NULL) {
        u64 a, b, count;
        u32 bytes, insns;
        number++;
        if (sscanf(line, "b %" SCNx64 " %u %u %" SCNu64, &a, &bytes, &insns, &count) == 4 &&
            bytes != 0 && bytes <= 4096 && count != 0) {
            add_block_entry(cover, a, bytes, insns, count);
        } else if (sscanf(line, "e %" SCNx64 " %" SCNx64 " %" SCNu64, &a, &b, &count) == 3 &&
                   count != 0) {
            list_add(&cover->edges, a, b, count);
        } else if (sscanf(line, "s %" SCNx64 " %" SCNx64 " %511s", &a, &b, name) == 3) {
            symbols_add(symbols, a, b, name);
        } else {
            good = false;
        }
    }
    fclose(from);
    if (good) {
        return cover_settle(cover, error);
    }
    return error_set(error, "metic run ... --cover FILE writes one",
                     number == 1 ? "%s is no coverage of metic" : "%s is damaged in line %u", path,
                     number);
}

/* --- sorted --- */

bool cover_is_empty(const struct cover *cover)
{
    return cover->blocks.settled == 0;
}

bool cover_has(struct cover *cover, u64 first, u64 end)
{
    const struct list *list = &cover->blocks;
    while (cover->asked < list->settled && list->entries[cover->asked].key[0] < first) {
        cover->asked++;
    }
    return cover->asked < list->settled && list->entries[cover->asked].key[0] < end;
}

const struct cover_block *cover_blocks(struct cover *cover, size_t *count)
{
    const struct list *list = &cover->blocks;
    free(cover->sorted);
    cover->sorted = calloc(list->settled + 1, sizeof(*cover->sorted));
    *count = cover->sorted != NULL ? list->settled : 0;
    for (size_t i = 0; i < *count; i++) {
        const struct entry *entry = &list->entries[i];
        cover->sorted[i] = (struct cover_block){
            entry->key[0], entry->count, bytes_of(entry), insns_of(entry),
        };
    }
    cover->sorted_count = *count;
    cover->longest_bytes = 0;
    for (size_t i = 0; i < *count; i++) {
        u32 bytes = cover->sorted[i].bytes;
        cover->longest_bytes = bytes > cover->longest_bytes ? bytes : cover->longest_bytes;
    }
    return cover->sorted;
}

const struct cover_edge *cover_edges(struct cover *cover, size_t *count)
{
    const struct list *list = &cover->edges;
    free(cover->sorted_edges);
    cover->sorted_edges = calloc(list->settled + 1, sizeof(*cover->sorted_edges));
    *count = cover->sorted_edges != NULL ? list->settled : 0;
    for (size_t i = 0; i < *count; i++) {
        const struct entry *entry = &list->entries[i];
        cover->sorted_edges[i] =
            (struct cover_edge){entry->key[0], entry->key[1], entry->count};
    }
    return cover->sorted_edges;
}

/* Index of the first block behind the address. */
static size_t first_behind(const struct cover *cover, u64 address)
{
    size_t low = 0, high = cover->sorted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cover->sorted[middle].address <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

u64 cover_count(struct cover *cover, u64 address)
{
    u64 count = 0;
    /* Blocks may overlap. */
    for (size_t at = first_behind(cover, address);
         at-- > 0 && address - cover->sorted[at].address < cover->longest_bytes;) {
        const struct cover_block *block = &cover->sorted[at];
        count += address < block->address + block->bytes ? block->count : 0;
    }
    return count;
}

u64 cover_most(struct cover *cover, u64 first, u64 end)
{
    u64 most = cover_count(cover, first);
    for (size_t at = first_behind(cover, first);
         at < cover->sorted_count && cover->sorted[at].address < end; at++) {
        u64 count = cover_count(cover, cover->sorted[at].address);
        most = count > most ? count : most;
    }
    return most;
}
