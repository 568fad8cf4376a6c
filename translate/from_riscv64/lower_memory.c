/* RV64I loads and stores. Misaligned addresses are served; faults come from the check that
 * ir_load and ir_store make, before the destination is set. */
#include "translate/from_riscv64/lower.h"

static void load(struct lower *l, const struct riscv_insn *insn, unsigned mem)
{
    ir_ref value = ir_load(l->ir, IR_I64, mem, lower_address(l, insn));
    lower_set_x(l, insn->rd, value);
}

static void store(struct lower *l, const struct riscv_insn *insn, unsigned mem)
{
    ir_ref value = lower_get_x(l, insn->rs2);
    ir_store(l->ir, mem, lower_address(l, insn), value);
}

void riscv64_lower_lb(struct lower *l, const struct riscv_insn *insn)
{
    load(l, insn, IR_MEM_8 | IR_MEM_SIGNED);
}

void riscv64_lower_lh(struct lower *l, const struct riscv_insn *insn)
{
    load(l, insn, IR_MEM_16 | IR_MEM_SIGNED);
}

void riscv64_lower_lw(struct lower *l, const struct riscv_insn *insn)
{
    load(l, insn, IR_MEM_32 | IR_MEM_SIGNED);
}

void riscv64_lower_ld(struct lower *l, const struct riscv_insn *insn)
{
    load(l, insn, IR_MEM_64);
}

void riscv64_lower_lbu(struct lower *l, const struct riscv_insn *insn)
{
    load(l, insn, IR_MEM_8);
}

void riscv64_lower_lhu(struct lower *l, const struct riscv_insn *insn)
{
    load(l, insn, IR_MEM_16);
}

void riscv64_lower_lwu(struct lower *l, const struct riscv_insn *insn)
{
    load(l, insn, IR_MEM_32);
}

void riscv64_lower_sb(struct lower *l, const struct riscv_insn *insn)
{
    store(l, insn, IR_MEM_8);
}

void riscv64_lower_sh(struct lower *l, const struct riscv_insn *insn)
{
    store(l, insn, IR_MEM_16);
}

void riscv64_lower_sw(struct lower *l, const struct riscv_insn *insn)
{
    store(l, insn, IR_MEM_32);
}

void riscv64_lower_sd(struct lower *l, const struct riscv_insn *insn)
{
    store(l, insn, IR_MEM_64);
}
