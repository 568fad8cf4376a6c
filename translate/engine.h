/* Runs guest code: finds or makes the block for a pc and runs it, until somebody wants attention.
 *
 * One engine serves all harts of a machine: one code buffer, one block table, one lock for making
 * and removing blocks. Running translated code takes no lock.
 *
 * Exclusive sections. Whoever must change what running harts rely on (all blocks go, all TLBs lose
 * write entries) calls engine_exclusive_begin: every other hart is kicked and the call returns when
 * none of them runs guest code; they go on after engine_exclusive_end. A hart asleep in wfi does
 * not run. The caller may be a hart (inside a helper) or any other thread; it must not hold the
 * engine's lock. */
#ifndef METIC_TRANSLATE_ENGINE_H
#define METIC_TRANSLATE_ENGINE_H

#include "cpu/guest.h"
#include "translate/again.h"
#include "translate/block.h"
#include "translate/codebuf.h"
#include "translate/debug.h"
#include "translate/found.h"
#include "translate/front.h"
#include "translate/host_call.h"
#include "translate/host.h"
#include "translate/reservation.h"
#include "translate/tier2.h"
#include <pthread.h>
#include <stdio.h>

enum engine_kind { ENGINE_INTERP, ENGINE_JIT, ENGINE_BOTH };

enum { ENGINE_MAX_HARTS = 64, ENGINE_DEFAULT_BLOCK_INSNS = 64 };

struct engine_options {
    enum engine_kind kind;
    size_t code_bytes;       /* code buffer; 0: default */
    unsigned block_insns;    /* longest block; 0: default. 1 is a hostile mode */
    u64 guest_features;      /* vcpu->features of every hart */
    u32 host_features;       /* mask of enum host_feature to allow; 0: all */
    bool no_links;           /* hostile mode: every block ends in the engine */
    bool one_entry_tlb;      /* hostile mode */
    bool large_tlb;          /* hostile mode: pages are where a TLB of many entries has them */
    bool verify;             /* ir_verify on every block */
    bool private_memory;     /* no thread but the one hart's touches guest RAM while it runs */
    bool exact_deadlines;    /* virtual clock: stops exactly at vcpu->limit_insns */
    bool no_tier0;           /* translates code before it runs for the first time */
    bool eager_tier0;        /* hostile mode: runs what it can from its bytes, always */
    bool no_tier2;           /* makes no traces */
    bool eager_tier2;        /* hostile mode: makes traces of what is hardly hot */
    bool stats;              /* also times what harts do (translate/stats.h) */
    const char *trace_path;  /* commit log, or NULL */
};

struct engine_stats {
    u64 blocks, guest_insns, trace_insns; /* of blocks, and of traces */
    u64 host_bytes, cold_bytes, flushes, interp_once, translate_ns; /* ns: of blocks */
};

/* A profile: asks where harts are. Once in each so many instructions, at a place in them that
 * differs and is the same in each run; or, when somebody kicks a hart with VCPU_REQUEST_SAMPLE, at
 * one of the instructions that follow. On the hart's thread, with everything exact. */
struct engine_sampler {
    u64 every_insns;  /* 0: by kicks alone */
    u64 spread_insns; /* of kicks: how many instructions are chosen from; 0: by count alone */
    void (*sample)(void *opaque, struct vcpu *vcpu); /* NULL: there is no profile */
    void *opaque;
};

/* What was made of a block, apart from what the block knows. */
struct engine_code {
    gva_t pc;       /* of its first instruction; the hart may be elsewhere when a trace is made */
    const u8 *cold; /* what runs seldom is elsewhere */
    size_t cold_bytes;
    const struct host_place *places; /* in the order of the code */
    unsigned place_count;
};

/* Is told of each piece of host code when it is made for the hart; called with the engine's lock
 * held, on the hart's thread. */
struct engine_code_listener {
    void (*made)(void *opaque, const struct vcpu *vcpu, const struct block *block,
                 const struct engine_code *code); /* NULL: nobody */
    void *opaque;
};

struct lockstep;
struct commit_log;
struct stats;
struct probe;

struct engine_machine_ops {
    /* What the machine provides of struct vcpu_ops. */
    u64 (*time_ticks)(struct vcpu *vcpu);
    void (*timer_arm)(struct vcpu *vcpu, u64 ticks);
    /* Real clock: when, on the host's monotonic clock, the machine's next timer is due (~0: there
     * is none), and firing what is due. Called by a hart that waits, on its thread. May be NULL,
     * both. */
    u64 (*next_timer_host_ns)(struct vcpu *vcpu);
    void (*run_timers)(struct vcpu *vcpu);
    /* Whether harts look at the time often enough by themselves, now; the host need not interrupt
     * them for each timer. */
    void (*timers_are_watched)(struct vcpu *vcpu, bool watched);
    /* A program asks the host, which answers; on the hart's thread, between two instructions, with
     * everything exact. May be NULL: no breakpoint is such a call. */
    enum host_call (*host_call)(struct vcpu *vcpu, const struct guest_host_call *call, u64 *answer);
};

