/* Counters: what runs when, writes, privilege filters, overflow interrupts. */
#include "tests/cpu/riscv64/hart.h"

#include "cpu/riscv64/counters.h"
#include "cpu/riscv64/trap.h"

#include <criterion/criterion.h>

enum { MCOUNTINHIBIT = 0x320, MCYCLECFG = 0x321, MINSTRETCFG = 0x322, SCOUNTOVF = 0xda0 };
enum { MHPMCOUNTER0 = 0xb00, LCOFIP = 1 << RISCV_IRQ_LCOFI };

static void run(struct hart *hart, u64 insns)
{
    hart->state.vcpu.insns += insns;
}

static u64 counter(struct hart *hart, unsigned number)
{
    return hart_csr_read(hart, MHPMCOUNTER0 + number);
}

Test(counters, cycle_and_instret_count_instructions)
{
    struct hart *hart = hart_new();
    run(hart, 1000);
    cr_assert_eq(counter(hart, 0), 1000);
    cr_assert_eq(counter(hart, 2), 1000);
    cr_assert_eq(hart_csr_read(hart, CSR_CYCLE), 1000);
    hart_free(hart);
}

/* The instruction after the write reads what was written. */
Test(counters, a_write_is_not_counted_itself)
{
    struct hart *hart = hart_new();
    run(hart, 1000);
    hart_csr_write(hart, MHPMCOUNTER0 + 2, 50);
    cr_assert_eq(counter(hart, 2), 50);
    run(hart, 7);
    cr_assert_eq(counter(hart, 2), 57);
    cr_assert_eq(counter(hart, 0), 1008);
    hart_free(hart);
}

Test(counters, inhibited_counters_stand_still_and_can_be_written)
{
    struct hart *hart = hart_new();
    run(hart, 10);
    hart_csr_write(hart, MCOUNTINHIBIT, 1); /* this write is still counted */
    run(hart, 100);
    cr_assert_eq(counter(hart, 0), 11);
    cr_assert_eq(counter(hart, 2), 111);
    hart_csr_write(hart, MHPMCOUNTER0, 500);
    run(hart, 5);
    cr_assert_eq(counter(hart, 0), 500);
    hart_csr_write(hart, MCOUNTINHIBIT, 0);
    cr_assert_eq(counter(hart, 0), 500);
    run(hart, 3);
    cr_assert_eq(counter(hart, 0), 503);
    hart_free(hart);
}

Test(counters, programmable_counters_count_their_event)
{
    struct hart *hart = hart_new();
    for (unsigned i = 3; i < 32; i++) {
        run(hart, 10);
        cr_assert_eq(counter(hart, i), 0);
        hart_csr_write(hart, CSR_MHPMEVENT0 + i, 1 + i % 2);
        run(hart, 20);
        cr_assert_eq(counter(hart, i), 20);
        hart_csr_write(hart, CSR_MHPMEVENT0 + i, 3); /* not offered */
        cr_assert_eq(hart_csr_read(hart, CSR_MHPMEVENT0 + i), 0);
        run(hart, 20);
        cr_assert_eq(counter(hart, i), 21);
    }
    hart_free(hart);
}

Test(counters, privilege_filters)
{
    static const unsigned config[] = {MCYCLECFG, MINSTRETCFG, CSR_MHPMEVENT0 + 5};
    static const unsigned number[] = {0, 2, 5};
    static const unsigned privileges[] = {RISCV_U, RISCV_S, RISCV_M};
    for (unsigned k = 0; k < ARRAY_LEN(config); k++) {
        for (unsigned filter = 0; filter < 8; filter++) {
            struct hart *hart = hart_new();
            struct riscv64_state *state = &hart->state;
            hart_csr_write(hart, MCOUNTINHIBIT, BIT(number[k]));
            hart_csr_write(hart, config[k], (u64)filter << 60 | (k == 2 ? 2 : 0));
            hart_csr_write(hart, MCOUNTINHIBIT, 0);
            u64 expected = counter(hart, number[k]);
            for (unsigned i = 0; i < 3; i++) { /* mret to each privilege, run, trap back */
                state->mstatus = (u64)privileges[i] << MSTATUS_MPP_SHIFT;
                cr_assert(riscv64_mret(state));
                run(hart, 1);
                expected += filter & 4 ? 0 : 1; /* mret in M */
                run(hart, 10 + i);
                unsigned bit = privileges[i] == RISCV_M ? 4 : privileges[i] == RISCV_S ? 2 : 1;
                expected += filter & bit ? 0 : 10 + i;
                riscv64_trap_enter(state, RISCV_CAUSE_BREAKPOINT, 0);
            }
            cr_assert_eq(counter(hart, number[k]), expected, "counter %u filter %u", number[k],
                         filter);
            hart_free(hart);
        }
    }
}

