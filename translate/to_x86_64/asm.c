/* x86-64 instruction encoder; see asm.h. */
#include "translate/to_x86_64/asm.h"

/* These write at p, not at a->p, which the compiler would have to load and store for each byte. */

/* Prefixes and opcode; ModRM is still to come. */
static inline u8 *put_opcode(u8 *p, u32 op, unsigned width, unsigned reg, unsigned index,
                             unsigned base, bool byte_register)
{
    unsigned rex = (width == ASM_64 ? 8u : 0u) | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 |
                   (base >> 3 & 1);
    if (UNLIKELY(width == ASM_16)) {
        *p++ = 0x66;
    }
    if (op >> 24 != 0) {
        *p++ = (u8)(op >> 24);
    }
    *p = (u8)(0x40 | rex);
    p += (rex != 0) | byte_register;
    if (op & 0xffff00) {
        if (op & 0xff0000) {
            *p++ = (u8)(op >> 16);
        }
        *p++ = (u8)(op >> 8);
    }
    *p++ = (u8)op;
    return p;
}

void asm_rr(struct asm_buf *a, u32 op, unsigned width, unsigned reg, unsigned rm)
{
    bool byte_register = width == ASM_8 && (reg >= 4 || rm >= 4);
    u8 *p = put_opcode(a->p, op, width, reg, 0, rm, byte_register);
    *p++ = (u8)(0xc0 | (reg & 7) << 3 | (rm & 7));
    a->p = p;
}

/* ModRM, SIB and displacement of a memory operand. */
static inline u8 *put_mem(u8 *p, unsigned reg, struct asm_mem m)
{
    unsigned base = m.base & 7u;
    unsigned code = (reg & 7) << 3;
    if (m.index != ASM_NO_REG) {
        code |= 4u | ((unsigned)m.scale_log2 << 6 | (m.index & 7u) << 3 | base) << 8;
    } else {
        code |= base == RSP ? 4u | 0x24u << 8 : base;
    }
    bool sib = (code & 7) == 4;
    bool none = m.disp == 0 && base != RBP;
    bool near = asm_fits_s8(m.disp);
    code |= none ? 0u : near ? 0x40u : 0x80u;
    memcpy(p, &code, 2);
    p += 1 + sib;
    memcpy(p, &m.disp, 4); /* what is too much of it gets overwritten */
    return p + (none ? 0 : near ? 1 : 4);
}

void asm_rm(struct asm_buf *a, u32 op, unsigned width, unsigned reg, struct asm_mem mem)
{
    u8 *p = a->p;
    unsigned rex = (width == ASM_64 ? 8u : 0u) | (reg >> 3) << 2 | (unsigned)mem.base >> 3;
    rex |= mem.index != ASM_NO_REG ? (unsigned)mem.index >> 3 << 1 : 0u;
    if (LIKELY(op <= 0xffff && width != ASM_16)) {
        bool prefix = rex != 0 || (width == ASM_8 && reg >= 4);
        *p = (u8)(0x40 | rex);
        p += prefix;
        if (op > 0xff) {
            *p++ = (u8)(op >> 8);
        }
        *p++ = (u8)op;
    } else {
        unsigned index = mem.index == ASM_NO_REG ? 0 : mem.index;
        p = put_opcode(p, op, width, reg, index, mem.base, width == ASM_8 && reg >= 4);
    }
    a->p = put_mem(p, reg, mem);
}

void asm_rip(struct asm_buf *a, u32 op, unsigned width, unsigned reg, const u8 *target)
{
    a->p = put_opcode(a->p, op, width, reg, 0, 0, false);
    asm_u8(a, (reg & 7) << 3 | 5);
    asm_u32(a, (u32)(target - (asm_exec(a) + 4)));
}

