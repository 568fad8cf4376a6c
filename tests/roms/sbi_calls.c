/* Extensions BASE, TIME, IPI, RFENCE, DBCN, SRST and the v0.1 calls, on one hart. */
#include "tests/roms/sbi_test.h"

#include "roms/common/mem.h"

#define HOLE_GPA 0x10000000ul   /* a device: not RAM */

static uint64_t error_of(struct sbi_ret ret)
{
    return (uint64_t)ret.error;
}

static uint64_t want(int64_t error)
{
    return (uint64_t)error;
}

static uint64_t probe(uint64_t ext)
{
    return sbi(SBI_EXT_BASE, SBI_BASE_PROBE, ext, 0, 0, 0, 0).value;
}

void test_base(void)
{
    static const struct {
        uint64_t id;
        const char *name;
    } extensions[] = {
        {SBI_EXT_BASE, "base: probe BASE"}, {SBI_EXT_TIME, "base: probe TIME"},
        {SBI_EXT_IPI, "base: probe IPI"},   {SBI_EXT_RFENCE, "base: probe RFENCE"},
        {SBI_EXT_HSM, "base: probe HSM"},   {SBI_EXT_SRST, "base: probe SRST"},
        {SBI_EXT_PMU, "base: probe PMU"},   {SBI_EXT_DBCN, "base: probe DBCN"},
    };
    struct sbi_ret version = sbi(SBI_EXT_BASE, SBI_BASE_SPEC_VERSION, 0, 0, 0, 0, 0);

    check(version.error == 0 && version.value >= SBI_SPEC_VERSION && version.value >> 31 == 0,
          "base: the specification is 2.0 or later");
    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        check(probe(extensions[i].id) != 0, extensions[i].name);
    }
    check_equal(probe(0x12345678), 0, "base: probe of an unknown extension");
    for (uint64_t fid = SBI_BASE_IMPL_ID; fid <= SBI_BASE_MIMPID; fid++) {
        check_equal(error_of(sbi(SBI_EXT_BASE, fid, 0, 0, 0, 0, 0)), 0, "base: identity call");
    }
    check_equal(error_of(sbi(SBI_EXT_BASE, 99, 0, 0, 0, 0, 0)), want(SBI_ERR_NOT_SUPPORTED),
                "base: unknown function");
    check_equal(error_of(sbi(0x12345678, 0, 0, 0, 0, 0, 0)), want(SBI_ERR_NOT_SUPPORTED),
                "base: unknown extension");
    check_equal(call_keeps_registers(), 0, "base: a call changes a0 and a1 only");
}

static bool timer_pending(void)
{
    return (read_csr(sip) & SIE_STI) != 0;
}

void test_time(void)
{
    uint64_t begin = ticks();

    while (ticks() == begin) {
    }
    check(ticks() > begin, "time: the clock runs");
    check_equal(error_of(sbi(SBI_EXT_TIME, 0, ~0ul, 0, 0, 0, 0)), 0, "time: set_timer");
    check(!timer_pending(), "time: a timer far away is not pending");
    sbi(SBI_EXT_TIME, 0, 0, 0, 0, 0, 0);
    while (!timer_pending() && ticks() - begin < ticks_of_ms(10000)) {
    }
    check(timer_pending(), "time: a timer in the past is pending");
    sbi(SBI_EXT_TIME, 0, ~0ul, 0, 0, 0, 0);
    check(!timer_pending(), "time: setting it again withdraws it");

    uint32_t count = my_traps()->timer_count;
    uint64_t deadline = ticks() + ticks_of_ms(5);
    sbi(SBI_EXT_TIME, 0, deadline, 0, 0, 0, 0);
    set_csr(sie, SIE_STI);
    __asm__ volatile("wfi");
    set_csr(sstatus, SSTATUS_SIE);
    while (my_traps()->timer_count == count && ticks() - deadline + ticks_of_ms(5) <
                                                   ticks_of_ms(10000)) {
    }
    clear_csr(sstatus, SSTATUS_SIE);
    clear_csr(sie, SIE_STI);
    check_equal(my_traps()->timer_count, count + 1, "time: one interrupt");
    check(ticks() >= deadline, "time: not before its time");
    check_equal(error_of(sbi(SBI_EXT_TIME, 1, 0, 0, 0, 0, 0)), want(SBI_ERR_NOT_SUPPORTED),
                "time: unknown function");
}

static bool soft_pending(void)
{
    return (read_csr(sip) & SIE_SSI) != 0;
}

