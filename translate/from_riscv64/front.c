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
    ir_ref offset = ir_i64(l->ir, (u64)(l->offset + delta));
    return ir_op2(l->ir, IR_ADD, IR_I64, 0, ir_pc_page(l->ir), offset);
}

/* True in a trace that goes on there. */
static bool follows(struct lower *l, s64 delta)
{
    l->followed = l->follow && l->next_offset == l->offset + delta;
    return l->followed;
}

void lower_end_jump(struct lower *l, s64 delta)
{
    if (!follows(l, delta)) {
        ir_jump(l->ir, l->offset + delta);
        l->ended = true;
    }
}

void lower_end_call(struct lower *l, s64 delta)
{
    if (!follows(l, delta)) {
        ir_jump_call(l->ir, l->offset + delta);
        l->ended = true;
    }
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

static bool is_off(const struct lower *l, const struct riscv_insn *insn)
{
    return ((insn->flags & RV_FP) != 0 && (l->mode & RISCV_MODE_FS) == 0) ||
           ((insn->flags & RV_V) != 0 && (l->mode & RISCV_MODE_VS) == 0);
}

void lower_fp_dirty(struct lower *l)
{
    if (l->fp_is_dirty) {
        return;
    }
    /* The byte that has FS: recorders, which are told of registers, need not hear of it. */
    u32 at = LOWER_FS_OFFSET;
    ir_ref dirty = ir_i64(l->ir, MSTATUS_FS >> (MSTATUS_FS_SHIFT & ~7u));
    ir_set(l->ir, at, 1, ir_op2(l->ir, IR_OR, IR_I64, 0, ir_get(l->ir, IR_I64, at, 1), dirty));
    l->fp_is_dirty = true;
}

/* Any vector instruction while VS is clean makes it dirty, and the mode with it: the block ends,
 * and the rest runs as blocks that need not ask. */
static void mark_dirty(struct lower *l, const struct riscv_insn *insn)
{
    if (insn->flags & RV_WRITES_FP) {
        lower_fp_dirty(l);
    }
    if ((insn->flags & RV_V) != 0 && (l->mode & RISCV_MODE_VS) != RISCV_MODE_VS) {
        ir_call(l->ir, &riscv64_helper_vector_dirty, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE,
                IR_REF_NONE);
        lower_end_leave_next(l, false);
    }
}

static unsigned lower_insn(struct lower *l)
{
    struct riscv_insn insn;
    unsigned length_bytes = riscv64_decode(l->rest, l->rest_bytes, &insn);
    if (length_bytes == 0) {
        return 0;
    }
    if (l->pairs_over_pages && !l->begins && (insn.flags & RV_MEMORY) != 0 &&
        l->rest_bytes < FRONT_SIGHT_BYTES && riscv64_lr_is_cut(l->rest, l->rest_bytes)) {
        return 0;
    }
    l->length_bytes = length_bytes;
    ir_begin_insn(l->ir, l->offset, length_bytes);
    if (l->poll_first) {
        ir_poll(l->ir, 0);
        l->poll_first = false;
    }
    ir_mark(l->ir);
    bool has_unit = UNLIKELY((insn.flags & (RV_FP | RV_WRITES_FP | RV_V)) != 0);
    if (has_unit && is_off(l, &insn)) {
        lower_end_illegal(l, &insn);
        return length_bytes;
    }
    lower_fns[insn.id](l, &insn);
    if (has_unit && !l->ended) {
        mark_dirty(l, &insn);
    }
    return length_bytes;
}

static unsigned insn_bytes(const u8 *code)
{
    return riscv64_insn_length_bytes(ld_le16(code));
}

static void begin(struct lower *l)
{
    l->fp_is_dirty = false;
    lower_reset_pair(l);
    lower_begin_vector(l);
}

static void print_mode(u32 mode, char *text, size_t text_bytes)
{
    static const char *const privileges[] = {"U", "S", "?", "M"};
    static const char *const states[] = {"off", "clean", "clean", "dirty"};
    static const char *const units[] = {"", " vs=", " vlen=256 vs=", ""};
    unsigned unit = (mode & RISCV_MODE_VLEN) >> RISCV_MODE_VLEN_SHIFT;
    snprintf(text, text_bytes, "%s fs=%s%s%s%s%s%s", privileges[mode & RISCV_MODE_PRIV],
             mode & RISCV_MODE_FS ? "on" : "off", units[unit],
             unit != 0 ? states[(mode & RISCV_MODE_VS) >> RISCV_MODE_VS_SHIFT] : "",
             (mode & RISCV_MODE_FRM_BAD)     ? " frm=reserved"
             : (mode & RISCV_MODE_FRM_SLOW)  ? " frm=rmm"
             : (mode & RISCV_MODE_FRM_OTHER) ? " frm=directed"
                                             : "",
             (mode & RISCV_MODE_TRACE) ? " trace" : "", (mode & RISCV_MODE_COUNT) ? " count" : "");
}

const struct front riscv64_front = {
    .guest = &riscv64_guest,
    .lower_insn = lower_insn,
    .begin = begin,
    .run_direct = riscv64_run_direct,
    .insn_bytes = insn_bytes,
    .wants_next_page = riscv64_lr_is_cut,
    .skips = riscv64_skips,
    .print_mode = print_mode,
};
