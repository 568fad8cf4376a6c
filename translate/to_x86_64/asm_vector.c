/* See asm_vector.h. */
#include "translate/to_x86_64/asm_vector.h"

/* The prefix and the opcode. x: the bit that EVEX has of a third register or index. */
static void put_prefix(struct asm_buf *a, struct asm_vop op, struct asm_vhow how, unsigned reg,
                       unsigned vvvv, unsigned x, unsigned b)
{
    unsigned first = (~reg >> 3 & 1) << 7 | (~x & 1) << 6 | (~b & 1) << 5 | op.map;
    unsigned second = (unsigned)op.wide << 7 | (~vvvv & 15) << 3 | op.pp;
    if (!how.evex) {
        asm_u8(a, 0xc4);
        asm_u8(a, first);
        asm_u8(a, second | (unsigned)how.length << 2);
    } else {
        asm_u8(a, 0x62);
        asm_u8(a, first | (~reg >> 4 & 1) << 4);
        asm_u8(a, second | 4);
        asm_u8(a, (unsigned)how.zero << 7 | (unsigned)how.length << 5 |
                      (unsigned)how.broadcast << 4 | (~vvvv >> 4 & 1) << 3 | how.mask);
    }
    asm_u8(a, op.op);
}

void asm_vrr(struct asm_buf *a, struct asm_vop op, struct asm_vhow how, unsigned reg,
             unsigned vvvv, unsigned rm)
{
    put_prefix(a, op, how, reg, vvvv, rm >> 4, rm >> 3);
    asm_u8(a, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* Always with a displacement of four bytes: EVEX scales those of one. */
void asm_vrm(struct asm_buf *a, struct asm_vop op, struct asm_vhow how, unsigned reg,
             unsigned vvvv, struct asm_mem mem)
{
    unsigned index = mem.index == ASM_NO_REG ? 4u : mem.index;
    bool sib = mem.index != ASM_NO_REG || (mem.base & 7) == RSP;
    put_prefix(a, op, how, reg, vvvv, mem.index == ASM_NO_REG ? 0 : index >> 3,
               (unsigned)mem.base >> 3);
    asm_u8(a, 0x80 | (reg & 7) << 3 | (sib ? 4u : mem.base & 7u));
    if (sib) {
        asm_u8(a, (unsigned)mem.scale_log2 << 6 | (index & 7) << 3 | (mem.base & 7u));
    }
    asm_u32(a, (u32)mem.disp);
}

void asm_vrip(struct asm_buf *a, struct asm_vop op, struct asm_vhow how, unsigned reg,
              unsigned vvvv, const u8 *target, unsigned imm_bytes)
{
    put_prefix(a, op, how, reg, vvvv, 0, 0);
    asm_u8(a, (reg & 7) << 3 | 5);
    asm_u32(a, (u32)(target - (asm_exec(a) + 4 + imm_bytes)));
}

/* --- mask registers --- */

static struct asm_vop mask_move(unsigned bits, unsigned op)
{
    return (struct asm_vop){1, bits == 8 || bits == 32 ? 1 : 0, bits >= 32, (u8)op};
}

void asm_mask_load(struct asm_buf *a, unsigned bits, unsigned mask, struct asm_mem mem)
{
    asm_vrm(a, mask_move(bits, 0x90), (struct asm_vhow){0}, mask, 0, mem);
}

void asm_mask_store(struct asm_buf *a, unsigned bits, struct asm_mem mem, unsigned mask)
{
    asm_vrm(a, mask_move(bits, 0x91), (struct asm_vhow){0}, mask, 0, mem);
}

void asm_mask_from(struct asm_buf *a, unsigned bits, unsigned mask, unsigned general)
{
    struct asm_vop op = {1, bits == 8 ? 1 : bits == 16 ? 0 : 3, bits == 64, 0x92};
    asm_vrr(a, op, (struct asm_vhow){0}, mask, 0, general);
}

void asm_mask_op(struct asm_buf *a, unsigned op, unsigned dst, unsigned x, unsigned y)
{
    asm_vrr(a, (struct asm_vop){1, 0, 1, (u8)op}, (struct asm_vhow){.length = 1}, dst, x, y);
}

void asm_mask_test(struct asm_buf *a, unsigned mask)
{
    asm_vrr(a, (struct asm_vop){1, 0, 1, 0x98}, (struct asm_vhow){0}, mask, 0, mask);
}
