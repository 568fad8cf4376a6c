/* See hid.h: the device's requests and its one endpoint. */
#include "hw/usb/hid.h"

#include "cpu/base/bits.h"
#include "hw/clock.h"
#include <string.h>

enum { /* 7.2, and whom requests are for (USB 9.3) */
    HID_GET_REPORT = 1,
    HID_GET_IDLE = 2,
    HID_GET_PROTOCOL = 3,
    HID_SET_REPORT = 9,
    HID_SET_IDLE = 10,
    HID_SET_PROTOCOL = 11,
    HID_REPORT_INPUT = 1,
    HID_REPORT_OUTPUT = 2,

    TO_DEVICE = 0x00,
    TO_INTERFACE = 0x01,
    TO_ENDPOINT = 0x02,
    CLASS_TO_INTERFACE = 0x21,

    STATUS_MAY_WAKE = 2,
    STATUS_HALTED = 1,
    LAMPS = 0x1f,
    CONFIGURATION = 1, /* the number of the only one */
};
#define IDLE_UNIT_NS ((u64)4000000)

void hid_init(struct hid *hid, enum hid_kind kind)
{
    hid->kind = kind;
    hid_reset(hid);
}

void hid_reset(struct hid *hid)
{
    memset(&hid->saved, 0, sizeof(hid->saved));
}

bool hid_restored(const struct hid *hid, struct metic_error *error)
{
    const struct hid_saved *s = &hid->saved;
    return (s->first < HID_QUEUE && s->count <= HID_QUEUE && s->control_at <= s->control_bytes &&
            s->control_bytes <= HID_CONTROL_BYTES) ||
           error_set(error, NULL, "the saved USB device holds more than it can");
}

bool hid_is_configured(const struct hid *hid)
{
    return hid->saved.configuration != 0;
}

static struct usb_setup hid_request(const struct hid *hid)
{
    const u8 *at = hid->saved.setup;
    return (struct usb_setup){at[0], at[1], ld_le16(at + 2), ld_le16(at + 4), ld_le16(at + 6)};
}

/* ---- Requests that ask ---- */

static unsigned hid_answer_standard(struct hid *hid, const struct usb_setup *setup)
{
    struct hid_saved *s = &hid->saved;
    unsigned whom = setup->type & 0x1f;
    switch (setup->request) {
    case USB_GET_STATUS:
        st_le16(s->control, whom == TO_DEVICE     ? (s->may_wake ? STATUS_MAY_WAKE : 0)
                            : whom == TO_ENDPOINT ? (s->halted ? STATUS_HALTED : 0)
                                                  : 0);
        return 2;
    case USB_GET_DESCRIPTOR:
        return hid_describe(hid->kind, setup->value, whom == TO_INTERFACE, s->control);
    case USB_GET_CONFIGURATION: s->control[0] = s->configuration; return 1;
    case USB_GET_INTERFACE: s->control[0] = 0; return 1;
    default: return 0;
    }
}

static unsigned hid_answer_class(struct hid *hid, const struct usb_setup *setup)
{
    struct hid_saved *s = &hid->saved;
    switch (setup->request) {
    case HID_GET_REPORT:
        if (setup->value >> 8 == HID_REPORT_OUTPUT && hid->kind == HID_KEYBOARD) {
            s->control[0] = s->lamps;
            return 1;
        }
        return setup->value >> 8 == HID_REPORT_INPUT ? hid_next_report(hid, s->control) : 0;
    case HID_GET_IDLE: s->control[0] = s->idle; return 1;
    case HID_GET_PROTOCOL: s->control[0] = s->boot_protocol ? 0 : 1; return 1;
    default: return 0;
    }
}

/* ---- Requests that tell; false: refused ---- */

static bool hid_set_feature(struct hid *hid, const struct usb_setup *setup, bool on)
{
    struct hid_saved *s = &hid->saved;
    if (setup->type == TO_DEVICE && setup->value == USB_FEATURE_WAKEUP) {
        s->may_wake = on;
        return true;
    }
    if (setup->type == TO_ENDPOINT && setup->value == USB_FEATURE_HALT) {
        s->halted = (setup->index & 0xf) == HID_ENDPOINT ? on : s->halted;
        return true;
    }
    return false;
}

static bool hid_configure(struct hid *hid, u16 value)
{
    struct hid_saved *s = &hid->saved;
    if (value > CONFIGURATION) {
        return false;
    }
    s->configuration = (u8)value;
    s->halted = false;
    s->count = 0;
    memset(s->shown, 0, sizeof(s->shown));
    return true;
}

