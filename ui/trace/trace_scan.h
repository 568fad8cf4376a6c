/* Looks through many sections of a trace at once: threads unpack and search, and the caller's gets
 * what they found, section by section in the order in which these begin. */
#ifndef METIC_UI_TRACE_SCAN_H
#define METIC_UI_TRACE_SCAN_H

#include "ui/trace/trace_decode.h"
#include "ui/trace/trace_reader.h"

/* What a thread found in one section. */
struct trace_found {
    void *items;
    size_t count, capacity; /* in items */
    bool bad;               /* the section is damaged, or there is no memory */
};
/* Room for one more, or NULL and `bad`. */
void *trace_found_add(struct trace_found *found, size_t item_bytes);

/* A thread's own. */
struct trace_worker {
    const struct trace_file *file;
    struct trace_reader *reader;
    struct trace_decoder *decoder;
    /* while it works: */
    struct trace_found *found;
    void *opaque;
    bool over; /* what comes is the next section's */
    bool none; /* trace_worker_decode: nothing was wanted */
    u64 regs[32];
    u32 known; /* bit mask: of regs */
};

/* Threads that many scans of one file share, with what they know of it. */
struct trace_pool;
/* NULL with a reason. */
struct trace_pool *trace_pool_new(struct trace_file *file, struct metic_error *error);
void trace_pool_free(struct trace_pool *pool); /* NULL is allowed */

struct trace_scan {
    struct trace_file *file;
    struct trace_pool *pool; /* or NULL: threads of its own */
    /* The caller's thread, in order; NULL: every STREAM. */
    bool (*wanted)(void *opaque, u32 section);
    /* Any thread. */
    void (*work)(struct trace_worker *worker, u32 section);
    /* The caller's thread, in order; false: that is enough. */
    bool (*take)(void *opaque, u32 section, struct trace_found *found);
    void *opaque;
    const struct trace_who *who; /* what `mine` is of steps and events; NULL: everything */
};

/* The reason when that section is damaged; false. */
bool trace_scan_damaged(const struct trace_file *file, u32 section, struct metic_error *error);
/* By numbers in file->order, [first, end). False with a reason. */
bool trace_scan_run(const struct trace_scan *scan, u32 first, u32 end, struct metic_error *error);

/* For work(): decodes what is wanted of one section by itself; its last unit is told as far as it
 * came. `opaque` of the callbacks is the worker. False when it is damaged. */
bool trace_worker_decode(struct trace_worker *worker, u32 section, const struct trace_want *want,
                         const struct trace_callbacks *callbacks);
/* For work(): its events alone. */
bool trace_worker_events(struct trace_worker *worker, u32 section,
                         const struct trace_callbacks *callbacks);
/* For work(): the section's words as items. */
void trace_worker_words(struct trace_worker *worker, u32 section);
/* What trace_decode takes, of one section's words. */
struct metic_trace_chunk trace_section_chunk(const struct trace_section *section, u64 sequence,
                                             const u64 *words, size_t count);

#endif
