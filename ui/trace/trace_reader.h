/* Reading the streams of trace stores (trace_file.h). A reader belongs to one thread; there may be
 * any number of them for a file. */
#ifndef METIC_UI_TRACE_READER_H
#define METIC_UI_TRACE_READER_H

#include "ui/trace/trace_file.h"

struct trace_reader;

struct trace_reader *trace_reader_new(const struct trace_file *file); /* NULL: no memory */
void trace_reader_free(struct trace_reader *reader); /* NULL allowed */

/* The words of a STREAM section, as the hart wrote them, until the reader is asked again. False
 * when it is damaged. */
bool trace_reader_words(struct trace_reader *reader, const struct trace_section *section,
                        const u64 **words, size_t *count);

/* Calls `unit` for each unit that began, and `event` for each event, in their order, by the heads
 * alone; the words are those behind an event's head. False when the section is damaged. */
struct trace_heads {
    void (*unit)(void *opaque, u32 unit);
    void (*event)(void *opaque, enum metic_trace_event kind, const u64 *words, unsigned count);
    void *opaque;
};
bool trace_reader_heads(struct trace_reader *reader, const struct trace_section *section,
                        const struct trace_heads *heads);

/* The event at the section's start that says how far the unit before it came. False: there is none;
 * the unit came to its end. */
enum { TRACE_CUT_WORDS = 256 };
bool trace_reader_cut(struct trace_reader *reader, const struct trace_section *section,
                      u64 words[TRACE_CUT_WORDS], size_t *count);

/* Whether the section is what was written, by its checksums. */
bool trace_reader_check(struct trace_reader *reader, const struct trace_section *section);

/* The words of its events alone: a fraction of the work. */
bool trace_reader_events(struct trace_reader *reader, const struct trace_section *section,
                         const u64 **words, size_t *count);

/* What of a section is asked for: items with an access to one of the places, or those that `item`
 * wants by its units, which ran so many pages from where they were translated; its answer is kept
 * until `version` changes, not 0. */
struct trace_want {
    const struct trace_places *places; /* or NULL */
    unsigned how;                      /* TRACE_READS, TRACE_WRITES */
    bool (*item)(void *opaque, const u32 *units, unsigned count, u64 page_delta);
    void *opaque;
    u32 version;
    bool before_events; /* those, too, that an event happened in or ended */
    u32 registers;     /* bit mask: to be told before each wanted item, as far as those that are
                          passed over wrote them, and */
    u32 end_registers; /*   at the section's end; of `registers` */
};

/* The words of wanted items and of events, and in place of what was passed over in between
 * METIC_TRACE_LEFT | number of instructions << 28, a bit mask of registers, and what they hold. An
 * item that an event may have cut short comes with its words, too, where its registers count.
 * Behind the last wanted item nothing is told. Count 0 when there is none, for a fraction of the
 * work. *to_end: the last of them is the section's last, and what the next section begins with may
 * say how far it came (trace_reader_cut). False when the section is damaged. */
bool trace_reader_pick(struct trace_reader *reader, const struct trace_section *section,
                       const struct trace_want *want, const u64 **words, size_t *count,
                       bool *to_end);

#endif
