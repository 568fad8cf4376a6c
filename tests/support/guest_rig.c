/* See guest_rig.h. */
#include "tests/support/guest_rig.h"

#include "cpu/base/bits.h"
#include "hw/machine/machine.h"
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A cache this small is emptied every few dozen blocks; less does not hold the host's thunks and
 * one long block. */
enum { TINY_CODE_BYTES = 96 << 10 };
/* A program that went astray ends here; so does a spin of harts that have no core of their own. */
#define LIMIT_INSNS ((uint64_t)20000000000)
#define LIMIT_NS ((uint64_t)60000000000)

const struct guest_mode guest_modes[] = {
    { .name = "interp", .engine = METIC_ENGINE_INTERP },
    { .name = "jit", .engine = METIC_ENGINE_JIT },
    { .name = "jit, virtual clock", .clock = METIC_CLOCK_VIRTUAL },
    { .name = "interp, virtual clock", .engine = METIC_ENGINE_INTERP,
      .clock = METIC_CLOCK_VIRTUAL },
    { .name = "both", .engine = METIC_ENGINE_BOTH, .clock = METIC_CLOCK_VIRTUAL },
    { .name = "jit, blocks of 1", .block_insns = 1 },
    { .name = "interp, blocks of 1", .engine = METIC_ENGINE_INTERP, .block_insns = 1 },
    { .name = "both, blocks of 1", .engine = METIC_ENGINE_BOTH, .clock = METIC_CLOCK_VIRTUAL,
      .block_insns = 1 },
    { .name = "jit, one TLB entry", .one_entry_tlb = true },
    { .name = "jit, large TLB", .large_tlb = true },
    { .name = "both, large TLB", .engine = METIC_ENGINE_BOTH, .clock = METIC_CLOCK_VIRTUAL,
      .large_tlb = true },
    { .name = "jit, large TLB, eager tier 2", .large_tlb = true, .eager_tier2 = true },
    { .name = "jit, no links", .no_links = true },
    { .name = "jit, tiny cache", .code_bytes = TINY_CODE_BYTES },
    { .name = "interp, tiny cache", .engine = METIC_ENGINE_INTERP, .code_bytes = TINY_CODE_BYTES },
    { .name = "jit, plain host", .host = METIC_HOST_PLAIN },
    { .name = "jit, no tier 0", .no_tier0 = true },
    { .name = "jit, eager tier 0", .eager_tier0 = true },
    { .name = "jit, virtual clock, eager tier 0", .eager_tier0 = true,
      .clock = METIC_CLOCK_VIRTUAL },
    { .name = "jit, no tier 2", .no_tier2 = true },
    { .name = "jit, eager tier 2", .eager_tier2 = true },
    { .name = "jit, virtual clock, eager tier 2", .eager_tier2 = true,
      .clock = METIC_CLOCK_VIRTUAL },
    { .name = "both, eager tier 2", .engine = METIC_ENGINE_BOTH, .clock = METIC_CLOCK_VIRTUAL,
      .eager_tier2 = true },
    { .name = "jit, all at once", .block_insns = 1, .one_entry_tlb = true, .no_links = true,
      .code_bytes = TINY_CODE_BYTES, .host = METIC_HOST_PLAIN },
};
const unsigned guest_mode_count = sizeof(guest_modes) / sizeof(guest_modes[0]);

/* --- loading --- */

/* The smallest ELF that loads the image: one header, one segment. */
static void write_elf(int fd, const struct rv_program *p)
{
    u8 header[0x1000] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
    st_le16(header + 16, 2);   /* ET_EXEC */
    st_le16(header + 18, 243); /* EM_RISCV */
    st_le32(header + 20, 1);
    st_le64(header + 24, RV_BASE);
    st_le64(header + 32, 64); /* program headers */
    st_le16(header + 52, 64);
    st_le16(header + 54, 56);
    st_le16(header + 56, 1);
    u8 *segment = header + 64;
    st_le32(segment, 1); /* PT_LOAD */
    st_le32(segment + 4, 7);
    st_le64(segment + 8, sizeof(header));
    st_le64(segment + 16, RV_BASE);
    st_le64(segment + 24, RV_BASE);
    st_le64(segment + 32, RV_IMAGE_BYTES);
    st_le64(segment + 40, RV_IMAGE_BYTES);
    st_le64(segment + 48, 0x1000);
    cr_assert(write(fd, header, sizeof(header)) == (ssize_t)sizeof(header));
    cr_assert(write(fd, p->image, RV_IMAGE_BYTES) == (ssize_t)RV_IMAGE_BYTES);
}

static void on_log(void *opaque, const char *line)
{
    (void)opaque;
    (void)line; /* the programs provoke faults on purpose */
}

