/* What the indexes of many sections say, asked on all processors. The caller's thread, but for
 * `ask`. */
#ifndef METIC_UI_TRACE_SIFT_H
#define METIC_UI_TRACE_SIFT_H

#include "ui/trace/trace_file.h"

/* Calls `work` for each number below `count` on as many threads as there are processors, the
 * caller's among them; `thread` is below TRACE_THREADS_MAX. Returns when all are done. */
enum { TRACE_THREADS_MAX = 16 };
void trace_parallel(u32 count, void (*work)(void *opaque, unsigned thread, u32 number),
                    void *opaque);

/* Answers to a question about each section, worked out a batch ahead of who asks. */
struct trace_sift {
    /* Any thread; `file` is a view of its own (trace_file_view). The answer, 0: none of it. Not
     * asked for sections that are no STREAM. */
    u8 (*ask)(void *opaque, struct trace_file *file, u32 section, unsigned thread);
    void *opaque;
    /* own: */
    u8 *answers; /* by section */
    u32 done;    /* sections below have theirs */
};

/* False: no memory. */
bool trace_sift_begin(struct trace_sift *sift, const struct trace_file *file);
void trace_sift_end(struct trace_sift *sift);
u8 trace_sift_answer(struct trace_sift *sift, struct trace_file *file, u32 section);
/* Works out the answers of these sections anew, which are in ascending order. */
void trace_sift_list(struct trace_sift *sift, struct trace_file *file, const u32 *list, u32 count);

#endif
