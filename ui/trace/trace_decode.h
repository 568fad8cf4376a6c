/* From recorded words to instructions and events, in order, one hart's stream at a time; the words
 * come from a running machine or from a store. */
#ifndef METIC_UI_TRACE_DECODE_H
#define METIC_UI_TRACE_DECODE_H

#include "ui/trace/trace_who.h"

/* An instruction that retired. Pointers live until the callback returns. */
struct trace_step {
    unsigned stream; /* the hart */
    u64 insns;       /* instructions that retired before it on this hart */
    u64 pc;
    const u8 *code;
    unsigned bytes;
    u32 privilege;   /* ~0: not known yet, as satp 0 */
    u64 satp;
    u64 order_ns;    /* harts follow each other by it, and in it by number */
    u64 ns, ns_insns; /* guest time of the last event before it, and its instruction count */
    const struct metic_trace_slot *slots; /* of this instruction, */
    const u64 *words;                     /*   and their words */
    unsigned slot_count;
    u32 unit;
    bool first; /* of its unit */
    bool mine;  /* it ran in what the decoder's `who` asks for */
};

/* Guest time of the step, where an instruction takes a nanosecond (the virtual clock); elsewhere of
 * the last event before it. */
static inline u64 trace_step_ns(const struct trace_step *step, bool counts_ns)
{
    return step->ns + (counts_ns ? step->insns - step->ns_insns : 0);
}

struct trace_event {
    unsigned stream;
    enum metic_trace_event kind;
    u64 insns, ns, order_ns;
    u64 pc; /* of the instruction that it is part of, where steps are told; or 0 */
    u32 privilege;
    u64 satp;
    bool mine; /* as of steps: before it or behind it */
    const u64 *words;
    unsigned count;
};

struct trace_callbacks {
    /* Any may be NULL. A unit comes when it is known how far it went, before its steps are told if
     * nothing happened in between. */
    void (*unit)(void *opaque, unsigned stream, u32 unit, u64 pc, unsigned retired);
    void (*step)(void *opaque, const struct trace_step *step);
    /* Whether to tell the steps of a unit with these words; NULL: always. */
    bool (*wants)(void *opaque, u32 unit, u64 pc, const u64 *words);
    void (*event)(void *opaque, const struct trace_event *event);
    /* Registers of the mask hold these values now, in order: trace_reader_pick passed over what
     * wrote them. */
    void (*passed)(void *opaque, u32 registers, const u64 *values);
    void *opaque;
};

struct trace_stream {
    u64 insns;       /* at the start of the pending unit */
    u64 next_sequence;
    bool known;
    u32 privilege;
    u64 satp, ns, ns_insns;
    char task[16];   /* name of Linux's task; zeros: not known */
    bool mine;       /* that is what the decoder's `who` asks for */
    u64 order_ns;    /* when the turn began; without turns the time of the last event */
    bool pending, wanted;
    u32 unit, unit_privilege; /* what it runs in: its last instruction may change that */
    u64 unit_satp;
    bool unit_mine;
    u64 pc;
    unsigned told;   /* steps of it */
    unsigned slot;   /* the next step's first */
    u64 code;        /* offset of its bytes */
    const u64 *words;
    u64 kept[TRACE_UNIT_SLOTS_MAX];
};

struct trace_decoder {
    struct trace_callbacks callbacks;
    bool has_turns; /* set by the caller: the words tell when the harts' turns begin */
    const struct trace_who *who; /* set by the caller: what `mine` is; NULL: everything */
    bool (*get_unit)(void *opaque, u32 number, struct metic_trace_unit *unit);
    void *unit_opaque;
    struct metic_trace_unit *units;
    u32 unit_count, unit_capacity;
    struct trace_stream streams[METIC_MAX_HARTS + 1];
};

void trace_decoder_init(struct trace_decoder *decoder, const struct trace_callbacks *callbacks,
                        bool (*get_unit)(void *opaque, u32 number, struct metic_trace_unit *unit),
                        void *unit_opaque);
void trace_decoder_fini(struct trace_decoder *decoder);
/* False when the words name units there are not. */
bool trace_decode(struct trace_decoder *decoder, const struct metic_trace_chunk *chunk);
/* In which task the chunk begins that comes next: trace_who_begins. Matters where `who` is set. */
void trace_decode_task(struct trace_decoder *decoder, unsigned stream, const char name[16]);
/* What is pending retired. */
void trace_decode_end(struct trace_decoder *decoder);
/* NULL: no such unit. */
const struct metic_trace_unit *trace_decoder_unit(struct trace_decoder *decoder, u32 number);

#endif
