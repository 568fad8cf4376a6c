/* One virtual processor (hart): what every guest architecture has in common.
 *
 * A guest's own state struct begins with `struct vcpu`, and generated code addresses both by
 * offset from one base register. While generated code runs, the registers that the guest's
 * descriptor pins, the instruction count and the floating-point flags live in host registers; they
 * are stored here whenever C code that may look at them runs (see translate/to_x86_64/).
 *
 * Thread: the hart's own, except the members marked atomic, which any thread may set. */
#ifndef METIC_CPU_VCPU_H
#define METIC_CPU_VCPU_H

#include "cpu/base/log.h"
#include "cpu/base/types.h"
#include "cpu/tlb.h"
#include <stdatomic.h>

struct guest;
struct memory;
struct engine;

enum vcpu_access { VCPU_READ, VCPU_WRITE, VCPU_FETCH };

/* What happens to a hart apart from its instructions, and the three words that say more. */
enum vcpu_event {
    VCPU_EVENT_SYNC,       /* nothing: the count is exact here */
    VCPU_EVENT_CONTEXT,    /* privilege, address space (satp) */
    VCPU_EVENT_TRAP,       /* cause, value, pc it came from (the guest's interrupts included) */
    VCPU_EVENT_RETURN,     /* from a trap: pc it goes to, privilege */
    VCPU_EVENT_TLB_FILL,   /* gva page, gpa page, flags */
    VCPU_EVENT_TLB_FLUSH,  /* gva or ~0, address space or ~0 */
    VCPU_EVENT_TRANSLATE,  /* gpa, mode, instructions << 32 | host bytes */
    VCPU_EVENT_DEVICE,     /* gpa, value, size_bytes | write << 8 */
    VCPU_EVENT_MEMORY,     /* an access that C code made: gva, value, size_bytes | write << 8 */
    VCPU_EVENT_WAIT,       /* begins (1) or ends (0) waiting for an interrupt */
    VCPU_EVENT_CALL,       /* a function that is watched: see hw/metic.h */
    VCPU_EVENT_CALL_END,
    VCPU_EVENT_IO,         /* a disk, network or console request: see hw/metic.h */
    VCPU_EVENT_TASK,       /* the guest kernel's task: its name */
    VCPU_EVENT_CSR,        /* is accessed: number | VCPU_CSR_*, its value before, what is written */
    VCPU_EVENT_COUNT,
};

/* What runs the harts fills this in; how cpu/ code reaches upward (ARCHITECTURE.md, layers). */
struct vcpu_ops {
    /* Guest time in ticks of the board's timebase (mtime). Any thread. */
    u64 (*time_ticks)(struct vcpu *vcpu);
    /* The hart wants to be interrupted when time_ticks reaches `ticks` (~0: never): Sstc. */
    void (*timer_arm)(struct vcpu *vcpu, u64 ticks);
    /* fence.i / IC IVAU by this hart: stale translations are dropped before its next block. */
    void (*code_fence)(struct vcpu *vcpu);
    /* The hart waits for an interrupt: takes note only; the run loop sleeps before the next block,
     * so the instruction must end its block with LEAVE. */
    void (*wait)(struct vcpu *vcpu);
    /* Unpaired load-reserved/store-conditional, exact between harts (translate/reservation.c).
     * Both return false with an exception pending when the access faults. */
    bool (*load_reserved)(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value);
    bool (*store_conditional)(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value,
                              bool *stored);
    /* One data access through the current translation; false with an exception pending. Used by
     * helpers that touch memory (cbo.zero, page-table A/D updates go through memory directly). */
    bool (*load)(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value);
    bool (*store)(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value);
    /* Host address of guest RAM inside one page that the caller may read (or write) at once, when
     * the TLB holds a plain entry for it and nobody watches; NULL: the caller uses load and store.
     * NULL instead of a function: never possible. */
    u8 *(*plain_host)(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, bool write);
    /* Host address of naturally aligned guest RAM that may be both read and written, for an atomic
     * access by the caller that follows at once; does a store's bookkeeping (code pages,
     * reservations). NULL with an exception pending (always a store's fault), or NULL with none:
     * device memory, for which the caller uses load and store. */
    u8 *(*atomic_host)(struct vcpu *vcpu, gva_t gva, unsigned size_bytes);
    /* Asked before a store-conditional that was lowered as a compare-and-swap, and before
     * atomic_host. False with an exception pending: it must not happen now. NULL: always may. */
    bool (*swap_allowed)(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 expected);
    /* Somebody records what harts do (translate/probe/probe.h); NULL and 0: nobody does. The
     * guest tells of its privilege and address space whenever it works out its mode, and gets the
     * mode bits to add; and of what happens to the hart, where that is wanted (vcpu_wants). */
    u32 (*context)(struct vcpu *vcpu, unsigned privilege, u64 address_space);
    void (*event)(struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b, u64 c);
    u64 events; /* bit mask of enum vcpu_event: what `event` is called for. MEMORY is every access
                   that C code makes, TLB_FILL every page that it puts into the TLB: neither is done
                   in faster ways that tell nobody while it is wanted. */
};

