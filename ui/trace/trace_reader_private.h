/* Between trace_reader.c, which unpacks and unrolls, and trace_pick.c, which passes over items that
 * nobody asked for. */
#ifndef METIC_UI_TRACE_READER_PRIVATE_H
#define METIC_UI_TRACE_READER_PRIVATE_H

#include "ui/trace/trace_bytes.h"
#include "ui/trace/trace_item.h"
#include "ui/trace/trace_reader.h"

#include <zstd.h>

/* What a head stands for, and the last words of it in this section. */
struct read_item {
    struct trace_item item;
    u64 *last;   /* NULL: not met yet */
    u32 section; /* the reader's */
    u32 marked;  /* by a pick's version: `wanted` is known */
    u32 insns;   /* of all its parts */
    bool wanted;
    u8 last_count;   /* of `writes`: those that no other of the item comes behind */
    u16 write_count;
    u32 writes_of;   /* registers, a bit mask */
    struct item_write { u16 slot; u8 reg; } *writes; /* the last one first, but last_count of them
                                                        before all others */
};

struct trace_reader {
    const struct trace_file *file;
    ZSTD_DCtx *zstd;
    u8 *raw;
    size_t raw_capacity;
    u64 *words;
    size_t word_capacity;
    struct reader columns[TRACE_COLUMNS];
    struct read_item *items; /* units, then paths */
    u32 section;             /* counts those that were opened */
    u64 page_in, page_delta; /* heads until the next unit that ran elsewhere, and where */
    u8 *chosen;              /* of a pick by places: by number of the head */
    size_t chosen_capacity;
};

/* More room in *bytes, of which nothing is kept; false: no memory. */
bool trace_reader_room(void **bytes, size_t *capacity, size_t wanted);
/* Unpacks the frames of `mask`; columns of the others are empty. False: damaged. */
bool trace_reader_open(struct trace_reader *reader, const struct trace_section *section,
                       unsigned mask);
/* The columns of the section that was opened, with the frames of `had`, once more from their
 * starts, and those of `more`. */
bool trace_reader_reopen(struct trace_reader *reader, const struct trace_section *section,
                         unsigned had, unsigned more);
/* The next head; before a path's, after how many of its instructions it was left; ~0: damaged. */
u32 trace_reader_head(struct trace_reader *reader, u32 *left);
/* The item of a head that is none of an event; NULL: there is no such thing. */
struct read_item *trace_reader_item(struct trace_reader *reader, u32 head);
/* Words [first, end) of an item's order, those below `limit`, into `last`; false: damaged. */
bool trace_reader_get(struct reader *r, struct read_item *read, unsigned first, unsigned end,
                      unsigned limit);
/* How far the item that comes now was from where it was translated. */
u64 trace_reader_page(struct trace_reader *reader);
/* Looks at when that is; before the first item of a section. */
void trace_reader_next_page(struct trace_reader *reader);
/* The event of a head; number of words, 0 when damaged. */
size_t trace_reader_event(struct trace_reader *reader, u32 head, u64 *words, size_t room);
/* The first `parts` units of an item, as a hart writes them; number of words. */
size_t trace_reader_unroll(const struct trace_reader *reader, const struct read_item *read,
                           unsigned parts, u64 page_delta, u64 *words);

#endif