static void check_self_ipi(uint64_t mask, uint64_t base, const char *name)
{
    clear_csr(sip, SIE_SSI);
    struct sbi_ret ret = sbi(SBI_EXT_IPI, 0, mask, base, 0, 0, 0);
    check(ret.error == 0 && soft_pending(), name);
    clear_csr(sip, SIE_SSI);
}

void test_ipi(void)
{
    check_self_ipi(1, board.boot_hart, "ipi: to oneself by mask");
    check_self_ipi(0, ~0ul, "ipi: to all harts");
    check(sbi(SBI_EXT_IPI, 0, 0, 0, 0, 0, 0).error == 0 && !soft_pending(), "ipi: to nobody");
    check_equal(error_of(sbi(SBI_EXT_IPI, 0, 1, 4000, 0, 0, 0)), want(SBI_ERR_INVALID_PARAM),
                "ipi: to a hart that is not there");
    check_equal(error_of(sbi(SBI_EXT_IPI, 0, 3, ~0ul - 1, 0, 0, 0)), want(SBI_ERR_INVALID_PARAM),
                "ipi: mask beyond the largest hart id");
    check_equal(error_of(sbi(SBI_EXT_IPI, 1, 0, 0, 0, 0, 0)), want(SBI_ERR_NOT_SUPPORTED),
                "ipi: unknown function");

    uint32_t count = my_traps()->soft_count;
    set_csr(sie, SIE_SSI);
    set_csr(sstatus, SSTATUS_SIE);
    sbi(SBI_EXT_IPI, 0, 1, board.boot_hart, 0, 0, 0);
    clear_csr(sstatus, SSTATUS_SIE);
    clear_csr(sie, SIE_SSI);
    check_equal(my_traps()->soft_count, count + 1, "ipi: taken as an interrupt");
}

void test_rfence(void)
{
    uint64_t self = board.boot_hart;
    uint64_t id = SBI_EXT_RFENCE;

    check_equal(error_of(sbi(id, SBI_RFENCE_FENCE_I, 1, self, 0, 0, 0)), 0, "rfence: fence.i");
    check_equal(error_of(sbi(id, SBI_RFENCE_SFENCE_VMA, 1, self, 0, 0, 0)), 0,
                "rfence: sfence.vma of all");
    check_equal(error_of(sbi(id, SBI_RFENCE_SFENCE_VMA, 1, self, 0x1000, 0x3000, 0)), 0,
                "rfence: sfence.vma of a range");
    check_equal(error_of(sbi(id, SBI_RFENCE_SFENCE_VMA, 0, ~0ul, ~0xffful, 0x2000, 0)), 0,
                "rfence: sfence.vma of a range at the end of the address space");
    check_equal(error_of(sbi(id, SBI_RFENCE_SFENCE_VMA_ASID, 1, self, 0, ~0ul, 3)), 0,
                "rfence: sfence.vma of an address space");
    check_equal(error_of(sbi(id, SBI_RFENCE_SFENCE_VMA_ASID, 1, self, 0x1800, 0x1000, 3)), 0,
                "rfence: sfence.vma of a range of an address space");
    check_equal(error_of(sbi(id, SBI_RFENCE_FENCE_I, 1, 4000, 0, 0, 0)),
                want(SBI_ERR_INVALID_PARAM), "rfence: a hart that is not there");
    check_equal(error_of(sbi(id, 99, 1, self, 0, 0, 0)), want(SBI_ERR_NOT_SUPPORTED),
                "rfence: unknown function");
}

static uint64_t dbcn_error(uint64_t fid, uint64_t bytes, uint64_t gpa, uint64_t gpa_high)
{
    return error_of(sbi(SBI_EXT_DBCN, fid, bytes, gpa, gpa_high, 0, 0));
}

