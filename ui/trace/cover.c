/* See cover.h. What was told is a list, which is sorted and summed up before somebody looks; a
 * block is told by its address and length, since one that an exception cut short is another one. */
#include "ui/trace/cover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a block: address and bytes; of an edge: from and to. */
struct entry {
    u64 key[2], count;
    u32 insns;
};

struct list {
    struct entry *entries;
    size_t count, capacity;
    size_t settled; /* so many from the start are sorted, each key once */
};

struct cover {
    struct list blocks, edges;
    struct cover_block *sorted;
    struct cover_edge *sorted_edges;
    size_t sorted_count;
    u32 longest_bytes; /* of a sorted block */
};

static bool list_grow(struct list *list)
{
    size_t capacity = list->capacity * 2 + (1 << 18); /* a boot's; the rest is not touched */
    void *bigger = realloc(list->entries, capacity * sizeof(*list->entries));
    if (bigger == NULL) {
        return false;
    }
    list->entries = bigger;
    list->capacity = capacity;
    return true;
}

/* Without memory it is forgotten. */
static void list_add(struct list *list, u64 a, u64 b, u32 insns, u64 count)
{
    if (list->count < list->capacity || list_grow(list)) {
        list->entries[list->count++] = (struct entry){{a, b}, count, insns};
    }
}

enum { DIGIT_BITS = 11, DIGITS = 6, DIGIT_VALUES = 1 << DIGIT_BITS, FEW = 24 };

struct order {
    u64 key;
    size_t entry;
};

static unsigned digit_of(u64 key, unsigned digit)
{
    return (unsigned)(key >> digit * DIGIT_BITS) % DIGIT_VALUES;
}

/* By key, digit by digit; most digits are the same in all, and cost nothing. The sorted one of the
 * two lists; NULL: no memory. */
static struct order *order_sort(struct order *orders, struct order *other, size_t count)
{
    size_t (*starts)[DIGIT_VALUES] = calloc(DIGITS, sizeof(*starts));
    for (size_t i = 0; starts != NULL && i < count; i++) {
        for (unsigned digit = 0; digit < DIGITS; digit++) {
            starts[digit][digit_of(orders[i].key, digit)]++;
        }
    }
    for (unsigned digit = 0; starts != NULL && digit < DIGITS; digit++) {
        if (starts[digit][digit_of(orders[0].key, digit)] == count) {
            continue;
        }
        size_t start = 0;
        for (unsigned value = 0; value < DIGIT_VALUES; value++) {
            size_t here = starts[digit][value];
            starts[digit][value] = start;
            start += here;
        }
        for (size_t i = 0; i < count; i++) {
            other[starts[digit][digit_of(orders[i].key, digit)]++] = orders[i];
        }
        struct order *sorted = other;
        other = orders;
        orders = sorted;
    }
    bool good = starts != NULL;
    free(starts);
    return good ? orders : NULL;
}

static int by_second(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->key[1] < y->key[1] ? -1 : x->key[1] > y->key[1];
}

/* Entries of one key[0], mostly a few. */
static void sort_run(struct entry *entries, size_t count)
{
    if (count > FEW) {
        qsort(entries, count, sizeof(*entries), by_second);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct entry entry = entries[i];
        size_t to = i;
        for (; to > 0 && entries[to - 1].key[1] > entry.key[1]; to--) {
            entries[to] = entries[to - 1];
        }
        entries[to] = entry;
    }
}

/* Sorted by key[0], then key[1]. False: no memory. */
static bool list_sort(struct list *list)
{
    size_t count = list->count, run = 0;
    struct order *orders = malloc((2 * count + 1) * sizeof(*orders));
    struct entry *entries = malloc((list->capacity + 1) * sizeof(*entries));
    for (size_t i = 0; orders != NULL && i < count; i++) {
        orders[i] = (struct order){list->entries[i].key[0], i};
    }
    struct order *sorted = orders != NULL && entries != NULL && count != 0
                               ? order_sort(orders, orders + count, count) : NULL;
    for (size_t i = 0; sorted != NULL && i < count; i++) {
        entries[i] = list->entries[sorted[i].entry];
        if (entries[i].key[0] != entries[run].key[0]) {
            sort_run(entries + run, i - run);
            run = i;
        }
    }
    free(orders);
    if (sorted == NULL) {
        free(entries);
        return count == 0;
    }
    sort_run(entries + run, count - run);
    free(list->entries);
    list->entries = entries;
    return true;
}

static bool same_key(const struct entry *x, const struct entry *y)
{
    return x->key[0] == y->key[0] && x->key[1] == y->key[1];
}

static bool list_settle(struct list *list)
{
    size_t kept = 0;
    if (list->settled == list->count) {
        return true;
    }
    if (!list_sort(list)) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct entry *last = kept != 0 ? &list->entries[kept - 1] : NULL;
        if (last != NULL && same_key(last, &list->entries[i])) {
            u64 count = list->entries[i].count, most = ~(u64)0 - last->count;
            last->count += count < most ? count : most;
            last->insns = list->entries[i].insns;
        } else {
            list->entries[kept++] = list->entries[i];
        }
    }
    list->count = list->settled = kept;
    return true;
}

static bool cover_settle(struct cover *cover, struct metic_error *error)
{
    return (list_settle(&cover->blocks) && list_settle(&cover->edges)) ||
           error_set(error, NULL, "the host has no memory for the coverage");
}