struct metic_options guest_options(const struct guest_mode *mode, unsigned harts)
{
    struct metic_options options;
    metic_options_init(&options);
    options.engine = mode->engine;
    options.clock = mode->clock;
    options.block_insns = mode->block_insns;
    options.one_entry_tlb = mode->one_entry_tlb;
    options.large_tlb = mode->large_tlb;
    options.no_links = mode->no_links;
    options.no_tier0 = mode->no_tier0;
    options.eager_tier0 = mode->eager_tier0;
    options.no_tier2 = mode->no_tier2;
    options.eager_tier2 = mode->eager_tier2;
    options.code_bytes = mode->code_bytes;
    options.host = mode->host;
    options.verify_ir = true;
    options.limit_insns = LIMIT_INSNS;
    options.limit_ns = mode->clock == METIC_CLOCK_REAL ? LIMIT_NS : 0;
    options.harts = harts;
    options.ram_bytes = (uint64_t)16 << 20;
    options.console = METIC_CONSOLE_MEMORY;
    options.firmware = "none";
    options.log = on_log;
    return options;
}

metic_machine *guest_machine_with(const struct rv_program *program,
                                  const struct metic_options *options)
{
    struct metic_error error = { 0 };
    metic_machine *machine = metic_new(options, &error);
    cr_assert(machine != NULL, "no machine: %s", error.what);
    int fd = memfd_create("program", MFD_CLOEXEC);
    cr_assert(fd >= 0);
    write_elf(fd, program);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    cr_assert(metic_load(machine, path, &error), "not loaded: %s", error.what);
    close(fd);
    return machine;
}

metic_machine *guest_machine(const struct rv_program *program, const struct guest_mode *mode,
                             unsigned harts)
{
    struct metic_options options = guest_options(mode, harts);
    return guest_machine_with(program, &options);
}

/* --- running --- */

static void collect(metic_machine *machine, struct guest_outcome *outcome)
{
    static const char *const names[32] = {
        NULL, "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
        "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
        "t5", "t6",
    };
    for (unsigned i = 1; i < 32; i++) {
        cr_assert(metic_get_register(machine, 0, names[i], &outcome->x[i]), "register %s",
                  names[i]);
    }
    for (unsigned i = 0; i < GUEST_RESULT_WORDS; i++) {
        u8 bytes[8];
        cr_assert(metic_read_memory(machine, GUEST_RESULTS + 8 * (u64)i, bytes, sizeof(bytes)));
        outcome->words[i] = ld_le64(bytes);
    }
}

static void run_with(const struct rv_program *program, const struct guest_mode *mode,
                     unsigned harts, void (*adjust)(struct metic_options *options),
                     struct guest_outcome *outcome)
{
    struct metic_options options = guest_options(mode, harts);
    memset(outcome, 0, sizeof(*outcome));
    if (adjust != NULL) {
        adjust(&options);
    }
    metic_machine *machine = guest_machine_with(program, &options);
    metic_run(machine, &outcome->result);
    collect(machine, outcome);
    metic_free(machine);
}

void guest_run(const struct rv_program *program, const struct guest_mode *mode, unsigned harts,
               struct guest_outcome *outcome)
{
    run_with(program, mode, harts, NULL, outcome);
}

static void compare(const struct guest_mode *mode, const struct guest_outcome *a,
                    const struct guest_outcome *b, bool registers)
{
    for (unsigned i = 0; i < GUEST_RESULT_WORDS; i++) {
        cr_assert(a->words[i] == b->words[i],
                  "%s: result %u is 0x%" PRIx64 ", with the interpreter 0x%" PRIx64, mode->name, i,
                  b->words[i], a->words[i]);
    }
    for (unsigned i = 1; registers && i < 32; i++) {
        cr_assert(a->x[i] == b->x[i],
                  "%s: x%u is 0x%" PRIx64 ", with the interpreter 0x%" PRIx64, mode->name, i,
                  b->x[i], a->x[i]);
    }
}

void guest_run_all(const struct rv_program *program, unsigned harts, struct guest_outcome *outcome)
{
    guest_run_all_with(program, harts, NULL, outcome);
}

void guest_run_all_with(const struct rv_program *program, unsigned harts,
                        void (*adjust)(struct metic_options *options),
                        struct guest_outcome *outcome)
{
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct guest_outcome now;
        run_with(program, &guest_modes[i], harts, adjust, &now);
        cr_assert(now.result.reason == METIC_POWEROFF && now.result.status == 0,
                  "%s: ended by %d, status %u: %s", guest_modes[i].name, (int)now.result.reason,
                  now.result.status, now.result.text);
        if (i == 0) {
            *outcome = now;
        } else {
            compare(&guest_modes[i], outcome, &now, harts == 1);
        }
    }
}

/* --- program text --- */

void guest_finish(struct rv_program *p, unsigned harts, struct guest_outcome *outcome)
{
    rv_finish(p);
    guest_run_all(p, harts, outcome);
    rv_free(p);
}