static bool hid_tell_standard(struct hid *hid, const struct usb_setup *setup)
{
    switch (setup->request) {
    case USB_CLEAR_FEATURE: return hid_set_feature(hid, setup, false);
    case USB_SET_FEATURE: return hid_set_feature(hid, setup, true);
    case USB_SET_ADDRESS: hid->saved.address = setup->value & 0x7f; return true;
    case USB_SET_CONFIGURATION: return hid_configure(hid, setup->value);
    case USB_SET_INTERFACE: return setup->value == 0 && setup->index == 0;
    default: return false;
    }
}

static bool hid_tell_class(struct hid *hid, const struct usb_setup *setup)
{
    struct hid_saved *s = &hid->saved;
    bool is_keyboard = hid->kind == HID_KEYBOARD;
    switch (setup->request) {
    case HID_SET_REPORT:
        if (setup->value >> 8 != HID_REPORT_OUTPUT || !is_keyboard || s->control_at == 0) {
            return false;
        }
        s->lamps = s->control[0] & LAMPS;
        return true;
    case HID_SET_IDLE: s->idle = (u8)(setup->value >> 8); return true;
    case HID_SET_PROTOCOL: /* the tablet knows one alone (7.2.6) */
        if (!is_keyboard || setup->value > 1) {
            return false;
        }
        s->boot_protocol = setup->value == 0;
        return true;
    default: return false;
    }
}

/* ---- Endpoint 0 ---- */

void hid_setup(struct hid *hid, const u8 bytes[USB_SETUP_BYTES])
{
    struct hid_saved *s = &hid->saved;
    memcpy(s->setup, bytes, USB_SETUP_BYTES);
    struct usb_setup setup = hid_request(hid);
    s->control_at = 0;
    s->control_bytes = 0;
    s->refused = false;
    if ((setup.type & USB_IN) != 0) {
        unsigned size_bytes = (setup.type & ~(u8)USB_IN) == CLASS_TO_INTERFACE
                                  ? hid_answer_class(hid, &setup)
                              : (setup.type & 0x60) == 0 ? hid_answer_standard(hid, &setup)
                                                         : 0;
        s->refused = size_bytes == 0;
        s->control_bytes = (u16)(size_bytes < setup.length_bytes ? size_bytes
                                                                 : setup.length_bytes);
    } else if (setup.length_bytes > HID_CONTROL_BYTES) {
        s->refused = true;
    } else {
        s->control_bytes = setup.length_bytes;
    }
}

enum usb_answer hid_control_in(struct hid *hid, u8 *bytes, unsigned room_bytes,
                               unsigned *got_bytes)
{
    struct hid_saved *s = &hid->saved;
    unsigned left_bytes = (unsigned)(s->control_bytes - s->control_at);
    *got_bytes = 0;
    if (s->refused || (s->setup[0] & USB_IN) == 0) {
        return USB_STALL;
    }
    *got_bytes = left_bytes < room_bytes ? left_bytes : room_bytes;
    memcpy(bytes, s->control + s->control_at, *got_bytes);
    s->control_at = (u16)(s->control_at + *got_bytes);
    return USB_ACK;
}

enum usb_answer hid_control_out(struct hid *hid, const u8 *bytes, unsigned size_bytes)
{
    struct hid_saved *s = &hid->saved;
    if (s->refused || (s->setup[0] & USB_IN) != 0 ||
        size_bytes > (unsigned)(s->control_bytes - s->control_at)) {
        s->refused = true;
        return USB_STALL;
    }
    memcpy(s->control + s->control_at, bytes, size_bytes);
    s->control_at = (u16)(s->control_at + size_bytes);
    return USB_ACK;
}

enum usb_answer hid_control_end(struct hid *hid)
{
    struct hid_saved *s = &hid->saved;
    struct usb_setup setup = hid_request(hid);
    if (!s->refused && (setup.type & USB_IN) == 0) {
        s->refused = !(setup.type == CLASS_TO_INTERFACE ? hid_tell_class(hid, &setup)
                       : (setup.type & 0x60) == 0       ? hid_tell_standard(hid, &setup)
                                                        : false);
    }
    return s->refused ? USB_STALL : USB_ACK;
}

/* ---- Endpoint 1 ---- */

enum usb_answer hid_report_in(struct hid *hid, u64 now_ns, u8 bytes[HID_REPORT_BYTES],
                              unsigned *got_bytes, u64 *due_ns)
{
    struct hid_saved *s = &hid->saved;
    *due_ns = CLOCK_NEVER_NS;
    *got_bytes = 0;
    if (s->configuration == 0 || s->halted) {
        return USB_STALL;
    }
    u64 repeat_ns = s->reported_ns + s->idle * IDLE_UNIT_NS;
    if (s->count == 0 && (s->idle == 0 || now_ns < repeat_ns)) {
        *due_ns = s->idle != 0 ? repeat_ns : CLOCK_NEVER_NS;
        return USB_NAK;
    }
    *got_bytes = hid_next_report(hid, bytes);
    s->reported_ns = now_ns;
    return USB_ACK;
}
