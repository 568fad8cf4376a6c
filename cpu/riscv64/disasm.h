/* RV64GC instructions as text, spelled as objdump -d -M no-aliases spells them. */
#ifndef METIC_CPU_RISCV64_DISASM_H
#define METIC_CPU_RISCV64_DISASM_H

#include "cpu/riscv64/decode.h"

/* Writes the instruction at `bytes`, which lies at `pc`, to `text`, mnemonic and operands parted by
 * a tab. Returns its length, also when `available_bytes` is too short to know more than that;
 * never 0. */
unsigned riscv64_disassemble(gva_t pc, const u8 *bytes, unsigned available_bytes, char *text,
                             size_t text_bytes);

/* ABI names ("a0", "fa0"); number 0..31. */
const char *riscv64_x_name(unsigned number);
const char *riscv64_f_name(unsigned number);

/* insn_check of the whole table, for tests. */
bool riscv64_check_table(char *why, size_t why_bytes);

#endif
