/* What a debugger asks of the engine: breakpoints, watchpoints, steps. See debug.c for how.
 *
 * Addresses are guest virtual and count in every address space, as a debugger means them. Lists are
 * changed only while no hart runs; harts read them without a lock. Nothing here is in the way of
 * translated code: an address with a breakpoint has no block, a page with a watchpoint has only
 * slow TLB entries. */
#ifndef METIC_TRANSLATE_DEBUG_H
#define METIC_TRANSLATE_DEBUG_H

#include "cpu/vcpu.h"

struct engine;

enum debug_access { DEBUG_WRITE = 1, DEBUG_READ = 2, DEBUG_ANY = DEBUG_WRITE | DEBUG_READ };

enum debug_reason { DEBUG_NONE, DEBUG_BREAKPOINT, DEBUG_WATCHPOINT, DEBUG_STEPPED };

/* Why a hart stopped. */
struct debug_hit {
    u8 reason; /* enum debug_reason */
    u8 access; /* DEBUG_WATCHPOINT: the watchpoint's enum debug_access */
    u8 owners; /* DEBUG_BREAKPOINT */
    gva_t gva; /* of the breakpoint, or the first watched byte that was accessed */
};

/* The cause of the exception that refuses a watched access; never the guest's. */
#define DEBUG_CAUSE (~(u64)0)

struct debug_break {
    gva_t gva;
    u8 owners; /* bit mask of those who asked for it */
};

struct debug_watch {
    gva_t first, last; /* bytes, inclusive */
    u8 access;         /* enum debug_access */
};

struct debug_hart {
    struct debug_hit hit; /* until somebody takes it */
    bool stepping;        /* runs one instruction, and on while pc is in [step_first, step_last] */
    bool records;         /* watched accesses go through and leave a hit */
    bool skips;           /* the breakpoint at skip_pc has been told of */
    bool passes;          /* so has what the instruction at skip_pc, skip_insns accesses */
    gva_t step_first, step_last; /* first > last: a single instruction */
    gva_t skip_pc;
    u64 skip_insns;
    struct debug_hit refused; /* the access that was */
    /* A watched store-conditional that was lowered together with its load-reserved. */
    bool conditional;
    u8 size_bytes;
    gva_t gva;
    u64 expected;
};

/* Which of a breakpoint's owners it stops for: asked on the hart's thread, while others run, each
 * time the hart comes to it. */
typedef unsigned debug_filter(void *opaque, unsigned hart, gva_t gva, unsigned owners);

struct debug {
    debug_filter *filter; /* NULL: all of them, always */
    void *filter_opaque;
    struct debug_break *breaks; /* sorted; what is wanted */
    unsigned break_count;
    struct debug_watch *watches;
    unsigned watch_count;
    gva_t *known_breaks; /* what translations were made for, the last time harts ran */
    unsigned known_break_count;
    struct debug_watch *known_watches;
    unsigned known_watch_count;
    gpa_t *bare; /* sorted addresses that must have no block; the engine's lock */
    unsigned bare_count;
    _Atomic bool stopped; /* a hart has hit something: the others must not */
    bool holds_interrupts; /* while stepping */
    bool stops_before;     /* a watched access does not happen before the stop */
    bool faithful;         /* a step is what would happen anyway: interrupts, waiting, too */
    struct debug_hart *harts; /* by index */
};

/* False when the host has no memory. */
bool debug_init(struct debug *debug, unsigned hart_count);
void debug_fini(struct debug *debug);

/* --- for the machine, while no hart runs --- */

/* `owner` is a bit: a breakpoint stays as long as anybody wants it. Setting again or clearing what
 * is not there changes nothing. */
void debug_break_set(struct engine *engine, gva_t gva, unsigned owner);
void debug_break_clear(struct engine *engine, gva_t gva, unsigned owner);
/* False when the range is empty or goes past the end of the address space. */
bool debug_watch_set(struct engine *engine, gva_t gva, u64 size_bytes, enum debug_access access);
bool debug_watch_clear(struct engine *engine, gva_t gva, u64 size_bytes, enum debug_access access);
void debug_clear_all(struct engine *engine);
/* NULL: none. */
void debug_set_filter(struct engine *engine, debug_filter *filter, void *opaque);

/* What the hart does next: runs, or steps as metic_set_action says. */
void debug_run(struct engine *engine, unsigned hart);
void debug_step(struct engine *engine, unsigned hart, gva_t first, gva_t last);

/* Before harts run: makes translations and TLBs fit the lists. */
void debug_prepare(struct engine *engine);
/* Takes a hart's hit for this reason and lets the next run go past it; false: it has none. */
bool debug_take_hit(struct engine *engine, unsigned hart, enum debug_reason reason,
                    struct debug_hit *hit);
/* The hart was put elsewhere: nothing was hit there. `skips`: what breaks where it stands now has
 * been told of. */
void debug_moved(struct engine *engine, unsigned hart, bool skips);
/* Drops a hit, but not that of a watchpoint that still stands. */
void debug_forget_hit(struct engine *engine, unsigned hart);

/* --- for the run loop, on the hart's thread --- */

bool debug_steps(const struct vcpu *vcpu);
/* No interrupts while it steps. */
bool debug_holds_interrupts(const struct vcpu *vcpu);
/* The hart must stop before the instruction at vcpu->pc. */
bool debug_break_here(struct vcpu *vcpu);
/* Steps are to take interrupts and to wait as the hart would without them. */
bool debug_is_faithful(const struct vcpu *vcpu);
/* After one instruction of a stepping hart: true when it has to stop. */
bool debug_stepped(struct vcpu *vcpu, bool retired);
/* The exception pending is a refused access. Stops before it, or runs the instruction after all;
 * false: it faulted for real, and that exception is pending. */
bool debug_run_watched(struct vcpu *vcpu);

/* --- for the pipeline, the engine's lock not held --- */

/* The page at vcpu->pc was found at `page`: no block may stand at its breakpoints. True when
 * vcpu->pc is such an address, here or in another mapping of the page. */
bool debug_page_fetched(struct vcpu *vcpu, gpa_t page);
/* The same was done already, for all breakpoints of the page: what is translated there respects
 * them. */
bool debug_page_is_known(struct vcpu *vcpu, gpa_t page);
/* The address must have no block, nor be inside one; the lock held. */
bool debug_is_bare(const struct engine *engine, gpa_t gpa);
/* There is a breakpoint in the page of gva. */
bool debug_page_has_break(const struct engine *engine, gva_t gva);
/* How many of `bytes` bytes from gpa may go into one block that begins there; the lock held.
 * `skip` of them belong to the first instruction in any case. */
unsigned debug_cut(const struct engine *engine, gpa_t gpa, unsigned bytes, unsigned skip);

/* --- among debug*.c --- */

/* Index of the first breakpoint at or after gva. */
unsigned debug_break_index(const struct debug *debug, gva_t gva);
/* The list with room for one more element. */
void *debug_grown(void *list, size_t count, size_t element_bytes);
void debug_drop_bare(struct engine *engine);

/* --- for the soft-MMU --- */

/* Some byte of the page is watched for this kind of access. */
bool debug_page_watched(const struct engine *engine, gva_t page, enum debug_access access);
/* A data access is about to happen. False, with an exception pending: not now. */
bool debug_access(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, enum debug_access access);
/* The store-conditional that debug_access() was told of has failed after all: no hit. */
void debug_undone(struct vcpu *vcpu);
/* As debug_access() for a store-conditional that was lowered as a compare-and-swap. */
bool debug_swap(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 expected);

#endif
