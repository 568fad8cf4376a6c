/* Traces that remember pages (translate/to_x86_64/slot.c), under paging, in every engine mode,
 * and everything that takes such a page away: what the paths read, and where their stores went, is
 * what the interpreter says. */
#include "tests/hw/debug_run.h"

#include "hw/machine/machine.h"
#include "translate/engine_private.h"

enum { TRAP = 1, TRAP_OTHER, SUPER, OTHER, WAIT, LOOP, OUTER, NEXT, PATCH, FILL, DONE };
enum { ROUNDS = 60, TIMES = 40, FRAME_A = 0x40000, FRAME_B = 0x41000, HEADS = 0x42000 };
#define PAGES ((u64)0x40000000)
#define FLASH ((u64)0x20000000)
#define SSCRATCH 0x140
#define SSTATUS 0x100

static u64 leaf(u64 frame, u32 flags)
{
    return frame >> 12 << 10 | flags;
}

/* The path: what the word at s0 points to is read and added to a4, what the next one points to is
 * counted up. */
static void path(struct rv_program *p)
{
    rv_li(p, S2, ROUNDS);
    rv_label(p, LOOP);
    rv_addi(p, S2, S2, -1);
    rv_ld(p, A1, S0, 0);
    rv_ld(p, A2, A1, 0);
    rv_add(p, A4, A4, A2);
    rv_ld(p, A1, S0, 8);
    rv_ld(p, A3, A1, 0);
    rv_addi(p, A3, A3, 1);
    rv_sd(p, A3, A1, 0);
    rv_csrr(p, T0, SSCRATCH);
    rv_bne(p, S2, X0, LOOP);
}

/* The page at PAGES, whose leaf's address is in s1, is frame A or B. s3: how many times are left;
 * s4, s5: what an event swaps; a0: PAGES. */
