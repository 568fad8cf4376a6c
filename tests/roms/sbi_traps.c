/* What S-mode must see of its own traps, delegated or handed back, and what it must not reach. */
#include "tests/roms/sbi_test.h"

static void check_cause(uint64_t before, uint64_t cause, const char *name)
{
    struct trap_record *t = my_traps();

    if (t->count != before + 1) {
        say("# no trap\n");
    } else if (t->cause != cause) {
        say("# scause ");
        say_number(t->cause);
        say("\n");
    }
    check(t->count == before + 1 && t->cause == cause, name);
}

void test_traps(void)
{
    struct trap_record *t = my_traps();

    t->skip = true;
    check(load_at(FIRMWARE_GPA) == 0, "traps: nothing read from the firmware");
    check_cause(0, 5, "traps: load from the firmware");
    check_equal(t->tval, FIRMWARE_GPA, "traps: stval of the load");
    check_equal(t->epc, (uint64_t)(uintptr_t)load_at + 8, "traps: sepc of the load");
    store_at(FIRMWARE_GPA);
    check_cause(1, 7, "traps: store to the firmware");
    store_at(FIRMWARE_GPA + 0x3fff8);
    check_cause(2, 7, "traps: store to the firmware's last word");
    jump_to(FIRMWARE_GPA);
    check_cause(3, 1, "traps: jump into the firmware");
    check_equal(t->epc, FIRMWARE_GPA, "traps: sepc of the jump");
    illegal_insn();
    check_cause(4, 2, "traps: illegal instruction");
    check(t->tval == 0 || t->tval == 0xffffffff, "traps: stval of the illegal instruction");
    breakpoint();
    check_cause(5, 3, "traps: breakpoint");

    /* The trap state itself: SPP, SPIE and SIE as the manual has them. */
    set_csr(sstatus, SSTATUS_SIE);
    illegal_insn();
    check((read_csr(sstatus) & SSTATUS_SIE) != 0, "traps: SIE comes back by sret");
    clear_csr(sstatus, SSTATUS_SIE);
    illegal_insn();
    check((read_csr(sstatus) & SSTATUS_SIE) == 0, "traps: SIE stays off by sret");
    t->skip = false;
}
