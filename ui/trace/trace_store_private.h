/* Between trace_store.c, which writes sections, trace_store_stream.c, which codes the words of a
 * chunk, trace_store_items.c, which numbers units and paths, trace_store_contexts.c, which counts
 * who ran, and trace_store_index.c, which writes where all that is. */
#ifndef METIC_UI_TRACE_STORE_PRIVATE_H
#define METIC_UI_TRACE_STORE_PRIVATE_H

#include "cpu/base/arena.h"
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

/* What is written of an item with slots. */
struct written_words {
    struct trace_item item;
    u64 last[]; /* its words in this section */
};

/* An item, and what this section has of it. There are many, and each page of theirs that is touched
 * for the first time may be dear: most have no slots, and no memory but this. */
struct written_item {
    u64 address; /* where it was translated */
    union {
        const u32 *parts;            /* numbers of units; NULL: it is one */
        struct written_words *words; /* of one with slots, these are in there */
    };
    u32 section; /* the store's; 0: none yet */
    u32 ran;     /* how often, all of it */
    u16 insn_count, slot_count;
    u16 bytes;   /* of a unit */
    unsigned part_count : 15, whole : 1; /* the last time it was not left early */
};
_Static_assert(sizeof(struct written_item) == 32 && TRACE_PATH_PARTS_MAX < 1 << 15, "small");

/* Units or paths that were met, by number in the file. */
struct written_items {
    struct written_item *list;
    u32 count, capacity;
    size_t asked_bytes;    /* of the list, see zeros_ahead() */
    u32 *numbers;          /* by number in the machine: that in the file + 1; 0: not met */
    u32 number_capacity;
    struct column defined; /* as UNITS_AGAIN and PATHS_AGAIN have them */
};

struct trace_store {
    int fd;
    unsigned harts;
    char path[256];
    int failed; /* errno */
    struct trace_source source;
    struct written_items units, paths; /* the first unit is none */
    u32 unit_capacity;    /* of ran, touched */
    struct metic_trace_unit part_units[TRACE_PATH_PARTS_MAX]; /* of a path that is being made */
    struct arena *memory; /* of items */
    u64 *starts; /* where units begin, sorted, once somebody asks; */
    u32 start_count, asked; /*   those before `asked` are passed */
    u32 *met; /* heads of items that began in this section */
    u32 met_count, met_capacity;
    u32 section;       /* number of the STREAM */
    u64 unrolled;      /* its words, of units */
    u64 coded[TRACE_UNIT_SLOTS_MAX]; /* of the item: how its words differ from the last ones */
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

/* --- trace_store_items.c --- */

/* The file's head for one of a chunk, that of a unit or a path, whose definition goes behind the
 * others when it is the first of its kind. TRACE_NO_HEAD: the store has failed. */
#define TRACE_NO_HEAD (~(u32)0)
u32 trace_store_head(struct trace_store *store, u32 head);
/* What a head of the file stands for, and the file's number of a part of it. */
static inline struct written_item *trace_store_item(const struct trace_store *store, u32 head)
{
    return head >= METIC_TRACE_PATH ? &store->paths.list[head - METIC_TRACE_PATH]
                                    : &store->units.list[head];
}
static inline u32 trace_store_part(const struct trace_store *store,
                                   const struct written_item *item, unsigned part)
{
    if (item->slot_count != 0) {
        return item->words->item.parts[part];
    }
    return item->parts != NULL ? item->parts[part] : (u32)(item - store->units.list);
}
/* A chunk's word that will soon be met, if it is a head: first the one, later the other. */
void trace_store_expect_number(const struct trace_store *store, u32 head);
void trace_store_expect_item(const struct trace_store *store, u32 head);
void trace_store_items_fini(struct trace_store *store);

#endif