static struct rv_program *begin(u32 *root, u64 frame, u32 flags)
{
    static const enum rv_reg mixed[] = {S2, A2, A3, A4};
    struct rv_program *p = rv_new();
    *root = guest_identity_table(p);
    rv_map(p, *root, PAGES, frame, flags);
    guest_start(p, 1, 0, TRAP);
    rv_li(p, T0, rv_satp(*root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_li(p, T0, 1 << 9); /* vectors, where the hart has them */
    rv_csrs(p, CSR_MSTATUS, T0);
    rv_li(p, S0, RV_BASE + HEADS);
    rv_li(p, S1, rv_pte_address(p, *root, PAGES));
    rv_li(p, S3, TIMES);
    rv_li(p, A0, PAGES);
    rv_li(p, S5, 0);
    rv_mret_to(p, 1, SUPER);
    guest_mix_trap(p, TRAP, mixed, ARRAY_LEN(mixed));
    rv_label(p, SUPER);
    return p;
}

static void end(struct rv_program *p)
{
    rv_label(p, DONE);
    rv_exit(p);
    rv_org(p, FRAME_A);
    rv_dword(p, 0xaaaa);
    rv_dword(p, 0x1000);
    rv_org(p, FRAME_B);
    rv_dword(p, 0xbbbb);
    rv_dword(p, 0x2000);
    rv_org(p, HEADS);
    rv_dword(p, PAGES);
    rv_dword(p, PAGES + 8);
}

/* s7 and s8 change places: what the event stores now, and next. */
static void swap(struct rv_program *p)
{
    rv_mv(p, T0, S7);
    rv_mv(p, S7, S8);
    rv_mv(p, S8, T0);
}

/* TIMES paths, and behind each one `event`. */
static void run_events(struct rv_program *p, void (*event)(struct rv_program *p))
{
    struct guest_outcome outcome;
    rv_label(p, OUTER);
    path(p);
    event(p);
    swap(p);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    rv_ld(p, A5, A0, 8);
    end(p);
    guest_finish(p, 1, &outcome);
    cr_expect_eq(outcome.x[S2], 0);
}

/* --- the guest's page tables --- */

static void fence_page(struct rv_program *p)
{
    rv_sd(p, S7, S1, 0);
    rv_sfence_vma(p, X0, A0, X0);
}

static void fence_all(struct rv_program *p)
{
    rv_sd(p, S7, S1, 0);
    rv_sfence_vma(p, X0, X0, X0);
}

static void fence_asid(struct rv_program *p)
{
    rv_li(p, T1, 1);
    rv_sd(p, S7, S1, 0);
    rv_sfence_vma(p, X0, X0, T1);
}

static void fence_page_of_asid(struct rv_program *p)
{
    rv_li(p, T1, 1);
    rv_sd(p, S7, S1, 0);
    rv_sfence_vma(p, X0, A0, T1);
}

/* `sinval.vma` between its two fences. */
static void invalidate_page(struct rv_program *p)
{
    rv_sd(p, S7, S1, 0);
    rv_word(p, 0x18000073);
    rv_word(p, 0x16000073 | A0 << 15);
    rv_word(p, 0x18100073);
}

static void (*const fences[])(struct rv_program *) = {
    fence_page, fence_all, fence_asid, fence_page_of_asid, invalidate_page,
};

static void remap(void (*fence)(struct rv_program *), u64 one, u64 other)
{
    u32 root;
    struct rv_program *p = begin(&root, RV_BASE + FRAME_A, PTE_RW);
    rv_li(p, S7, one);
    rv_li(p, S8, other);
    run_events(p, fence);
}

Test(machine_slots, page_mapped_elsewhere)
{
    for (unsigned n = 0; n < ARRAY_LEN(fences); n++) {
        remap(fences[n], leaf(RV_BASE + FRAME_B, PTE_RW), leaf(RV_BASE + FRAME_A, PTE_RW));
    }
}

Test(machine_slots, page_no_longer_written)
{
    u32 read_only = PTE_V | PTE_R | PTE_A;
    for (unsigned n = 0; n < ARRAY_LEN(fences); n++) {
        remap(fences[n], leaf(RV_BASE + FRAME_A, read_only), leaf(RV_BASE + FRAME_A, PTE_RW));
    }
}

Test(machine_slots, page_no_longer_there)
{
    remap(fence_page, 0, leaf(RV_BASE + FRAME_A, PTE_RW));
}

static void switch_space(struct rv_program *p)
{
    rv_csrw(p, CSR_SATP, S7);
}

Test(machine_slots, another_address_space)
{
    u32 root;
    struct rv_program *p = begin(&root, RV_BASE + FRAME_A, PTE_RW);
    u32 other = guest_identity_table(p);
    rv_map(p, other, PAGES, RV_BASE + FRAME_B, PTE_RW);
    rv_li(p, S7, rv_satp(other, 2));
    rv_li(p, S8, rv_satp(root, 1));
    run_events(p, switch_space);
}

/* --- permissions --- */

static void switch_sum(struct rv_program *p)
{
    rv_csrrw(p, T1, SSTATUS, S7);
}

/* S-mode may read what is U-mode's, and may not, in turn. */
Test(machine_slots, sum)
{
    u32 root;
    struct rv_program *p = begin(&root, RV_BASE + FRAME_A, PTE_RW | PTE_U);
    rv_li(p, S7, 1u << 18);
    rv_li(p, S8, 0);
    run_events(p, switch_sum);
}

Test(machine_slots, mxr)
{
    u32 root;
    struct rv_program *p = begin(&root, RV_BASE + FRAME_A, PTE_V | PTE_X | PTE_A);
    rv_li(p, S7, 1u << 19);
    rv_li(p, S8, 0);
    run_events(p, switch_sum);
}

static void call_firmware(struct rv_program *p)
{
    rv_word(p, 0x00000073); /* ecall */
}

/* PMP forbids the page's frame, and permits it, in turn. */
Test(machine_slots, pmp)
{
    struct rv_program *p = rv_new();
    u32 root = guest_identity_table(p);
    rv_map(p, root, PAGES, RV_BASE + FRAME_A, PTE_RW);
    guest_start(p, 1, 0, TRAP);
    rv_li(p, T0, (u64)(RV_BASE + FRAME_A) >> 2 | 0x1ff); /* NAPOT, 4 KiB */
    rv_csrw(p, CSR_PMPADDR0, T0);
    rv_li(p, T0, ~(u64)0);
    rv_csrw(p, CSR_PMPADDR0 + 1, T0);
    rv_li(p, S7, 0x1f1f);
    rv_li(p, S8, 0x1f18);
    rv_csrw(p, CSR_PMPCFG0, S7);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_li(p, S0, RV_BASE + HEADS);
    rv_li(p, S3, TIMES);
    rv_li(p, A0, PAGES);
    rv_mret_to(p, 1, SUPER);
    rv_align(p, 4);
    rv_label(p, TRAP); /* faults are counted in s9 and left out, as an ecall is */
    rv_csrr(p, T5, CSR_MEPC);
    rv_addi(p, T5, T5, 4);
    rv_csrw(p, CSR_MEPC, T5);
    rv_csrr(p, T5, CSR_MCAUSE);
    rv_addi(p, T5, T5, -9);
    rv_beq(p, T5, X0, TRAP_OTHER);
    rv_addi(p, S9, S9, 1);
    rv_word(p, RV_MRET);
    rv_label(p, TRAP_OTHER);
    rv_csrw(p, CSR_PMPCFG0, S8);
    rv_word(p, RV_MRET);
    rv_label(p, SUPER);
    run_events(p, call_firmware);
}

/* --- what the machine takes away --- */

static void command_flash(struct rv_program *p)
{
    rv_sw(p, S7, A0, 0);
}

/* Flash answers by its status after a command, not by its bytes. */
Test(machine_slots, flash_command)
{
    u32 root;
    struct rv_program *p = begin(&root, FLASH, PTE_RW);
    rv_li(p, T0, RV_BASE + FRAME_B); /* the stores go elsewhere */
    rv_sd(p, T0, S0, 8);
    rv_li(p, S7, 0x00700070);
    rv_li(p, S8, 0x00ff00ff);
    run_events(p, command_flash);
}

/* An open trace gives a command, now and then, in its first instruction, which calls C within the
 * trace; mostly that stores elsewhere. A helper ends it. */
static void command_and_read(struct rv_program *p, bool vector)
{
    rv_li(p, T3, RV_BASE + FRAME_B);
    rv_li(p, T4, PAGES);
    rv_mv(p, A0, T3);
    rv_li(p, S2, 4 * ROUNDS * TIMES);
    rv_label(p, LOOP);
    if (vector) {
        rv_word(p, 0x02056027); /* vse32.v v0, (a0) */
    } else {
        rv_sw(p, S7, A0, 0);
    }
    rv_ld(p, A1, S0, 0);
    rv_j(p, FILL);
    rv_nop(p);
    rv_label(p, FILL);
    rv_lw(p, A2, A1, 0);
    rv_add(p, A4, A4, A2);
    rv_csrr(p, T0, CSR_SATP);
    rv_addi(p, S2, S2, -1);
    rv_mv(p, A0, T3);
    rv_andi(p, T1, S2, 62); /* in two rounds of 64 */
    rv_bne(p, T1, X0, NEXT);
    rv_mv(p, A0, T4);
    swap(p);
    if (vector) {
        rv_word(p, 0x5e0bc057); /* vmv.v.x v0, s7 */
    }
    rv_label(p, NEXT);
    rv_bne(p, S2, X0, LOOP);
}

static void with_vectors(struct metic_options *options)
{
    options->cpu = "rv64,v=on";
}

static void flash_in_the_path(bool vector)
{
    u32 root;
    struct guest_outcome outcome;
    struct rv_program *p = begin(&root, FLASH, PTE_RW);
    rv_li(p, S7, 0x00ff00ff);
    rv_li(p, S8, 0x00700070);
    if (vector) {
        rv_word(p, 0xcd00f057); /* vsetivli x0, 1, e32, m1, ta, ma */
        rv_word(p, 0x5e0bc057);
    }
    command_and_read(p, vector);
    end(p);
    rv_finish(p);
    guest_run_all_with(p, 1, vector ? with_vectors : NULL, &outcome);
    cr_expect_eq(outcome.x[S2], 0);
    rv_free(p);
}

Test(machine_slots, flash_command_in_the_path)
{
    flash_in_the_path(false);
    flash_in_the_path(true);
}

/* The path stores an instruction into a page of code that runs: it is seen to have, also when so
 * many pages were written that write permissions went (pipeline_code_fence). */
static void patch_code(struct rv_program *p)
{
    rv_word(p, RV_FENCE_I);
    rv_li(p, T1, RV_BASE + 0x50000);
    rv_li(p, T2, PAGE_BYTES);
    rv_li(p, S9, 48);
    rv_label(p, PATCH); /* every second time the other pages, too */
    rv_jalr(p, RA, T1, 0);
    rv_beq(p, S5, X0, NEXT);
    rv_lw(p, A5, T1, 0);
    rv_sw(p, A5, T1, 0);
    rv_label(p, NEXT);
    rv_add(p, T1, T1, T2);
    rv_addi(p, S9, S9, -1);
    rv_bne(p, S9, X0, PATCH);
    rv_xori(p, S5, S5, 1);
}

Test(machine_slots, code_is_written)
{
    enum { CODE = 0x50000, COUNT = 48, STORES = 45 };
    u32 root;
    struct rv_program *p = begin(&root, RV_BASE + CODE, PTE_RW);
    rv_li(p, A7, 1 << 20);
    for (unsigned n = 0; n < COUNT; n++) { /* addi a6, a6, 1; ret; and a count like it */
        u32 at = p->at;
        rv_org(p, CODE + n * (u32)PAGE_BYTES);
        rv_addi(p, A6, A6, 1);
        rv_ret(p);
        rv_org(p, at);
    }
    /* The path counts up its double word: the immediate of addi grows with bit 20. */
    rv_label(p, OUTER);
    rv_li(p, S2, STORES);
    rv_label(p, LOOP);
    rv_addi(p, S2, S2, -1);
    rv_ld(p, A1, S0, 0);
    rv_ld(p, A3, A1, 0);
    rv_add(p, A3, A3, A7);
    rv_sd(p, A3, A1, 0);
    rv_csrr(p, T0, SSCRATCH);
    rv_bne(p, S2, X0, LOOP);
    patch_code(p);
    rv_addi(p, S3, S3, -1);
    rv_bne(p, S3, X0, OUTER);
    end(p);
    struct guest_outcome outcome;
    guest_finish(p, 1, &outcome);
    u64 sum = 0;
    for (u64 n = 1; n <= TIMES; n++) {
        sum += 1 + STORES * n + COUNT - 1;
    }
    cr_expect_eq(outcome.x[A6], sum);
}

/* One hart counts in a register and in memory, by way of a slot; the other one's sc stores what its
 * lr read. Over a store it would take back a count. */
Test(machine_slots, stores_break_reservations)
{
    enum { PAIRS = 3000, COUNTED = 5000 };
    u32 root;
    struct rv_program *p = rv_new();
    root = guest_identity_table(p);
    guest_start(p, 2, OTHER, 0);
    rv_li(p, T0, rv_satp(root, 1));
    rv_csrw(p, CSR_SATP, T0);
    rv_li(p, S0, RV_BASE + HEADS);
    rv_mret_to(p, 1, SUPER);
    rv_label(p, SUPER);
    rv_li(p, S3, 0);
    rv_label(p, LOOP);
    rv_addi(p, S3, S3, 1);
    rv_ld(p, A1, S0, 0);
    rv_ld(p, A2, A1, 0);
    rv_addi(p, A2, A2, 1);
    rv_sd(p, A2, A1, 0);
    rv_ld(p, A3, A1, 16);
    rv_csrr(p, T0, SSCRATCH);
    rv_beq(p, A3, X0, LOOP);
    rv_exit(p);
    rv_label(p, OTHER);
    rv_li(p, A0, RV_BASE + FRAME_A);
    rv_li(p, S2, PAIRS);
    rv_li(p, T1, COUNTED);
    rv_label(p, FILL); /* until the counting hart's stores are fast */
    rv_ld(p, T0, A0, 0);
    rv_bltu(p, T0, T1, FILL);
    rv_label(p, OUTER); /* accesses between the two keep this from becoming a compare-and-swap */
    rv_addi(p, A1, A0, 0);
    rv_lr_d(p, A4, A1);
    rv_ld(p, A5, A0, 24);
    rv_sd(p, A5, A0, 32);
    rv_sc_d(p, A5, A1, A4);
    rv_addi(p, S2, S2, -1);
    rv_bne(p, S2, X0, OUTER);
    rv_li(p, A1, 1);
    rv_sd(p, A1, A0, 16);
    rv_label(p, WAIT);
    rv_j(p, WAIT);
    rv_org(p, FRAME_A);
    rv_dword(p, 0);
    rv_org(p, HEADS);
    rv_dword(p, RV_BASE + FRAME_A);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct guest_outcome outcome;
        guest_run(p, &guest_modes[i], 2, &outcome);
        cr_expect(outcome.result.reason == METIC_POWEROFF, "%s", guest_modes[i].name);
        cr_expect(outcome.x[A2] == outcome.x[S3], "%s", guest_modes[i].name);
    }
    rv_free(p);
}

/* --- and who looks at it from outside --- */

static struct rv_program *endless(void)
{
    u32 root;
    struct rv_program *p = begin(&root, RV_BASE + FRAME_A, PTE_RW);
    rv_label(p, OUTER);
    path(p);
    rv_j(p, OUTER);
    end(p);
    rv_finish(p);
    return p;
}

Test(machine_slots, watchpoint)
{
    struct rv_program *p = endless();
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        struct metic_options options = guest_options(&guest_modes[i], 1);
        options.limit_insns = 0;
        metic_machine *machine = guest_machine_with(p, &options);
        stop_from_outside(machine, mode);
        cr_assert(metic_add_watchpoint(machine, PAGES + 8, 8, METIC_WATCH_WRITE));
        u64 before = dword(machine, RV_BASE + FRAME_A + 8);
        struct metic_stop stop = run_to_stop(machine, mode);
        cr_assert(stop.kind == METIC_STOP_WATCHPOINT, "%s", mode);
        cr_expect_eq(dword(machine, RV_BASE + FRAME_A + 8), before + 1, "%s", mode);
        metic_free(machine);
    }
    rv_free(p);
}

