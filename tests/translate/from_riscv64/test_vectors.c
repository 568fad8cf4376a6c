/* The vectors of vectors.def on interpreter and translator, and the gate: a row without a vector
 * fails, except those that other tests own (listed below). */
#include "tests/support/riscv_run.h"
#include "tests/support/riscv_vectors.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct riscv_vector vectors[] = {
#define VECTOR(row, word, rs1, rs2, rs3, fcsr, memory, rd, fcsr_after, memory_after)               \
    {RISCV_INSN_##row, word, rs1, rs2, rs3, fcsr, memory, rd, fcsr_after, memory_after},
#include "tests/translate/from_riscv64/vectors.def"
#undef VECTOR
};

/* Control flow, auipc and fences: test_control.c; lr and sc: test_random_insns.c; CSRs:
 * test_lower.c; vector instructions: test_random_vector.c; cache blocks: the tests of their
 * helpers. */
static bool owned_elsewhere(const struct insn_row *row)
{
    return (row->flags & (INSN_RESERVED | RV_SYSTEM | RV_JUMP | RV_BRANCH | RV_V)) != 0 ||
           strcmp(row->name, "auipc") == 0 || strncmp(row->name, "lr_", 3) == 0 ||
           strncmp(row->name, "sc_", 3) == 0 || strncmp(row->name, "cbo_", 4) == 0 ||
           strcmp(row->name, "c_unimp") == 0;
}

Test(vectors, every_row_has_one)
{
    const struct insn_set *set = riscv64_insn_set();
    for (unsigned row = 0; row < set->row_count; row++) {
        bool found = owned_elsewhere(&set->rows[row]);
        for (unsigned i = 0; i < ARRAY_LEN(vectors) && !found; i++) {
            found = vectors[i].row == row;
        }
        cr_assert(found, "%s has no vector", set->rows[row].name);
    }
}

static void check(const struct riscv_vector *want, const struct riscv_vector *got)
{
    cr_expect(want->rd == got->rd && want->fcsr_after == got->fcsr_after &&
                  want->memory_after == got->memory_after,
              "%s %#x (%#llx, %#llx, %#llx): rd %#llx not %#llx, fcsr %#llx not %#llx, "
              "memory %#llx not %#llx",
              riscv64_insn_set()->rows[want->row].name, want->word, (unsigned long long)want->rs1,
              (unsigned long long)want->rs2, (unsigned long long)want->rs3,
              (unsigned long long)got->rd, (unsigned long long)want->rd,
              (unsigned long long)got->fcsr_after, (unsigned long long)want->fcsr_after,
              (unsigned long long)got->memory_after, (unsigned long long)want->memory_after);
}

static void run(enum engine_kind kind)
{
    struct riscv_program *p = calloc(1, sizeof(*p));
    u8 *data = malloc(RISCV_DATA_BYTES);
    struct riscv_vector *got = malloc(sizeof(vectors));
    cr_assert(p != NULL && data != NULL && got != NULL);
    memcpy(got, vectors, sizeof(vectors));
    riscv_vectors_program(vectors, ARRAY_LEN(vectors), p);
    cr_assert(riscv_run_metic(p, kind, 0, data), "the program trapped");
    riscv_vectors_read(got, ARRAY_LEN(vectors), data);
    for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
        check(&vectors[i], &got[i]);
    }
    free(got);
    free(data);
    free(p);
}

Test(vectors, interpreter)
{
    run(ENGINE_INTERP);
}

Test(vectors, translator)
{
    run(ENGINE_JIT);
}
