/* Programs of many small tests over random register contents, which run as well under qemu-riscv64
 * (user mode) as on a bare machine.
 *
 * Test t owns block t of the data: 32 x registers, 32 f registers, fcsr, then scratch memory. Its
 * code loads every register from the block, does what the test does, and stores every register
 * back. x31 holds the block's address and is no operand of the tests. At its end the program writes
 * its data to standard output; on a bare machine the first ecall is the end. */
#ifndef METIC_TESTS_SUPPORT_RISCV_PROGRAM_H
#define METIC_TESTS_SUPPORT_RISCV_PROGRAM_H

#include "cpu/riscv64/decode.h"

enum {
    RISCV_TESTS = 1000, /* in a program */
    RISCV_CODE_BASE = 0x10000000, /* here stands a loop for traps; the entry follows it */
    RISCV_DATA_BASE = 0x20000000,
    RISCV_CODE_BYTES = 2 << 20,
    RISCV_BLOCK_BYTES = 8192,
    RISCV_SCRATCH_OFFSET = 4096, /* in a block, as are the next two */
    RISCV_F_OFFSET = 256,
    RISCV_FCSR_OFFSET = 512,
    RISCV_DATA_BYTES = RISCV_BLOCK_BYTES * RISCV_TESTS,
    RISCV_HOLDER = 31,
};

/* What random_insn chooses from: register instructions of the integer unit, of the floating-point
 * unit, loads, stores and AMOs, branches. */
enum riscv_class { RISCV_CLASS_INT, RISCV_CLASS_FP, RISCV_CLASS_MEMORY, RISCV_CLASS_BRANCH };

struct riscv_program {
    u8 code[RISCV_CODE_BYTES];
    u32 code_bytes;
    u8 data[RISCV_DATA_BYTES];
    u64 seed; /* never 0 */
    u32 qemu_entry; /* offset in code of where it begins under qemu; 0: 4, as on a bare machine */
    unsigned vlenb; /* bytes of a vector register, of the harts it runs on; 0: no vector unit */
};

u64 riscv_random_u64(struct riscv_program *p);
unsigned riscv_random_below(struct riscv_program *p, unsigned limit);
/* Values that are likely to matter, as register images. */
u64 riscv_random_int(struct riscv_program *p);
u64 riscv_random_float(struct riscv_program *p);

void riscv_emit(struct riscv_program *p, u32 word, unsigned length_bytes);
/* I-format instruction; `base` has opcode and funct3. */
u32 riscv_itype(u32 base, u32 rd, u32 rs1, u32 imm);
/* The loop for traps and what sets x31; then load, test, store for each test; then finish. */
void riscv_emit_start(struct riscv_program *p);
void riscv_emit_load_state(struct riscv_program *p);
void riscv_emit_store_state(struct riscv_program *p);
void riscv_emit_finish(struct riscv_program *p);

/* sp, s0 and s1: the address registers of instructions of the memory class. */
bool riscv_is_pointer(unsigned number);
/* A random instruction of any row of the class, or of one row, that is legal and does not name
 * x31. With keep_pointers it writes none of the address registers. random_word gives up on a row
 * whose words are hard to hit by chance: false. */
struct riscv_insn riscv_random_insn(struct riscv_program *p, enum riscv_class class,
                                    bool keep_pointers);
bool riscv_random_word(struct riscv_program *p, unsigned row, bool keep_pointers,
                       struct riscv_insn *insn);
bool riscv_row_in_class(const struct insn_row *row, enum riscv_class class);

bool riscv_have_qemu(void);
/* Writes the program as an executable. */
void riscv_write_elf(const struct riscv_program *p, const char *path);
enum riscv_qemu_end {
    RISCV_QEMU_FINISHED,
    RISCV_QEMU_ABORTED, /* one of its own assertions did not hold */
    RISCV_QEMU_FAILED,
};

/* Runs it and takes its data, which is all there when it came to its end. */
enum riscv_qemu_end riscv_run_qemu(const struct riscv_program *p, const char *elf, u8 *data);

#endif