/* A machine that has run on, into another address space, and goes back to a snapshot. */
Test(machine_slots, snapshot)
{
    u32 root;
    struct rv_program *p = begin(&root, RV_BASE + FRAME_A, PTE_RW);
    u64 entry = rv_pte_address(p, root, PAGES);
    rv_label(p, OUTER);
    path(p);
    rv_j(p, OUTER);
    end(p);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        struct metic_result result;
        struct metic_error error;
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        metic_run_for(machine, 20000, &result);
        u64 moved = leaf(RV_BASE + FRAME_B, PTE_RW);
        u64 there = dword(machine, entry);
        cr_assert(metic_write_memory(machine, entry, &moved, 8));
        metic_snapshot *snapshot = metic_snapshot_take(machine, &error);
        cr_assert(snapshot != NULL && metic_write_memory(machine, entry, &there, 8));
        for (unsigned n = 0; n < 2; n++) {
            cr_assert(metic_snapshot_load(machine, snapshot, NULL, &error), "%s", error.what);
            metic_run_for(machine, 100, &result); /* what was read before the snapshot is added */
            u64 before = reg(machine, 0, "a4");
            metic_run_for(machine, 6000, &result);
            u64 sum = reg(machine, 0, "a4") - before;
            cr_expect(sum != 0 && sum % 0xbbbb == 0, "%s", guest_modes[i].name);
            cr_assert(metic_write_memory(machine, entry, &there, 8));
        }
        metic_snapshot_free(snapshot);
        metic_free(machine);
    }
    rv_free(p);
}