enum { VCPU_CSR_READ = 1 << 16, VCPU_CSR_WRITTEN = 1 << 17 };

struct vcpu {
    u64 insns;               /* instructions retired; in a host register while code runs */
    u64 pc;                  /* exact while no generated code runs */
    u32 exception_pending;   /* a C function raised an exception (below) */
    u32 exit_request;        /* engine-private */
    u32 irq_hint;            /* not 0: an interrupt may be pending that only a global enable or the
                                privilege holds back, or a device was told something whose request
                                is not yet attended. guest->interrupt_ready keeps it; whatever else
                                may make one pending has the run loop look (vcpu_kick, _look_up) */
    u32 reservation_live;    /* no other lr or sc came since ops->load_reserved */

    /* Floating-point environment, guest-neutral (cpu/fpu.h flag and rounding numbers). */
    u32 fpu_flags;
    u32 fpu_round; /* enum fpu_round; what dynamic rounding means now */

    /* --- exceptions: set by vcpu_raise, consumed by guest->take_exception --- */
    u64 exception_cause; /* guest numbering */
    u64 exception_value; /* guest's tval */

    /* --- interrupts and asynchronous requests --- */
    _Atomic u64 irq_lines; /* level of each interrupt input, guest's bit numbering */
    _Atomic u32 requests;  /* VCPU_REQUEST_*; set by any thread through vcpu_kick */

    const struct guest *guest;
    struct memory *memory;
    struct log *log;
    const struct vcpu_ops *ops;
    struct engine *engine;
    void *ops_opaque;
    u64 features;   /* guest's own: what the processor has (guest->parse_cpu) */
    unsigned index; /* hart number, 0.. */
    _Atomic bool waiting; /* sleeping in wfi */
    bool engine_running;  /* counted as running guest code (translate/exclusive.c) */
    bool wants_wait;      /* ops->wait was called by the current instruction, */
    bool told_wait;       /*   and VCPU_EVENT_WAIT told so */
    u32 relaxes;          /* calls of vcpu_relax since the host thread yielded */
    u32 trace_slots; /* of the trace with some that was entered last: the first one's number and,
                        from bit HOST_SLOT_BITS on, how many (translate/host_slot.h) */
    u64 engine_exits[8];  /* statistics: how often a block came back to the run loop, by reason */
    u64 seen_removals;    /* of the block table, of which the jump cache knows nothing any more */
    u64 seen_watches;     /* of the engine's, behind which write entries are of no use any more */
    gpa_t lone_lr;        /* a load-reserved that was only a load (translate/reservation.c): where,
                             with bit 0 set, or 0; */
    gva_t lone_lr_gva;    /*   what it loaded from */
    u64 limit_insns;      /* what deadline goes back to after a kick */
    u64 limit_traps;      /* traps in a row without an instruction that end the run loop, too */
    u64 empty_traps;      /* such traps, so far */
    u64 last_trap_insns;  /* instruction count at the last trap */
    u64 next_sample_insns; /* of a profile; ~0: none */
    u64 sample_period_insns, sample_random; /* where the present period of one by instructions
                                               began; what the next place is chosen by */
    bool powered_off;
    u8 tlb_patience, jump_patience, stray_patience; /* generated code's: see access_thunks.c,
                                                       entry.c, slot.c of the host's translator */
    u32 proved_links;     /* numbers of proved links are below */
    struct tlb *tlb_state;
    u64 data_epoch; /* the current data space's */
    struct tlb_entry *tlb_others; /* current data space's, and */
    u32 tlb_others_mask;          /*   the bits of an offset in that table */