Test(counters, overflow_sets_of_and_interrupts_once)
{
    struct hart *hart = hart_new();
    struct riscv64_state *state = &hart->state;
    struct vcpu *vcpu = &state->vcpu;
    run(hart, 100);
    cr_assert_eq(riscv64_guest.next_event_insns(vcpu), ~(u64)0);
    hart_csr_write(hart, MHPMCOUNTER0 + 7, 0 - (u64)50);
    hart_csr_write(hart, CSR_MHPMEVENT0 + 7, 2);
    cr_assert_eq(riscv64_guest.next_event_insns(vcpu), vcpu->insns + 50);
    run(hart, 49);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0);
    cr_assert_eq(hart_csr_read(hart, SCOUNTOVF), 0);
    run(hart, 1);
    cr_assert_eq(counter(hart, 7), 0);
    state->mie = LCOFIP;
    state->mstatus |= MSTATUS_MIE;
    cr_assert(riscv64_guest.interrupt_ready(vcpu));
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), LCOFIP);
    cr_assert_eq(hart_csr_read(hart, SCOUNTOVF), 1 << 7);
    cr_assert_eq(hart_csr_read(hart, CSR_MHPMEVENT0 + 7), HPM_OF | 2);
    cr_assert_eq(riscv64_guest.next_event_insns(vcpu), ~(u64)0);
    hart_csr_write(hart, CSR_MIP, 0);
    hart_csr_write(hart, MHPMCOUNTER0 + 7, 0 - (u64)5);
    run(hart, 10); /* OF is set: no interrupt */
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0);
    hart_csr_write(hart, CSR_MHPMEVENT0 + 7, 2);
    hart_csr_write(hart, MHPMCOUNTER0 + 7, 0 - (u64)5);
    run(hart, 10);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), LCOFIP);
    hart_free(hart);
}

Test(counters, an_overflow_before_a_change_is_noted)
{
    struct hart *hart = hart_new();
    hart_csr_write(hart, MHPMCOUNTER0 + 3, 0 - (u64)5);
    hart_csr_write(hart, CSR_MHPMEVENT0 + 3, 1);
    run(hart, 100);
    hart_csr_write(hart, MHPMCOUNTER0 + 3, 1234);
    cr_assert_eq(hart_csr_read(hart, SCOUNTOVF), 1 << 3);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), LCOFIP);
    cr_assert_eq(counter(hart, 3), 1234);
    hart_free(hart);
}

Test(counters, a_stopped_or_plain_counter_does_not_overflow)
{
    struct hart *hart = hart_new();
    hart_csr_write(hart, MHPMCOUNTER0 + 3, 0 - (u64)5);
    hart_csr_write(hart, MHPMCOUNTER0, 0 - (u64)5);
    hart_csr_write(hart, MHPMCOUNTER0 + 2, 0 - (u64)5);
    run(hart, 100);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0);
    cr_assert_eq(counter(hart, 3), 0 - (u64)5);
    cr_assert_eq(riscv64_guest.next_event_insns(&hart->state.vcpu), ~(u64)0);
    hart_free(hart);
}

Test(counters, scountovf_shows_supervisors_only_theirs)
{
    struct hart *hart = hart_new();
    for (unsigned i = 3; i < 32; i++) {
        hart_csr_write(hart, CSR_MHPMEVENT0 + i, HPM_OF);
    }
    cr_assert_eq(hart_csr_read(hart, SCOUNTOVF), 0xfffffff8);
    hart->state.mcounteren = 0x101f;
    hart_set_priv(hart, RISCV_S);
    cr_assert_eq(hart_csr_read(hart, SCOUNTOVF), 0x1018);
    hart_free(hart);
}

/* Against a counter that is simply incremented. */
Test(counters, random_changes_agree_with_counting_one_by_one)
{
    struct hart *hart = hart_new();
    struct riscv64_state *state = &hart->state;
    u64 seed = 99, model = 0, event = 0;
    bool inhibited = false, of = false;
    for (unsigned step = 0; step < 20000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned action = (unsigned)(seed >> 40) % 5;
        u64 amount = seed >> 50 & 31;
        bool runs = !inhibited && (event & 3) != 0 && !(event & HPM_MINH);
        u64 insns = action == 0 ? amount : 1;
        u64 before = model;
        model += runs ? insns : 0;
        of |= model < before;
        if (action == 0) {
            run(hart, insns);
        } else if (action == 1) {
            model = 0 - amount;
            hart_csr_write(hart, MHPMCOUNTER0 + 9, model);
        } else if (action == 2) {
            inhibited = amount & 1;
            hart_csr_write(hart, MCOUNTINHIBIT, inhibited ? 1 << 9 : 0);
        } else if (action == 3) {
            event = amount % 3 | (amount & 16 ? HPM_MINH : 0);
            of = amount & 8;
            hart_csr_write(hart, CSR_MHPMEVENT0 + 9, event | (of ? HPM_OF : 0));
        } else {
            hart_csr_write(hart, 0x340, 0);
        }
        cr_assert_eq(counter(hart, 9), model, "step %u", step);
        if (amount & 1) {
            cr_assert_eq((riscv64_counters_check(state, state->vcpu.insns),
                          state->mhpmevent[9] >> 63), of, "step %u", step);
        }
    }
    hart_free(hart);
}
