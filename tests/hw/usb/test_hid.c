/* USB keyboard and tablet by themselves: requests, reports, the queue; which bus input goes to. */
#include "hw/usb/hid.h"
#include "tests/hw/fixture.h"
#include <linux/input-event-codes.h>

static struct hid hid;
static u8 report[HID_REPORT_BYTES];
static unsigned got_bytes;
static u64 due_ns;

/* A control transfer; for IN what came is in `data`. */
static enum usb_answer request(u8 type, u8 code, u16 value, u16 index, u16 length_bytes, u8 *data)
{
    const u8 setup[USB_SETUP_BYTES] = {type, code, (u8)value, (u8)(value >> 8), (u8)index,
                                       (u8)(index >> 8), (u8)length_bytes,
                                       (u8)(length_bytes >> 8)};
    enum usb_answer answer = USB_ACK;
    hid_setup(&hid, setup);
    if (length_bytes > 0) {
        answer = (type & USB_IN) != 0 ? hid_control_in(&hid, data, length_bytes, &got_bytes)
                                      : hid_control_out(&hid, data, length_bytes);
    }
    return answer == USB_ACK ? hid_control_end(&hid) : answer;
}

static void start(enum hid_kind kind)
{
    hid_init(&hid, kind);
    cr_assert_eq(request(0, USB_SET_CONFIGURATION, 1, 0, 0, NULL), USB_ACK);
}

static void key(u16 code, bool down)
{
    const struct input_event events[2] = {{INPUT_EV_KEY, code, down}, {0, 0, 0}};
    hid_take(&hid, events, 2);
}

static enum usb_answer poll_report(u64 now_ns)
{
    return hid_report_in(&hid, now_ns, report, &got_bytes, &due_ns);
}

static void expect_keys(u8 modifiers, u8 first, u8 second)
{
    cr_assert_eq(poll_report(0), USB_ACK);
    cr_expect_eq(got_bytes, 8);
    cr_expect_eq(report[0], modifiers);
    cr_expect_eq(report[2], first);
    cr_expect_eq(report[3], second);
}

Test(hid, describes_itself)
{
    u8 data[HID_CONTROL_BYTES];
    for (unsigned kind = 0; kind < HID_KINDS; kind++) {
        start((enum hid_kind)kind);
        cr_assert_eq(request(0x80, USB_GET_DESCRIPTOR, 0x100, 0, 64, data), USB_ACK);
        cr_expect_eq(got_bytes, 18);
        cr_expect_eq(data[0], 18);
        cr_assert_eq(request(0x80, USB_GET_DESCRIPTOR, 0x100, 0, 8, data), USB_ACK);
        cr_expect_eq(got_bytes, 8, "no more than was asked for");
        cr_assert_eq(request(0x80, USB_GET_DESCRIPTOR, 0x200, 0, 255, data), USB_ACK);
        cr_expect_eq(got_bytes, ld_le16(data + 2));
        u16 items_bytes = ld_le16(data + 18 + 7);
        cr_assert_eq(request(0x81, USB_GET_DESCRIPTOR, 0x2200, 0, 255, data), USB_ACK);
        cr_expect_eq(got_bytes, items_bytes, "as the HID descriptor says");
        cr_expect_eq(data[got_bytes - 1], 0xc0);
        cr_assert_eq(request(0x80, USB_GET_DESCRIPTOR, 0x302, 0x409, 255, data), USB_ACK);
        cr_expect_eq(got_bytes, data[0]);
        cr_expect_eq(request(0x80, USB_GET_DESCRIPTOR, 0x309, 0x409, 255, data), USB_STALL);
        cr_expect_eq(request(0xc0, 1, 0, 0, 8, data), USB_STALL, "a vendor's request");
    }
}

Test(hid, keys_are_reported_one_step_each)
{
    start(HID_KEYBOARD);
    cr_expect_eq(poll_report(0), USB_NAK);
    key(KEY_LEFTSHIFT, true);
    key(KEY_A, true);
    key(KEY_ENTER, true);
    key(KEY_A, false);
    expect_keys(2, 0, 0);
    expect_keys(2, 0x04, 0);
    expect_keys(2, 0x04, 0x28);
    expect_keys(2, 0x28, 0);
    cr_expect_eq(poll_report(0), USB_NAK);
    cr_expect_eq(due_ns, CLOCK_NEVER_NS);
    const u16 many[] = {KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G};
    for (unsigned i = 0; i < ARRAY_LEN(many); i++) {
        key(many[i], true);
        poll_report(0);
    }
    cr_expect_eq(report[2], 1, "more than six: too many to tell");
    cr_expect_eq(report[7], 1);
}

