/* The RISC-V front end: one instruction at a time from guest bytes to IR.
 *
 * Decode finds the row, the row names the lowering function, and what all instructions of a kind
 * share (FP state off, FP state getting dirty) is done here from the row's flags. Nothing is known
 * of the instruction but its bytes and the mode bits of enum riscv_mode_bits. */
#include "translate/from_riscv64/lower.h"

#include <stdio.h>

typedef void lower_fn(struct lower *l, const struct riscv_insn *insn);

static lower_fn *const lower_fns[RISCV_INSN_COUNT + 1] = {
#define INSN(name, pattern, format, extension, assembly, flags, lowering)                          \
    [RISCV_INSN_##name] = riscv64_##lowering,
#include "cpu/riscv64/insns.def"
#undef INSN
    [RISCV_INSN_illegal] = lower_end_illegal,
};

ir_ref lower_pc_plus(struct lower *l, s64 delta)
{
    ir_ref offset = ir_i64(l->ir, (u64)((s64)l->offset + delta));
    return ir_op2(l->ir, IR_ADD, IR_I64, 0, ir_pc_page(l->ir), offset);
}

void lower_end_jump(struct lower *l, s64 delta)
{
    if (l->follow && l->next_offset == (s64)l->offset + delta) {
        l->followed = true;
        return;
    }
    ir_jump(l->ir, (s64)l->offset + delta);
    l->ended = true;
}

void lower_end_raise(struct lower *l, enum riscv_cause cause, ir_ref value)
{
    ir_raise(l->ir, cause, value);
    l->ended = true;
}

void lower_end_illegal(struct lower *l, const struct riscv_insn *insn)
{
    lower_end_raise(l, RISCV_CAUSE_ILLEGAL, lower_word(l, insn));
}

void lower_end_leave_next(struct lower *l, bool look_at_interrupts)
{
    ir_leave(l->ir, lower_next_pc(l), look_at_interrupts);
    l->ended = true;
}

/* The first instruction that writes FP state while FS is clean makes it dirty, and the mode with
 * it: the block ends, and the rest runs as blocks that need not ask. */
static void mark_fp_dirty(struct lower *l)
{
    ir_call(l->ir, &riscv64_helper_fp_dirty, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE);
    lower_end_leave_next(l, false);
}

static unsigned lower_insn(struct lower *l)
{
    struct riscv_insn insn;
    unsigned length_bytes = riscv64_decode(l->rest, l->rest_bytes, &insn);
    if (length_bytes == 0) {
        return 0;
    }
    l->length_bytes = length_bytes;
    ir_begin_insn(l->ir, l->offset, length_bytes);
    if (l->poll_first) {
        ir_poll(l->ir, 0);
        l->poll_first = false;
    }
    u32 fs = l->mode & RISCV_MODE_FS;
    if ((insn.flags & RV_FP) != 0 && fs == 0) {
        lower_end_illegal(l, &insn);
        return length_bytes;
    }
    lower_fns[insn.id](l, &insn);
    if (!l->ended && (insn.flags & RV_WRITES_FP) != 0 && fs != RISCV_MODE_FS) {
        mark_fp_dirty(l);
    }
    return length_bytes;
}

static void begin(struct lower *l)
{
    lower_reset_pair(l);
}

static void print_mode(u32 mode, char *text, size_t text_bytes)
{
    static const char *const privileges[] = {"U", "S", "?", "M"};
    static const char *const fs[] = {"off", "clean", "clean", "dirty"};
    snprintf(text, text_bytes, "%s fs=%s%s%s%s", privileges[mode & RISCV_MODE_PRIV],
             fs[(mode & RISCV_MODE_FS) / (RISCV_MODE_FS / 3)],
             (mode & RISCV_MODE_FRM_BAD)    ? " frm=reserved"
             : (mode & RISCV_MODE_FRM_SLOW) ? " frm=rmm"
                                            : "",
             (mode & RISCV_MODE_TRACE) ? " trace" : "", (mode & RISCV_MODE_COUNT) ? " count" : "");
}

const struct front riscv64_front = {
    .guest = &riscv64_guest,
    .lower_insn = lower_insn,
    .begin = begin,
    .print_mode = print_mode,
};
