/* The USB host controller, driven as a driver does, and as none should. */
#include "hw/usb/xhci.h"
#include "tests/hw/usb/host.h"

enum { KEYBOARD_PORT = 1, TABLET_PORT = 2, KEY_A = 30, PORTSC = OP + 0x400, USBSTS = OP + 4 };

static struct fixture f;
static struct host host;
static struct input *input;
static struct xhci_config config;
static struct device *device;
static struct xhci *xhci;
static u64 delivered;
static unsigned messages;

static void count_message(void *opaque, gpa_t gpa, u32 data)
{
    (void)opaque, (void)gpa, (void)data;
    messages++;
}

static void setup(void)
{
    fixture_init(&f);
    f.env.message = count_message;
    messages = 0;
    delivered = 0;
    input = input_new(f.journal);
    config = (struct xhci_config){input, true};
    device = fixture_device(&f, &xhci_class, &config, 1);
    xhci = device->state;
    host_start(&host, &f, device, 64);
}

static void teardown(void)
{
    device_free(device);
    input_free(input);
    fixture_fini(&f);
}

TestSuite(xhci, .init = setup, .fini = teardown, .timeout = 60);

static void press(unsigned code, bool down)
{
    input_key(input, code, down);
    journal_deliver(f.journal, ++delivered);
    host_wait(&host);
}

Test(xhci, says_what_it_is)
{
    cr_expect_eq(host_get(&host, 0), 0x01000040);
    cr_expect_eq(host_get(&host, 4) >> 24, XHCI_PORTS);
    cr_expect_eq(host_get(&host, 0x14), DB);
    cr_expect_eq(host_get(&host, 0x18), 0x1000);
    u32 at = (host_get(&host, 0x10) >> 16) * 4;
    cr_expect_eq(host_get(&host, at) & 0xff, 2, "a supported protocol");
    cr_expect_eq(host_get(&host, at + 8), 1 | 2 << 8, "ports 1 and 2");
    cr_expect_eq(host_get(&host, OP + 8), 1);
    cr_expect_eq(host_get(&host, PORTSC) & 0x20001, 0x20001, "connected, and that is news");
    cr_expect_eq(host_get(&host, PORTSC + 0x20) & 1, 0, "nothing in port 3");
    cr_expect_eq(host_event(&host), TRB_PORT_EVENT);
    cr_expect_eq(host.last[0], KEYBOARD_PORT << 24);
    cr_expect_eq(host_event(&host), TRB_PORT_EVENT);
    cr_expect_eq(host_event(&host), 0);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
    cr_expect(host_get(&host, 0x1000) >= 8, "microframes pass");
}

Test(xhci, a_short_descriptor)
{
    unsigned slot = host_address(&host, KEYBOARD_PORT);
    cr_expect_eq(host_load(&host, HOST_CONTEXT + 0x1000 * slot + 12), 2u << 27 | slot);
    cr_expect_eq(host_request(&host, slot, 0x0040000001000680, 64), CODE_SUCCESS);
    cr_expect_eq(host_load(&host, HOST_DATA) & 0xffff, 0x0112);
    u64 at = HOST_EVENTS + (u64)(host.event - 2) * XHCI_TRB_BYTES;
    cr_expect_eq(host_load(&host, at + 8), (u32)CODE_SHORT << 24 | (64 - 18));
}

Test(xhci, keys_come_as_reports_and_interrupts)
{
    unsigned slot = host_configure(&host, KEYBOARD_PORT);
    cr_expect_eq(host_load(&host, HOST_CONTEXT + 0x1000 * slot + 12) >> 27, 3, "configured");
    host_report(&host, slot, 0, 8);
    host_report(&host, slot, 1, 8);
    cr_expect_eq(host_event(&host), 0, "nothing happened yet");
    host_put(&host, RT, 3);
    cr_expect(!f.lines[0]);
    press(KEY_A, true);
    cr_expect(f.lines[0]);
    cr_expect_eq(host_event(&host), TRB_TRANSFER_EVENT);
    cr_expect_eq(host_code(&host), CODE_SUCCESS);
    cr_expect_eq(host.last[3] >> TRB_SLOT, slot);
    cr_expect_eq(host_load(&host, HOST_DATA), 0x04 << 16);
    host_put(&host, RT, 3);
    cr_expect(!f.lines[0], "the pending bit was cleared");
    press(KEY_A, false);
    cr_expect_eq(host_event(&host), TRB_TRANSFER_EVENT);
    cr_expect_eq(host_load(&host, HOST_DATA + 16), 0);
    press(KEY_A, true);
    cr_expect_eq(host_event(&host), 0, "no TRB is there for it");
    host_report(&host, slot, 2, 16);
    cr_expect_eq(host_event(&host), TRB_TRANSFER_EVENT);
    cr_expect_eq(host.last[2], (u32)CODE_SHORT << 24 | 8);
}

