/* Between the engine's own files; nobody else includes this. */
#ifndef METIC_TRANSLATE_ENGINE_PRIVATE_H
#define METIC_TRANSLATE_ENGINE_PRIVATE_H

#include "translate/engine.h"

/* --- exclusive.c --- */
void engine_run_enter(struct engine *engine);
void engine_run_leave(struct engine *engine);

/* --- sample.c --- */
/* Of a hart that looks up when a sample is due, or `requested` by a kick. */
void sample_attend(struct vcpu *vcpu, bool requested);

/* --- wait.c --- */
/* Sleeps until somebody kicks the hart. */
void engine_wait(struct vcpu *vcpu);

/* --- pipeline.c --- */
/* Sets up buffers and the host's thunks for the engine's options. */
bool pipeline_init(struct engine *engine, struct metic_error *error);
void pipeline_fini(struct engine *engine);

struct fetched {
    gpa_t gpa, second_page;
    gva_t gva_page; /* of the block's key */
    bool uniform; /* physical protection is the same all over the page */
};
/* Where the code at vcpu->pc is. False when the fetch raised. */
bool pipeline_fetch(struct vcpu *vcpu, struct fetched *fetched);
/* The same for code that may as well not be looked at: false also where it lies over a page end or
 * under uneven protection, and nothing is raised. */
bool pipeline_fetch_plain(struct vcpu *vcpu, struct fetched *fetched);

/* What pipeline_find found out about the code at vcpu->pc. */
enum pipeline_result {
    PIPELINE_BLOCK,  /* *block runs it */
    PIPELINE_ONCE,   /* must be run once by the interpreter and not be kept */
    PIPELINE_RAISED, /* the fetch raised an exception */
    PIPELINE_RAN,    /* it is new and was run from its bytes; *exit says how that ended */
};
/* `exit` NULL: a block is wanted, whether the code is new or not. */
enum pipeline_result pipeline_find(struct vcpu *vcpu, struct block **block, enum ir_exit *exit);

/* --- pipeline_direct.c: tier 0 --- */
/* Whether anything may run without a block: nobody looks at single blocks. */
bool pipeline_may_run_direct(const struct engine *engine);
/* Of code that has no block and is about to run; takes note of that. Lock not held: a hart that
 * comes to new code need not wait while another one translates. */
bool pipeline_is_new(struct engine *engine, const struct fetched *fetched);
/* Runs it, as a block would. Lock not held. False: it is to be translated after all. */
bool pipeline_run_direct(struct vcpu *vcpu, const struct fetched *fetched, enum ir_exit *exit);

/* --- pipeline.c --- */
/* Whether blocks take so much apart from host code that everything goes. Removed ones keep their
 * memory: a guest that patches code for ever comes here. Lock held. */
bool pipeline_is_full(const struct engine *engine);
/* Throws all blocks away; no hart runs. */
void pipeline_flush(struct engine *engine);
/* The host's translator begins anew, with an empty buffer and that descriptor of the guest, which
 * stays there: engine->guest, or one that pins other state. While harts stand still. */
bool pipeline_start_host(struct engine *engine, const struct guest *guest);

/* Runs at most max_insns instructions at vcpu->pc by the interpreter, keeping nothing. */
enum ir_exit pipeline_run_once(struct vcpu *vcpu, unsigned max_insns);

/* A straight line of guest code as IR for the interpreter, which its thread keeps for itself. */
enum { STRAIGHT_MAX_IR = 512 };
struct straight {
    gva_t pc; /* where it begins */
    u8 bytes[4]; /* of its first instruction, for the commit log */
    unsigned count;
    struct ir_insn insns[STRAIGHT_MAX_IR];
};
/* Fills it with at most max_insns instructions at vcpu->pc. False when what is there cannot be part
 * of a trace. It holds until the hart calls a helper: that may be a fence. */
bool pipeline_straight(struct vcpu *vcpu, unsigned max_insns, struct straight *straight);
/* Runs it; vcpu->pc is its pc. As the way a block ended. */
enum ir_exit pipeline_run_straight(struct vcpu *vcpu, const struct straight *straight);

/* The instruction at vcpu->pc, by itself: its block left before it, by an exception of the engine's
 * own (AGAIN_CAUSE, PIECES_CAUSE), which is no more. */
enum ir_exit pipeline_run_alone(struct vcpu *vcpu);
/* How a run ended. One that stopped before loads that cannot be one (PIECES_CAUSE) goes on: their
 * first instruction runs by itself. */
