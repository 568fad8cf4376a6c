/* Watchpoints, as metic.h offers them to a debugger: every form of access, in every mode of the
 * engine. */
#include "tests/hw/debug_run.h"

enum { LOOP = 1, HERE, AGAIN, END };

/* Each form writes (or reads) 8 bytes at DATA + 16 or some of them. */
enum form { BYTE, HALF, WORD, DOUBLE, CROSSING, AMO, CONDITIONAL, CONDITIONAL_LONG, FLOAT, ZERO,
            FORM_COUNT };

static void write_form(struct rv_program *p, enum form form)
{
    switch (form) {
    case BYTE: rv_sb(p, S3, S1, 17); break;
    case HALF: rv_sh(p, S3, S1, 18); break;
    case WORD: rv_sw(p, S3, S1, 20); break;
    case DOUBLE: rv_sd(p, S3, S1, 16); break;
    case CROSSING: rv_sd(p, S3, S1, 9); break; /* its last byte is the first watched */
    case AMO: rv_amoadd_d(p, X0, S2, S3); break;
    case CONDITIONAL:
    case CONDITIONAL_LONG:
        rv_label(p, AGAIN);
        rv_lr_d(p, A0, S2);
        if (form == CONDITIONAL_LONG) {
            rv_sd(p, A0, S1, 64); /* so that it is no loop the translator knows */
        }
        rv_add(p, A0, A0, S3);
        rv_sc_d(p, A1, S2, A0);
        rv_bne(p, A1, X0, AGAIN);
        break;
    case FLOAT: rv_fsd(p, 1, S1, 16); break;
    case ZERO: rv_word(p, 0x0044a00f); break; /* cbo.zero (s1) */
    case FORM_COUNT: break;
    }
}

static struct rv_program *watch_program(enum form form, u64 data)
{
    struct rv_program *p = rv_new();
    rv_li(p, T0, 3 << 13);
    rv_csrs(p, CSR_MSTATUS, T0);
    rv_li(p, S1, data);
    rv_addi(p, S2, S1, 16);
    rv_li(p, S3, 0x7172737475767778);
    rv_sd(p, S3, S2, 0);
    rv_li(p, S3, 0x0102030405060708);
    rv_word(p, 0xf20980d3); /* fmv.d.x f1, s3 */
    rv_label(p, LOOP);
    rv_sd(p, S3, S1, 24); /* beside: the same page */
    rv_sd(p, S3, S1, 0);
    rv_ld(p, T1, S1, 24);
    write_form(p, form);
    rv_label(p, HERE);
    rv_addi(p, S4, S4, 1);
    rv_addi(p, S5, S4, -3);
    rv_bne(p, S5, X0, LOOP);
    rv_exit(p);
    rv_finish(p);
    return p;
}

static void check_watched_writes(enum form form, u64 data)
{
    struct rv_program *p = watch_program(form, data);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *plain = guest_machine(p, &guest_modes[i], 1);
        metic_add_breakpoint(plain, rv_address(p, HERE), 0);
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        metic_add_breakpoint(machine, rv_address(p, LOOP), 0);
        run_to_stop(machine, mode);
        metic_clear_breakpoints(machine);
        cr_assert(metic_add_watchpoint(machine, data + 16, 8, METIC_WATCH_WRITE));
        for (u64 round = 0; round < 3; round++) {
            struct metic_stop stop = run_to_stop(machine, mode);
            run_to_stop(plain, mode);
            cr_assert(stop.kind == METIC_STOP_WATCHPOINT && stop.hart == 0 &&
                      stop.address >= data + 16 && stop.address < data + 24, "%s: form %u", mode,
                      form);
            u64 behind = form == CONDITIONAL || form == CONDITIONAL_LONG ? 4 : 0;
            cr_assert(reg(machine, 0, "pc") == rv_address(p, HERE) - behind &&
                      reg(machine, 0, "s4") == round, "%s: form %u", mode, form);
            cr_assert(dword(machine, data + 16) == dword(plain, data + 16), "%s: form %u", mode,
                      form);
        }
        run_to_end(machine, mode);
        metic_free(machine);
        metic_free(plain);
    }
    rv_free(p);
}

Test(machine_watch, watched_writes)
{
    for (enum form form = BYTE; form < FORM_COUNT; form++) {
        check_watched_writes(form, DATA);
    }
}

/* The watched bytes are the first of a page, the store begins in the page before. */
Test(machine_watch, watched_write_over_a_page_end)
{
    check_watched_writes(CROSSING, DATA + 0x1000 - 16);
}

