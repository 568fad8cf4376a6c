/* Recording what guest code does: the raw stream behind traces, profiles and coverage.
 *
 * Code that is watched is another translation of the same bytes (VCPU_MODE_PROBE is part of a
 * block's key), with a few stores put in by probe_instrument(). When nothing is watched no block
 * has them, and nothing asks.
 *
 * The stream. Each hart writes words of 8 bytes into chunks. A straight piece of code between two
 * places where control may go elsewhere is a *unit*; its *slots* are what is told of it: addresses,
 * values. What they mean is the same for every run of the unit, so it stands in struct probe_unit
 * and not in the stream. Between units C code puts *events*. Each has the hart's exact instruction
 * count; so when an exception ends a unit early, the event behind it tells how much of the unit has
 * happened.
 *
 * Generated code writes less than that. A block or a trace is a *path*: several units one after the
 * other, with one word for all of them and those values that do not follow from others. When it
 * begins, it reserves room for all its words at once, stores the first, which names the path and
 * the page it runs at, and fills in the others as it goes. A side exit that is taken adds a word
 * that says how many instructions of the path there were, or says it in the first one's upper half
 * (of paths that do not name their page, while nothing but blocks is told). Before a consumer sees
 * them, paths are unrolled into units with all their slots (probe_path.c); or, when it wants that,
 * handed over as they are, behind the word that says how far they came.
 *
 * Full chunks go to a consumer on a thread of its own; a hart waits when all chunks are full. With
 * keep_last nothing is consumed before the end: each hart overwrites its oldest chunk.
 *
 * Threads: harts write; the consumer's thread reads chunks handed over and units published. */
#ifndef METIC_TRANSLATE_PROBE_H
#define METIC_TRANSLATE_PROBE_H

#include "cpu/base/error.h"
#include "cpu/guest.h"
#include "cpu/vcpu.h"
#include "translate/host_slot.h"
#include "translate/ir/ir.h"
#include <pthread.h>

enum probe_what {
    PROBE_BLOCKS = 1,     /* units alone */
    PROBE_MEMORY = 2,     /* addresses and values of accesses */
    PROBE_REGISTERS = 4,  /* values written to registers, CSRs included */
    PROBE_STREAM = PROBE_BLOCKS | PROBE_MEMORY | PROBE_REGISTERS,
    /* Instead of the stream: */
    PROBE_COUNT = 8,      /* each unit counts in place how often it began: probe_unit_runs */
    PROBE_CALL_UNIT = 16, /* C is called when a unit begins, */
    PROBE_CALL_INSN = 32, /*   before each instruction, */
    PROBE_CALL_MEMORY = 64, /* after each access */
    PROBE_CALLS = PROBE_CALL_UNIT | PROBE_CALL_INSN | PROBE_CALL_MEMORY,
    PROBE_EDGES = 256, /* paths count in place how often they were left, and where to: see
                          probe_coverage */
    PROBE_EXACT = 128, /* registers are in place, too, when a helper tells of an event */
    PROBE_COUNTERS = PROBE_COUNT | PROBE_EDGES, /* not both */
};

/* A unit's first word: page number (bits 12..47 of the page's gva) in bits 28..63, the unit in
 * bits 0..27. Numbers from PROBE_EVENT_BASE on are events: kind in bits 8..15, number of further
 * words in bits 0..7. Only harts write the others: paths, and the number of instructions after
 * which a path was left. */
enum {
    PROBE_UNIT_BITS = 28,
    PROBE_PAGE_SHIFT = PROBE_UNIT_BITS - PAGE_BITS,
    PROBE_EVENT_BASE = 0xfff0000,
    PROBE_LEFT_BASE = 0xffe0000,
    PROBE_PATH_BASE = 0x8000000,
    PROBE_MAX_UNITS = PROBE_PATH_BASE,
    PROBE_MAX_PATHS = PROBE_LEFT_BASE - PROBE_PATH_BASE,
};

enum probe_slot_kind {
    PROBE_LOAD_ADDRESS, PROBE_LOAD_VALUE, PROBE_STORE_ADDRESS, PROBE_STORE_VALUE,
    PROBE_AMO_ADDRESS, PROBE_AMO_OLD, PROBE_AMO_OPERAND, PROBE_AMO_EXPECTED,
    PROBE_REGISTER, /* `reg`: index in guest->regs */
};

