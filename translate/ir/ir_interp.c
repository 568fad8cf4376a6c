/* The IR interpreter: the oracle for generated code, and the engine on hosts without a backend.
 *
 * This file: running a block, constants, guest state, control. Integer operations are in
 * ir_interp_int.c, floating point in ir_interp_fp.c, memory in ir_interp_mem.c, calls in
 * ir_interp_call.c. */
#include "cpu/base/error.h"
#include "translate/ir/ir_interp.h"
#include <string.h>

interp_fn *const interp_table[IR_OP_COUNT] = {
#define IROP(name, text, args, result, props, doc) interp_##name,
#include "translate/ir/ir.def"
#undef IROP
};

enum ir_exit ir_interp_run(const struct ir_insn *insns, unsigned count, struct vcpu *vcpu)
{
    struct interp run;
    CHECK(count > 0 && count <= IR_MAX_INSNS);
    CHECK((ir_op_info[insns[count - 1].op].props & IR_T) != 0);
    run.vcpu = vcpu;
    run.insns = insns;
    run.entry_insns = vcpu->insns;
    run.current = insns;
    while (run.current->op != IR_INSN && run.current < insns + count - 1) {
        run.current++;
    }
    run.first_offset = (s64)run.current->imm;
    return interp_next(&run, insns - 1, run.values - 1);
}

/* --- constants and guest state --- */

enum ir_exit interp_CONST(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = insn->imm;
    return interp_next(run, insn, out);
}

enum ir_exit interp_GET(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    const u8 *state = interp_state(run, insn);
    u32 word;
    u16 half;
    switch (insn->sub) {
    case 8: memcpy(out, state, 8); break;
    case 4:
        memcpy(&word, state, 4);
        *out = word;
        break;
    case 2:
        memcpy(&half, state, 2);
        *out = half;
        break;
    default: *out = *state; break;
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_SET(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u8 *state = interp_state(run, insn);
    u64 value = run->values[insn->a];
    u32 word = (u32)value;
    u16 half = (u16)value;
    switch (insn->sub) {
    case 8: memcpy(state, &value, 8); break;
    case 4: memcpy(state, &word, 4); break;
    case 2: memcpy(state, &half, 2); break;
    default: *state = (u8)value; break;
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_PC_PAGE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = run->vcpu->pc_page;
    return interp_next(run, insn, out);
}

enum ir_exit interp_INSN_COUNT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    *out = interp_insns(run);
    return interp_next(run, insn, out);
}

/* --- control --- */

enum ir_exit interp_INSN(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    run->current = insn;
    return interp_next(run, insn, out);
}

static u64 deadline(const struct interp *run)
{
    return atomic_load_explicit(&run->vcpu->deadline, memory_order_relaxed);
}

static bool deadline_passed(const struct interp *run)
{
    return run->vcpu->insns >= deadline(run);
}

/* The current instruction retires and control goes to a target inside or outside the block. */
static enum ir_exit jump_to(struct interp *run, s64 target_offset)
{
    run->vcpu->pc = run->vcpu->pc_page + (u64)target_offset;
    run->vcpu->insns = interp_insns(run) + 1;
    return target_offset <= run->first_offset && deadline_passed(run) ? IR_EXIT_POLL
                                                                       : IR_EXIT_JUMP;
}

enum ir_exit interp_POLL(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    if (UNLIKELY(interp_insns(run) + insn->imm > deadline(run))) {
        interp_sync(run);
        return IR_EXIT_POLL;
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_LOOK(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    if (UNLIKELY(run->vcpu->irq_hint != 0)) {
        run->vcpu->pc = run->vcpu->pc_page + insn->imm;
        run->vcpu->insns = interp_insns(run) + 1;
        return IR_EXIT_LEAVE;
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_JUMP(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    (void)out;
    return jump_to(run, (s64)insn->imm);
}

enum ir_exit interp_JUMP_NEXT(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    (void)out;
    run->vcpu->pc = run->vcpu->pc_page + insn->imm;
    run->vcpu->insns = interp_insns(run);
    return IR_EXIT_JUMP;
}

static enum ir_exit jump_far(struct interp *run, gva_t target)
{
    run->vcpu->pc = target;
    run->vcpu->insns = interp_insns(run) + 1;
    return deadline_passed(run) ? IR_EXIT_POLL : IR_EXIT_IND;
}

enum ir_exit interp_JUMP_IND(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    (void)out;
    return jump_far(run, run->values[insn->a]);
}

enum ir_exit interp_EXIT_UNLESS(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    u64 target = run->values[insn->a];
    if (UNLIKELY(target != run->vcpu->pc_page + insn->imm)) {
        target &= ~(u64)1;
        if (UNLIKELY(insn[-1].op == IR_PROBE_LEFT && !insn[-1].dead)) {
            interp_probe_left(run, insn - 1, target);
        }
        return jump_far(run, target);
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_EXIT_PAGE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    struct vcpu *vcpu = run->vcpu;
    if (UNLIKELY(vcpu->link_proofs[ir_guard(insn)] != vcpu_link_proof(vcpu, vcpu->pc_page))) {
        if (UNLIKELY(insn[-1].op == IR_PROBE_LEFT && !insn[-1].dead)) {
            interp_probe_left(run, insn - 1, 0);
        }
        vcpu->exit_request = ir_guard(insn);
        return jump_to(run, (s64)insn->imm);
    }
    return interp_next(run, insn, out);
}

enum ir_exit interp_RAISE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    (void)out;
    interp_sync(run);
    vcpu_raise(run->vcpu, insn->imm, run->values[insn->a]);
    return IR_EXIT_RAISED;
}

enum ir_exit interp_LEAVE(struct interp *run, const struct ir_insn *insn, u64 *out)
{
    (void)out;
    run->vcpu->pc = run->values[insn->a];
    run->vcpu->insns = interp_insns(run) + 1;
    return IR_EXIT_LEAVE;
}