    /* --- what generated code reaches most; keep last, next to the guest's registers: all of it is
     *     then a short displacement away from one base register --- */
    u64 *probe_at, *probe_end; /* where probes write next, and must not (translate/probe/probe.h) */
    u64 probe_sum_insns;       /* when what probes count is summed up; ~0: never */
    struct probe_edge *probe_edges; /* indirect jumps that they count; */
    gva_t probe_target;        /* one for which there is no place yet, of */
    u32 probe_way;             /*   that number */
    u64 probe_insns;           /* the count at the start of the path that is cut short, */
    u32 probe_path;            /*   its number, or 0: none is */
    gva_t write_missed;      /* of a store that was not in write_span, or 0 */
    struct tlb_span write_span, span; /* the current data space's */
    u64 pc_page;             /* gva of the page the running block lies in */
    _Atomic u64 deadline;    /* generated code leaves at a poll when insns >= deadline */
    struct tlb_entry *tlb;   /* current data space's entries */
    struct jump_entry *jumps; /* current fetch space's jump entries */
    u64 *link_proofs;        /* per cross-page link: vcpu_link_proof() where this hart proved it */
    u64 link_epoch;          /* current fetch space's epoch */
    u32 mode;                /* block mode bits now in force (part of a block's key) */
};

/* The proof that a link from code in `page` leads where the page tables say, while the fetch space
 * has this epoch. A physical page may be mapped twice with other neighbours, so the epoch alone
 * would prove nothing. 0 proves nothing anywhere. */
static inline u64 vcpu_link_proof(const struct vcpu *vcpu, gva_t page)
{
    return page | vcpu->link_epoch;
}

/* Block mode bits that belong to the engine; a guest keeps them when it recomputes vcpu->mode. */
enum {
    VCPU_MODE_TRACE = 1 << 5, /* blocks of one instruction, for the commit log */
    VCPU_MODE_COUNT = 1 << 7, /* exact deadlines: a POLL at every block start (virtual clock) */
    VCPU_MODE_PROBE = 1 << 30, /* blocks that record what they do (translate/probe/probe.h) */
};

enum {
    VCPU_REQUEST_IRQ = 1,       /* look at interrupts */
    VCPU_REQUEST_EXCLUSIVE = 2, /* another thread wants the machine still */
    VCPU_REQUEST_STOP = 4,      /* leave engine_run */
    VCPU_REQUEST_FLUSH_TLB = 8,  /* address translations may be stale */
    VCPU_REQUEST_FLUSH_JUMPS = 16, /* blocks were removed that the hart may still jump to */
    VCPU_REQUEST_MODE = 32, /* what is watched has changed (translate/probe/probe.h) */
    VCPU_REQUEST_SAMPLE = 128, /* a profile wants to know where the hart is */
    VCPU_REQUEST_HOOKS = 64, /* the pipeline is to be asked anew for every page */
};

/* Sets request bits and makes generated code leave at its next poll; wakes a waiting hart. Any
 * thread. */
void vcpu_kick(struct vcpu *vcpu, u32 requests);

/* Makes the hart's run loop look at interrupts at its next poll: for what makes one deliverable, or
 * changes next_event_insns, from inside an instruction. The hart's own thread. */
void vcpu_look_up(struct vcpu *vcpu);

/* Drives interrupt input `line` (bit number in irq_lines). Any thread. Kicks when it rises. */
void vcpu_irq_input(struct vcpu *vcpu, unsigned line, bool level);

/* Whether somebody records events of that kind. */
static inline bool vcpu_wants(const struct vcpu *vcpu, enum vcpu_event kind)
{
    return UNLIKELY(vcpu->ops != NULL && (vcpu->ops->events >> kind & 1));
}

/* Tells of an event whoever records. The hart's own thread. */
static inline void vcpu_event(struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b, u64 c)
{
    if (vcpu_wants(vcpu, kind)) {
        vcpu->ops->event(vcpu, kind, a, b, c);
    }
}

/* The guest waits in a loop for another hart: lets that one's thread have the processor now and
 * then. The hart's own thread. */
void vcpu_relax(struct vcpu *vcpu);

/* Records a guest exception of the current instruction. Always returns false, so that helpers can
 * end in `return vcpu_raise(...)`. The caller must have (or its caller will) set vcpu->pc. */
bool vcpu_raise(struct vcpu *vcpu, u64 cause, u64 value);

#endif
