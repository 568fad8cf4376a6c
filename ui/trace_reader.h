/* Reading the streams of trace stores (trace_file.h). A reader belongs to one thread; there may be
 * any number of them for a file. */
#ifndef METIC_UI_TRACE_READER_H
#define METIC_UI_TRACE_READER_H

#include "ui/trace_file.h"

struct trace_reader;

struct trace_reader *trace_reader_new(const struct trace_file *file); /* NULL: no memory */
void trace_reader_free(struct trace_reader *reader); /* NULL allowed */

/* The words of a STREAM section, as the hart wrote them, until the reader is asked again. False
 * when it is damaged. */
bool trace_reader_words(struct trace_reader *reader, const struct trace_section *section,
                        const u64 **words, size_t *count);

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

/* Whether there is an access to one of the places (how: TRACE_READS, TRACE_WRITES): a fraction of
 * the work that the words are. What is damaged has one. */
bool trace_reader_touches(struct trace_reader *reader, const struct trace_section *section,
                          const struct trace_places *places, unsigned how);

#endif
