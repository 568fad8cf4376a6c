/* `metic trace query FILE counts`, from the indexes alone: trace_counts.c has what ran,
 * trace_counts_contexts.c who; trace_counts_cut.c goes through what --from and --to cut. */
#ifndef METIC_UI_TRACE_COUNTS_H
#define METIC_UI_TRACE_COUNTS_H

#include "ui/trace/trace_query.h"

struct row {
    u64 key, count;
    char text[96]; /* rows with the same key and text are one */
};
struct rows {
    struct row *list;
    size_t count, capacity;
    bool no_memory; /* something was left out */
};

/* Until the next one is added; NULL: no memory. */
struct row *trace_rows_add(struct rows *rows, u64 key, u64 count);

/* Instructions by words[2]: task, satp, priv or hart. False with a reason. */
bool trace_counts_contexts(struct trace_query *query, struct rows *rows,
                           struct metic_error *error);

/* An instruction of a section that --from or --to cuts, which is between them and asked for. */
struct trace_cut_step {
    u32 hart, unit;
    u32 offset; /* of its bytes in the unit's */
    struct trace_context context; /* who ran it; its insns: 1 */
};
typedef void trace_counts_cut_fn(void *opaque, const struct trace_cut_step *step);
/* The section (its number) has what is before --from or behind --to, too. */
bool trace_counts_is_cut(const struct trace_query *query, u32 number);
/* Tells of what is between them in all such sections, on the caller's thread. False with a
 * reason. */
bool trace_counts_cut(struct trace_query *query, trace_counts_cut_fn *each, void *opaque,
                      struct metic_error *error);

#endif