struct cover *cover_new(struct metic_error *error)
{
    struct cover *cover = calloc(1, sizeof(*cover));
    if (cover == NULL) {
        error_set(error, NULL, "the host has no memory for the coverage");
    }
    return cover;
}

void cover_free(struct cover *cover)
{
    if (cover != NULL) {
        free(cover->blocks.entries);
        free(cover->edges.entries);
        free(cover->sorted);
        free(cover->sorted_edges);
        free(cover);
    }
}

static void add_block(void *opaque, uint64_t address, unsigned bytes, unsigned insns,
                      uint64_t count)
{
    struct cover *cover = opaque;
    list_add(&cover->blocks, address, bytes, insns, count);
}

static void add_edge(void *opaque, uint64_t from, uint64_t to, uint64_t count)
{
    struct cover *cover = opaque;
    list_add(&cover->edges, from, to, 0, count);
}

bool cover_take(struct cover *cover, metic_machine *machine, struct metic_error *error)
{
    if (!metic_trace_coverage(machine, add_block, add_edge, cover)) {
        return error_set(error, NULL, "the host has no memory for the coverage");
    }
    return cover_settle(cover, error);
}

/* --- files: "metic-cover 2", then b ADDRESS BYTES INSNS COUNT, e FROM TO COUNT, and (not in
 * version 1) s ADDRESS BYTES NAME --- */

enum { LINE_BYTES = 640, NAME_BYTES = 512 };

/* Behind a blank. printf was a sixth of what coverage cost at the end of a boot. */
static char *put_number(char *to, u64 value, unsigned base)
{
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    *to++ = ' ';
    while (count != 0) {
        *to++ = digits[--count];
    }
    return to;
}

static void put_block(FILE *to, const struct cover_block *block)
{
    char line[LINE_BYTES] = "b";
    char *end = put_number(line + 1, block->address, 16);
    end = put_number(end, block->bytes, 10);
    end = put_number(end, block->insns, 10);
    end = put_number(end, block->count, 10);
    *end++ = '\n';
    fwrite(line, 1, (size_t)(end - line), to);
}

static void put_edge(FILE *to, const struct cover_edge *edge)
{
    char line[LINE_BYTES] = "e";
    char *end = put_number(line + 1, edge->from, 16);
    end = put_number(end, edge->to, 16);
    end = put_number(end, edge->count, 10);
    *end++ = '\n';
    fwrite(line, 1, (size_t)(end - line), to);
}

static void write_symbols(FILE *to, struct symbols *symbols, const struct cover_block *block,
                          size_t blocks)
{
    const struct symbol *last = NULL;
    for (size_t i = 0; i < blocks; i++) {
        if (last != NULL && last->size == 0 && block[i].address < symbols_end(symbols, last)) {
            continue; /* up to the next one, it is the same */
        }
        const struct symbol *symbol = symbols_find(symbols, block[i].address);
        if (symbol != NULL && symbol != last && strlen(symbol->name) < NAME_BYTES &&
            strpbrk(symbol->name, " \n") == NULL) {
            fprintf(to, "s %" PRIx64 " %" PRIx64 " %s\n", symbol->address,
                    symbols_end(symbols, symbol) - symbol->address, symbol->name);
        }
        last = symbol;
    }
}

bool cover_write(struct cover *cover, struct symbols *symbols, const char *path,
                 struct metic_error *error)
{
    FILE *to = fopen(path, "we");
    if (to == NULL) {
        return error_set(error, "give a file that can be written", "%s: %s", path,
                         strerror(errno));
    }
    setvbuf(to, NULL, _IOFBF, 1 << 17); /* some megabytes of short lines */
    size_t blocks, edges;
    const struct cover_block *block = cover_blocks(cover, &blocks);
    const struct cover_edge *edge = cover_edges(cover, &edges);
    fputs("metic-cover 2\n", to);
    for (size_t i = 0; i < blocks; i++) {
        put_block(to, &block[i]);
    }
    for (size_t i = 0; i < edges; i++) {
        put_edge(to, &edge[i]);
    }
    write_symbols(to, symbols, block, blocks);
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
            list_add(&cover->blocks, a, bytes, insns, count);
        } else if (sscanf(line, "e %" SCNx64 " %" SCNx64 " %" SCNu64, &a, &b, &count) == 3 &&
                   count != 0) {
            list_add(&cover->edges, a, b, 0, count);
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

const struct cover_block *cover_blocks(struct cover *cover, size_t *count)
{
    const struct list *list = &cover->blocks;
    free(cover->sorted);
    cover->sorted = calloc(list->settled + 1, sizeof(*cover->sorted));
    *count = cover->sorted != NULL ? list->settled : 0;
    for (size_t i = 0; i < *count; i++) {
        const struct entry *entry = &list->entries[i];
        cover->sorted[i] = (struct cover_block){
            entry->key[0], entry->count, (u32)entry->key[1], entry->insns,
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

u64 cover_count(struct cover *cover, u64 address)
{
    size_t low = 0, high = cover->sorted_count;
    u64 count = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cover->sorted[middle].address <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    /* Blocks may overlap. */
    while (low-- > 0 && address - cover->sorted[low].address < cover->longest_bytes) {
        const struct cover_block *block = &cover->sorted[low];
        count += address < block->address + block->bytes ? block->count : 0;
    }
    return count;
}