enum ir_exit pipeline_run_piece(struct vcpu *vcpu, enum ir_exit exit);

/* Steps of making a block out of engine->ir; lock held. */
void pipeline_set_poll(struct ir *ir, unsigned insns);
void pipeline_check_ir(const struct engine *engine, const struct ir *ir);
/* The passes; the IR is well-formed before and after. */
void pipeline_optimise(struct engine *engine);
/* `ways`: of a trace, or NULL. */
enum host_status pipeline_compile(const struct vcpu *vcpu, struct block *block,
                                  const struct host_ways *ways);
void pipeline_keep_ir(struct engine *engine, struct block *block);

/* The guest bytes of a one-instruction block. */
void pipeline_block_bytes(const struct engine *engine, const struct block *block, u8 bytes[4]);

/* For --show: the block at vcpu->pc with its guest bytes; engine->ir holds its optimised IR
 * afterwards. `to` not NULL: `print` gets the IR before optimisation. False when the fetch
 * raises. */
struct pipeline_view {
    struct block *block; /* NULL when the code cannot be cached */
    u8 source[256];
    unsigned source_bytes;
};
bool pipeline_view(struct vcpu *vcpu, struct pipeline_view *view, FILE *to,
                   void (*print)(const struct ir *ir, const char *title, FILE *to));

/* As alloc_link of struct host_request. */
u32 pipeline_alloc_link(void *engine);
/* The ways out of a block that was just compiled, before its code is committed. */
void pipeline_record_links(struct engine *engine, struct block *block,
                           const struct host_exit *exits, unsigned count);
/* Tells the listener, which is there. */
void pipeline_code_made(const struct vcpu *vcpu, const struct block *block,
                        const struct host_request *request, const struct host_result *result);

/* Where link `number`, which was not taken because this hart's proof of it is old, leads: the block
 * at vcpu->pc, when the link is patched to it; and proves it anew. NULL: look it up. A new address
 * space has thousands of these, and a look-up mostly misses the host's caches. Takes no lock. */
struct block *pipeline_prove_again(struct vcpu *vcpu, u32 number);
/* Link `number` leads to vcpu->pc, as this hart's page tables are now. */
void pipeline_prove_link(struct vcpu *vcpu, u32 number);
/* Guard `number` of a trace was left unproved at vcpu->pc: proves it when all pages that it asks
 * for are where the trace found them. Other links it leaves alone. */
void pipeline_prove_guard(struct vcpu *vcpu, u32 number);
/* Link `number` was left unlinked (or unproved) on the way to `to`, which vcpu->pc leads to. */
void pipeline_link(struct vcpu *vcpu, u32 number, struct block *to);

/* Takes what was removed since the hart's last look out of its jump cache. */
void pipeline_forget_removed(struct vcpu *vcpu);

/* fence.i of this hart. */
void pipeline_code_fence(struct vcpu *vcpu);

/* --- engine.c, for steps.c --- */
/* Everything a hart looks at between blocks. False when it must stop, with *stop set. */
bool engine_attend(struct vcpu *vcpu, enum engine_stop *stop);
/* wfi: true when the hart may go on, false when it must stop with ENGINE_STOP_WAIT. */
bool engine_wait_for_interrupt(struct vcpu *vcpu);
void engine_take_exception(struct vcpu *vcpu);

/* --- steps.c --- */
enum engine_stop engine_run_steps(struct vcpu *vcpu);

/* --- trace.c --- */
/* Runs on from vcpu->pc, which is hot, by the interpreter; makes a trace of where that went when it
 * went in circles. As the way a block ended. */
enum ir_exit trace_form(struct vcpu *vcpu);
/* Makes the trace anew of which so many groups were split that tier2->split says so. */
void trace_mend(struct vcpu *vcpu);
/* For --show: engine->ir becomes that of the trace; lock held. */
void trace_view(struct engine *engine, const struct block *block, bool optimised);
/* The same of its way `n`, not optimised; false when there is none. */
bool trace_view_way(struct engine *engine, const struct block *block, unsigned n);
/* The physical page of what lies at `offset` from the page the trace begins in. */
gpa_t trace_page(const struct block *block, s64 offset);
/* Fills in of the request what a trace's circle says, which may be NULL. */
void trace_request(const struct tier2_circle *circle, struct host_request *request);

#endif
