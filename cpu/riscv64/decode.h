/* Decoding RV64GCV instructions: bytes to row number and operands.
 *
 * The table is insns.def and formats.def. Encodings longer than 32 bits, reserved ones and those of
 * extensions without rows decode as RISCV_INSN_illegal. Thread: any. */
#ifndef METIC_CPU_RISCV64_DECODE_H
#define METIC_CPU_RISCV64_DECODE_H

#include "cpu/insn.h"

/* Row flags beside INSN_SUBSET and INSN_RESERVED. */
enum rv_insn_flags {
    RV_FP = INSN_GUEST_FLAG,  /* illegal while mstatus.FS is off */
    RV_WRITES_FP = RV_FP << 1, /* changes an f register or fflags: FS becomes dirty */
    RV_F_RESULT = RV_FP << 2,  /* rd names an f register */
    RV_MEMORY = RV_FP << 3,    /* data memory access: ends an lr/sc sequence */
    RV_SYSTEM = RV_FP << 4,    /* fence, CSR or privileged: ends an lr/sc sequence */
    RV_JUMP = RV_FP << 5,
    RV_BRANCH = RV_FP << 6,
    RV_V = RV_FP << 7,         /* vector: illegal while mstatus.VS is off, makes it dirty */
    RV_X_RESULT = RV_FP << 8,  /* a vector row whose rd names an x register, not a v register */
    /* What the FP rows say. */
    RV_FP_FLAGS = RV_FP | RV_WRITES_FP,
    RV_FP_WRITE = RV_FP | RV_WRITES_FP | RV_F_RESULT,
};

enum riscv_insn_id {
#define INSN(name, pattern, format, extension, assembly, flags, lowering) RISCV_INSN_##name,
#include "cpu/riscv64/insns.def"
#undef INSN
    RISCV_INSN_COUNT,
    RISCV_INSN_illegal = RISCV_INSN_COUNT,
};

enum riscv_operand {
    RISCV_OPERAND_RD, RISCV_OPERAND_RS1, RISCV_OPERAND_RS2, RISCV_OPERAND_RS3,
    RISCV_OPERAND_IMM, RISCV_OPERAND_RM, RISCV_OPERAND_FMT, RISCV_OPERAND_AQRL,
    RISCV_OPERAND_VM, RISCV_OPERAND_NF,
    RISCV_OPERAND_COUNT,
};

/* One decoded instruction, small since many are kept (decode.c). Operands that its format lacks
 * are 0. */
struct riscv_insn {
    u32 word;            /* the bits, 16-bit ones zero-extended */
    s32 imm;             /* sign-extended as the format says; CSR number */
    u16 id;              /* enum riscv_insn_id */
    u16 flags;           /* the row's */
    u8 rd, rs1, rs2, rs3; /* register numbers, x or f as the instruction has it */
    u8 rm;               /* FP rounding field */
    u8 fmt;              /* F, D: 0 single, 1 double; A: log2 of the access size */
    u8 aqrl;             /* A: aq << 1 | rl */
    u8 vm;               /* V: 0 where v0 is a mask */
    u8 nf;               /* V: fields of a segment, less one */
    u8 length_bytes;     /* 2 or 4, also of an illegal one */
};

/* Length in bytes of the instruction whose first two bytes are given. */
static inline unsigned riscv64_insn_length_bytes(u16 first)
{
    return (first & 3) == 3 ? 4 : 2;
}

/* Decodes the instruction at `bytes`. Returns its length, or 0 when `available_bytes` is too short
 * for it (then *insn is undefined). */
unsigned riscv64_decode(const u8 *bytes, unsigned available_bytes, struct riscv_insn *insn);

/* The whole table, for listings and tests. */
const struct insn_set *riscv64_insn_set(void);

#endif
