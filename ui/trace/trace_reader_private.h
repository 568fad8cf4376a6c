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
    u32 insns;
    u16 address_words, value_words;
    u32 state;  /* 0: not met yet; else 1 | 2 if it is wanted | the pick's version << 2 */
    u32 writes; /* bit mask: of the reader's brief_registers; bit 0: it is known */
};

/* A head of a section, as a pick goes through them: all of them, so it is small. */
struct occurrence {
    u32 head, insns;
    u16 address_words, value_words; /* of the whole item, as insns are */
    u16 left; /* OCCURRENCE_WHOLE: it ran to its end */
    bool told; /* unrolled, with all its words */
    bool gives; /* it is in the list of those that do */
};
enum { OCCURRENCE_WHOLE = 0xffff };

/* Registers that are to be known, and which that occurrence writes. */
struct giving {
    u32 at, registers; /* bit mask */
};
enum { NEEDED_BITS = 1 << 14 };

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
    struct item_brief *briefs; /* as items; NULL until a pick */
    u32 brief_registers;
    struct occurrence *heads;  /* of a pick's section */
    size_t head_capacity, head_count;
    struct giving *givings;    /* the last one first */
    size_t giving_capacity, giving_count;
    u64 needed[NEEDED_BITS / 64]; /* by item: a pick needs its words; maybe a few others', too */
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
/* Words [first, end) of an item's order, those below `limit`, into `last`; false: damaged. */
bool trace_reader_get(struct reader *r, struct read_item *read, unsigned first, unsigned end,
                      unsigned limit);
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

#endif
