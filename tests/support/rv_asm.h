/* A tiny RV64 assembler for tests: each call appends one instruction to a program image that lies
 * at RV_BASE. Labels are small numbers; a label may be used before it is placed. Sv39 tables can be
 * put into the image too. So the guest programs of the engine's tests need no compiler.
 *
 * Contracts: everything is checked (criterion assertions are not used: a mistake here aborts). */
#ifndef METIC_TESTS_SUPPORT_RV_ASM_H
#define METIC_TESTS_SUPPORT_RV_ASM_H

#include "cpu/base/types.h"

#define RV_BASE 0x80000000u
enum { RV_IMAGE_BYTES = 1 << 20, RV_MAX_LABELS = 64, RV_MAX_FIXUPS = 8192 };

enum rv_reg {
    X0, RA, SP, GP, TP, T0, T1, T2, S0, S1, A0, A1, A2, A3, A4, A5, A6, A7,
    S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, T3, T4, T5, T6
};

enum rv_csr {
    CSR_FCSR = 0x003, CSR_STIMECMP = 0x14d, CSR_SATP = 0x180, CSR_MSTATUS = 0x300,
    CSR_MEDELEG = 0x302, CSR_MIE = 0x304, CSR_MTVEC = 0x305, CSR_MENVCFG = 0x30a,
    CSR_MSCRATCH = 0x340, CSR_MEPC = 0x341, CSR_MCAUSE = 0x342, CSR_MTVAL = 0x343, CSR_MIP = 0x344,
    CSR_MINSTRET = 0xb02,
    CSR_PMPCFG0 = 0x3a0, CSR_PMPADDR0 = 0x3b0, CSR_TIME = 0xc01, CSR_MHARTID = 0xf14,
};

/* PTE bits and the usual sets of them. */
enum rv_pte {
    PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_G = 32, PTE_A = 64, PTE_D = 128,
    PTE_RX = PTE_V | PTE_R | PTE_X | PTE_A,
    PTE_RW = PTE_V | PTE_R | PTE_W | PTE_A | PTE_D,
    PTE_RWX = PTE_RX | PTE_RW,
};

struct rv_fixup {
    u32 offset; /* of the instruction in the image */
    u16 label;
    u8 kind;
};

struct rv_program {
    u8 image[RV_IMAGE_BYTES];
    u32 at;    /* where the next instruction goes */
    u32 end;   /* highest byte used */
    u32 labels[RV_MAX_LABELS]; /* offset + 1; 0: not placed */
    struct rv_fixup fixups[RV_MAX_FIXUPS];
    unsigned fixup_count;
    u32 next_table; /* offset of the next free page for page tables; grows downward */
};

struct rv_program *rv_new(void);
void rv_free(struct rv_program *p);
/* Resolves labels; call once, after the last instruction. */
void rv_finish(struct rv_program *p);

void rv_org(struct rv_program *p, u32 offset);
void rv_align(struct rv_program *p, u32 bytes);
void rv_word(struct rv_program *p, u32 word);
void rv_half(struct rv_program *p, u16 half); /* a compressed instruction */
void rv_dword(struct rv_program *p, u64 value);
void rv_label(struct rv_program *p, unsigned label);
/* The address of a placed label. */
u64 rv_address(const struct rv_program *p, unsigned label);

/* Pseudo-instructions. */
void rv_li(struct rv_program *p, enum rv_reg rd, u64 value);
void rv_la(struct rv_program *p, enum rv_reg rd, unsigned label);
void rv_j(struct rv_program *p, unsigned label);
void rv_call(struct rv_program *p, unsigned label); /* jal ra */
void rv_ret(struct rv_program *p);
void rv_mv(struct rv_program *p, enum rv_reg rd, enum rv_reg rs);
void rv_nop(struct rv_program *p);
void rv_csrw(struct rv_program *p, u32 csr, enum rv_reg rs);
void rv_csrrw(struct rv_program *p, enum rv_reg rd, u32 csr, enum rv_reg rs);
void rv_csrr(struct rv_program *p, enum rv_reg rd, u32 csr);
void rv_csrs(struct rv_program *p, u32 csr, enum rv_reg rs);
void rv_csrc(struct rv_program *p, u32 csr, enum rv_reg rs);

/* Ends the machine through the test finisher, then spins. Clobbers t5, t6. */
void rv_exit(struct rv_program *p);
/* From M-mode to `mode` (0, 1, 3) at a label. Clobbers t6. */
void rv_mret_to(struct rv_program *p, unsigned mode, unsigned label);

