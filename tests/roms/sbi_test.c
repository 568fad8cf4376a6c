/* The conformance payload's frame: device tree, traps, TAP lines, the order of the groups. */
#include "tests/roms/sbi_test.h"

#include "roms/common/dtb.h"
#include "roms/common/mem.h"

struct board board;
struct trap_record trap_records[HARTS_MAX];

static uint32_t passed;
static uint32_t failed;

_Noreturn void test_main(uint64_t hart_id, void *tree_blob);
uint64_t trap_handle(uint64_t cause, uint64_t epc, uint64_t tval, uint64_t ra);

struct sbi_ret sbi(uint64_t ext, uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                   uint64_t a4)
{
    register uint64_t r0 __asm__("a0") = a0;
    register uint64_t r1 __asm__("a1") = a1;
    register uint64_t r2 __asm__("a2") = a2;
    register uint64_t r3 __asm__("a3") = a3;
    register uint64_t r4 __asm__("a4") = a4;
    register uint64_t r6 __asm__("a6") = fid;
    register uint64_t r7 __asm__("a7") = ext;

    __asm__ volatile("ecall"
                     : "+r"(r0), "+r"(r1)
                     : "r"(r2), "r"(r3), "r"(r4), "r"(r6), "r"(r7)
                     : "memory");
    return (struct sbi_ret){(int64_t)r0, r1};
}

struct trap_record *my_traps(void)
{
    uint64_t number;

    __asm__ volatile("mv %0, tp" : "=r"(number));
    return &trap_records[number];
}

void say(const char *text)
{
    sbi(SBI_EXT_DBCN, SBI_DBCN_WRITE, text_length(text), (uint64_t)(uintptr_t)text, 0, 0, 0);
}

void say_number(uint64_t number)
{
    char digits[24];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say(digits + at);
}

void check(bool ok, const char *name)
{
    if (ok) {
        passed++;
    } else {
        failed++;
    }
    say(ok ? "ok " : "not ok ");
    say_number(passed + failed);
    say(" - ");
    say(name);
    say("\n");
}

void check_equal(uint64_t got, uint64_t want, const char *name)
{
    if (got != want) {
        say("# got ");
        say_number(got);
        say(", want ");
        say_number(want);
        say("\n");
    }
    check(got == want, name);
}

uint64_t ticks(void)
{
    uint64_t now;

    __asm__ volatile("rdtime %0" : "=r"(now) : : "memory");
    return now;
}

uint64_t ticks_of_ms(uint64_t ms)
{
    return board.timebase_hz * ms / 1000;
}

/* Returns where to go on. Without `skip` an exception is the end: there is no way to go on. */
uint64_t trap_handle(uint64_t cause, uint64_t epc, uint64_t tval, uint64_t ra)
{
    struct trap_record *t = my_traps();

    if (cause == (CAUSE_INTERRUPT | IRQ_SSI)) {
        clear_csr(sip, SIE_SSI);
        t->soft_count++;
        return epc;
    }
    if (cause == (CAUSE_INTERRUPT | IRQ_STI)) {
        sbi(SBI_EXT_TIME, 0, ~0ul, 0, 0, 0, 0);
        t->timer_count++;
        return epc;
    }
    if (!t->skip) {
        say("not ok - unexpected trap, scause ");
        say_number(cause);
        say(" sepc ");
        say_number(epc);
        say("\n");
        sbi(SBI_EXT_SRST, 0, SBI_SRST_SHUTDOWN, SBI_SRST_REASON_FAILURE, 0, 0, 0);
    }
    t->cause = cause;
    t->epc = epc;
    t->tval = tval;
    t->count++;
    return cause == 1 ? ra : epc + 4;
}

static void read_board(void *tree_blob)
{
    struct dtb tree;
    struct dtb_walk at;
    uint64_t id;
    uint64_t size;

    if (!dtb_open(&tree, tree_blob)) {
        return;
    }
    for (dtb_walk_init(&at, &tree); dtb_walk_next(&at);) {
        if (text_equal(dtb_name(&at, 0), "cpus")) {
            board.timebase_hz = dtb_prop_u32(&at, "timebase-frequency", 0);
        } else if (dtb_prop_has(&at, "device_type", "cpu") && dtb_reg(&at, 0, &id, NULL) &&
                   board.hart_count < HARTS_MAX) {
            board.hart_id[board.hart_count++] = id;
        } else if (text_equal(dtb_name(&at, 1), "reserved-memory") &&
                   dtb_reg(&at, 0, &id, &size)) {
            uint32_t bytes;
            board.reserves_firmware |= id == FIRMWARE_GPA && size >= 4096 &&
                                       dtb_prop(&at, "no-map", &bytes) != NULL;
        }
    }
}

/* The boot hart is number 0 here, whatever its id. */
static void put_boot_hart_first(uint64_t hart_id)
{
    board.boot_hart = hart_id;
    for (uint32_t i = 0; i < board.hart_count; i++) {
        if (board.hart_id[i] == hart_id) {
            board.hart_id[i] = board.hart_id[0];
            board.hart_id[0] = hart_id;
        }
    }
}

_Noreturn void test_main(uint64_t hart_id, void *tree_blob)
{
    read_board(tree_blob);
    put_boot_hart_first(hart_id);
    say("TAP version 13\n");
    check(board.hart_count > 0 && board.timebase_hz > 0, "boot: a1 is a device tree");
    check(board.reserves_firmware, "boot: the tree reserves the firmware's memory");
    check_equal(read_csr(satp), 0, "boot: satp is 0");
    test_base();
    test_traps();
    test_time();
    test_ipi();
    test_rfence();
    test_dbcn();
    test_legacy();
    test_pmu();
    test_hsm();
    test_harts();
    test_srst();
    say("1..");
    say_number(passed + failed);
    say("\n");
    say_number(passed);
    say(" passed, ");
    say_number(failed);
    say(" failed\n");
    sbi(SBI_EXT_SRST, 0, SBI_SRST_SHUTDOWN,
        failed == 0 ? SBI_SRST_REASON_NONE : SBI_SRST_REASON_FAILURE, 0, 0, 0);
    say("not ok - still here after shutdown\n");
    for (;;) {
        __asm__ volatile("wfi");
    }
}
