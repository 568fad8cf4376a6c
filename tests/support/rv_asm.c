/* See rv_asm.h. */
#include "tests/support/rv_asm.h"

#include "cpu/base/bits.h"
#include "cpu/base/error.h"
#include <stdlib.h>
#include <string.h>

enum fixup_kind { FIXUP_BRANCH, FIXUP_JAL, FIXUP_PCREL };

struct rv_program *rv_new(void)
{
    struct rv_program *p = calloc(1, sizeof(*p));
    CHECK(p != NULL);
    p->next_table = RV_IMAGE_BYTES;
    return p;
}

void rv_free(struct rv_program *p)
{
    free(p);
}

static void advance(struct rv_program *p, u32 bytes)
{
    p->at += bytes;
    p->end = p->at > p->end ? p->at : p->end;
    CHECK(p->end <= p->next_table);
}

void rv_org(struct rv_program *p, u32 offset)
{
    CHECK(offset < RV_IMAGE_BYTES);
    p->at = offset;
}

void rv_align(struct rv_program *p, u32 bytes)
{
    p->at = (p->at + bytes - 1) & ~(bytes - 1);
}

void rv_word(struct rv_program *p, u32 word)
{
    st_le32(p->image + p->at, word);
    advance(p, 4);
}

void rv_half(struct rv_program *p, u16 half)
{
    st_le16(p->image + p->at, half);
    advance(p, 2);
}

void rv_dword(struct rv_program *p, u64 value)
{
    st_le64(p->image + p->at, value);
    advance(p, 8);
}

void rv_label(struct rv_program *p, unsigned label)
{
    CHECK(label < RV_MAX_LABELS && p->labels[label] == 0);
    p->labels[label] = p->at + 1;
}

u64 rv_address(const struct rv_program *p, unsigned label)
{
    CHECK(p->labels[label] != 0);
    return RV_BASE + p->labels[label] - 1;
}

static void fixup(struct rv_program *p, unsigned label, enum fixup_kind kind)
{
    CHECK(p->fixup_count < RV_MAX_FIXUPS);
    p->fixups[p->fixup_count++] =
        (struct rv_fixup){ .offset = p->at, .label = (u16)label, .kind = (u8)kind };
}

/* --- fields --- */

static u32 branch_bits(s32 distance)
{
    u32 d = (u32)distance;
    return (d >> 12 & 1) << 31 | (d >> 5 & 0x3f) << 25 | (d >> 1 & 0xf) << 8 | (d >> 11 & 1) << 7;
}

static u32 jal_bits(s32 distance)
{
    u32 d = (u32)distance;
    return (d >> 20 & 1) << 31 | (d >> 1 & 0x3ff) << 21 | (d >> 11 & 1) << 20 |
           (d >> 12 & 0xff) << 12;
}

static void resolve(struct rv_program *p, const struct rv_fixup *f)
{
    CHECK(p->labels[f->label] != 0);
    s32 distance = (s32)(p->labels[f->label] - 1) - (s32)f->offset;
    u8 *at = p->image + f->offset;
    switch ((enum fixup_kind)f->kind) {
    case FIXUP_BRANCH:
        CHECK(distance >= -4096 && distance < 4096);
        st_le32(at, ld_le32(at) | branch_bits(distance));
        break;
    case FIXUP_JAL:
        CHECK(distance >= -(1 << 20) && distance < (1 << 20));
        st_le32(at, ld_le32(at) | jal_bits(distance));
        break;
    case FIXUP_PCREL: {
        u32 high = (u32)(distance + 0x800) & 0xfffff000u;
        st_le32(at, ld_le32(at) | high);
        st_le32(at + 4, ld_le32(at + 4) | ((u32)distance - high) << 20);
        break;
    }
    }
}

void rv_finish(struct rv_program *p)
{
    for (unsigned i = 0; i < p->fixup_count; i++) {
        resolve(p, &p->fixups[i]);
    }
    p->fixup_count = 0;
}

