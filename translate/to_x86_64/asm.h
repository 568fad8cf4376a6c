/* x86-64 instruction encoder: writes machine code into a buffer, knows nothing of the IR.
 *
 * Opcodes are one u32: mandatory prefix << 24 | escape bytes << 8 | opcode, for example
 * ASM_OP(0xf2, 0x0f58) for addsd and plain 0x0faf for imul. Registers are 0..15 in the processor's
 * numbering; XMM registers use the same numbers, the opcode says which kind is meant.
 *
 * No function checks for room: the caller makes sure of it before each group of instructions
 * (Intel SDM volume 2, chapter 2, for the format). Most write eight bytes at once, of which what
 * is too much gets overwritten: a few bytes behind the last instruction there must be room, too. */
#ifndef METIC_TRANSLATE_TO_X86_64_ASM_H
#define METIC_TRANSLATE_TO_X86_64_ASM_H

#include "cpu/base/types.h"
#include <string.h>

enum {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
    ASM_NO_REG = 0xff,
};

/* Operand widths. */
enum { ASM_32 = 0, ASM_64 = 1, ASM_8 = 2, ASM_16 = 4 };

/* Condition codes as in the opcodes of jcc, setcc, cmovcc. */
enum asm_cc {
    ASM_O, ASM_NO, ASM_B, ASM_AE, ASM_E, ASM_NE, ASM_BE, ASM_A,
    ASM_S, ASM_NS, ASM_P, ASM_NP, ASM_L, ASM_GE, ASM_LE, ASM_G,
};

/* The eight operations of the classic arithmetic group, numbered as encoded. */
enum asm_alu { ASM_ADD, ASM_OR, ASM_ADC, ASM_SBB, ASM_AND, ASM_SUB, ASM_XOR, ASM_CMP };
enum asm_shift { ASM_ROL = 0, ASM_ROR = 1, ASM_SHL = 4, ASM_SHR = 5, ASM_SAR = 7 };
/* Group 3 (opcode f7). */
enum asm_unary { ASM_NOT = 2, ASM_NEG = 3, ASM_MUL = 4, ASM_IMUL = 5, ASM_DIV = 6, ASM_IDIV = 7 };

#define ASM_OP(prefix, bytes) (((u32)(prefix) << 24) | (u32)(bytes))

struct asm_buf {
    u8 *p;          /* next byte to write */
    u8 *start;      /* first byte */
    u8 *limit;      /* one behind the last usable byte */
    const u8 *exec; /* address at which `start` will run */
};

struct asm_mem {
    u8 base;
    u8 index; /* ASM_NO_REG: none */
    u8 scale_log2;
    s32 disp;
};

static inline struct asm_mem asm_at(unsigned base, s32 disp)
{
    return (struct asm_mem){(u8)base, ASM_NO_REG, 0, disp};
}

static inline struct asm_mem asm_at_index(unsigned base, unsigned index, unsigned scale_log2,
                                          s32 disp)
{
    return (struct asm_mem){(u8)base, (u8)index, (u8)scale_log2, disp};
}

static inline void asm_u8(struct asm_buf *a, unsigned value)
{
    *a->p++ = (u8)value;
}

static inline void asm_u32(struct asm_buf *a, u32 value)
{
    memcpy(a->p, &value, 4);
    a->p += 4;
}

static inline void asm_u64(struct asm_buf *a, u64 value)
{
    memcpy(a->p, &value, 8);
    a->p += 8;
}

static inline u32 asm_offset(const struct asm_buf *a)
{
    return (u32)(a->p - a->start);
}

static inline const u8 *asm_exec(const struct asm_buf *a)
{
    return a->exec + (a->p - a->start);
}

static inline bool asm_fits_s8(s64 value)
{
    return value == (s8)value;
}

static inline bool asm_fits_s32(s64 value)
{
    return value == (s32)value;
}

