/* The interpreter's helper calls, through libffi: a helper's C signature depends on its argument
 * count, and only libffi can make such a call on every host. */
#include "cpu/base/error.h"
#include "translate/ir/ir_interp.h"
#include <ffi.h>
#include <pthread.h>
#include <string.h>

enum { CALL_MAX_ARGS = 4 };

/* One prepared interface per argument count. Written once, constant afterwards; depends on nothing
 * but the host's calling convention, so all machines share it. */
static struct {
    pthread_once_t once;
    ffi_type *types[1 + CALL_MAX_ARGS];
    ffi_cif cif[CALL_MAX_ARGS + 1];
} call_interfaces = {.once = PTHREAD_ONCE_INIT};

static void call_prepare(void)
{
    call_interfaces.types[0] = &ffi_type_pointer;
    for (unsigned i = 1; i <= CALL_MAX_ARGS; i++) {
        call_interfaces.types[i] = &ffi_type_uint64;
    }
    for (unsigned count = 0; count <= CALL_MAX_ARGS; count++) {
        ffi_status status = ffi_prep_cif(&call_interfaces.cif[count], FFI_DEFAULT_ABI, count + 1,
                                         &ffi_type_uint64, call_interfaces.types);
        CHECK(status == FFI_OK);
    }
}

/* Not inlined: the arrays must not keep the caller's frame alive across its tail call. */
static __attribute__((noinline)) u64 call_helper(const struct interp *run,
                                                 const struct ir_insn *insn,
                                                 const struct helper *helper)
{
    struct vcpu *vcpu = run->vcpu;
    const ir_ref refs[CALL_MAX_ARGS] = {insn->a, insn->b, insn->c, insn->d};
    u64 args[CALL_MAX_ARGS];
    void *pointers[1 + CALL_MAX_ARGS] = {&vcpu};
    ffi_arg result = 0;
    pthread_once(&call_interfaces.once, call_prepare);
    for (unsigned i = 0; i < helper->arg_count; i++) {
        args[i] = run->values[refs[i]];
        pointers[i + 1] = &args[i];
    }
    ffi_call(&call_interfaces.cif[helper->arg_count], (void (*)(void))helper->fn, &result,
             pointers);
    return result;
}

enum ir_exit interp_VECTOR(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    return interp_CALL(run, insn, out);
}

enum ir_exit interp_CALL(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    const struct helper *helper = (const struct helper *)(uintptr_t)insn->imm;
    bool may_raise = (helper->flags & HELPER_MAY_RAISE) != 0;
    if (may_raise || (helper->flags & HELPER_NEEDS_PC) != 0) {
        interp_sync(run);
    }
    *out = call_helper(run, insn, helper);
    if (may_raise && run->vcpu->exception_pending) {
        return IR_EXIT_RAISED;
    }
    return interp_next(run, insn, out);
}