Test(hid, usages_are_those_of_the_keys)
{
    static const struct { u16 code; u8 usage; } known[] = {
        {KEY_1, 0x1e}, {KEY_0, 0x27}, {KEY_Z, 0x1d}, {KEY_F1, 0x3a}, {KEY_F10, 0x43},
        {KEY_F11, 0x44}, {KEY_F12, 0x45}, {KEY_F13, 0x68}, {KEY_F24, 0x73}, {KEY_UP, 0x52},
        {KEY_DOWN, 0x51}, {KEY_LEFT, 0x50}, {KEY_RIGHT, 0x4f}, {KEY_KP0, 0x62}, {KEY_KP9, 0x61},
        {KEY_KPDOT, 0x63}, {KEY_RIGHTMETA, 0xe7}, {KEY_102ND, 0x64}, {KEY_SLASH, 0x38},
        {KEY_ESC, 0x29}, {KEY_DELETE, 0x4c}, {KEY_PAGEUP, 0x4b}, {KEY_KPENTER, 0x58},
        {KEY_SPACE, 0x2c}, {KEY_RESERVED, 0}, {KEY_MAX, 0}};
    for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
        cr_expect_eq(hid_usage_of_key(known[i].code), known[i].usage, "key %u", known[i].code);
    }
    unsigned seen[256] = {0};
    for (unsigned code = 0; code < INPUT_KEYS; code++) {
        seen[hid_usage_of_key(code)]++;
    }
    for (unsigned usage = 1; usage < 256; usage++) {
        cr_expect(seen[usage] <= 1, "usage %#x has two keys", usage);
    }
}

Test(hid, a_full_queue_loses_no_key_that_goes_up)
{
    start(HID_KEYBOARD);
    key(KEY_A, true);
    for (unsigned i = 0; i < 2 * HID_QUEUE; i++) {
        key(KEY_B, true);
    }
    key(KEY_A, false);
    while (poll_report(0) == USB_ACK) {
    }
    cr_expect_eq(report[2], 0x05);
    cr_expect_eq(report[3], 0, "a went up");
}

Test(hid, motion_melts_and_clicks_do_not)
{
    start(HID_TABLET);
    for (s32 i = 1; i <= 500; i++) {
        const struct input_event move[2] = {{INPUT_EV_ABS, INPUT_ABS_X, i},
                                            {INPUT_EV_ABS, INPUT_ABS_Y, 2 * i}};
        const struct input_event wheel = {INPUT_EV_REL, INPUT_REL_WHEEL, -1};
        hid_take(&hid, move, 2);
        hid_take(&hid, &wheel, 1);
    }
    key(INPUT_BTN_LEFT, true);
    key(INPUT_BTN_LEFT, false);
    cr_assert_eq(poll_report(0), USB_ACK);
    cr_expect_eq(got_bytes, 7);
    cr_expect_eq(ld_le16(report + 1), 500);
    cr_expect_eq(ld_le16(report + 3), 1000);
    cr_expect_eq((s8)report[5], -127);
    cr_assert_eq(poll_report(0), USB_ACK);
    cr_expect_eq(report[0], 1);
    cr_expect_eq(report[5], 0, "notches are told once");
    cr_assert_eq(poll_report(0), USB_ACK);
    cr_expect_eq(report[0], 0);
    cr_expect_eq(ld_le16(report + 1), 500, "it stays where it is");
    cr_expect_eq(poll_report(0), USB_NAK);
}

Test(hid, repeats_its_report_at_the_idle_rate)
{
    start(HID_KEYBOARD);
    cr_assert_eq(request(0x21, 10, 5 << 8, 0, 0, NULL), USB_ACK); /* 20 ms */
    key(KEY_A, true);
    cr_assert_eq(poll_report(1000), USB_ACK);
    cr_expect_eq(poll_report(2000), USB_NAK);
    cr_expect_eq(due_ns, 20001000);
    cr_assert_eq(poll_report(due_ns), USB_ACK);
    cr_expect_eq(report[2], 0x04);
}