/* The same before the access: nothing has happened, and the next run, or step, lets it happen. */
static void check_refused_writes(enum form form)
{
    struct rv_program *p = watch_program(form, DATA);
    u64 access = rv_address(p, HERE) - (form == CONDITIONAL || form == CONDITIONAL_LONG ? 8 : 4);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *plain = guest_machine(p, &guest_modes[i], 1);
        metic_add_breakpoint(plain, access, 0);
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        metic_add_breakpoint(machine, rv_address(p, LOOP), 0);
        run_to_stop(machine, mode);
        metic_clear_breakpoints(machine);
        metic_set_watch_before(machine, true);
        metic_add_watchpoint(machine, DATA + 16, 8, METIC_WATCH_WRITE);
        for (u64 round = 0; round < 3; round++) {
            struct metic_stop stop = run_to_stop(machine, mode);
            run_to_stop(plain, mode);
            u64 before = dword(plain, DATA + 16);
            cr_assert(stop.kind == METIC_STOP_WATCHPOINT && reg(machine, 0, "pc") == access &&
                      reg(machine, 0, "s4") == round, "%s: form %u", mode, form);
            cr_assert(dword(machine, DATA + 16) == before, "%s: form %u", mode, form);
            if (round != 1) {
                continue;
            }
            metic_remove_watchpoint(machine, DATA + 16, 8, METIC_WATCH_WRITE);
            metic_set_action(machine, 0, METIC_STEP, 1, 0);
            stop = run_to_stop(machine, mode);
            cr_assert(stop.kind == METIC_STOP_STEP && stop.address == access + 4, "%s: form %u",
                      mode, form);
            metic_add_watchpoint(machine, DATA + 16, 8, METIC_WATCH_WRITE);
            bool grows = form == AMO || form == CONDITIONAL || form == CONDITIONAL_LONG;
            cr_assert(!grows || dword(machine, DATA + 16) != before, "%s: form %u", mode, form);
        }
        run_to_end(machine, mode);
        metic_free(machine);
        metic_free(plain);
    }
    rv_free(p);
}

Test(machine_watch, refused_writes)
{
    for (enum form form = BYTE; form < FORM_COUNT; form++) {
        check_refused_writes(form);
    }
}

Test(machine_watch, watched_reads)
{
    struct rv_program *p = rv_new();
    rv_li(p, S1, DATA);
    rv_sd(p, S1, S1, 16);
    rv_label(p, LOOP);
    rv_ld(p, T1, S1, 8);
    rv_sb(p, X0, S1, 16); /* a write is not read */
    rv_lhu(p, S2, S1, 16);
    rv_label(p, HERE);
    rv_lw(p, S3, S1, 20);
    rv_label(p, AGAIN);
    rv_amoadd_d(p, T1, S1, X0); /* at DATA */
    rv_exit(p);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], 1);
        metic_add_watchpoint(machine, DATA + 17, 1, METIC_WATCH_READ);
        metic_add_watchpoint(machine, DATA + 23, 100, METIC_WATCH_READ);
        metic_add_watchpoint(machine, DATA, 1, METIC_WATCH_ACCESS);
        struct metic_stop stop = run_to_stop(machine, mode);
        cr_assert(stop.address == DATA + 17 && stop.watch == METIC_WATCH_READ, "%s", mode);
        cr_assert(reg(machine, 0, "pc") == rv_address(p, HERE) &&
                  reg(machine, 0, "s2") == (DATA & 0xff00), "%s", mode);
        stop = run_to_stop(machine, mode);
        cr_assert(stop.address == DATA + 23 && reg(machine, 0, "pc") == rv_address(p, AGAIN),
                  "%s", mode);
        stop = run_to_stop(machine, mode);
        cr_assert(stop.address == DATA && stop.watch == METIC_WATCH_ACCESS, "%s", mode);
        run_to_end(machine, mode);
        metic_free(machine);
    }
    cr_expect(!metic_add_watchpoint(guest_machine(p, &guest_modes[0], 1), 8, 0, METIC_WATCH_READ));
    rv_free(p);
}

/* Every one of 4 x 50 increments of a watched word is seen, none twice. */
Test(machine_watch, four_harts_at_one_watchpoint)
{
    enum { HARTS = 4, ROUNDS = 50 };
    struct rv_program *p = rv_new();
    rv_csrr(p, S4, CSR_MHARTID);
    rv_li(p, S1, ROUNDS);
    rv_li(p, T0, DATA);
    rv_li(p, T1, 1);
    rv_label(p, LOOP);
    rv_addi(p, S0, S0, 1);
    rv_label(p, HERE);
    rv_lr_w(p, A0, T0);
    rv_addi(p, A0, A0, 1);
    rv_sc_w(p, A1, T0, A0);
    rv_bne(p, A1, X0, HERE);
    rv_bne(p, S0, S1, LOOP);
    rv_label(p, END);
    rv_j(p, END);
    rv_finish(p);
    for (unsigned i = 0; i < guest_mode_count; i++) {
        const char *mode = guest_modes[i].name;
        metic_machine *machine = guest_machine(p, &guest_modes[i], HARTS);
        metic_add_watchpoint(machine, DATA, 4, METIC_WATCH_WRITE);
        for (u64 stops = 1; stops <= HARTS * ROUNDS; stops++) {
            struct metic_stop stop = run_to_stop(machine, mode);
            cr_assert(stop.kind == METIC_STOP_WATCHPOINT && stop.address == DATA, "%s", mode);
            cr_assert(dword(machine, DATA) >= stops, "%s", mode);
        }
        struct metic_stop stop = stop_from_outside(machine, mode);
        cr_expect(stop.kind == METIC_STOP_OUTSIDE, "%s", mode);
        cr_expect(dword(machine, DATA) == HARTS * ROUNDS, "%s", mode);
        metic_free(machine);
    }
    rv_free(p);
}