void test_dbcn(void)
{
    static const char text[] = "# written by the debug console\n";
    char buffer[8] = "";
    uint64_t text_gpa = (uint64_t)(uintptr_t)text;
    uint64_t bytes = sizeof(text) - 1;
    struct sbi_ret ret = sbi(SBI_EXT_DBCN, SBI_DBCN_WRITE, bytes, text_gpa, 0, 0, 0);

    check(ret.error == 0 && ret.value == bytes, "dbcn: write");
    check_equal(dbcn_error(SBI_DBCN_WRITE, 0, text_gpa, 0), 0, "dbcn: write nothing");
    ret = sbi(SBI_EXT_DBCN, SBI_DBCN_READ, sizeof(buffer), (uint64_t)(uintptr_t)buffer, 0, 0, 0);
    check(ret.error == 0 && ret.value == 0, "dbcn: read with nothing there");
    for (const char *p = "# byte\n"; *p != '\0'; p++) {
        ret = sbi(SBI_EXT_DBCN, SBI_DBCN_WRITE_BYTE, (uint64_t)*p, 0, 0, 0, 0);
    }
    check_equal(error_of(ret), 0, "dbcn: write_byte");
    for (uint64_t fid = SBI_DBCN_WRITE; fid <= SBI_DBCN_READ; fid++) {
        const uint64_t no = want(SBI_ERR_INVALID_PARAM);
        check_equal(dbcn_error(fid, 16, FIRMWARE_GPA, 0), no, "dbcn: firmware memory");
        check_equal(dbcn_error(fid, 0x200000, FIRMWARE_GPA, 0), no, "dbcn: all of the firmware");
        check_equal(dbcn_error(fid, 16, FIRMWARE_GPA - 8, 0), no, "dbcn: into the firmware");
        check_equal(dbcn_error(fid, 16, HOLE_GPA, 0), no, "dbcn: a device");
        check_equal(dbcn_error(fid, 16, text_gpa, 1), no, "dbcn: an address above 64 bits");
        check_equal(dbcn_error(fid, ~0ul, text_gpa, 0), no, "dbcn: a size that wraps round");
        check_equal(dbcn_error(fid, ~0ul - text_gpa, text_gpa, 0), no, "dbcn: beyond RAM");
    }
    check_equal(dbcn_error(99, 0, 0, 0), want(SBI_ERR_NOT_SUPPORTED), "dbcn: unknown function");
}

void test_srst(void)
{
    uint64_t id = SBI_EXT_SRST;

    check_equal(error_of(sbi(id, 0, 3, 0, 0, 0, 0)), want(SBI_ERR_INVALID_PARAM),
                "srst: reserved type");
    check_equal(error_of(sbi(id, 0, 0xf0000000, 0, 0, 0, 0)), want(SBI_ERR_INVALID_PARAM),
                "srst: platform type");
    check_equal(error_of(sbi(id, 0, 0, 2, 0, 0, 0)), want(SBI_ERR_INVALID_PARAM),
                "srst: reserved reason");
    check_equal(error_of(sbi(id, 1, 0, 0, 0, 0, 0)), want(SBI_ERR_NOT_SUPPORTED),
                "srst: unknown function");
}

void test_legacy(void)
{
    uint64_t mask = 1ul << board.boot_hart;
    uint64_t mask_gva = (uint64_t)(uintptr_t)&mask;

    for (const char *p = "# legacy putchar\n"; *p != '\0'; p++) {
        sbi(SBI_LEGACY_PUTCHAR, 0, (uint64_t)*p, 0, 0, 0, 0);
    }
    check_equal(error_of(sbi(SBI_LEGACY_GETCHAR, 0, 0, 0, 0, 0, 0)), want(-1),
                "legacy: getchar with nothing there");
    check_equal(sbi(SBI_LEGACY_PUTCHAR, 0, '#', 0x77, 0, 0, 0).value, 0x77,
                "legacy: a1 is kept");
    say("\n");
    if (board.boot_hart < 64) {
        clear_csr(sip, SIE_SSI);
        sbi(SBI_LEGACY_SEND_IPI, 0, mask_gva, 0, 0, 0, 0);
        check(soft_pending(), "legacy: send_ipi");
        sbi(SBI_LEGACY_CLEAR_IPI, 0, 0, 0, 0, 0, 0);
        check(!soft_pending(), "legacy: clear_ipi");
        check_equal(error_of(sbi(SBI_LEGACY_FENCE_I, 0, mask_gva, 0, 0, 0, 0)), 0,
                    "legacy: remote fence.i");
        check_equal(error_of(sbi(SBI_LEGACY_SFENCE_VMA, 0, mask_gva, 0, 0, 0, 0)), 0,
                    "legacy: remote sfence.vma");
        check_equal(error_of(sbi(SBI_LEGACY_SFENCE_VMA_ASID, 0, mask_gva, 0, 4096, 1, 0)), 0,
                    "legacy: remote sfence.vma of an address space");
    }
    check(sbi(SBI_LEGACY_SEND_IPI, 0, FIRMWARE_GPA, 0, 0, 0, 0).error != 0 && !soft_pending(),
          "legacy: a mask in firmware memory is not read");
    sbi(SBI_LEGACY_SET_TIMER, 0, 0, 0, 0, 0, 0);
    uint64_t begin = ticks();
    while (!timer_pending() && ticks() - begin < ticks_of_ms(10000)) {
    }
    check(timer_pending(), "legacy: set_timer");
    sbi(SBI_LEGACY_SET_TIMER, 0, ~0ul, 0, 0, 0, 0);
    check(!timer_pending(), "legacy: set_timer withdraws");
}