static void emit_r(struct rv_program *p, u32 opcode, u32 funct3, u32 funct7, u32 rd, u32 rs1,
                   u32 rs2)
{
    rv_word(p, opcode | rd << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | funct7 << 25);
}

static void emit_i(struct rv_program *p, u32 opcode, u32 funct3, u32 rd, u32 rs1, s32 imm)
{
    CHECK(imm >= -2048 && imm < 2048);
    rv_word(p, opcode | rd << 7 | funct3 << 12 | rs1 << 15 | (u32)imm << 20);
}

static void emit_s(struct rv_program *p, u32 opcode, u32 funct3, u32 rs2, u32 rs1, s32 imm)
{
    CHECK(imm >= -2048 && imm < 2048);
    u32 bits = (u32)imm;
    rv_word(p, opcode | (bits & 31) << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 |
                   (bits >> 5 & 127) << 25);
}

#define R_BODY(name, opcode, funct3, funct7) \
    void rv_##name(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1, enum rv_reg rs2) \
    { \
        emit_r(p, opcode, funct3, funct7, rd, rs1, rs2); \
    }
#define I_BODY(name, opcode, funct3) \
    void rv_##name(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1, s32 imm) \
    { \
        emit_i(p, opcode, funct3, rd, rs1, imm); \
    }
#define S_BODY(name, opcode, funct3) \
    void rv_##name(struct rv_program *p, enum rv_reg rs2, enum rv_reg rs1, s32 imm) \
    { \
        emit_s(p, opcode, funct3, rs2, rs1, imm); \
    }
#define B_BODY(name, funct3) \
    void rv_##name(struct rv_program *p, enum rv_reg rs1, enum rv_reg rs2, unsigned label) \
    { \
        fixup(p, label, FIXUP_BRANCH); \
        emit_r(p, 0x63, funct3, 0, 0, rs1, rs2); \
    }
RV_R_ROWS(R_BODY)
RV_I_ROWS(I_BODY)
RV_S_ROWS(S_BODY)
RV_B_ROWS(B_BODY)

void rv_lr_w(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1)
{
    emit_r(p, 0x2f, 2, 0x08, rd, rs1, 0);
}

void rv_lr_d(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1)
{
    emit_r(p, 0x2f, 3, 0x08, rd, rs1, 0);
}

void rv_lui(struct rv_program *p, enum rv_reg rd, u32 imm20)
{
    rv_word(p, 0x37 | (u32)rd << 7 | imm20 << 12);
}

void rv_jal(struct rv_program *p, enum rv_reg rd, unsigned label)
{
    fixup(p, label, FIXUP_JAL);
    rv_word(p, 0x6f | (u32)rd << 7);
}

/* --- pseudo-instructions --- */

/* A constant of 32 bits or fewer by lui and addiw, more by shifting in 12 bits at a time. */
void rv_li(struct rv_program *p, enum rv_reg rd, u64 value)
{
    s64 low = (s64)(value << 52) >> 52;
    if ((s64)value == low) {
        rv_addi(p, rd, X0, (s32)low);
        return;
    }
    if ((s64)value == (s64)(s32)value) {
        rv_lui(p, rd, (u32)((value - (u64)low) >> 12) & 0xfffff);
        if (low != 0) {
            rv_addiw(p, rd, rd, (s32)low);
        }
        return;
    }
    rv_li(p, rd, (u64)((s64)(value - (u64)low) >> 12));
    rv_slli(p, rd, rd, 12);
    if (low != 0) {
        rv_addi(p, rd, rd, (s32)low);
    }
}

void rv_la(struct rv_program *p, enum rv_reg rd, unsigned label)
{
    fixup(p, label, FIXUP_PCREL);
    rv_word(p, 0x17 | (u32)rd << 7);
    rv_addi(p, rd, rd, 0);
}

void rv_j(struct rv_program *p, unsigned label)
{
    rv_jal(p, X0, label);
}