bool guest_code_has(const struct rv_program *program, u64 pc, const char *stages, const char *text)
{
    struct guest_mode mode = {.name = "jit, eager tier 2", .eager_tier2 = true};
    metic_machine *machine = guest_machine(program, &mode, 1);
    struct metic_result result;
    struct metic_error error;
    char *shown = NULL;
    size_t bytes;
    FILE *to = open_memstream(&shown, &bytes);
    metic_run(machine, &result);
    cr_assert(engine_show(machine->engine->vcpus[0], pc, stages, to, &error));
    fclose(to);
    bool found = strstr(shown, text) != NULL;
    free(shown);
    metic_free(machine);
    return found;
}

void guest_result(struct rv_program *p, unsigned index, enum rv_reg rs)
{
    rv_li(p, T6, GUEST_RESULTS + 8 * (u64)index);
    rv_sd(p, rs, T6, 0);
}

void guest_start(struct rv_program *p, unsigned harts, unsigned others, unsigned trap)
{
    rv_li(p, T6, ~(u64)0);
    rv_csrw(p, CSR_PMPADDR0, T6);
    rv_li(p, T6, 0x1f); /* NAPOT, R W X */
    rv_csrw(p, CSR_PMPCFG0, T6);
    if (trap != 0) {
        rv_la(p, T6, trap);
        rv_csrw(p, CSR_MTVEC, T6);
    }
    if (harts > 1) {
        rv_csrr(p, T6, CSR_MHARTID);
        rv_bne(p, T6, X0, others);
    }
}

u32 guest_identity_table(struct rv_program *p)
{
    u32 root = rv_table_new(p);
    for (u32 page = 0; page < RV_IMAGE_BYTES; page += PAGE_BYTES) {
        rv_map(p, root, RV_BASE + page, RV_BASE + page, PTE_RWX);
    }
    rv_map(p, root, 0x100000, 0x100000, PTE_RW); /* the test finisher */
    return root;
}

void guest_start_paged(struct rv_program *p, const struct guest_window *window, unsigned trap)
{
    u32 root = rv_table_new(p);
    for (u32 page = 0; page < 0x90000; page += PAGE_BYTES) {
        rv_map(p, root, RV_BASE + page, RV_BASE + page, PTE_RWX);
    }
    rv_map(p, root, 0x100000, 0x100000, PTE_RW); /* the test finisher */
    for (u32 page = 0; page < window->pages; page++) {
        u64 frame = RV_BASE + GUEST_FRAMES_AT + window->stride * page % window->pages * PAGE_BYTES;
        bool read_only = window->read_only != 0 && page == window->read_only;
        if (window->moved != 0 && page == window->moved) {
            frame = window->moved_to;
        }
        if (window->missing == 0 || page != window->missing) {
            rv_map(p, root, GUEST_WINDOW + page * PAGE_BYTES, frame,
                   read_only ? PTE_V | PTE_R | PTE_A : PTE_RW);
        }
    }
    guest_start(p, 1, 0, trap);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
}

void guest_fill_frames(struct rv_program *p, unsigned pages)
{
    rv_org(p, GUEST_FRAMES_AT);
    for (unsigned n = 0; n < pages * PAGE_BYTES / 8; n++) {
        rv_dword(p, n * 0x9e3779b97f4a7c15u);
    }
}

u64 guest_random(u64 *seed, unsigned limit)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % limit;
}

unsigned long guest_tries(const char *variable, unsigned long usual)
{
    const char *wanted = getenv(variable);
    return wanted != NULL ? strtoul(wanted, NULL, 0) : usual;
}

void guest_record_trap(struct rv_program *p)
{
    rv_align(p, 4);
    rv_csrr(p, T6, CSR_MCAUSE);
    rv_sd(p, T6, S11, 0);
    rv_csrr(p, T6, CSR_MTVAL);
    rv_sd(p, T6, S11, 8);
    rv_csrr(p, T6, CSR_MEPC);
    rv_sd(p, T6, S11, 16);
    rv_addi(p, S11, S11, 24);
    rv_csrw(p, CSR_MEPC, S10);
    rv_word(p, RV_MRET);
}

static void mix_csr(struct rv_program *p, unsigned csr)
{
    rv_csrr(p, T5, csr);
    rv_add(p, S6, S6, T5);
}

void guest_mix_trap(struct rv_program *p, unsigned label, const enum rv_reg *regs, unsigned count)
{
    rv_align(p, 4);
    rv_label(p, label);
    rv_csrr(p, T5, CSR_MEPC);
    rv_add(p, S6, S6, T5);
    rv_addi(p, T5, T5, 4);
    rv_csrw(p, CSR_MEPC, T5);
    rv_addi(p, S5, S5, 1);
    rv_slli(p, T5, S6, 5);
    rv_sub(p, S6, T5, S6);
    mix_csr(p, CSR_MTVAL);
    mix_csr(p, CSR_MCAUSE);
    mix_csr(p, CSR_MINSTRET);
    for (unsigned n = 0; n < count; n++) {
        rv_slli(p, T5, S6, 5);
        rv_sub(p, S6, T5, S6);
        rv_xor(p, S6, S6, regs[n]);
    }
    rv_word(p, RV_MRET);
}
