/* Recorded instructions and events as text: for people, as QEMU's -d prints, as JSON lines, or as
 * Chrome's trace events (Perfetto). Made for struct trace_callbacks. */
#ifndef METIC_UI_TRACE_TEXT_H
#define METIC_UI_TRACE_TEXT_H

#include "ui/symbols/symbols.h"
#include "ui/trace/trace_decode.h"
#include "ui/trace/trace_pages.h"
#include <stdio.h>

enum trace_text_format { TRACE_TEXT_PLAIN, TRACE_TEXT_QEMU, TRACE_TEXT_JSON, TRACE_TEXT_CHROME };

/* A control transfer: a branch, a jump, a call or a return. */
struct trace_branch {
    bool is_branch, conditional;
    bool left;              /* what ran next was not recorded; `to` as far as the branch says it */
    const char *name;       /* of what is not conditional */
    u64 insns, from, to, ns;
    u64 target;             /* of a direct jump or call; or 0 */
    u64 behind;             /* the address of the instruction behind it */
    u32 privilege;
};

/* Of metic_trace_register's numbers: 0 to 31 are x0 to x31, from this on f0 to f31. */
enum { TRACE_FIRST_FLOAT = 33 };

struct trace_text {
    FILE *to;
    bool branches;                 /* control transfers in place of instructions */
    enum trace_text_format format;
    struct symbols *symbols;       /* or NULL */
    struct source_lines *lines;    /* or NULL */
    u64 first, end;                /* only these addresses; end 0: all */
    u64 from_insns, to_insns;      /* only these counts; to 0: all */
    u64 harts;                     /* bit mask; 0: all */
    u64 every;                     /* only each Nth instruction; 0: all */
    u64 limit;                     /* lines at most; 0: any number */
    bool has_registers;            /* values written to them were recorded */
    bool counts_ns;                /* an instruction takes a nanosecond: the virtual clock */
    /* own */
    u64 told, seen;
    struct trace_pages pages;
    bool begun;
    struct {
        u64 ns;     /* of the last slice or instant: a track's never go back */
        u32 open;   /* slices that have not ended */
        bool named;
    } tracks[METIC_MAX_HARTS + 1]; /* Chrome's: harts, and what happened outside of them */
    bool left_out;                 /* there were instructions, which the format does not show */
    /* QEMU's register dump. */
    u64 regs[METIC_MAX_HARTS + 1][72];
    u32 known[METIC_MAX_HARTS + 1];     /* bit mask: x0 to x31 that hold regs[] */
    u64 next_insns[METIC_MAX_HARTS + 1]; /* what follows the last step without a gap */
    struct trace_branch last_branch[METIC_MAX_HARTS + 1];
    u8 *shown_units;
    u32 shown_capacity;
};

/* False: no such format. */
bool trace_text_format_find(const char *name, enum trace_text_format *format);
void trace_text_step(void *opaque, const struct trace_step *step);
void trace_text_event(void *opaque, const struct trace_event *event);
/* What the format wants at the end. */
void trace_text_end(struct trace_text *text);
/* Whether the limit was reached. */
bool trace_text_is_full(const struct trace_text *text);

/* trace_branch.c. Whether there was a branch of that hart of which it is known now where it went,
 * since instruction number `insns` is at `pc`; or that nobody knows. Then *told, once. */
bool trace_branch_is_told(struct trace_text *text, unsigned stream, u64 insns, u64 pc,
                          struct trace_branch *told);
/* The step may be one. */
void trace_branch_step(struct trace_text *text, const struct trace_step *step);
/* A slice of Chrome's trace events begins (phase B) or ends (E), or something happened (i): all but
 * the closing brace. False, and nothing: the slice ends that was begun before the recording. */
bool trace_text_slice(struct trace_text *text, unsigned stream, u64 ns, char phase,
                      const char *name);
void trace_branch_print(struct trace_text *text, unsigned stream, const struct trace_branch *b);

/* "S", "U", "M". */
const char *trace_privilege(u32 privilege);
/* Name of an event's kind. */
const char *trace_event_name(enum metic_trace_event kind);
/* Prints what an event says, without a newline. */
void trace_event_print(FILE *to, const struct trace_event *event, struct symbols *symbols);
/* What is accessed by a slot that is an address, and the access's value. */
struct trace_access {
    u64 address, value;
    u8 size_bytes;
    bool read, write;
};
/* The next access of a step at or behind slot *at; false: no more. */
bool trace_next_access(const struct trace_step *step, unsigned *at, struct trace_access *access);

#endif