struct probe_slot {
    u8 kind;
    u8 size_bytes;  /* of the access, or of the value stored in the word; the rest is noise */
    u8 amo;         /* enum ir_amo, or 15: compare and swap */
    u8 insn;        /* number of the instruction in the unit */
    u16 reg;
};

struct probe_unit {
    gpa_t gpa;
    gva_t gva;       /* where it was when it was translated */
    u32 mode;        /* of its block */
    u16 insn_count, bytes, slot_count;
    bool fixed;      /* always there: its words in the stream do not name the page */
    const u8 *code;  /* the guest's bytes */
    const struct probe_slot *slots;
    u32 next;        /* in its hash bucket */
};

/* How a slot's word follows from the path's: one of these, or a node's value, plus a constant; or
 * the constant. */
enum { PROBE_NO_WORD = 0xffff, PROBE_NODE = 0x8000 /* and its number, in place of a word */ };
struct probe_recipe {
    u64 add;
    u16 word; /* PROBE_NO_WORD: add alone */
};

/* What an instruction made of values that are told: nobody need store it. Operands are words or
 * nodes with lower numbers. */
struct probe_node {
    u8 op;   /* enum probe_op */
    u8 sub;  /* as the IR's */
    bool wide; /* 64 bits; else operands and result are 32 */
    u16 operands[4];
    u64 imm; /* PROBE_OP_CONST */
};
enum probe_op {
#define PROBE_OP(name, number, operands) PROBE_OP_##name = (number),
#include "translate/probe/probe_ops.def"
#undef PROBE_OP
    PROBE_OP_NAN = 38, /* a double, or not `wide` a float; the canonical NaN if it is any NaN */
    PROBE_OP_LIMIT = 64,
};
/* How many operands; ~0: there is no such operation. */
unsigned probe_node_operands(unsigned op);
/* Of each operand: what is above is noise. */
unsigned probe_node_operand_bytes(const struct probe_node *node);
/* The node's value; operands it does not have are ignored. */
u64 probe_node_value(const struct probe_node *node, const u64 operands[4]);

/* Ways out of paths that count (PROBE_EDGES, probe_ways.h). A direct one has a counter, as a unit
 * has by its number (PROBE_COUNT), an indirect one a number, and places for targets of its own. All
 * lie behind the hart's state, at the same distance in every hart, so that generated code reaches
 * them from the register that it has for the state. Direct ones count 32 bits, which is half the
 * host's cache that they take, and are summed up (probe_look()) before they can be full: a path
 * that is left has retired an instruction, as has a unit, or a trap's handler did. So one of fewer
 * than PROBE_SUM_COUNT cannot be full before they are looked at again. */
#define PROBE_INDIRECT (-((s64)1 << 47))
struct probe_place {
    gva_t target;
    u64 count;
};
/* A way whose jump is known for more targets than that (probe_jump.h): each has its place from the
 * start, and code finds it by comparing. Where a count is written must not follow from the target:
 * the host has the target late, and loads behind the store wait for that. */
struct probe_wide {
    u32 way;   /* its first number */
    u32 count;
    const gva_t *targets;
};
enum {
    PROBE_PLACES = 2,        /* of a way: whoever comes first has them */
    PROBE_WIDE_PLACES = 24,  /* of a wide one, at most: it has the numbers of several ways */
    PROBE_MAX_DIRECTS = 1 << 24,
    PROBE_MAX_INDIRECTS = 1 << 21,
    PROBE_SUM_INSNS = 1 << 29,
    PROBE_SUM_COUNT = 1 << 30,
};
/* Where an indirect one led that has no place there, or (PROBE_CUT and the path) that a path ended
 * after `target` instructions. Harts have a table of PROBE_EDGE_SLOTS each; what does not fit is
 * elsewhere. */
enum { PROBE_EDGE_SLOTS = 1 << 16, PROBE_CUT = 1 << 30 };
struct probe_edge {
    gva_t target;
    u32 way;   /* 0: free */
    u32 count; /* what is more than PROBE_EDGE_START; at 0 C puts that elsewhere, and may find the
                  target worth a place of the way's */
};
#define PROBE_EDGE_START (0u - (1u << 7))
static inline u32 probe_edge_slot(u32 way, gva_t target)
{
    return ((u32)target >> 1 ^ way * 0x9e5u) % PROBE_EDGE_SLOTS;
}

