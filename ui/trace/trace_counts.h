/* `metic trace query FILE counts`, from the indexes alone: trace_counts.c has what ran,
 * trace_counts_contexts.c who. */
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

#endif
