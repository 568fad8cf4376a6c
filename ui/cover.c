/* See cover.h. Blocks and edges are hash tables by address; a block is told by its address and
 * length, since one that an exception cut short is another one. */
#include "ui/cover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    u64 key[2];
    u64 count; /* 0: free */
    u32 insns;
};

struct table {
    struct entry *entries;
    size_t size, used; /* size: a power of two */
};

struct cover {
    struct table blocks, edges;
    struct cover_block *sorted;
    struct cover_edge *sorted_edges;
    size_t sorted_count;
};

static size_t hash(u64 a, u64 b)
{
    return (size_t)((a * 0x9e3779b97f4a7c15u ^ b * 0xd6e8feb86659fd93u) >> 17);
}

static struct entry *table_find(struct table *table, u64 a, u64 b)
{
    size_t at = hash(a, b) & (table->size - 1);
    while (table->entries[at].count != 0 &&
           (table->entries[at].key[0] != a || table->entries[at].key[1] != b)) {
        at = (at + 1) & (table->size - 1);
    }
    return &table->entries[at];
}

static bool table_grow(struct table *table)
{
    struct table bigger = {.size = table->size != 0 ? table->size * 2 : 1 << 14};
    bigger.entries = calloc(bigger.size, sizeof(*bigger.entries));
    if (bigger.entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->size; i++) {
        if (table->entries[i].count != 0) {
            *table_find(&bigger, table->entries[i].key[0], table->entries[i].key[1]) =
                table->entries[i];
        }
    }
    bigger.used = table->used;
    free(table->entries);
    *table = bigger;
    return true;
}

static void table_add(struct table *table, u64 a, u64 b, u32 insns, u64 count)
{
    if (table->used * 2 >= table->size && !table_grow(table)) {
        return;
    }
    struct entry *entry = table_find(table, a, b);
    table->used += entry->count == 0;
    u64 most = ~(u64)0 - entry->count;
    *entry = (struct entry){{a, b}, entry->count + (count < most ? count : most), insns};
}

struct cover *cover_new(struct metic_error *error)
{
    struct cover *cover = calloc(1, sizeof(*cover));
    if (cover == NULL || !table_grow(&cover->blocks) || !table_grow(&cover->edges)) {
        cover_free(cover);
        error_set(error, NULL, "the host has no memory for the coverage");
        return NULL;
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
    table_add(&cover->blocks, address, bytes, insns, count);
}

static void add_edge(void *opaque, uint64_t from, uint64_t to, uint64_t count)
{
    struct cover *cover = opaque;
    table_add(&cover->edges, from, to, 0, count);
}

bool cover_take(struct cover *cover, metic_machine *machine, struct metic_error *error)
{
    return metic_trace_coverage(machine, add_block, add_edge, cover) ||
           error_set(error, NULL, "the host has no memory for the coverage");
}

/* --- files: "metic-cover 1", then b ADDRESS BYTES INSNS COUNT, e FROM TO COUNT --- */

bool cover_write(struct cover *cover, const char *path, struct metic_error *error)
{
    FILE *to = fopen(path, "we");
    if (to == NULL) {
        return error_set(error, "give a file that can be written", "%s: %s", path,
                         strerror(errno));
    }
    size_t blocks, edges;
    const struct cover_block *block = cover_blocks(cover, &blocks);
    const struct cover_edge *edge = cover_edges(cover, &edges);
    fputs("metic-cover 1\n", to);
    for (size_t i = 0; i < blocks; i++) {
        fprintf(to, "b %" PRIx64 " %u %u %" PRIu64 "\n", block[i].address, block[i].bytes,
                block[i].insns, block[i].count);
    }
    for (size_t i = 0; i < edges; i++) {
        fprintf(to, "e %" PRIx64 " %" PRIx64 " %" PRIu64 "\n", edge[i].from, edge[i].to,
                edge[i].count);
    }
    bool good = !ferror(to);
    return (fclose(to) == 0 && good) ||
           error_set(error, "make room, or give another file", "%s: %s", path, strerror(errno));
}

bool cover_read(struct cover *cover, const char *path, struct metic_error *error)
{
    FILE *from = fopen(path, "re");
    char line[128];
    unsigned number = 1;
    if (from == NULL) {
        return error_set(error, NULL, "%s: %s", path, strerror(errno));
    }
    bool good = fgets(line, sizeof(line), from) != NULL && strcmp(line, "metic-cover 1\n") == 0;
    while (good && fgets(line, sizeof(line), from) != NULL) {
        u64 a, b, count;
        u32 bytes, insns;
        number++;
        if (sscanf(line, "b %" SCNx64 " %u %u %" SCNu64, &a, &bytes, &insns, &count) == 4 &&
            bytes != 0 && bytes <= 4096 && count != 0) {
            table_add(&cover->blocks, a, bytes, insns, count);
        } else if (sscanf(line, "e %" SCNx64 " %" SCNx64 " %" SCNu64, &a, &b, &count) == 3 &&
                   count != 0) {
            table_add(&cover->edges, a, b, 0, count);
        } else {
            good = false;
        }
    }
    fclose(from);
    return good || error_set(error, "metic run ... --cover FILE writes one",
                             number == 1 ? "%s is no coverage of metic"
                                         : "%s is damaged in line %u", path, number);
}

/* --- sorted --- */

static int by_address(const void *a, const void *b)
{
    const struct cover_block *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address ? 1
           : x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_ends(const void *a, const void *b)
{
    const struct cover_edge *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from ? 1 : x->to < y->to ? -1 : x->to > y->to;
}

const struct cover_block *cover_blocks(struct cover *cover, size_t *count)
{
    *count = 0;
    free(cover->sorted);
    cover->sorted = calloc(cover->blocks.used + 1, sizeof(*cover->sorted));
    for (size_t i = 0; cover->sorted != NULL && i < cover->blocks.size; i++) {
        const struct entry *entry = &cover->blocks.entries[i];
        if (entry->count != 0) {
            cover->sorted[(*count)++] = (struct cover_block){
                entry->key[0], entry->count, (u32)entry->key[1], entry->insns,
            };
        }
    }
    cover->sorted_count = *count;
    if (*count != 0) {
        qsort(cover->sorted, *count, sizeof(*cover->sorted), by_address);
    }
    return cover->sorted;
}

const struct cover_edge *cover_edges(struct cover *cover, size_t *count)
{
    *count = 0;
    free(cover->sorted_edges);
    cover->sorted_edges = calloc(cover->edges.used + 1, sizeof(*cover->sorted_edges));
    for (size_t i = 0; cover->sorted_edges != NULL && i < cover->edges.size; i++) {
        const struct entry *entry = &cover->edges.entries[i];
        if (entry->count != 0) {
            cover->sorted_edges[(*count)++] =
                (struct cover_edge){entry->key[0], entry->key[1], entry->count};
        }
    }
    if (*count != 0) {
        qsort(cover->sorted_edges, *count, sizeof(*cover->sorted_edges), by_ends);
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
    /* Blocks are at most 256 bytes long, and may overlap. */
    while (low-- > 0 && cover->sorted[low].address + 256 > address) {
        const struct cover_block *block = &cover->sorted[low];
        count += address < block->address + block->bytes ? block->count : 0;
    }
    return count;
}
