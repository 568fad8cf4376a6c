#include "hw/intc/plic.h"
#include "tests/hw/fixture.h"

enum { ENABLE = 0x2000, THRESHOLD = 0x200000, CLAIM = 0x200004 };

static const struct plic_config config = {95, 4};
static struct fixture f;
static struct device *plic;

static void setup(void)
{
    fixture_init(&f);
    plic = fixture_device(&f, &plic_class, &config, 4);
}

static void teardown(void)
{
    device_free(plic);
    fixture_fini(&f);
}

TestSuite(plic, .init = setup, .fini = teardown);

static void wr(u64 offset, u32 value)
{
    device_write(plic, 0, offset, value, 4);
}

static u32 rd(u64 offset)
{
    return (u32)device_read(plic, 0, offset, 4);
}

static void wire(unsigned source, bool level)
{
    struct irq_line line = device_input_line(plic, source);
    irq_line_set(&line, level);
}

/* Source `s` at `priority`, enabled for context `c`. */
static void open_source(unsigned s, u32 priority, unsigned c)
{
    wr(4 * s, priority);
    u64 at = ENABLE + 0x80 * c + s / 32 * 4;
    wr(at, rd(at) | (u32)1 << (s % 32));
}

Test(plic, claim_and_complete)
{
    open_source(10, 1, 1);
    cr_assert(!f.lines[1]);
    wire(10, true);
    cr_assert(f.lines[1]);
    cr_assert(!f.lines[0], "only the enabled context is told");
    cr_assert_eq(rd(0x1000), 1u << 10);
    cr_assert_eq(rd(CLAIM + 0x1000), 10);
    cr_assert(!f.lines[1], "claimed: the context's line falls");
    cr_assert_eq(rd(0x1000), 0);
    cr_assert_eq(rd(CLAIM + 0x1000), 0, "nothing else to claim");
    wire(10, false);
    wr(CLAIM + 0x1000, 10);
    cr_assert(!f.lines[1]);
}

Test(plic, wire_driven_high_in_service_pends_after_completion)
{
    open_source(10, 1, 0);
    wire(10, true);
    cr_assert_eq(rd(CLAIM), 10);
    wire(10, true);
    cr_assert(!f.lines[0], "the source is in service");
    cr_assert_eq(rd(CLAIM), 0);
    wr(CLAIM, 10);
    cr_assert(f.lines[0]);
    cr_assert_eq(rd(CLAIM), 10);
}

/* As in QEMU: xv6 never takes back its UART's "transmitter empty". */
Test(plic, wire_that_stays_high_interrupts_once)
{
    open_source(10, 1, 0);
    wire(10, true);
    cr_assert_eq(rd(CLAIM), 10);
    wr(CLAIM, 10);
    cr_assert(!f.lines[0]);
    wire(10, true);
    cr_assert(f.lines[0], "the next event does interrupt");
}

Test(plic, request_goes_with_the_wire)
{
    open_source(3, 1, 0);
    wire(3, true);
    cr_assert(f.lines[0]);
    wire(3, false);
    cr_assert(!f.lines[0]);
    cr_assert_eq(rd(CLAIM), 0);
}

Test(plic, highest_priority_then_lowest_number)
{
    open_source(40, 2, 0);
    open_source(33, 2, 0);
    open_source(5, 1, 0);
    open_source(95, 7, 0);
    wire(5, true);
    wire(40, true);
    wire(33, true);
    wire(95, true);
    cr_assert_eq(rd(CLAIM), 95);
    cr_assert_eq(rd(CLAIM), 33);
    cr_assert_eq(rd(CLAIM), 40);
    cr_assert_eq(rd(CLAIM), 5);
    cr_assert_eq(rd(CLAIM), 0);
}

Test(plic, threshold_hides_the_line_but_not_the_claim)
{
    open_source(7, 3, 0);
    wr(THRESHOLD, 3);
    wire(7, true);
    cr_assert(!f.lines[0]);
    wr(THRESHOLD, 2);
    cr_assert(f.lines[0]);
    wr(THRESHOLD, 7);
    cr_assert(!f.lines[0]);
    cr_assert_eq(rd(CLAIM), 7);
}

Test(plic, priority_zero_never_interrupts)
{
    open_source(7, 0, 0);
    wire(7, true);
    cr_assert(!f.lines[0]);
    cr_assert_eq(rd(CLAIM), 0);
    wr(4 * 7, 1);
    cr_assert(f.lines[0], "it was pending all the time");
}

Test(plic, completion_by_a_context_that_has_it_disabled_is_ignored)
{
    open_source(7, 1, 0);
    wire(7, true);
    cr_assert_eq(rd(CLAIM), 7);
    wire(7, true);
    wr(CLAIM + 0x1000, 7);
    cr_assert(!f.lines[0]);
    wr(CLAIM, 7);
    cr_assert(f.lines[0]);
}

Test(plic, one_context_claims_for_all)
{
    open_source(7, 1, 0);
    open_source(7, 1, 3);
    wire(7, true);
    cr_assert(f.lines[0] && f.lines[3]);
    cr_assert_eq(rd(CLAIM + 0x3000), 7);
    cr_assert(!f.lines[0] && !f.lines[3]);
}

Test(plic, what_does_not_exist_reads_zero_and_takes_no_write)
{
    wr(0, 7);
    cr_assert_eq(rd(0), 0);
    wr(4 * 96, 7);
    cr_assert_eq(rd(4 * 96), 0);
    wr(ENABLE, 0xffffffff);
    cr_assert_eq(rd(ENABLE), 0xfffffffe, "source 0 does not exist");
    wr(4, 0xffffffff);
    cr_assert_eq(rd(4), 7, "three bits of priority");
    wr(0x1000, 0xffffffff);
    cr_assert_eq(rd(0x1000), 0);
    wr(CLAIM, 0);
    wr(CLAIM, 1000);
    /* Every register of the region bears any access. */
    for (u64 at = 0; at < 0x600000; at += 0xffc) {
        wr(at & ~(u64)3, 0xffffffff);
        rd(at & ~(u64)3);
    }
}

Test(plic, narrow_and_wide_accesses)
{
    open_source(9, 5, 0);
    cr_assert_eq(device_read(plic, 0, 36, 1), 5);
    cr_assert_eq(device_read(plic, 0, 37, 1), 0);
    cr_assert_eq(device_read(plic, 0, 32, 8), (u64)5 << 32);
    device_write(plic, 0, 36, 1, 1);
    cr_assert_eq(rd(36), 5, "a byte write is dropped");
}

Test(plic, state_survives_and_lines_are_driven_again)
{
    open_source(10, 1, 2);
    wire(10, true);
    struct device *other = fixture_device(&f, &plic_class, &config, 4);
    cr_assert(!f.lines[2], "the second instance's reset lowered the shared line");
    fixture_clone_state(plic, other);
    cr_assert(f.lines[2]);
    cr_assert_eq(device_read(other, 0, CLAIM + 0x2000, 4), 10);
    device_free(other);
}

Test(plic, reset_forgets_everything)
{
    open_source(10, 1, 0);
    wire(10, true);
    device_reset(plic);
    cr_assert(!f.lines[0]);
    cr_assert_eq(rd(4 * 10), 0);
    cr_assert_eq(rd(0x1000), 0);
}
