/* x86-64 vector instructions: VEX (AVX, AVX2) and EVEX (AVX-512) encodings (Intel SDM volume 2,
 * sections 2.3 and 2.7). Vector registers are 0..31; those above 15 need EVEX. */
#ifndef METIC_TRANSLATE_TO_X86_64_ASM_VECTOR_H
#define METIC_TRANSLATE_TO_X86_64_ASM_VECTOR_H

#include "translate/to_x86_64/asm.h"

/* Which instruction: map 1: 0f, 2: 0f38, 3: 0f3a; pp 0: none, 1: 66, 2: f3, 3: f2. */
struct asm_vop {
    u8 map, pp, wide, op;
};

/* How: registers of 16 << length bytes, EVEX or VEX, and of EVEX a mask register (0: none), under
 * which the others keep their contents, or become 0. */
struct asm_vhow {
    u8 length;
    bool evex;
    u8 mask;
    bool zero;
    bool broadcast; /* the memory operand is one element */
};

/* reg, vvvv: destination and first source as the instruction has them; rm: the other source. */
void asm_vrr(struct asm_buf *a, struct asm_vop op, struct asm_vhow how, unsigned reg,
             unsigned vvvv, unsigned rm);
void asm_vrm(struct asm_buf *a, struct asm_vop op, struct asm_vhow how, unsigned reg,
             unsigned vvvv, struct asm_mem mem);
/* Memory at an address within 2 GiB, behind which imm_bytes of the instruction follow. */
void asm_vrip(struct asm_buf *a, struct asm_vop op, struct asm_vhow how, unsigned reg,
              unsigned vvvv, const u8 *target, unsigned imm_bytes);

/* --- mask registers (k0..k7); bits: 8, 16, 32 or 64 --- */
void asm_mask_load(struct asm_buf *a, unsigned bits, unsigned mask, struct asm_mem mem);
void asm_mask_store(struct asm_buf *a, unsigned bits, struct asm_mem mem, unsigned mask);
void asm_mask_from(struct asm_buf *a, unsigned bits, unsigned mask, unsigned general);
enum { ASM_MASK_ANDN = 0x42, ASM_MASK_OR = 0x45 };
/* 64 bits: dst = x or y; ~x & y. */
void asm_mask_op(struct asm_buf *a, unsigned op, unsigned dst, unsigned x, unsigned y);
/* Flags: NE when a bit is set. */
void asm_mask_test(struct asm_buf *a, unsigned mask);

#endif
