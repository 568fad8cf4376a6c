#include "hw/char/ns16550a.h"
#include "tests/hw/fixture.h"
#include <string.h>

enum { RBR = 0, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

static struct fixture f;
static struct char_backend *backend;
static struct char_port *port;
static struct ns16550a_config config;
static struct device *uart;

static void setup(void)
{
    struct char_backend_options options = {.kind = CHAR_MEMORY};
    fixture_init(&f);
    backend = char_backend_new(NULL, &f.log, &options, NULL);
    port = char_port_new("uart0.rx", NULL, backend, f.journal, NULL);
    config = (struct ns16550a_config){port, 3686400};
    uart = fixture_device(&f, &ns16550a_class, &config, 1);
}

static void teardown(void)
{
    device_free(uart);
    char_port_free(port);
    char_backend_free(backend);
    fixture_fini(&f);
}

TestSuite(ns16550a, .init = setup, .fini = teardown);

static void wr(unsigned reg, u8 value)
{
    device_write(uart, 0, reg, value, 1);
}

static u8 rd(unsigned reg)
{
    return (u8)device_read(uart, 0, reg, 1);
}

static void feed(const char *text)
{
    char_backend_feed(backend, text, strlen(text));
    cr_assert(journal_deliver(f.journal, 1));
}

static void expect_output(const char *text)
{
    char got[256] = {0};
    size_t size_bytes = char_backend_output(backend, 0, got, sizeof(got) - 1);
    cr_assert_eq(size_bytes, strlen(text));
    cr_assert_str_eq(got, text);
}

Test(ns16550a, reset_values)
{
    cr_assert_eq(rd(LSR), 0x60);
    cr_assert_eq(rd(IIR), 0x01);
    cr_assert_eq(rd(IER), 0);
    cr_assert_eq(rd(LCR), 0);
    cr_assert_eq(rd(MSR), 0xb0);
    cr_assert(!f.lines[0]);
}

Test(ns16550a, writes_reach_the_backend)
{
    wr(THR, 'h');
    wr(THR, 'i');
    expect_output("hi");
    cr_assert_eq(rd(LSR) & 0x60, 0x60, "the transmitter is always ready");
}

Test(ns16550a, transmitter_interrupt)
{
    wr(IER, 2);
    cr_assert(f.lines[0], "enabling it while empty raises it");
    cr_assert_eq(rd(IIR), 0x02);
    cr_assert(!f.lines[0], "reading IIR clears it");
    cr_assert_eq(rd(IIR), 0x01);
    wr(THR, 'x');
    cr_assert(f.lines[0]);
    wr(IER, 0);
    cr_assert(!f.lines[0]);
}

Test(ns16550a, writing_ier_again_does_not_raise_it_again)
{
    wr(IER, 2);
    rd(IIR);
    wr(IER, 3);
    cr_assert(!f.lines[0]);
    wr(IER, 1);
    wr(IER, 3);
    cr_assert(f.lines[0], "off and on does");
}

Test(ns16550a, receive_without_fifo)
{
    wr(IER, 1);
    feed("ab");
    cr_assert(f.lines[0]);
    cr_assert_eq(rd(IIR), 0x04);
    cr_assert_eq(rd(LSR) & 1, 1);
    cr_assert_eq(rd(RBR), 'a');
    cr_assert(f.lines[0], "the next byte moved up");
    cr_assert_eq(rd(RBR), 'b');
    cr_assert(!f.lines[0]);
    cr_assert_eq(rd(LSR) & 1, 0);
    cr_assert_eq(rd(RBR), 0);
}

Test(ns16550a, receive_fifo_trigger_and_timeout)
{
    wr(FCR, 0x81); /* trigger at 8 */
    wr(IER, 1);
    feed("1234567");
    cr_assert(!f.lines[0]);
    fixture_run_to_ns(&f, 10000000);
    cr_assert(f.lines[0]);
    cr_assert_eq(rd(IIR), 0xcc, "character timeout");
    cr_assert_eq(rd(RBR), '1');
    cr_assert(!f.lines[0], "a read ends the timeout");
    feed("89");
    cr_assert(f.lines[0], "eight in the FIFO");
    cr_assert_eq(rd(IIR), 0xc4);
    for (char c = '2'; c <= '9'; c++) {
        cr_assert_eq(rd(RBR), c);
    }
    fixture_run_to_ns(&f, 100000000);
    cr_assert(!f.lines[0], "an empty FIFO has no timeout");
}

Test(ns16550a, more_than_a_fifo_waits_outside)
{
    wr(FCR, 1);
    feed("0123456789abcdefghijklmnopqrstuvwxyz");
    for (const char *c = "0123456789abcdefghijklmnopqrstuvwxyz"; *c != '\0'; c++) {
        cr_assert_eq(rd(LSR), 0x61, "data, and no overrun");
        cr_assert_eq(rd(RBR), *c);
    }
    cr_assert_eq(rd(LSR), 0x60);
}

/* A driver that begins clears the receiver; what was typed before is still there for it. */
Test(ns16550a, what_nobody_has_read_is_not_dropped)
{
    feed("abc");
    wr(FCR, 1);
    wr(FCR, 7);
    cr_assert_eq(rd(RBR), 'a');
    cr_assert_eq(rd(RBR), 'b');
    wr(FCR, 3);
    cr_assert_eq(rd(LSR), 0x60, "after that a reset is one");
}

Test(ns16550a, fifo_reset_drops_what_is_inside)
{
    rd(RBR);
    wr(FCR, 1);
    feed("abc");
    wr(FCR, 3);
    cr_assert_eq(rd(LSR), 0x60);
}

Test(ns16550a, line_status_has_priority_and_clears_by_reading)
{
    wr(MCR, 0x10);
    wr(IER, 7);
    wr(THR, 'a');
    wr(THR, 'b'); /* no FIFO: overrun */
    cr_assert_eq(rd(IIR), 0x06);
    cr_assert_eq(rd(LSR), 0x63);
    cr_assert_eq(rd(LSR), 0x61);
    cr_assert_eq(rd(IIR), 0x04);
    cr_assert_eq(rd(RBR), 'a');
    cr_assert_eq(rd(IIR), 0x02);
    cr_assert_eq(rd(IIR), 0x01);
}

Test(ns16550a, loopback)
{
    wr(MCR, 0x10);
    wr(THR, 'x');
    cr_assert_eq(rd(RBR), 'x');
    expect_output("");
    wr(MCR, 0x1a); /* RTS, OUT2 */
    cr_assert_eq(rd(MSR) & 0xf0, 0x90);
    wr(MCR, 0x14); /* OUT1 */
    cr_assert_eq(rd(MSR) & 0xf0, 0x40);
    feed("q");
    cr_assert_eq(rd(LSR) & 1, 0, "the outside is cut off");
    wr(MCR, 0);
    cr_assert_eq(rd(RBR), 'q');
}

Test(ns16550a, modem_change_interrupt)
{
    wr(IER, 8);
    cr_assert(!f.lines[0]);
    wr(MCR, 0x10);
    cr_assert(f.lines[0]);
    cr_assert_eq(rd(IIR), 0x00);
    cr_assert_eq(rd(MSR) & 0x0f, 0x0b);
    cr_assert(!f.lines[0]);
    cr_assert_eq(rd(MSR) & 0x0f, 0);
}

Test(ns16550a, divisor_and_scratch)
{
    wr(LCR, 0x83);
    wr(0, 0x34);
    wr(1, 0x12);
    cr_assert_eq(rd(0), 0x34);
    cr_assert_eq(rd(1), 0x12);
    wr(LCR, 0x03);
    cr_assert_eq(rd(IER), 0);
    expect_output("");
    wr(SCR, 0xa5);
    cr_assert_eq(rd(SCR), 0xa5);
}

Test(ns16550a, wide_and_far_accesses)
{
    for (u64 at = 0; at < 0x100; at++) {
        device_write(uart, 0, at & ~(u64)3, 0, 4);
        device_read(uart, 0, at, 1);
    }
    wr(LCR, 3);
    cr_assert_eq(device_read(uart, 0, 0, 4) >> 24, 3);
}

Test(ns16550a, break_shows_with_its_byte)
{
    wr(FCR, 1);
    wr(IER, 4);
    feed("ab");
    char_port_send_break(port);
    char_port_send_break(port);
    cr_assert(journal_deliver(f.journal, 2));
    cr_assert_eq(rd(LSR), 0x61, "two bytes are before it");
    cr_assert(!f.lines[0]);
    cr_assert_eq(rd(RBR), 'a');
    cr_assert_eq(rd(RBR), 'b');
    cr_assert(f.lines[0]);
    cr_assert_eq(rd(IIR), 0xc6);
    cr_assert_eq(rd(LSR), 0x71);
    cr_assert_eq(rd(LSR), 0x61, "read once");
    cr_assert_eq(rd(RBR), 0);
    cr_assert_eq(rd(LSR), 0x60, "the second break found one waiting");
    char_port_send_break(port);
    cr_assert(journal_deliver(f.journal, 3));
    cr_assert_eq(rd(LSR), 0x71);
}

Test(ns16550a, state_survives)
{
    wr(FCR, 0x81);
    wr(IER, 1);
    feed("abc");
    struct ns16550a_config alone = {NULL, 3686400};
    struct device *other = fixture_device(&f, &ns16550a_class, &alone, 1);
    fixture_clone_state(uart, other);
    fixture_run_to_ns(&f, 10000000);
    cr_assert(f.lines[0]);
    cr_assert_eq(device_read(other, 0, RBR, 1), 'a');
    device_free(other);
}
