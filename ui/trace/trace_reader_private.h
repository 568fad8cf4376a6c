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
    u8 last_count;   /* of `writes`: those that no other of the item comes behind */
    u16 write_count;
    u32 writes_of;   /* registers, a bit mask */
    struct item_write { u16 slot; u8 reg; } *writes; /* the last one first, but last_count of them
                                                        before all others */
};

/* What a pick asks of each head: in few bytes, since there are many. */
struct item_brief {
    u16 insns, address_bytes, value_bytes; /* of the whole item; of its lengths the bytes */
    u16 state;
};
enum {
    BRIEF_MET = 1,    /* what is above is known */
    BRIEF_LARGE = 2,  /* it does not fit there: look at the item */
    BRIEF_ASKED = 4,  /* whether it is wanted is known, of the reader's brief_version: */
    BRIEF_WANTED = 8, /*   it is */
    BRIEF_NEEDED = 16 /* words of it are, in this section */
};

/* A head whose item is unrolled, with all its words, or gives registers that are to be known. */
struct mark {
    u32 at;        /* number in the column */
    u32 registers; /* bit mask; 0: it is unrolled */
};
struct mark_list {
    struct mark *list;
    size_t count, capacity;
};

struct trace_reader {
    const struct trace_file *file;
    ZSTD_DCtx *zstd;
    struct arena *memory; /* of items */
    u8 *raw;
    size_t raw_capacity;
    u64 *words;
    size_t word_capacity;
    struct reader columns[TRACE_COLUMNS];
    struct read_item *items; /* units, then paths */
    u32 section;             /* counts those that were opened */
    u64 page_in, page_delta; /* heads until the next unit that ran elsewhere, and where */
    struct item_brief *briefs; /* as items; NULL until a pick */
    u32 *brief_writes;         /* as items, bit masks: of brief_registers; bit 0: it is known */
    u32 brief_registers, brief_version;
    struct mark_list told;     /* of a pick's section: those that were asked for */
    struct mark_list marks;    /*   all of them, the last one first */
    struct mark_list needed;   /*   `at`: heads of items whose briefs say so */
};

/* More room in *bytes, of which nothing is kept; false: no memory. */
bool trace_reader_room(void **bytes, size_t *capacity, size_t wanted);
/* Room for so many items of a list, which is kept; false: no memory. */
bool trace_reader_more(void **list, size_t *capacity, size_t count, size_t item_bytes);
/* Unpacks the frames of `mask`; columns of the others are empty. False: damaged. */
bool trace_reader_open(struct trace_reader *reader, const struct trace_section *section,
                       unsigned mask);
/* The columns of the section that was opened, with the frames of `had`, once more from their
 * starts, and those of `more`. */
bool trace_reader_reopen(struct trace_reader *reader, const struct trace_section *section,
                         unsigned had, unsigned more);
/* What is behind the word METIC_TRACE_LEFT, *head: a path's head; ~0: damaged. */
u32 trace_reader_left(struct reader *heads, u32 head, u32 *left);
/* The next head; before a path's, after how many of its instructions it was left; ~0: damaged. */
static inline u32 trace_reader_head(struct trace_reader *reader, u32 *left)
{
    struct reader *r = &reader->columns[TRACE_HEADS];
    const u8 *at = get_bytes(r, 4);
    u32 head = at != NULL ? ld_le32(at) & METIC_TRACE_NUMBER : ~0u;
    *left = TRACE_WHOLE;
    return UNLIKELY(head >= METIC_TRACE_LEFT && head < METIC_TRACE_EVENT)
               ? trace_reader_left(r, head, left) : head;
}
/* The item of a head that is none of an event; NULL: there is no such thing. */
struct read_item *trace_reader_item(struct trace_reader *reader, u32 head);
/* Words of an item, those below `limit`, into `last`: its addresses; its values. False: damaged. */
bool trace_reader_get_addresses(struct trace_reader *reader, struct read_item *read,
                                unsigned limit);
bool trace_reader_get_values(struct trace_reader *reader, struct read_item *read, unsigned limit);
/* Looks at when that is; before the first item of a section. */
void trace_reader_next_page(struct trace_reader *reader);
/* How far the item that comes now was from where it was translated. */
static inline u64 trace_reader_page(struct trace_reader *reader)
{
    u64 delta = 0;
    if (reader->page_in != 0 && --reader->page_in == 0) {
        delta = reader->page_delta;
        trace_reader_next_page(reader);
    }
    return delta;
}
/* The event of a head; number of words, 0 when damaged. */
size_t trace_reader_event(struct trace_reader *reader, u32 head, u64 *words, size_t room);
/* The first `parts` units of an item, as a hart writes them; number of words. */
size_t trace_reader_unroll(const struct trace_reader *reader, const struct read_item *read,
                           unsigned parts, u64 page_delta, u64 *words);

/* --- picks: trace_pick.c says which heads, trace_pick_words.c makes words of them --- */

enum { FRAME_HEADS = 1, FRAME_ADDRESSES = 2, FRAME_VALUES = 4 };

/* Head number `at` of the section that was opened for its heads. */
static inline u32 trace_pick_head(const struct trace_reader *reader, u32 at)
{
    return ld_le32(reader->columns[TRACE_HEADS].at + 4 * (size_t)at) & METIC_TRACE_NUMBER;
}
static inline struct item_brief *trace_pick_brief(const struct trace_reader *reader, u32 head)
{
    bool is_path = head >= METIC_TRACE_PATH;
    return &reader->briefs[is_path ? reader->file->unit_count + head - METIC_TRACE_PATH : head];
}
/* Marks what is asked for, and what it takes to know the registers; *count: so many heads are to be
 * gone through, 0: none. False: damaged, or no memory. */
bool trace_pick_mark(struct trace_reader *reader, const struct trace_section *section,
                     const struct trace_want *want, u32 *count);
/* Calls `each`, unless it is NULL, for the last write of each register of `mask` that the item's
 * first `parts` do; bit mask of those there are. */
u32 trace_pick_writes(const struct read_item *read, unsigned parts, u32 mask,
                      void (*each)(void *opaque, const struct read_item *read,
                                   const struct item_write *write), void *opaque);

#endif
