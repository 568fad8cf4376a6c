/* A USB keyboard or tablet (HID 1.11), fed with the user's input.
 *
 *   struct input (hw/display/input.h)  ->  struct hid  ->  host controller, which asks for reports
 *
 * A device of high speed with one configuration, one interface and two endpoints: 0, for control,
 * and 1 IN, whose packets are reports. What happened waits in a queue of HID_QUEUE steps, one
 * report each. When nobody asks, motion melts into one step; a key that goes down in a full queue
 * is lost, one that goes up is not: the last places are kept for those.
 *
 *   keyboard, 8 bytes: modifiers, 0, six keys (HID usage page 7; more than six: all are 1)
 *   tablet, 7 bytes: buttons, le16 x, le16 y (0 to 32767), wheel, wheel sideways
 *
 * The keyboard's report is the one of the boot protocol, in both protocols (HID 1.11, F.5).
 * Lamps are kept and can be read back, and are told to whoever types (input.h). Section numbers are
 * HID's, those with "USB" of USB 2.0.
 *
 * Threads: all with the lock of the device that has the hid held, but hid_init. */
#ifndef METIC_HW_USB_HID_H
#define METIC_HW_USB_HID_H

#include "cpu/base/error.h"
#include "cpu/state.h"
#include "hw/display/input.h"
#include "hw/usb/usb.h"

enum hid_kind { HID_KEYBOARD, HID_TABLET, HID_KINDS };

enum {
    HID_QUEUE = 128,      /* steps; a power of two */
    HID_KEPT = 48,        /* of them for what goes up */
    HID_REPORT_BYTES = 8, /* the longest */
    HID_CONTROL_BYTES = 256,
    HID_ENDPOINT = 1,     /* of the reports, IN */
};

struct hid_saved {
    u64 queue[HID_QUEUE];        /* keyboard: usage | down << 8; tablet: its report's bytes */
    u64 reported_ns;             /* when the last report was given */
    u8 shown[32];                /* last: keyboard: a bit a usage; tablet: its report */
    u8 control[HID_CONTROL_BYTES]; /* the data stage */
    u8 setup[USB_SETUP_BYTES];
    u16 control_bytes;           /* there are; went so far */
    u16 control_at;
    u16 first, count;            /* of the queue */
    u8 address, configuration;
    u8 boot_protocol;            /* 1: SET_PROTOCOL asked for it */
    u8 idle;                     /* in 4 ms; 0: a report only when something happened */
    u8 lamps;                    /* 0 num lock, 1 caps lock, 2 scroll lock, 3 compose, 4 kana */
    bool refused;                /* the control transfer under way is answered by a stall */
    bool halted;                 /* endpoint 1 */
    bool may_wake;               /* the host, from suspend */
};
#define HID_SAVED(FIELD, T)                                                                      \
    FIELD(T, queue) FIELD(T, reported_ns) FIELD(T, shown) FIELD(T, control)       \
    FIELD(T, setup) FIELD(T, control_bytes) FIELD(T, control_at) FIELD(T, first) FIELD(T, count) \
    FIELD(T, address) FIELD(T, configuration) FIELD(T, boot_protocol) FIELD(T, idle)             \
    FIELD(T, lamps) FIELD(T, refused) FIELD(T, halted) FIELD(T, may_wake)

struct hid {
    struct hid_saved saved;
    enum hid_kind kind;
};

void hid_init(struct hid *hid, enum hid_kind kind);
void hid_reset(struct hid *hid); /* power-on; also by its port (USB 9.1.1) */
bool hid_restored(const struct hid *hid, struct metic_error *error);

/* Whether a driver has configured it. */
bool hid_is_configured(const struct hid *hid);
/* A packet of input; true when there is a report to be had that was not before. */
bool hid_take(struct hid *hid, const struct input_event *events, unsigned count);

/* ---- For the host controller ---- */

/* Control transfers on endpoint 0 (USB 8.5.3): the setup stage, which is always taken; pieces of
 * the data stage, the last one shorter than there was room for; the status stage. */
void hid_setup(struct hid *hid, const u8 bytes[USB_SETUP_BYTES]);
enum usb_answer hid_control_in(struct hid *hid, u8 *bytes, unsigned room_bytes,
                               unsigned *got_bytes);
enum usb_answer hid_control_out(struct hid *hid, const u8 *bytes, unsigned size_bytes);
enum usb_answer hid_control_end(struct hid *hid);

/* An IN packet of endpoint 1. USB_NAK: nothing before *due_ns, unless something happens. */
enum usb_answer hid_report_in(struct hid *hid, u64 now_ns, u8 bytes[HID_REPORT_BYTES],
                              unsigned *got_bytes, u64 *due_ns);

/* ---- Inside: descriptors (hid_descriptors.c) and reports (hid_reports.c) ---- */

/* Copies a descriptor to `bytes` (at least HID_CONTROL_BYTES) and returns its length; 0: there is
 * none such. `value` and `of_interface` are the request's. */
unsigned hid_describe(enum hid_kind kind, u16 value, bool of_interface, u8 *bytes);

/* The report as things stand, and its length. */
unsigned hid_report(const struct hid *hid, u8 bytes[HID_REPORT_BYTES]);
/* The same after the queue's first step, if there is one. */
unsigned hid_next_report(struct hid *hid, u8 bytes[HID_REPORT_BYTES]);
/* The usage (page 7) of a Linux key code; 0: it has none. */
u8 hid_usage_of_key(unsigned code);

#endif
