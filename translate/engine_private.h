/* Between the engine's own files; nobody else includes this. */
#ifndef METIC_TRANSLATE_ENGINE_PRIVATE_H
#define METIC_TRANSLATE_ENGINE_PRIVATE_H

#include "translate/engine.h"

/* --- exclusive.c --- */
void engine_run_enter(struct engine *engine);
void engine_run_leave(struct engine *engine);

/* --- pipeline.c --- */
/* Sets up buffers and the host's thunks for the engine's options. */
bool pipeline_init(struct engine *engine, struct metic_error *error);
void pipeline_fini(struct engine *engine);

/* What engine_find_block found out about the code at vcpu->pc. */
enum pipeline_result {
    PIPELINE_BLOCK,  /* *block runs it */
    PIPELINE_ONCE,   /* must be run once by the interpreter and not be kept */
    PIPELINE_RAISED, /* the fetch raised an exception */
};
enum pipeline_result pipeline_find(struct vcpu *vcpu, struct block **block);

/* Runs at most max_insns instructions at vcpu->pc by the interpreter, keeping nothing. */
enum ir_exit pipeline_run_once(struct vcpu *vcpu, unsigned max_insns);

/* Link `number` was left unlinked (or unproved) on the way to `to`, which vcpu->pc leads to. */
void pipeline_link(struct vcpu *vcpu, u32 number, struct block *to);

/* fence.i of this hart. */
void pipeline_code_fence(struct vcpu *vcpu);

#endif
