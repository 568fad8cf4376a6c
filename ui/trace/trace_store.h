/* Writing trace stores (trace_format.h). One thread at a time, the one that consumes. */
#ifndef METIC_UI_TRACE_STORE_H
#define METIC_UI_TRACE_STORE_H

#include "ui/trace/trace_format.h"

struct trace_store;

/* Where units and paths come from, by their number in chunks; what a unit points to stays until the
 * store's end. `path` may be NULL when no chunk has one. */
struct trace_source {
    bool (*unit)(void *opaque, u32 number, struct metic_trace_unit *unit);
    bool (*path)(void *opaque, u32 number, struct metic_trace_path *path);
    void *opaque;
};

/* NULL with a reason. */
struct trace_store *trace_store_new(const char *path, unsigned harts,
                                    const struct trace_source *source, struct metic_error *error);
/* Text sections. */
void trace_store_text(struct trace_store *store, enum trace_section_kind kind, const char *text,
                      size_t text_bytes);
/* A chunk, and before it the units and paths that it is the first to have. */
void trace_store_chunk(struct trace_store *store, const struct metic_trace_chunk *chunk);
/* Whether a unit that was written begins in [first, end). Asked in order of addresses, behind the
 * last chunk. */
bool trace_store_has(struct trace_store *store, u64 first, u64 end);
/* Why nothing more is written, an errno; 0: it is. */
int trace_store_failed(const struct trace_store *store);
/* False with a reason when anything could not be written. Frees in any case; NULL is allowed. */
bool trace_store_end(struct trace_store *store, struct metic_error *error);

#endif