/* Behind the hart's state and slots lie its table of edges, direct ways' counters and indirect
 * ones' places: the first two of a program share a huge page. */
static const size_t probe_edges_bytes = PROBE_EDGE_SLOTS * sizeof(struct probe_edge);
static const size_t probe_directs_bytes = PROBE_MAX_DIRECTS * sizeof(u32);
static const size_t probe_counts_bytes =
    PROBE_EDGE_SLOTS * sizeof(struct probe_edge) + PROBE_MAX_DIRECTS * sizeof(u32) +
    PROBE_MAX_INDIRECTS * PROBE_PLACES * sizeof(struct probe_place);
/* From the hart's state, behind its slots, to them: whole pages. */
static inline size_t probe_counts_offset(const struct guest *guest)
{
    size_t end = host_slots_offset(guest) + host_slots_bytes;
    return (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}
/* To a direct way's counter. */
static inline size_t probe_count_offset(const struct guest *guest, u32 way)
{
    return probe_counts_offset(guest) + probe_edges_bytes + way * sizeof(u32);
}
/* To an indirect way's first place. */
static inline size_t probe_places_offset(const struct guest *guest, u32 way)
{
    return probe_counts_offset(guest) + probe_edges_bytes + probe_directs_bytes +
           way * (PROBE_PLACES * sizeof(struct probe_place));
}
static inline u32 *probe_count_of(struct vcpu *vcpu, u32 way)
{
    return (u32 *)(void *)((u8 *)vcpu + probe_count_offset(vcpu->guest, way));
}
static inline struct probe_place *probe_places_of(struct vcpu *vcpu, u32 way)
{
    return (struct probe_place *)(void *)((u8 *)vcpu + probe_places_offset(vcpu->guest, way));
}

struct probe_path {
    u16 insn_count, part_count, slot_count, word_count; /* word_count without the first */
    bool counted; /* the first word behind the head is the hart's instruction count */
    bool fixed;   /* as its units are; then */
    u64 page;     /*   the page's bits of a first word */
    const u32 *parts;                   /* units, in order, */
    const struct probe_recipe *recipes; /*   and of all their slots */
    const struct probe_node *nodes;     /* node_count */
    u16 node_count;
    u32 next;                           /* in its hash bucket */
};

/* What a consumer gets: units and events in order of one hart. */
struct probe_chunk {
    u64 *words;
    size_t count, capacity; /* count may be larger: there is room behind, see PROBE_LOOK_INSNS */
    unsigned stream;  /* hart, or the number of harts: what happened outside of them */
    u64 sequence;     /* of this stream, from 0 */
    u64 start_insns;  /* at the first word */
    u64 start_ns;     /* guest time then, */
    u64 turn_ns;      /*   and when the turn of all harts began; 0: there are none */
    u64 address_space; /* in force at the first word, and */
    u32 privilege;
    struct probe_chunk *next;
};

/* What PROBE_CALL_* call, on the hart's thread, with vcpu->pc and insns exact and  registers in
 * place.
 * NULL: nothing. */
struct probe_calls {
    void (*unit)(void *opaque, struct vcpu *vcpu, u32 number);
    void (*insn)(void *opaque, struct vcpu *vcpu, u32 number, unsigned insn);
    void (*memory)(void *opaque, struct vcpu *vcpu, gva_t gva, u64 value, unsigned size_bytes,
                   bool write);
    void (*event)(void *opaque, struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b, u64 c);
};

struct probe_config {
    struct probe_calls calls;
    unsigned what;       /* enum probe_what; 0: hooks and events alone */
    u64 events;          /* bit mask of enum vcpu_event that are written down */
    bool starts_off;     /* until probe_switch */
    bool keep_last;
    size_t ring_bytes;   /* keep_last: for each hart; 0: a default */
    unsigned privileges; /* bit mask: which are watched; 0: all */
    u64 harts;           /* bit mask; 0: all */
    u64 address_space;   /* only this one (the guest's root, satp), or 0 */
    /* Asked when a hart's privilege or address space has changed, and by probe_ask_again, on its
     * thread: whether to watch. NULL: always. */
    bool (*wanted)(void *opaque, struct vcpu *vcpu, unsigned privilege, u64 address_space);
    /* Virtual addresses [first, end) that are watched; none: all. */
    struct probe_range { gva_t first, end; } ranges[16];
    unsigned range_count;
    bool has_gaps;       /* code that is not watched runs in between, without an event to tell */
    u64 every;           /* of so many units one is consumed; 0: all */
    bool keeps_paths;    /* the consumer unrolls paths, where it is known how far they came */
    bool counts_ns;      /* an instruction takes a nanosecond: the virtual clock */
    bool asks_csrs;      /* on_event is told of CSRs that code which is not watched accesses */
    u64 heard;           /* bit mask of events that on_event and calls.event are called for; others
                            may come, too */
    /* An event of a hart, written down or not, on its thread; NULL: nobody asks. */
    void (*on_event)(void *opaque, struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b, u64 c);
    /* Consumes a chunk, on the consumer's thread; with keep_last in probe_stop. */
    void (*consume)(void *opaque, const struct probe_chunk *chunk);
    u64 (*time_ns)(void *opaque, struct vcpu *vcpu); /* guest time; vcpu NULL: of no hart */
    void *opaque;
};

/* --- hooks: C code that runs before an instruction, wherever it is mapped --- */

/* Called on the hart's thread with vcpu->pc and insns exact and registers in place. */
typedef void probe_hook_fn(void *opaque, struct vcpu *vcpu, gva_t pc);

struct probe;

/* The exception by which a hook has its instruction run in another mode: not the guest's. */
#define PROBE_CAUSE (~(u64)1)

bool probe_start(struct engine *engine, const struct probe_config *config,
                 struct metic_error *error);
/* All harts stand still. Hands over what is left. */
void probe_stop(struct engine *engine);
/* Turns watching on or off: of one hart from inside a hook of its own, at once; or (NULL) of all,
 * at their next look at requests, from any thread. */
void probe_switch(struct engine *engine, struct vcpu *vcpu, bool on);
/* Whether this hart is recorded now, as far as switches and config.harts say. */
bool probe_is_on(const struct vcpu *vcpu);
/* From inside of a hook of this hart: config.wanted has another answer now, which goes for the
 * hook's instruction already. */
void probe_ask_again(struct vcpu *vcpu);

/* Units are published: any thread may look at those below the count. NULL: there is none, or the
 * ring that is handed over does not have it. */
const struct probe_unit *probe_unit_get(const struct engine *engine, u32 number);
u32 probe_unit_count(const struct engine *engine);
/* How often the unit began so far; 0 without PROBE_COUNT. What a hart ran before code was
 * translated is in it at the hart's events, and behind probe_counts_settle(). */
u64 probe_unit_runs(struct engine *engine, u32 number);
/* No hart runs. */
void probe_counts_settle(struct engine *engine);
/* Of paths that were handed over. */
const struct probe_path *probe_path_get(const struct engine *engine, u32 number);

/* A hook at a virtual address, in every address space: by a hart, from inside of a hook, or (vcpu
 * NULL) while harts stand still. False when it is there already, or there is no room. */
bool probe_hook_add(struct engine *engine, struct vcpu *vcpu, gva_t gva, probe_hook_fn *fn,
                    void *opaque);

/* An event of this hart: kind (enum vcpu_event and above), up to 5 words. On the hart's thread. */
void probe_event(struct vcpu *vcpu, unsigned kind, const u64 *words, unsigned count);
/* An event outside of harts, at most 200 words; any thread. */
void probe_outside(struct engine *engine, unsigned kind, const u64 *words, unsigned count);

/* The hart's instruction count is exact now, and may not be what the units say. */
void probe_sync(struct vcpu *vcpu);
/* Its turn begins, as that of all harts does at this guest time. */
void probe_turn(struct vcpu *vcpu, u64 turn_ns);

/* PROBE_EDGES, while no hart runs: blocks that ran (an early end makes another one) and ways
 * between their starts, some of them several times. Code that is mapped at several addresses is
 * told at the one where it was met first. False: no memory. */
bool probe_coverage(struct engine *engine,
                    void (*block)(void *opaque, gva_t gva, unsigned bytes, unsigned insns,
                                  u64 count),
                    void (*edge)(void *opaque, gva_t from, gva_t to, u64 count), void *opaque);

/* --- for the pipeline --- */

/* What a block is made of, for the units. */
struct probe_source {
    const u8 *bytes; /* the guest's byte at offset first of its page */
    u32 first;
    gpa_t gpa_page;
    gva_t gva_page;
    u32 mode;
    bool fixed; /* gva_page is part of the block's key */
};
/* The virtual page for the key of a block at vcpu->pc, or 0. Programs are mapped in many places,
 * and their blocks serve all of them; a kernel is in one, and its words need not say where. */
gva_t probe_page_key(const struct vcpu *vcpu);
/* Whether all register writes of blocks of that mode are told; probe may be NULL. */
bool probe_tells_registers(const struct probe *probe, u32 mode);
/* What room blocks of that mode leave for probes, an enum ir_marks; probe may be NULL. */
unsigned probe_marks(const struct probe *probe, u32 mode);
/* Whether each load is told, its page's fill included; probe may be NULL. */
bool probe_tells_accesses(const struct probe *probe);
/* Whether blocks call C. */
bool probe_calls_c(const struct probe *probe);
/* Whether traces may have code of several pages: ways are counted wherever they are, while words of
 * a stream name the page of their unit. NULL: nothing is recorded. */
bool probe_spans_pages(const struct probe *probe);
/* Whether the page has hooks; lock held. */
bool probe_page_has_hooks(const struct probe *probe, gpa_t gpa_page);
/* Puts the probes into engine->ir; lock held. Sets ir->overflow when they do not fit. */
void probe_instrument(struct engine *engine, const struct probe_source *source);
/* Whether the next has something to do; probe may be NULL. */
bool probe_hears_pages(const struct probe *probe);
/* The hart asks for code at vcpu->pc, which is in this page. */
void probe_page_fetched(struct vcpu *vcpu, gpa_t gpa_page);
/* host_slow's member: no room for words; or, PROBE_EDGES, no place for an edge of
 * vcpu->probe_way to vcpu->probe_target. */
void probe_full(struct vcpu *vcpu);

/* While nothing but blocks is told, generated code looks for room at no block's first path, and the
 * hart looks at the latest after so many instructions, when its deadline has come. What is behind
 * the stream's end is enough for what it may write until then:
 * - a block's first path is PROBE_LOOK_WORDS words at most, with the one that says how far it came;
 *   further paths look for themselves;
 * - a block that is entered retires an instruction, or an exception ends it, and then C code looks
 *   (probe_look());
 * - between polls control goes forward in a page: once the deadline has come, to as many more
 *   blocks as a page has halfwords, before there is one. */
enum { PROBE_LOOK_INSNS = 1 << 17, PROBE_LOOK_WORDS = 3 };
/* Sums up what the hart has counted so far. */
void probe_sum(struct vcpu *vcpu);
/* Turns to a new chunk when the present one is full, or sums up. On the hart's thread, when its
 * last path is over and its count exact. */
static inline void probe_look(struct vcpu *vcpu)
{
    if (UNLIKELY(vcpu->probe_at > vcpu->probe_end)) { /* both NULL: nothing is recorded */
        probe_full(vcpu);
    } else if (UNLIKELY(vcpu->insns >= vcpu->probe_sum_insns)) {
        probe_sum(vcpu);
    }
}
/* The instruction count at which the hart must do so; probe may be NULL. Nobody waits for exactly
 * that, so it moves on each time that somebody looks. */
static inline u64 probe_look_insns(const struct probe *probe, const struct vcpu *vcpu)
{
    bool sums = vcpu->probe_sum_insns != UINT64_MAX;
    return LIKELY(probe == NULL) ? UINT64_MAX
                                 : vcpu->insns + (sums ? PROBE_SUM_INSNS : PROBE_LOOK_INSNS);
}

/* For the interpreter: an indirect jump by that way, which has so many places. */
void probe_way_count(struct vcpu *vcpu, u32 way, unsigned places, gva_t target);
/* For the interpreter: room for that many words. */
u64 *probe_reserve(struct vcpu *vcpu, unsigned words);

#endif