void rv_call(struct rv_program *p, unsigned label)
{
    rv_jal(p, RA, label);
}

void rv_ret(struct rv_program *p)
{
    rv_jalr(p, X0, RA, 0);
}

void rv_mv(struct rv_program *p, enum rv_reg rd, enum rv_reg rs)
{
    rv_addi(p, rd, rs, 0);
}

void rv_nop(struct rv_program *p)
{
    rv_addi(p, X0, X0, 0);
}

static void csr_insn(struct rv_program *p, u32 funct3, enum rv_reg rd, u32 csr, enum rv_reg rs)
{
    rv_word(p, 0x73 | (u32)rd << 7 | funct3 << 12 | (u32)rs << 15 | csr << 20);
}

void rv_csrw(struct rv_program *p, u32 csr, enum rv_reg rs)
{
    csr_insn(p, 1, X0, csr, rs);
}

void rv_csrrw(struct rv_program *p, enum rv_reg rd, u32 csr, enum rv_reg rs)
{
    csr_insn(p, 1, rd, csr, rs);
}

void rv_csrr(struct rv_program *p, enum rv_reg rd, u32 csr)
{
    csr_insn(p, 2, rd, csr, X0);
}

void rv_csrs(struct rv_program *p, u32 csr, enum rv_reg rs)
{
    csr_insn(p, 2, X0, csr, rs);
}

void rv_csrc(struct rv_program *p, u32 csr, enum rv_reg rs)
{
    csr_insn(p, 3, X0, csr, rs);
}

void rv_exit(struct rv_program *p)
{
    rv_li(p, T6, 0x100000);
    rv_li(p, T5, 0x5555);
    rv_sw(p, T5, T6, 0);
    rv_word(p, 0x0000006f); /* j . */
}

void rv_mret_to(struct rv_program *p, unsigned mode, unsigned label)
{
    rv_li(p, T6, 3u << 11);
    rv_csrc(p, CSR_MSTATUS, T6);
    if (mode != 0) {
        rv_li(p, T6, (u64)mode << 11);
        rv_csrs(p, CSR_MSTATUS, T6);
    }
    rv_la(p, T6, label);
    rv_csrw(p, CSR_MEPC, T6);
    rv_word(p, RV_MRET);
}

/* --- page tables --- */

u32 rv_table_new(struct rv_program *p)
{
    p->next_table -= (u32)PAGE_BYTES;
    CHECK(p->end <= p->next_table);
    memset(p->image + p->next_table, 0, PAGE_BYTES);
    return p->next_table;
}

static u32 entry_offset(u32 table, u64 gva, unsigned level)
{
    return table + 8 * (u32)(gva >> (12 + 9 * level) & 511);
}

static u32 child(const struct rv_program *p, u32 entry)
{
    u64 pte = ld_le64(p->image + entry);
    CHECK(pte & PTE_V);
    return (u32)((pte >> 10 << 12) - RV_BASE);
}

void rv_map(struct rv_program *p, u32 root, u64 gva, u64 gpa, u32 pte_flags)
{
    u32 table = root;
    for (unsigned level = 2; level > 0; level--) {
        u32 entry = entry_offset(table, gva, level);
        if (!(p->image[entry] & PTE_V)) {
            u64 page = RV_BASE + (u64)rv_table_new(p);
            st_le64(p->image + entry, page >> 12 << 10 | PTE_V);
        }
        table = child(p, entry);
    }
    st_le64(p->image + entry_offset(table, gva, 0), gpa >> 12 << 10 | pte_flags);
}

u64 rv_pte_address(const struct rv_program *p, u32 root, u64 gva)
{
    u32 table = root;
    for (unsigned level = 2; level > 0; level--) {
        table = child(p, entry_offset(table, gva, level));
    }
    return RV_BASE + (u64)entry_offset(table, gva, 0);
}

u64 rv_satp(u32 root, u32 asid)
{
    return (u64)8 << 60 | (u64)asid << 44 | (RV_BASE + (u64)root) >> 12;
}