Test(hid, requests_that_tell)
{
    u8 data[8] = {0x05};
    start(HID_KEYBOARD);
    cr_expect_eq(request(0x21, 9, 0x200, 0, 1, data), USB_ACK, "lamps");
    cr_expect_eq(request(0xa1, 1, 0x200, 0, 1, data), USB_ACK);
    cr_expect_eq(data[0], 5);
    cr_expect_eq(request(0x21, 11, 0, 0, 0, NULL), USB_ACK, "boot protocol");
    cr_expect_eq(request(0xa1, 3, 0, 0, 1, data), USB_ACK);
    cr_expect_eq(data[0], 0);
    cr_expect_eq(request(0x02, USB_SET_FEATURE, USB_FEATURE_HALT, 0x81, 0, NULL), USB_ACK);
    cr_expect_eq(poll_report(0), USB_STALL);
    cr_expect_eq(request(0x82, USB_GET_STATUS, 0, 0x81, 2, data), USB_ACK);
    cr_expect_eq(data[0], 1);
    cr_expect_eq(request(0x02, USB_CLEAR_FEATURE, USB_FEATURE_HALT, 0x81, 0, NULL), USB_ACK);
    cr_expect_eq(poll_report(0), USB_NAK);
    cr_expect_eq(request(0, USB_SET_CONFIGURATION, 2, 0, 0, NULL), USB_STALL);
    cr_expect_eq(request(0, USB_SET_CONFIGURATION, 0, 0, 0, NULL), USB_ACK);
    key(KEY_A, true);
    cr_expect_eq(poll_report(0), USB_STALL, "without a configuration there is no endpoint");
    cr_expect_eq(request(0x21, 9, 0x200, 0, 400, data), USB_STALL, "more than it has room for");
}

/* A tablet has no other protocol (7.2.6), and what is refused changes nothing. */
Test(hid, protocols_that_there_are)
{
    u8 data[1];
    start(HID_TABLET);
    cr_expect_eq(request(0x21, 11, 0, 0, 0, NULL), USB_STALL);
    cr_expect_eq(request(0xa1, 3, 0, 0, 1, data), USB_ACK);
    cr_expect_eq(data[0], 1, "the report protocol");
    start(HID_KEYBOARD);
    cr_expect_eq(request(0x21, 11, 0, 0, 0, NULL), USB_ACK);
    cr_expect_eq(request(0x21, 11, 2, 0, 0, NULL), USB_STALL);
    cr_expect_eq(request(0xa1, 3, 0, 0, 1, data), USB_ACK);
    cr_expect_eq(data[0], 0, "the boot protocol");
}

/* --- which bus --- */

struct listener {
    bool live;
    unsigned heard;
};

static void listener_take(void *opaque, const struct input_event *events, unsigned count)
{
    struct listener *listener = opaque;
    (void)events, (void)count;
    listener->heard++;
}

static bool listener_is_live(void *opaque)
{
    const struct listener *listener = opaque;
    return listener->live;
}

Test(hid, input_goes_to_one_bus_and_releases_to_all)
{
    struct fixture f;
    struct listener listeners[INPUT_BUSES] = {{false, 0}, {true, 0}};
    fixture_init(&f);
    struct input *input = input_new(f.journal);
    for (unsigned bus = 0; bus < INPUT_BUSES; bus++) {
        input_set_sink(input, INPUT_KEYBOARD, (enum input_bus)bus,
                       (struct input_sink){listener_take, listener_is_live, &listeners[bus]});
    }
    input_key(input, KEY_A, true);
    journal_deliver(f.journal, 1);
    cr_expect_eq(listeners[INPUT_USB].heard, 1, "virtio's driver is not there");
    listeners[INPUT_VIRTIO].live = true;
    input_key(input, KEY_B, true);
    journal_deliver(f.journal, 2);
    cr_expect_eq(listeners[INPUT_VIRTIO].heard, 1);
    cr_expect_eq(listeners[INPUT_USB].heard, 1, "no key comes twice");
    input_key(input, KEY_A, false);
    journal_deliver(f.journal, 3);
    cr_expect_eq(listeners[INPUT_USB].heard, 2, "who heard it go down hears it go up");
    input_free(input);
    fixture_fini(&f);
}