/* Generic forms: `reg` is the ModRM reg field (a register or an opcode extension). */
void asm_rr(struct asm_buf *a, u32 op, unsigned width, unsigned reg, unsigned rm);
void asm_rm(struct asm_buf *a, u32 op, unsigned width, unsigned reg, struct asm_mem mem);
/* Register and memory at the address `target` (rip-relative; no immediate may follow). */
void asm_rip(struct asm_buf *a, u32 op, unsigned width, unsigned reg, const u8 *target);
/* VEX-encoded; map 1: 0f, 2: 0f38, 3: 0f3a; pp 0: none, 1: 66, 2: f3, 3: f2. */
static inline void asm_vex(struct asm_buf *a, unsigned map, unsigned pp, unsigned wide, unsigned op,
                           unsigned reg, unsigned vvvv, unsigned rm)
{
    u64 code = 0xc4 | ((~reg >> 3 & 1) << 7 | 1u << 6 | (~rm >> 3 & 1) << 5 | map) << 8 |
               (wide << 7 | (~vvvv & 15) << 3 | pp) << 16 | op << 24 |
               (u64)(0xc0 | (reg & 7) << 3 | (rm & 7)) << 32;
    memcpy(a->p, &code, 8);
    a->p += 5;
}

void asm_vex_rm(struct asm_buf *a, unsigned map, unsigned pp, unsigned wide, unsigned op,
                unsigned reg, unsigned vvvv, struct asm_mem mem);

/* Loads a constant, in the shortest way; leaves the flags alone. */
void asm_mov_imm(struct asm_buf *a, unsigned reg, u64 value);
void asm_alu_mem_imm(struct asm_buf *a, enum asm_alu alu, unsigned width, struct asm_mem mem,
                     s32 imm);
/* Stores a sign-extended constant of the given width. */
void asm_mov_mem_imm(struct asm_buf *a, unsigned width, struct asm_mem mem, s32 imm);

/* The commonest forms, op one byte and not of bytes or halves, in one store. */
static inline void asm_rr_plain(struct asm_buf *a, unsigned op, unsigned width, unsigned reg,
                                unsigned rm)
{
    u32 rex = 0x40 | (width == ASM_64 ? 8u : 0u) | (reg >> 3) << 2 | rm >> 3;
    u32 code = op | (0xc0 | (reg & 7) << 3 | (rm & 7)) << 8;
    bool prefix = rex != 0x40;
    code = prefix ? code << 8 | rex : code;
    memcpy(a->p, &code, 4);
    a->p += 2 + prefix;
}

/* How a displacement is encoded, and in how many bytes; rbp and r13 always have one. */
static inline unsigned asm_disp_bytes(unsigned base, s32 disp)
{
    return disp == 0 && (base & 7) != RBP ? 0 : asm_fits_s8(disp) ? 1 : 4;
}

static inline u32 asm_disp_mode(unsigned bytes)
{
    return bytes == 0 ? 0u : bytes == 1 ? 0x40u : 0x80u;
}

/* Likewise with memory at [base + disp], base neither rsp nor r12. */
static inline void asm_rm_plain(struct asm_buf *a, u32 op, unsigned width, unsigned reg,
                                struct asm_mem mem)
{
    if (UNLIKELY(mem.index != ASM_NO_REG || (mem.base & 7) == RSP || width > ASM_64)) {
        asm_rm(a, op, width, reg, mem);
        return;
    }
    unsigned disp_bytes = asm_disp_bytes(mem.base, mem.disp);
    u64 rex = 0x40 | (width == ASM_64 ? 8u : 0u) | (reg >> 3) << 2 | (unsigned)mem.base >> 3;
    u64 code = op | (asm_disp_mode(disp_bytes) | (reg & 7) << 3 | (mem.base & 7u)) << 8 |
               (u64)(u32)mem.disp << 16;
    bool prefix = rex != 0x40;
    code = prefix ? code << 8 | rex : code;
    memcpy(a->p, &code, 8);
    a->p += 2 + prefix + disp_bytes;
}

/* With memory at [base + index * scale + disp]; op of one byte, or of two without a prefix; not of
 * halves. */
