/* See debug.h. GDB's numbers and feature names: its manual, "RISC-V Features". DWARF's: the RISC-V
 * ELF psABI, "DWARF Register Numbers". */
#include "cpu/riscv64/debug.h"

#include "cpu/riscv64/counters.h"
#include "cpu/riscv64/csr.h"

#include <stdio.h>

enum { DWARF_FLOAT = 32, DWARF_VECTOR = 96, DWARF_CSR = 4096 };
enum { REG_RA = 1, REG_SP = 2, REG_GP = 3, REG_TP = 4, REG_S0 = 8, REG_PC = 32 };

/* The table's first rows stand in GDB's order: integers, pc, floats. */
static void describe_row(u32 number, struct guest_debug_reg *reg)
{
    const struct guest_reg *row = &riscv64_guest.regs[number];
    snprintf(reg->name, sizeof(reg->name), "%s", row->name);
    reg->size_bytes = row->size_bytes;
    if (row->klass == GUEST_REG_FLOAT) {
        reg->feature = "org.gnu.gdb.riscv.fpu";
        reg->type = "ieee_double";
        reg->group = "float";
        reg->dwarf = (s16)(DWARF_FLOAT + number - REG_PC - 1);
        return;
    }
    bool code = number == REG_PC || number == REG_RA;
    bool data = (number >= REG_SP && number <= REG_TP) || number == REG_S0;
    reg->feature = "org.gnu.gdb.riscv.cpu";
    reg->type = code ? "code_ptr" : data ? "data_ptr" : "int";
    reg->group = "general";
    reg->dwarf = number < REG_PC ? (s16)number : -1;
    reg->role = number == REG_PC   ? "pc"
                : number == REG_RA ? "ra"
                : number == REG_SP ? "sp"
                : number == REG_S0 ? "fp"
                                   : NULL;
}

bool riscv64_debug_reg(u32 number, struct guest_debug_reg *reg)
{
    *reg = (struct guest_debug_reg){.type = "int", .group = "csr", .size_bytes = sizeof(u64)};
    if (number < RISCV_DEBUG_CSR) {
        describe_row(number, reg);
        return true;
    }
    if (number < RISCV_DEBUG_PRIV) {
        reg->feature = "org.gnu.gdb.riscv.csr";
        reg->dwarf = (s16)(DWARF_CSR + number - RISCV_DEBUG_CSR);
        riscv64_csr_name(number - RISCV_DEBUG_CSR, reg->name, sizeof(reg->name));
        return riscv64_csr_find(number - RISCV_DEBUG_CSR) != NULL;
    }
    reg->feature = "org.gnu.gdb.riscv.virtual";
    reg->dwarf = -1;
    snprintf(reg->name, sizeof(reg->name), "priv");
    return number == RISCV_DEBUG_PRIV;
}

static u64 *integer_or_float(struct riscv64_state *state, u32 number)
{
    return number < REG_PC    ? &state->x[number]
           : number == REG_PC ? &state->vcpu.pc
                              : &state->f[number - REG_PC - 1];
}

bool riscv64_debug_read(struct vcpu *vcpu, u32 number, u64 *value)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (number < RISCV_DEBUG_CSR) {
        *value = *integer_or_float(state, number);
        return true;
    }
    if (number < RISCV_DEBUG_PRIV) {
        return riscv64_csr_debug_read(state, number - RISCV_DEBUG_CSR, value);
    }
    *value = state->priv;
    return number == RISCV_DEBUG_PRIV;
}

static bool set_privilege(struct riscv64_state *state, u64 priv)
{
    if (priv != RISCV_U && priv != RISCV_S && priv != RISCV_M) {
        return false;
    }
    state->priv = (u8)priv;
    riscv64_counters_priv_changed(state, state->vcpu.insns);
    riscv64_mode_update(state);
    return true;
}

bool riscv64_debug_write(struct vcpu *vcpu, u32 number, u64 value)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (number == REG_PC && (value & 1) != 0) {
        return false;
    }
    if (number < RISCV_DEBUG_CSR) {
        if (number != 0) {
            *integer_or_float(state, number) = value;
        }
        return number != 0 || value == 0;
    }
    if (number < RISCV_DEBUG_PRIV) {
        return riscv64_csr_debug_write(state, number - RISCV_DEBUG_CSR, value);
    }
    return number == RISCV_DEBUG_PRIV && set_privilege(state, value);
}

u8 *riscv64_debug_wide(struct vcpu *vcpu, u32 number, struct guest_debug_reg *reg)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    if (state->vlenb == 0 || number < RISCV_DEBUG_VECTOR || number >= RISCV_DEBUG_LIMIT) {
        return NULL;
    }
    number -= RISCV_DEBUG_VECTOR;
    *reg = (struct guest_debug_reg){.feature = "org.gnu.gdb.riscv.vector", .type = "riscv_vector",
                                    .group = "vector", .dwarf = (s16)(DWARF_VECTOR + number),
                                    .size_bytes = state->vlenb};
    snprintf(reg->name, sizeof(reg->name), "v%u", (unsigned)number);
    return (u8 *)state->v + (size_t)number * state->vlenb;
}