/* See wait.c. */
struct engine_wait {
    _Atomic u32 timekeeper; /* number + 1 of the waiting hart that fires timers; 0: none */
    /* the timekeeper's */
    u64 late_ns;            /* by which the host wakes it late, lately */
    u64 spin_saved_ns;      /* that it may spin before timers */
    u64 earned_until_ns;
    s32 near_waits;         /* in a row, for timers that are near; below 0: not to be counted yet */
    u32 away_waits;         /* near waits that were paid for by losing the processor */
    _Atomic bool watched;   /* harts look for timers at every stop, too */
};

struct engine {
    u32 slots_used; /* of every hart's (struct host_slot); under the lock */
    struct engine_options options;
    const struct guest *guest;
    const struct front *front;
    const struct host *host; /* NULL when only interpreting */
    struct memory *memory;
    struct vcpu *vcpus[ENGINE_MAX_HARTS];
    unsigned vcpu_count;
    struct tier2 tier2[ENGINE_MAX_HARTS]; /* each its hart's own */
    u64 direct_runs[ENGINE_MAX_HARTS];    /* of tier 0; too */
    struct found found[ENGINE_MAX_HARTS]; /* too */
    struct again again[ENGINE_MAX_HARTS]; /* too */
    struct host_answer answers[ENGINE_MAX_HARTS]; /* too */
    _Atomic u64 host_call_cause; /* that of exceptions that may be calls of the host, of which */
    _Atomic u32 host_call_looks; /*     so many are looked at (host_calls_look) */
    struct vcpu_ops ops;

    pthread_mutex_t lock; /* everything below up to the next comment */
    struct codebuf code;
    struct host_context host_context;
    const u64 *answer; /* under the lock: of the call of the host that is being made IR, or NULL */
    u32 vector_key; /* under the lock: how vectors are configured where a block is being made */
    struct block_table blocks;
    struct ir *ir;
    struct ir *way_ir; /* that of a trace's ways, while `ir` is the trace's */
    void *host_scratch;
    struct engine_stats stats;
    struct stats *costs; /* options.stats, or NULL */
    struct engine_code_listener code_listener;

    pthread_mutex_t exclusive_lock; /* the exclusive-section state */
    pthread_cond_t exclusive_cond;
    unsigned running;
    unsigned parked;         /* harts in or before a section of their own, inside a block */
    unsigned exclusive_waiters;
    bool exclusive_active;

    pthread_mutex_t reservation_lock;
    struct reservation {
        bool active;
        gpa_t gpa;
        u8 size_bytes;
    } reservations[ENGINE_MAX_HARTS];
    _Atomic u32 reservation_count;
    u32 reservation_idle_stores; /* to watched pages that nobody has a reservation in */
    u64 reservation_watches;     /* pages watched so far, where harts run in turn */
    struct reservation_sites reservation_sites; /* under `lock` */

    struct engine_machine_ops machine_ops;
    struct engine_wait wait;
    bool one_by_one; /* harts run in turn on one thread: engine_run returns where one would sleep */

    struct lockstep *lockstep; /* ENGINE_BOTH */
    struct commit_log *commit_log; /* trace_path */
    struct debug debug;
    struct engine_sampler sampler;
    struct probe *probe; /* somebody records, or NULL */
    bool tells_csrs;     /* ... accesses to CSRs, too; */
    bool tells_all_csrs; /*     those of code that is not watched as well */
    bool was_watched;    /* there may be code of a recording that has ended */
};


/* Makes the harts too (guest->init and reset are called). NULL with a reason. `memory` must have
 * its regions before harts run, and outlives the engine. */
struct engine *engine_new(struct memory *memory, const struct guest *guest, unsigned hart_count,
                          const struct engine_options *options,
                          const struct engine_machine_ops *machine_ops, void *machine_opaque,
                          struct log *log, struct metic_error *error);
void engine_free(struct engine *engine);

enum engine_stop {
    ENGINE_STOP_REQUEST, /* VCPU_REQUEST_STOP */
    ENGINE_STOP_LIMIT,   /* vcpu->insns reached vcpu->limit_insns, or empty_traps limit_traps */
    ENGINE_STOP_STUCK,   /* exact deadlines: traps whose handlers trap at once, nothing retires */
    ENGINE_STOP_WAIT,    /* wfi with nothing pending, and the engine may not sleep */
    ENGINE_STOP_DEBUG,   /* something of translate/debug.h, on this hart or another */
};