static inline void asm_rm_index(struct asm_buf *a, u32 op, unsigned width, unsigned reg,
                                struct asm_mem mem)
{
    unsigned disp_bytes = asm_disp_bytes(mem.base, mem.disp);
    u64 rex = 0x40 | (width == ASM_64 ? 8u : 0u) | (reg >> 3) << 2 | (mem.index >> 3 & 1u) << 1 |
              (unsigned)mem.base >> 3;
    u64 code = 4u | asm_disp_mode(disp_bytes) | (reg & 7) << 3 |
               ((unsigned)mem.scale_log2 << 6 | (mem.index & 7u) << 3 | (mem.base & 7u)) << 8;
    unsigned bytes = 3;
    code = code << 8 | (op & 0xff);
    if (op > 0xff) {
        code = code << 8 | op >> 8;
        bytes = 4;
    }
    bool prefix = rex != 0x40 || (width == ASM_8 && reg >= 4);
    code = prefix ? code << 8 | rex : code;
    memcpy(a->p, &code, 8);
    memcpy(a->p + bytes + prefix, &mem.disp, 4); /* what is too much of it gets overwritten */
    a->p += bytes + prefix + disp_bytes;
}

/* dst op= src; width ASM_32 or ASM_64 */
static inline void asm_alu_rr(struct asm_buf *a, enum asm_alu alu, unsigned width, unsigned dst,
                              unsigned src)
{
    asm_rr_plain(a, (u32)alu << 3 | 3, width, dst, src);
}

static inline void asm_alu_rm(struct asm_buf *a, enum asm_alu alu, unsigned width, unsigned dst,
                              struct asm_mem mem)
{
    asm_rm_plain(a, (u32)alu << 3 | 3, width, dst, mem);
}

static inline void asm_mov(struct asm_buf *a, unsigned width, unsigned dst, unsigned src)
{
    asm_rr_plain(a, 0x8b, width, dst, src);
}

static inline void asm_load(struct asm_buf *a, unsigned width, unsigned dst, struct asm_mem mem)
{
    asm_rm_plain(a, 0x8b, width, dst, mem);
}

/* width ASM_8, 16, 32 or 64 */
static inline void asm_store(struct asm_buf *a, unsigned width, struct asm_mem mem, unsigned src)
{
    if (width == ASM_8) {
        asm_rm(a, 0x88, ASM_8, src, mem);
    } else {
        asm_rm_plain(a, 0x89, width, src, mem);
    }
}

static inline void asm_lea(struct asm_buf *a, unsigned width, unsigned dst, struct asm_mem mem)
{
    asm_rm_plain(a, 0x8d, width, dst, mem);
}

static inline void asm_unary(struct asm_buf *a, enum asm_unary op, unsigned width, unsigned reg)
{
    asm_rr(a, 0xf7, width, (unsigned)op, reg);
}

static inline void asm_test(struct asm_buf *a, unsigned width, unsigned x, unsigned y)
{
    asm_rr_plain(a, 0x85, width, x, y);
}

static inline void asm_setcc(struct asm_buf *a, enum asm_cc cc, unsigned reg)
{
    asm_rr(a, 0x0f90u + (u32)cc, ASM_8, 0, reg);
}

static inline void asm_cmov(struct asm_buf *a, enum asm_cc cc, unsigned width, unsigned dst,
                            unsigned src)
{
    asm_rr(a, 0x0f40u + (u32)cc, width, dst, src);
}

/* --- with immediates --- */

/* An operation of one byte of opcode on a register, and the immediate behind it, in one store. */
static inline void asm_put_unary(struct asm_buf *a, unsigned op, unsigned width, unsigned field,
                                 unsigned reg, u32 imm, unsigned imm_bytes)
{
    if (UNLIKELY(width == ASM_16)) {
        asm_u8(a, 0x66);
    }
    u64 rex = 0x40 | (width == ASM_64 ? 8u : 0u) | reg >> 3;
    u64 code = op | (0xc0 | field << 3 | (reg & 7)) << 8 | (u64)imm << 16;
    bool prefix = rex != 0x40 || (width == ASM_8 && reg >= 4);
    code = prefix ? code << 8 | rex : code;
    memcpy(a->p, &code, 8);
    a->p += 2 + prefix + imm_bytes;
}

