/* Prints vectors.def: three random vectors of every row that qemu-riscv64 can run by itself, with
 * the outcome as qemu has it. Link with libmetic-test.a and the libraries below it:
 *
 *   make_vectors [SEED] >tests/translate/from_riscv64/vectors.def */
#include "tests/support/riscv_vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PER_ROW = 3 };

/* auipc depends on where it stands: test_control.c has it. */
static bool wanted(const struct insn_row *row)
{
    return strcmp(row->name, "auipc") != 0 &&
           (riscv_row_in_class(row, RISCV_CLASS_INT) ||
            riscv_row_in_class(row, RISCV_CLASS_FP) ||
            riscv_row_in_class(row, RISCV_CLASS_MEMORY));
}

static void make_vector(struct riscv_program *p, unsigned row, struct riscv_vector *vector)
{
    struct riscv_insn insn;
    bool made = false;
    bool is_fp = (riscv64_insn_set()->rows[row].flags & RV_FP) != 0;
    for (unsigned i = 0; i < 100 && !made; i++) {
        made = riscv_random_word(p, row, false, &insn);
    }
    if (!made) {
        fprintf(stderr, "no word found for row %u\n", row);
        exit(1);
    }
    *vector = (struct riscv_vector){.row = (u16)row, .word = insn.word};
    vector->rs1 = is_fp ? riscv_random_float(p) : riscv_random_int(p);
    vector->rs2 = is_fp ? riscv_random_float(p) : riscv_random_int(p);
    vector->rs3 = is_fp ? riscv_random_float(p) : riscv_random_int(p);
    vector->fcsr = is_fp ? riscv_random_below(p, 5) << 5 : 0;
    if ((insn.flags & RV_MEMORY) != 0) {
        vector->memory = riscv_random_int(p);
    }
}

static void print_vector(const struct riscv_vector *v)
{
    printf("VECTOR(%s, 0x%x, 0x%llx, 0x%llx, 0x%llx, 0x%llx, 0x%llx,\n"
           "       0x%llx, 0x%llx, 0x%llx)\n",
           riscv64_insn_set()->rows[v->row].name, v->word, (unsigned long long)v->rs1,
           (unsigned long long)v->rs2, (unsigned long long)v->rs3, (unsigned long long)v->fcsr,
           (unsigned long long)v->memory, (unsigned long long)v->rd,
           (unsigned long long)v->fcsr_after, (unsigned long long)v->memory_after);
}

int main(int argc, char **argv)
{
    static struct riscv_program program;
    static struct riscv_vector vectors[RISCV_TESTS];
    static u8 data[RISCV_DATA_BYTES];
    const struct insn_set *set = riscv64_insn_set();
    const char *elf = "make_vectors.elf";
    unsigned count = 0;
    program.seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    for (unsigned row = 0; row < set->row_count; row++) {
        for (unsigned i = 0; i < PER_ROW && wanted(&set->rows[row]); i++) {
            make_vector(&program, row, &vectors[count++]);
        }
    }
    riscv_vectors_program(vectors, count, &program);
    riscv_write_elf(&program, elf);
    bool ran = riscv_run_qemu(&program, elf, data) == RISCV_QEMU_FINISHED;
    unlink(elf);
    if (!ran) {
        fprintf(stderr, "qemu-riscv64 did not finish\n");
        return 1;
    }
    riscv_vectors_read(vectors, count, data);
    printf("/* What instructions do, by qemu-riscv64; see tests/support/riscv_vectors.h.\n"
           " * Printed by make_vectors.c; a vector for a bug is added by hand. */\n");
    for (unsigned i = 0; i < count; i++) {
        print_vector(&vectors[i]);
    }
    return 0;
}