/* --- when all code goes --- */

static metic_machine *eager_machine(const struct rv_program *p)
{
    struct guest_mode mode = {.name = "jit, eager tier 2", .eager_tier2 = true};
    return guest_machine(p, &mode, 1);
}

/* That there is something to compare. */
Test(machine_slots, are_there)
{
    struct rv_program *p = endless();
    struct metic_result result;
    metic_machine *machine = eager_machine(p);
    metic_run_for(machine, 50000, &result);
    cr_expect_gt(machine->engine->slots_used, 3);
    metic_free(machine);
    rv_free(p);
}

/* The next traces have the same slots for other accesses: what they remember is forgotten. */
Test(machine_slots, are_other_traces_afterwards)
{
    struct rv_program *p = endless();
    struct metic_result result;
    metic_machine *machine = eager_machine(p);
    metic_run_for(machine, 50000, &result);
    u64 epoch = machine->engine->vcpus[0]->data_epoch;
    pipeline_flush(machine->engine);
    cr_expect_eq(machine->engine->slots_used, 0);
    cr_expect_neq(machine->engine->vcpus[0]->data_epoch, epoch);
    metic_free(machine);
    rv_free(p);
}

/* Where there are none left all code goes, as where its memory is full: traces have slots however
 * long the machine runs. */
Test(machine_slots, do_not_run_out)
{
    struct rv_program *p = endless();
    struct metic_result result;
    metic_machine *machine = eager_machine(p);
    machine->engine->slots_used = HOST_SLOTS - 8;
    metic_run_for(machine, 50000, &result);
    cr_expect_eq(machine->engine->stats.flushes, 1);
    cr_expect(machine->engine->slots_used > 3 && machine->engine->slots_used < 100);
    metic_free(machine);
    rv_free(p);
}