Test(xhci, messages_take_the_place_of_the_line)
{
    struct pci_function *function = pci_function_of(device);
    pci_msix_write(function, 12, 0, 4);
    pci_config_write(function, function->msix_cap + 2, 0x8000, 2);
    unsigned slot = host_configure(&host, KEYBOARD_PORT);
    host_report(&host, slot, 0, 8);
    messages = 0;
    press(KEY_A, true);
    cr_expect_eq(messages, 1);
    cr_expect(!f.lines[0]);
    cr_expect_eq(host_get(&host, RT) & 1, 0, "sent is not pending");
}

Test(xhci, a_refused_request_halts_until_it_is_reset)
{
    unsigned slot = host_address(&host, TABLET_PORT);
    cr_expect_eq(host_request(&host, slot, 0x0008000000000fc0, 8), CODE_STALL);
    cr_expect_eq(host_load(&host, HOST_CONTEXT + 0x1000 * slot + 32) & 7, ENDPOINT_HALTED);
    cr_expect_eq(host_request(&host, slot, 0x0000000000010900, 0), 0, "it stands still");
    u64 next = HOST_GPA(HOST_CONTROL + (u64)host.control * XHCI_TRB_BYTES);
    u32 set = host_slot_command(TRB_SET_DEQUEUE, slot, 1);
    cr_expect_eq(host_command(&host, next | 1, set), CODE_CONTEXT_STATE);
    cr_expect_eq(host_command(&host, 0, host_slot_command(TRB_RESET_ENDPOINT, slot, 1)),
                 CODE_SUCCESS);
    cr_expect_eq(host_command(&host, next | 1, set), CODE_SUCCESS);
    cr_expect_eq(host_request(&host, slot, 0x0000000000010900, 0), CODE_SUCCESS);
}

Test(xhci, stopping_tells_where_it_stopped)
{
    unsigned slot = host_configure(&host, KEYBOARD_PORT);
    host_report(&host, slot, 0, 8);
    host_trb(&host, HOST_COMMANDS + (u64)host.command++ * XHCI_TRB_BYTES, 0, 0,
             host_slot_command(TRB_STOP_ENDPOINT, slot, XHCI_ENDPOINT_REPORTS) | TRB_CYCLE);
    host_put(&host, DB, 0);
    host_wait(&host);
    cr_expect_eq(host_event(&host), TRB_TRANSFER_EVENT);
    cr_expect_eq(host_code(&host), CODE_STOPPED);
    cr_expect_eq(host.last[0], (u32)HOST_GPA(HOST_REPORTS));
    cr_expect_eq(host_event(&host), TRB_COMMAND_EVENT);
    press(KEY_A, true);
    cr_expect_eq(host_event(&host), 0, "a stopped ring stays so");
    host_put(&host, DB + 4 * slot, XHCI_ENDPOINT_REPORTS);
    host_wait(&host);
    cr_expect_eq(host_event(&host), TRB_TRANSFER_EVENT, "until its doorbell is rung");
}

Test(xhci, commands_in_the_wrong_state_are_refused)
{
    cr_expect_eq(host_command(&host, 0, host_slot_command(TRB_DISABLE_SLOT, 3, 0)), CODE_NO_SLOT);
    cr_expect_eq(host_command(&host, 0, host_slot_command(TRB_DISABLE_SLOT, 200, 0)), CODE_NO_SLOT);
    cr_expect_eq(host_command(&host, 0, host_slot_command(60, 1, 0)), CODE_TRB);
    unsigned slot = host_address(&host, KEYBOARD_PORT);
    cr_expect_eq(host_command(&host, HOST_GPA(HOST_INPUT),
                              host_slot_command(TRB_ADDRESS_DEVICE, slot, 0)), CODE_CONTEXT_STATE);
    cr_expect_eq(host_command(&host, 0, host_slot_command(TRB_STOP_ENDPOINT, slot, 5)),
                 CODE_NO_ENDPOINT);
    cr_expect_eq(host_command(&host, 0, host_slot_command(TRB_ENABLE_SLOT, 0, 0)), CODE_SUCCESS);
    unsigned other = host.last[3] >> TRB_SLOT;
    cr_expect_eq(host_command(&host, HOST_GPA(HOST_INPUT),
                              host_slot_command(TRB_ADDRESS_DEVICE, other, 0)), CODE_PARAMETER,
                 "the port's device has a slot");
    for (unsigned i = 2; i < XHCI_SLOTS; i++) {
        host_command(&host, 0, host_slot_command(TRB_ENABLE_SLOT, 0, 0));
    }
    cr_expect_eq(host_command(&host, 0, host_slot_command(TRB_ENABLE_SLOT, 0, 0)), CODE_NO_SLOTS);
    cr_expect_eq(host_command(&host, 0, host_slot_command(TRB_DISABLE_SLOT, slot, 0)),
                 CODE_SUCCESS);
    host_put(&host, DB + 4 * slot, 1);
    host_wait(&host);
    cr_expect_eq(host_event(&host), 0, "a freed slot has no rings");
}