#define RV_R_ROWS(ROW) \
    ROW(add, 0x33, 0, 0) ROW(sub, 0x33, 0, 0x20) ROW(xor, 0x33, 4, 0) ROW(or, 0x33, 6, 0) \
    ROW(and, 0x33, 7, 0) ROW(sll, 0x33, 1, 0) ROW(srl, 0x33, 5, 0) ROW(sltu, 0x33, 3, 0) \
    ROW(mul, 0x33, 0, 1) ROW(div, 0x33, 4, 1) ROW(rem, 0x33, 6, 1) ROW(addw, 0x3b, 0, 0) \
    ROW(amoadd_w, 0x2f, 2, 0x00) ROW(amoadd_d, 0x2f, 3, 0x00) ROW(amoswap_w, 0x2f, 2, 0x04) \
    ROW(amoswap_d, 0x2f, 3, 0x04) ROW(amoor_w, 0x2f, 2, 0x20) ROW(amomax_w, 0x2f, 2, 0x50) \
    ROW(sc_w, 0x2f, 2, 0x0c) ROW(sc_d, 0x2f, 3, 0x0c) \
    ROW(sfence_vma, 0x73, 0, 0x09)
#define RV_I_ROWS(ROW) \
    ROW(addi, 0x13, 0) ROW(xori, 0x13, 4) ROW(ori, 0x13, 6) ROW(andi, 0x13, 7) ROW(addiw, 0x1b, 0) \
    ROW(slli, 0x13, 1) ROW(srli, 0x13, 5) ROW(sltiu, 0x13, 3) \
    ROW(lb, 0x03, 0) ROW(lh, 0x03, 1) ROW(lw, 0x03, 2) ROW(ld, 0x03, 3) ROW(lbu, 0x03, 4) \
    ROW(lhu, 0x03, 5) ROW(lwu, 0x03, 6) ROW(fld, 0x07, 3) ROW(jalr, 0x67, 0)
#define RV_S_ROWS(ROW) \
    ROW(sb, 0x23, 0) ROW(sh, 0x23, 1) ROW(sw, 0x23, 2) ROW(sd, 0x23, 3) ROW(fsd, 0x27, 3)
#define RV_B_ROWS(ROW) \
    ROW(beq, 0) ROW(bne, 1) ROW(blt, 4) ROW(bge, 5) ROW(bltu, 6) ROW(bgeu, 7)

#define RV_R_PROTO(name, opcode, funct3, funct7) \
    void rv_##name(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1, enum rv_reg rs2);
#define RV_I_PROTO(name, opcode, funct3) \
    void rv_##name(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1, s32 imm);
#define RV_S_PROTO(name, opcode, funct3) \
    void rv_##name(struct rv_program *p, enum rv_reg rs2, enum rv_reg rs1, s32 imm);
#define RV_B_PROTO(name, funct3) \
    void rv_##name(struct rv_program *p, enum rv_reg rs1, enum rv_reg rs2, unsigned label);
RV_R_ROWS(RV_R_PROTO)
RV_I_ROWS(RV_I_PROTO)
RV_S_ROWS(RV_S_PROTO)
RV_B_ROWS(RV_B_PROTO)

void rv_lr_w(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1);
void rv_lr_d(struct rv_program *p, enum rv_reg rd, enum rv_reg rs1);
void rv_lui(struct rv_program *p, enum rv_reg rd, u32 imm20);
void rv_jal(struct rv_program *p, enum rv_reg rd, unsigned label);

enum {
    RV_ECALL = 0x00000073, RV_MRET = 0x30200073, RV_WFI = 0x10500073, RV_FENCE_I = 0x0000100f,
    RV_PAUSE = 0x0100000f, RV_FENCE = 0x0ff0000f, RV_FENCE_RW_W = 0x0310000f,
    RV_FENCE_R_RW = 0x0230000f,
};

/* Maps one 4 KiB page in the Sv39 table `root` (offset in the image of its page, from
 * rv_table_new). */
u32 rv_table_new(struct rv_program *p);
void rv_map(struct rv_program *p, u32 root, u64 gva, u64 gpa, u32 pte_flags);
/* The entry's guest-physical address, for programs that change it. */
u64 rv_pte_address(const struct rv_program *p, u32 root, u64 gva);
/* satp for the table with an ASID. */
u64 rv_satp(u32 root, u32 asid);

#endif
