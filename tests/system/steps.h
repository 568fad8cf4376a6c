/* Differential tests of the whole hart against qemu-system-riscv64: programs of random steps.
 *
 * A step is a machine state (the CSRs and registers of layout.h) and up to STEP_CODE_WORDS
 * instructions, entered by mret. It ends with its first trap, at the latest with the ecall that
 * fills the rest; driver.S logs that trap and goes on. A program is the whole RAM: driver, steps,
 * data, page tables. Both sides run it, and RAM afterwards must be equal, byte for byte: log, data,
 * the A and D bits of the page tables. Everything in a step is chosen so that the manual leaves no
 * choice, or so that metic and QEMU choose alike; what is left out is said where it is left out.
 *
 * Addresses are physical. The random numbers are the program's own, so a seed repeats it. */
#ifndef METIC_TESTS_SYSTEM_STEPS_H
#define METIC_TESTS_SYSTEM_STEPS_H

#include "cpu/base/bits.h"
#include "cpu/base/types.h"
#include "tests/system/layout.h"

enum { STEPS_MAX = 32000, PROGRAM_PMP_SETS = 64 };

enum { PRIV_U = 0, PRIV_S = 1, PRIV_M = 3 };

struct program {
    u8 *ram; /* RAM_BASE .. USED_END */
    u64 random;
    unsigned count;      /* steps so far */
    unsigned code_words; /* of the step being made */
    bool pmp_changed;    /* by the last step, beyond its set */
    unsigned pmp_sets;
    bool pmp_fine;       /* the set in force has regions of four bytes */
    bool lazy;           /* vm: fence only what was changed */
    u64 vm_menvcfg;      /* vm, when lazy: the same for all steps */
};

/* --- random numbers --- */

u64 rnd(struct program *p);
u64 rnd_below(struct program *p, u64 below);
static inline bool rnd_one_in(struct program *p, u64 n)
{
    return rnd_below(p, n) == 0;
}
/* 0, ~0, one bit, few bits, small, anything. */
u64 rnd_value(struct program *p);
u64 rnd_priv(struct program *p);
#define RND_OF(p, array) ((array)[rnd_below((p), ARRAY_LEN(array))])

/* --- memory --- */

static inline u8 *ram_at(struct program *p, u64 address)
{
    return p->ram + (address - RAM_BASE);
}
static inline void ram_set(struct program *p, u64 address, u64 value)
{
    st_le64(ram_at(p, address), value);
}

/* --- steps --- */

/* Begins the next step with defaults: no translation, no delegation, FS on, registers random,
 * everything fenced, mode `priv`. step_end fills the rest with ecalls. */
u64 step_begin(struct program *p, u64 priv);
void step_set(struct program *p, unsigned offset, u64 value);
u64 step_get(struct program *p, unsigned offset);
void step_set_x(struct program *p, unsigned reg, u64 value);
void step_insn(struct program *p, u32 word);
/* Address of the next instruction of the step, as `priv` sees it. */
u64 step_next_pc(struct program *p, u64 priv);
void step_end(struct program *p);
static inline bool step_has_room(const struct program *p, unsigned words)
{
    return p->code_words + words < STEP_CODE_WORDS; /* one stays for the ecall */
}

/* --- encodings --- */

enum { CSRRW = 1, CSRRS = 2, CSRRC = 3, CSRRWI = 5, CSRRSI = 6, CSRRCI = 7 };
enum { INSN_ECALL = 0x00000073, INSN_EBREAK = 0x00100073, INSN_SRET = 0x10200073,
       INSN_MRET = 0x30200073, INSN_WFI = 0x10500073, INSN_NOP = 0x00000013 };

static inline u32 enc_i(u32 opcode, u32 funct3, u32 rd, u32 rs1, u32 imm)
{
    return opcode | rd << 7 | funct3 << 12 | rs1 << 15 | imm << 20;
}
static inline u32 enc_r(u32 opcode, u32 funct3, u32 funct7, u32 rd, u32 rs1, u32 rs2)
{
    return opcode | rd << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | funct7 << 25;
}
static inline u32 enc_s(u32 opcode, u32 funct3, u32 rs1, u32 rs2, u32 imm)
{
    return opcode | (imm & 31) << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | imm >> 5 << 25;
}
static inline u32 enc_csr(u32 op, u32 rd, u32 csr, u32 rs1)
{
    return enc_i(0x73, op, rd, rs1, csr);
}

/* --- classes: each makes one step --- */

void make_csr(struct program *p);
void make_priv(struct program *p);
void make_irq(struct program *p);
void make_vm(struct program *p);
void make_vm_tables(struct program *p);
void make_pmp(struct program *p);
void make_pmp_sets(struct program *p);
void make_atomic(struct program *p);
void make_float(struct program *p);
void make_words(struct program *p);
void make_words_pmp(struct program *p);

#endif
