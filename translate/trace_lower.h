/* The IR of traces, made from the circles that tier 2 finds; for trace.c. engine->ir and what it is
 * made with are under the engine's lock, which callers hold. */
#ifndef METIC_TRANSLATE_TRACE_LOWER_H
#define METIC_TRANSLATE_TRACE_LOWER_H

#include "translate/engine_private.h"

/* The guest code that a trace is made from: snapshots of its pages. */
struct trace_source {
    const struct tier2_circle *circle;
    struct page_source {
        u8 bytes[PAGE_BYTES];
        gpa_t gpa_page;
        u32 first, end; /* offsets of what was used of it */
        u8 asks;        /* the page whose guard asks for this one, too; 0: none so far. Of the
                           first page, for those that are always as far from it */
    } pages[TRACE_MAX_PAGES];
    unsigned page;      /* that the path is in */
    u32 asked;          /* bits: pages whose guards it has passed */
};

/* Fills in the source of a circle whose pages' gpa_page are known; `circle` must outlive it. */
void trace_source_read(const struct engine *engine, const struct tier2_circle *circle,
                       struct trace_source *source);
/* What IR counts from: offsets are from the circle's first page. */
s64 trace_offset(const struct trace_source *source, gva_t pc);

/* engine->ir becomes the trace, or its main way, before the passes; *insns is how many guest
 * instructions. False when there is something that a trace cannot have. */
bool trace_lower(struct engine *engine, struct trace_source *source, u32 mode, unsigned *insns);
/* engine->ir becomes a further way of the circle. The page that it begins in was asked for
 * before. */
bool trace_lower_way(struct engine *engine, struct trace_source *source, u32 mode,
                     const struct tier2_way *way);

/* Helpers may change what a path and a trace take for granted, and none of them is fast. */
bool trace_calls_helper(const struct ir_insn *insns, unsigned count);

#endif
