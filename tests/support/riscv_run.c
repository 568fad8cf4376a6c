/* See riscv_run.h. */
#include "tests/support/riscv_run.h"
#include "cpu/base/error.h"
#include "cpu/memory.h"
#include "cpu/riscv64/pmp.h"
#include "cpu/riscv64/state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MANY_PROGRAMS = 16 }; /* of as many qemu may abort in one */

static u64 no_time(struct vcpu *vcpu)
{
    (void)vcpu;
    return 0;
}

static void no_timer(struct vcpu *vcpu, u64 ticks)
{
    (void)vcpu;
    (void)ticks;
}

/* As under Linux, where an index that may be anything cannot lead a store into code. */
static void protect_code(struct riscv64_state *state)
{
    riscv64_pmpaddr_write(state, 0, RISCV_CODE_BASE >> 2 | (RISCV_CODE_BYTES / 8 - 1));
    riscv64_pmpcfg_write(state, 0, PMP_L | PMP_A_NAPOT | PMP_R | PMP_X);
}

static void set_start(struct riscv64_state *state)
{
    state->mstatus |= (u64)1 << MSTATUS_FS_SHIFT; /* initial: the first load makes it dirty */
    state->mstatus |= state->vlenb != 0 ? (u64)1 << MSTATUS_VS_SHIFT : 0;
    state->mtvec = RISCV_CODE_BASE;
    state->vcpu.pc = RISCV_CODE_BASE + 4;
    state->vcpu.limit_insns = (u64)RISCV_TESTS * (state->vlenb != 0 ? 2000 : 400);
    atomic_store(&state->vcpu.deadline, state->vcpu.limit_insns);
    protect_code(state);
    riscv64_mode_update(state);
}

bool riscv_run_metic(const struct riscv_program *p, enum engine_kind kind, u32 host_features,
                     u8 *result)
{
    static const struct engine_machine_ops machine_ops = {.time_ticks = no_time,
                                                          .timer_arm = no_timer};
    struct engine_options options = {.kind = kind, .verify = true, .guest_features = p->vlenb,
                                     .host_features = host_features};
    struct metic_error error;
    struct memory memory;
    memory_init(&memory, NULL);
    CHECK(memory_add_ram(&memory, "code", RISCV_CODE_BASE, RISCV_CODE_BYTES, &error));
    CHECK(memory_add_ram(&memory, "data", RISCV_DATA_BASE, RISCV_DATA_BYTES, &error));
    CHECK(memory_load(&memory, RISCV_CODE_BASE, p->code, RISCV_CODE_BYTES));
    CHECK(memory_load(&memory, RISCV_DATA_BASE, p->data, RISCV_DATA_BYTES));
    struct engine *engine = engine_new(&memory, &riscv64_guest, 1, &options, &machine_ops, NULL,
                                       NULL, &error);
    CHECK(engine != NULL);
    struct riscv64_state *state = riscv64_of(engine->vcpus[0]);
    set_start(state);
    engine_run(&state->vcpu);
    bool finished = state->mcause == RISCV_CAUSE_ECALL_M;
    if (!finished) {
        fprintf(stderr, "trap %#llx at %#llx\n", (unsigned long long)state->mcause,
                (unsigned long long)state->mepc);
    }
    CHECK(memory_dma_read(&memory, RISCV_DATA_BASE, result, RISCV_DATA_BYTES));
    engine_free(engine);
    memory_fini(&memory);
    return finished;
}

u64 riscv_run_setting(const char *name, u64 otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void make_file(const struct riscv_runs *runs, char *path, size_t path_bytes)
{
    const char *directory = getenv("TMP");
    snprintf(path, path_bytes, "%s/%s.XXXXXX", directory != NULL ? directory : ".", runs->name);
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

unsigned riscv_run_programs(const struct riscv_runs *runs)
{
    if (!riscv_have_qemu()) {
        cr_skip_test("no new enough qemu-riscv64 (configure --install-bench-deps)");
    }
    char elf[256];
    u8 *metic = malloc(RISCV_DATA_BYTES), *qemu = malloc(RISCV_DATA_BYTES);
    cr_assert(metic != NULL && qemu != NULL);
    make_file(runs, elf, sizeof(elf));
    unsigned differing = 0;
    u64 aborted = 0;
    for (u64 done = 0; done < runs->tests && differing == 0; done += RISCV_TESTS) {
        runs->make(runs->opaque);
        riscv_write_elf(runs->program, elf);
        enum riscv_qemu_end end = riscv_run_qemu(runs->program, elf, qemu);
        if (end == RISCV_QEMU_ABORTED) {
            printf("  program %llu is skipped: qemu aborts in it\n",
                   (unsigned long long)(done / RISCV_TESTS));
            aborted++;
            continue;
        }
        cr_assert_eq(end, RISCV_QEMU_FINISHED, "qemu did not finish");
        cr_assert(riscv_run_metic(runs->program, runs->kind, runs->host_features, metic),
                  "metic did not finish");
        differing = runs->compare(runs->opaque, metic, qemu);
    }
    cr_expect(aborted * RISCV_TESTS < runs->tests &&
                  aborted <= 1 + runs->tests / (MANY_PROGRAMS * RISCV_TESTS),
              "qemu aborts too often");
    unlink(elf);
    free(metic);
    free(qemu);
    return differing;
}