Test(xhci, waits_while_the_event_ring_is_full)
{
    host_start(&host, &f, device, 16);
    for (unsigned i = 0; i < 40; i++) {
        host_trb(&host, HOST_COMMANDS + (u64)i * XHCI_TRB_BYTES, 0, 0,
                 (u32)TRB_NO_OP_COMMAND << TRB_TYPE | TRB_CYCLE);
    }
    host_put(&host, DB, 0);
    host_wait(&host);
    unsigned commands = 0;
    for (unsigned tries = 0; tries < 200; tries++) {
        commands += host_event(&host) == TRB_COMMAND_EVENT;
        host_wait(&host);
    }
    cr_expect_eq(commands, 40);
}

Test(xhci, ports_are_reset_suspended_and_woken)
{
    unsigned slot = host_configure(&host, KEYBOARD_PORT);
    cr_expect_eq(host_request(&host, slot, 0x0000000000010300, 0), CODE_SUCCESS, "may wake");
    host_put(&host, PORTSC, 0x7f << 17 | 1 << 9);
    host_put(&host, PORTSC, 1 << 16 | 3 << 5 | 1 << 9);
    cr_expect_eq(host_get(&host, PORTSC) >> 5 & 15, 3);
    press(KEY_A, true);
    cr_expect_eq(host_get(&host, PORTSC) >> 5 & 15, 15, "it resumes");
    cr_expect_eq(host_event(&host), TRB_PORT_EVENT);
    host_put(&host, PORTSC, 1 << 16 | 1 << 9);
    cr_expect_eq(host_get(&host, PORTSC) >> 5 & 15, 0);
    host_put(&host, PORTSC, 1 << 9 | 1 << 1);
    cr_expect_eq(host_get(&host, PORTSC) & 2, 0, "1 disables");
}

Test(xhci, saved_and_loaded)
{
    unsigned slot = host_configure(&host, KEYBOARD_PORT);
    host_report(&host, slot, 0, 8);
    struct device_spec spec = {&xhci_class, "other", &config, 1, {0}};
    struct device *other = device_new(&spec, &f.env, NULL);
    fixture_clone_state(device, other);
    device_free(device);
    device = other;
    host.device = other;
    device_free(device_new(&spec, &f.env, NULL)); /* takes the sinks, and away */
    cr_expect(!input_has_sink(input, INPUT_KEYBOARD));
}

/* --- what no driver does --- */

Test(xhci, rings_that_lead_back_to_themselves_take_no_one_away)
{
    unsigned slot = host_configure(&host, KEYBOARD_PORT);
    u64 at = HOST_REPORTS;
    host_trb(&host, at, HOST_GPA(at), 0, (u32)TRB_LINK << TRB_TYPE | TRB_CYCLE);
    host_put(&host, DB + 4 * slot, XHCI_ENDPOINT_REPORTS);
    host_wait(&host);
    at = HOST_CONTROL + (u64)host.control * XHCI_TRB_BYTES;
    for (unsigned i = 0; i < 300; i++) {
        host_trb(&host, at + 16 * i, 0, 0, (u32)TRB_NO_OP << TRB_TYPE | TRB_CHAIN | TRB_CYCLE);
    }
    host_trb(&host, at + 16 * 300, HOST_GPA(at), 0, (u32)TRB_LINK << TRB_TYPE | TRB_CYCLE);
    host_put(&host, DB + 4 * slot, 1);
    host_wait(&host);
    cr_expect_eq(host_get(&host, USBSTS) & XHCI_STS_HALTED, 0, "it goes on, a little at a time");
}

Test(xhci, addresses_of_nothing_stop_it)
{
    host_put(&host, OP + 0x18, 0x1000 | 1);
    host_put(&host, DB, 0);
    host_wait(&host);
    cr_expect_eq(host_get(&host, USBSTS) & (XHCI_STS_HALTED | XHCI_STS_HOST_ERROR),
                 XHCI_STS_HALTED | XHCI_STS_HOST_ERROR);
    host_start(&host, &f, device, 64);
    unsigned slot = host_address(&host, KEYBOARD_PORT);
    host_control(&host, 0x0040000001000680, 8, (u32)TRB_SETUP << TRB_TYPE | TRB_IMMEDIATE);
    host_control(&host, UINT64_MAX - 4, 0x1ffff, (u32)TRB_DATA << TRB_TYPE | TRB_DATA_IN);
    host_put(&host, DB + 4 * slot, 1);
    host_wait(&host);
    cr_expect_eq(host_get(&host, USBSTS) & XHCI_STS_HOST_ERROR, XHCI_STS_HOST_ERROR);
}

Test(xhci, any_register_bears_anything)
{
    for (unsigned round = 0; round < 3; round++) {
        for (u64 offset = 0; offset < 0x4000; offset += 4) {
            static const u32 values[3] = {UINT32_MAX, 1, 0x12345678};
            device_write(device, 0, offset, values[round], 4);
            device_read(device, 0, offset, 1u << round);
        }
        host_wait(&host);
    }
    for (u64 offset = 0; offset < 0x4000; offset++) {
        device_read(device, 0, offset, 1);
        device_write(device, 0, offset, 0xff, 1);
    }
    cr_expect_eq(xhci->saved.command_running, false);
}