/* dst op= imm. */
static inline void asm_alu_imm(struct asm_buf *a, enum asm_alu alu, unsigned width, unsigned reg,
                               s32 imm)
{
    if (asm_fits_s8(imm)) {
        asm_put_unary(a, 0x83, width, (unsigned)alu, reg, (u32)imm, 1);
    } else if (reg == RAX) {
        if (width == ASM_64) {
            asm_u8(a, 0x48);
        }
        asm_u8(a, (unsigned)alu << 3 | 5);
        asm_u32(a, (u32)imm);
    } else {
        asm_put_unary(a, 0x81, width, (unsigned)alu, reg, (u32)imm, 4);
    }
}

/* test of the register's low byte */
static inline void asm_test_imm8(struct asm_buf *a, unsigned reg, unsigned imm)
{
    asm_put_unary(a, 0xf6, ASM_8, 0, reg, imm, 1);
}

static inline void asm_shift_imm(struct asm_buf *a, enum asm_shift shift, unsigned width,
                                 unsigned reg, unsigned count)
{
    asm_put_unary(a, 0xc1, width, (unsigned)shift, reg, count, 1);
}

/* --- jumps --- */

/* Inline are the forms that memory accesses are made of: most of their arguments are constant. */

/* An opcode of so many bytes and the rel32 to a target, in one store. */
static inline void asm_put_jump(struct asm_buf *a, u32 op, unsigned op_bytes, const u8 *target)
{
    u64 code = op | (u64)(u32)(target - (asm_exec(a) + op_bytes + 4)) << 8 * op_bytes;
    memcpy(a->p, &code, 8);
    a->p += op_bytes + 4;
}

/* To an address in executable memory; within 2 GiB. */
static inline void asm_jmp(struct asm_buf *a, const u8 *target)
{
    asm_put_jump(a, 0xe9, 1, target);
}

static inline void asm_call(struct asm_buf *a, const u8 *target)
{
    asm_put_jump(a, 0xe8, 1, target);
}

void asm_jcc(struct asm_buf *a, enum asm_cc cc, const u8 *target);
/* Anywhere; clobbers rax. */
void asm_call_far(struct asm_buf *a, const void *target);

/* To a place not known yet: return the offset of the rel32 (rel8) field to give to asm_bind. */
static inline u32 asm_jcc_forward(struct asm_buf *a, enum asm_cc cc)
{
    u64 code = 0x0f | (0x80u | (unsigned)cc) << 8;
    memcpy(a->p, &code, 8);
    a->p += 6;
    return asm_offset(a) - 4;
}

static inline u32 asm_jmp_forward(struct asm_buf *a)
{
    u64 code = 0xe9;
    memcpy(a->p, &code, 8);
    a->p += 5;
    return asm_offset(a) - 4;
}

u32 asm_jcc_short(struct asm_buf *a, enum asm_cc cc);
u32 asm_jmp_short(struct asm_buf *a);
/* The jump with that field goes to a place anywhere in executable memory, or to the present one. */
static inline void asm_bind_to(struct asm_buf *a, u32 field_offset, const u8 *target)
{
    u32 distance = (u32)(target - (a->exec + field_offset + 4));
    memcpy(a->start + field_offset, &distance, 4);
}

static inline void asm_bind(struct asm_buf *a, u32 field_offset)
{
    asm_bind_to(a, field_offset, asm_exec(a));
}

void asm_bind_short(struct asm_buf *a, u32 field_offset);

/* Pads so that `ahead_bytes` further on the address is a multiple of the alignment. */
void asm_align(struct asm_buf *a, unsigned alignment_bytes, unsigned ahead_bytes);

#endif
