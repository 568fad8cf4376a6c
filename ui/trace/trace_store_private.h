/* Between trace_store.c, which writes sections, trace_store_stream.c, which codes the words of a
 * chunk, trace_store_contexts.c, which counts who ran, and trace_store_index.c, which writes where
 * all that is. */
#ifndef METIC_UI_TRACE_STORE_PRIVATE_H
#define METIC_UI_TRACE_STORE_PRIVATE_H

#include "ui/trace/trace_item.h"
#include "ui/trace/trace_store.h"

#include <zstd.h>

enum { MAX_PAGES = 4096, PAGE_SET = 8192 /* a power of two */, MAX_CONTEXTS = 128 };

struct column {
    u8 *bytes;
    size_t used, capacity;
};

/* Lines met in one chunk, by page. */
struct line_set {
    struct line_page {
        u64 page, lines; /* lines 0: empty */
    } pages[PAGE_SET];   /* hash table */
    u16 used[MAX_PAGES]; /* its places in use */
    unsigned count;
    bool full; /* more than there is room for: any line may be in it */
};

/* Fills of the TLB met in one chunk. */
struct fill_set {
    struct fill { u64 gva_page, gpa_page; } fills[PAGE_SET]; /* hash table */
    u16 used[MAX_PAGES]; /* its places in use */
    bool taken[PAGE_SET];
    unsigned count;
    bool full;
};

/* In which contexts a chunk ran, and of each stream the task that is known to run. */
struct context_set {
    struct trace_context list[MAX_CONTEXTS], now;
    unsigned count;
    u64 insns; /* since `now` is so */
    struct context_task {
        u64 address, next_sequence;
        char name[16];
    } tasks[METIC_MAX_HARTS + 1], *task;
};

/* An item, and what this section has of it. */
struct written_item {
    u64 *last;   /* its words; NULL: not met yet */
    u64 address; /* where it was translated */
    u32 section; /* the store's */
    u32 ran;     /* how often, all of it */
    u32 made_before; /* of units: the item that was met before it; 0: none */
    bool whole;  /* the last time it was not left early */
    struct trace_item item;
};

struct trace_store {
    int fd;
    unsigned harts;
    char path[256];
    int failed; /* errno */
    struct trace_source source;
    /* Units as written, behind one that is none: of all that ran a ring has a few. */
    struct metic_trace_unit *units;
    struct written_item *unit_items; /* of each */
    size_t units_asked_bytes, items_asked_bytes; /* see zeros_ahead() */
    u32 there_count, there_capacity;
    u32 *places; /* of all units, by number: which of those it is; 0: it is not there */
    u32 unit_count, unit_capacity;
    u64 *starts; /* where units begin, sorted, once somebody asks; */
    u32 start_count, asked; /*   those before `asked` are passed */
    u32 last_made; /* of unit_items: the last one that was met; 0: none */
    struct written_item *path_items; /* by number in the file */
    u32 path_count, path_capacity;
    u32 *path_numbers; /* by number of the machine: that in the file + 1 */
    u32 path_number_capacity;
    u32 *met; /* heads of items that began in this section */
    u32 met_count, met_capacity;
    u32 section;       /* number of the STREAM */
    u64 unrolled;      /* its words, of units */
    u64 coded[TRACE_UNIT_SLOTS_MAX]; /* of the item: how its words differ from the last ones */
    struct column all_units, all_paths; /* as UNITS_AGAIN and PATHS_AGAIN have them */
    struct column columns[TRACE_COLUMNS], raw, packed, index;
    u64 offset;          /* in the file */
    struct column group; /* what the next INDEX will have, */
    u32 group_count;     /*   of so many sections */
    struct column indexes;   /* all INDEXes so far, as a DIRECTORY has them; */
    size_t indexes_listed;   /*   bytes of it that are in one */
    u64 last_index, last_directory; /* offsets: the last INDEX or DIRECTORY; DIRECTORY; 0: none */
    struct line_set written, read, moved;
    struct fill_set fills;
    struct context_set contexts;
    u32 *ran;          /* by unit: how often it began in this chunk */
    u32 *touched;      /* units with a count */
    u32 touched_count;
    ZSTD_CCtx *zstd;
};

/* Room for so many bytes more; NULL: the store has failed. */
u8 *trace_column_room(struct trace_store *store, struct column *column, size_t bytes);
/* More room in a list of zeros_grow(), which is zero. */
bool trace_store_grow(struct trace_store *store, void **list, size_t had, size_t wanted,
                      size_t bytes);

/* --- trace_store.c: sections --- */

void trace_store_write(struct trace_store *store, const void *bytes, size_t size);
void trace_store_put_header(const struct trace_section *section, u8 *at);
/* Packs bytes and writes them as a section. */
void trace_store_write_bytes(struct trace_store *store, struct trace_section *section,
                             const void *bytes, size_t size);

/* --- trace_store_contexts.c --- */

void trace_contexts_begin(struct trace_store *store, const struct metic_trace_chunk *chunk);
/* Words of the event behind its head. What ran before it is in contexts.insns. */
void trace_contexts_event(struct trace_store *store, u32 head, const u64 *words);
/* Behind the rest of the index. */
void trace_contexts_put(struct trace_store *store);

/* --- trace_store_index.c --- */

/* TRACE_HEADER_BYTES, with where the last INDEX is. */
void trace_store_put_file_header(const struct trace_store *store, u8 *header);
/* Writes the next INDEX when there is enough for one. */
void trace_store_index(struct trace_store *store);
/* Behind the last chunk: what is left of the INDEX, units and paths once more, where all is. */
void trace_store_finish(struct trace_store *store);

/* --- trace_store_stream.c --- */

static inline u8 *put_varint(u8 *at, u64 value)
{
    while (value >= 0x80) {
        *at++ = (u8)(value | 0x80);
        value >>= 7;
    }
    *at++ = (u8)value;
    return at;
}
/* The words of a chunk into the columns; definitions of paths that are new go behind all_paths. Bit
 * mask of the kinds of events there were. */
u64 trace_store_put_words(struct trace_store *store, const struct metic_trace_chunk *chunk);
/* What the chunk touched and ran, behind the index, and forgets it. */
void trace_store_put_lists(struct trace_store *store);
void trace_store_free_items(struct trace_store *store);

#endif