/* again.h: whether answers of devices are kept. The clock is exact, and code runs by more than one
 * instruction. */
static inline bool again_wanted(const struct engine *engine)
{
    return engine->options.exact_deadlines && engine->commit_log == NULL;
}

/* Runs the hart on the calling thread. With exact_deadlines it never sleeps (ENGINE_STOP_WAIT) and
 * stops exactly at the limit; otherwise it stops at the first poll after it. */
enum engine_stop engine_run(struct vcpu *vcpu);

/* Begins, or ends, a profile; while no hart runs. */
void engine_sample(struct engine *engine, const struct engine_sampler *sampler);

void engine_exclusive_begin(struct engine *engine, struct vcpu *self);
/* The same when blocks are to be freed: waits for harts that began a section inside a helper, too,
 * since they return into their block. The caller must stand between blocks. */
void engine_flush_begin(struct engine *engine, struct vcpu *self);
void engine_exclusive_end(struct engine *engine, struct vcpu *self);

/* Has the host's disassembler ready, which is opened when it is first used. */
void engine_prepare_show(struct engine *engine);
/* The translated code that has the instruction at a hart's pc: as a rule what runs there. */
struct engine_running {
    gva_t head; /* its first instruction */
    bool trace;
};
/* Of a hart that looks up, on its thread. `stages`: "decode", "host", or "" for nothing. False when
 * that code runs without a translation. */
bool engine_show_running(struct vcpu *vcpu, const char *stages, FILE *to,
                         struct engine_running *running);

/* Prints stages ("decode,ir,opt,host") of the block at a virtual address of this hart. */
bool engine_show(struct vcpu *vcpu, gva_t pc, const char *stages, FILE *to,
                 struct metic_error *error);

/* vcpu_kick() of every hart. Any thread. */
void engine_kick_all(struct engine *engine, u32 requests);

/* --- saved state, while no hart runs --- */
/* The hart's reservation outside a simple loop; size 0: none. */
gpa_t engine_get_reservation(const struct vcpu *vcpu, unsigned *size_bytes);
void engine_set_reservation(struct vcpu *vcpu, gpa_t gpa, unsigned size_bytes);

/* --- for softmmu.c --- */
/* struct host_slow's members. */
bool engine_raised(struct vcpu *vcpu);
bool engine_polled(struct vcpu *vcpu);
const void *engine_jump_missed(struct vcpu *vcpu);
const void *engine_link_missed(struct vcpu *vcpu, u32 number);
void engine_trace_split(struct vcpu *vcpu, gva_t head, gva_t gva);
void engine_trace_guessed(struct vcpu *vcpu, gva_t head);
void engine_trace_strayed(struct vcpu *vcpu, gva_t head);
/* A store is about to hit a clean code page. */
void engine_code_store(struct engine *engine, gpa_t gpa);
/* The hart's store to a watched page: breaks the others' reservations on the bytes, then stores.
 * Always true. */
bool engine_reserved_store(struct vcpu *vcpu, gpa_t gpa, u8 *host, unsigned size_bytes, u64 value);
/* Breaks all reservations on the bytes but that of `storer`, a hart or NULL. */
void engine_reservation_break(struct engine *engine, const struct vcpu *storer, gpa_t gpa,
                              u64 size_bytes);
/* Before the hart's turn, where harts run in turn: it stores to watched pages in no fast way. */
void engine_reservation_turn(struct vcpu *vcpu);

/* Whether an lr may be only a load until its sc came: on the virtual clock nothing may depend on
 * what was learned (reservation.c). */
static inline bool engine_learns_reservations(const struct engine *engine)
{
    return engine->commit_log == NULL && !engine->options.exact_deadlines;
}

/* Whether an lr and its sc may be one block though a page ends between them. On the virtual clock
 * it would depend on where blocks begin; probes and breakpoints count on one page. */
static inline bool engine_pairs_over_pages(const struct engine *engine)
{
    return engine_learns_reservations(engine) && engine->probe == NULL &&
           engine->debug.break_count == 0 && engine->debug.bare_count == 0;
}

/* --- for reservation.c, lockstep.c --- */
bool engine_load_reserved(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value);
bool engine_store_conditional(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value,
                              bool *stored);
void engine_reservation_drop(struct vcpu *vcpu);
static inline bool engine_has_reservations(struct engine *engine)
{
    return atomic_load_explicit(&engine->reservation_count, memory_order_relaxed) != 0;
}

#endif
