/* Runs one guest program in every way the engine has: both engines and lock-step, both clocks, and
 * the hostile modes of docs/testing.md. The final state must be the same in all of them. */
#ifndef METIC_TESTS_SUPPORT_GUEST_RIG_H
#define METIC_TESTS_SUPPORT_GUEST_RIG_H

#include "hw/metic.h"
#include "tests/support/rv_asm.h"

struct guest_mode {
    const char *name;
    enum metic_engine engine;
    enum metic_clock clock;
    unsigned block_insns;
    bool one_entry_tlb, large_tlb, no_links, no_tier0, eager_tier0, no_tier2, eager_tier2;
    size_t code_bytes;
    enum metic_host host;
};

extern const struct guest_mode guest_modes[];
extern const unsigned guest_mode_count;

/* Results a program leaves for the test: 64-bit words from here. Lies in the image. */
#define GUEST_RESULTS (RV_BASE + 0x80000u)
enum { GUEST_RESULT_WORDS = 64 };

struct guest_outcome {
    struct metic_result result;
    u64 x[32];                          /* of hart 0 */
    u64 words[GUEST_RESULT_WORDS];
};

/* What the modes mean in options; and a machine with the program in it, ready to run. Both fail
 * the test when they cannot. */
struct metic_options guest_options(const struct guest_mode *mode, unsigned harts);
metic_machine *guest_machine_with(const struct rv_program *program,
                                  const struct metic_options *options);
metic_machine *guest_machine(const struct rv_program *program, const struct guest_mode *mode,
                             unsigned harts);
void guest_run(const struct rv_program *program, const struct guest_mode *mode, unsigned harts,
               struct guest_outcome *outcome);

/* Runs it in every mode and compares results (and registers when harts is 1) with the first mode's;
 * every run must end by the test finisher. */
void guest_run_all(const struct rv_program *program, unsigned harts, struct guest_outcome *outcome);

/* The same on a machine with other options than usual: `adjust` changes them. */
void guest_run_all_with(const struct rv_program *program, unsigned harts,
                        void (*adjust)(struct metic_options *options),
                        struct guest_outcome *outcome);
/* Completes the program, runs it as guest_run_all does, and frees it. */
void guest_finish(struct rv_program *p, unsigned harts, struct guest_outcome *outcome);

/* Whether the code for `pc`, after a run with an eager second tier, has that text in those stages
 * ("opt,host") of its translation. */
bool guest_code_has(const struct rv_program *program, u64 pc, const char *stages,
                    const char *text);

/* Program text: stores `rs` to result word `index`. Clobbers t6. */
void guest_result(struct rv_program *p, unsigned index, enum rv_reg rs);
/* Program text: what most programs begin with. Harts other than 0 jump to label `others` (when
 * harts > 1). mtvec goes to `trap` (when not 0). PMP lets S and U mode at everything. */
void guest_start(struct rv_program *p, unsigned harts, unsigned others, unsigned trap);
/* A page table that maps the image, and the test finisher, where they are; for S-mode. */
u32 guest_identity_table(struct rv_program *p);
/* A window of pages at GUEST_WINDOW: what stands at GUEST_FRAMES_AT of the program, a page of it
 * `stride` pages behind the one before. 0: no page is of that kind. */
#define GUEST_WINDOW 0x40000000u
enum { GUEST_FRAMES_AT = 0x40000 };
struct guest_window {
    unsigned pages, stride;
    unsigned missing, read_only;
    unsigned moved; /* this page is elsewhere: */
    u64 moved_to;
};
/* As guest_start for one hart, with the window, and all of the program where it is. Clobbers t0. */
void guest_start_paged(struct rv_program *p, const struct guest_window *window, unsigned trap);
/* What stands at GUEST_FRAMES_AT: no two words of so many pages alike. */
void guest_fill_frames(struct rv_program *p, unsigned pages);

/* A number below `limit`, which follows from the seed. */
u64 guest_random(u64 *seed, unsigned limit);
/* How many programs a random test makes: as many as usual, or what that variable says. */
unsigned long guest_tries(const char *variable, unsigned long usual);

/* Program text of a trap handler that records the next trap at `s11`: cause, tval, epc relative to
 * RV_BASE; then goes on at the address in s10. Clobbers t6. */
void guest_record_trap(struct rv_program *p);

/* Program text of a trap handler at `label`, an M-mode one: counts traps in s5, and mixes into s6
 * what they were (mepc, mtval, mcause, minstret) and what `count` registers hold then. The
 * instruction, of 4 bytes, is left out. Clobbers t5. */
void guest_mix_trap(struct rv_program *p, unsigned label, const enum rv_reg *regs, unsigned count);

#endif