void asm_vex_rm(struct asm_buf *a, unsigned map, unsigned pp, unsigned wide, unsigned op,
                unsigned reg, unsigned vvvv, struct asm_mem mem)
{
    unsigned index = mem.index == ASM_NO_REG ? 0u : mem.index;
    asm_u8(a, 0xc4);
    asm_u8(a, (~reg >> 3 & 1) << 7 | (~index >> 3 & 1) << 6 | (~(unsigned)mem.base >> 3 & 1) << 5 |
                  map);
    asm_u8(a, wide << 7 | (~vvvv & 15) << 3 | pp);
    asm_u8(a, op);
    a->p = put_mem(a->p, reg, mem);
}

void asm_mov_imm(struct asm_buf *a, unsigned reg, u64 value)
{
    if (value <= UINT32_MAX) {
        u64 code = (0xb8 | (reg & 7)) | value << 8;
        code = reg >= 8 ? code << 8 | 0x41 : code;
        memcpy(a->p, &code, 8);
        a->p += 5 + (reg >= 8);
    } else if (asm_fits_s32((s64)value)) {
        asm_rr(a, 0xc7, ASM_64, 0, reg);
        asm_u32(a, (u32)value);
    } else {
        asm_u8(a, 0x48 | reg >> 3);
        asm_u8(a, 0xb8 | (reg & 7));
        asm_u64(a, value);
    }
}

void asm_alu_mem_imm(struct asm_buf *a, enum asm_alu alu, unsigned width, struct asm_mem mem,
                     s32 imm)
{
    if (asm_fits_s8(imm)) {
        asm_rm(a, 0x83, width, (unsigned)alu, mem);
        asm_u8(a, (u8)imm);
    } else {
        asm_rm(a, 0x81, width, (unsigned)alu, mem);
        asm_u32(a, (u32)imm);
    }
}

void asm_mov_mem_imm(struct asm_buf *a, unsigned width, struct asm_mem mem, s32 imm)
{
    asm_rm(a, width == ASM_8 ? 0xc6 : 0xc7, width == ASM_8 ? ASM_32 : width, 0, mem);
    if (width == ASM_8) {
        asm_u8(a, (u8)imm);
    } else if (width == ASM_16) {
        asm_u8(a, (u8)imm);
        asm_u8(a, (u8)(imm >> 8));
    } else {
        asm_u32(a, (u32)imm);
    }
}

void asm_jcc(struct asm_buf *a, enum asm_cc cc, const u8 *target)
{
    s64 distance = target - (asm_exec(a) + 2);
    if (asm_fits_s8(distance)) {
        asm_u8(a, 0x70u | (unsigned)cc);
        asm_u8(a, (u8)distance);
        return;
    }
    asm_put_jump(a, 0x0f | (0x80u | (unsigned)cc) << 8, 2, target);
}

void asm_call_far(struct asm_buf *a, const void *target)
{
    asm_mov_imm(a, RAX, (u64)(uintptr_t)target);
    asm_rr(a, 0xff, ASM_32, 2, RAX);
}

u32 asm_jcc_short(struct asm_buf *a, enum asm_cc cc)
{
    asm_u8(a, 0x70u | (unsigned)cc);
    asm_u8(a, 0);
    return asm_offset(a) - 1;
}

u32 asm_jmp_short(struct asm_buf *a)
{
    asm_u8(a, 0xeb);
    asm_u8(a, 0);
    return asm_offset(a) - 1;
}

void asm_bind_short(struct asm_buf *a, u32 field_offset)
{
    a->start[field_offset] = (u8)(asm_offset(a) - (field_offset + 1));
}

void asm_align(struct asm_buf *a, unsigned alignment_bytes, unsigned ahead_bytes)
{
    static const u8 nops[4][4] = {{0}, {0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0x00}};
    uintptr_t at = (uintptr_t)asm_exec(a) + ahead_bytes;
    unsigned pad = (unsigned)(0u - at) & (alignment_bytes - 1);
    while (pad > 3) {
        memcpy(a->p, "\x0f\x1f\x40\x00", 4);
        a->p += 4;
        pad -= 4;
    }
    memcpy(a->p, nops[pad], pad);
    a->p += pad;
}
