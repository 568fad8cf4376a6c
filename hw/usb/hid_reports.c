/* What the user does, as steps in a hid's queue, and the reports that show them; see hid.h. */
#include "hw/usb/hid.h"

#include "cpu/base/bits.h"
#include <string.h>

enum {
    USAGE_FIRST_KEY = 0x04,
    USAGE_ROLLOVER = 0x01,
    USAGE_MODIFIER = 0xe0, /* the first of eight */
    STEP_DOWN = 0x100,

    KEYBOARD_BYTES = 8,
    KEYBOARD_KEYS = 6,

    TABLET_BYTES = 7,
    TABLET_X = 8, /* bits of a step */
    TABLET_Y = 24,
    TABLET_WHEEL = 40,
    TABLET_PAN = 48,
    WHEEL_MAX = 127,
};
#define TABLET_PLACE_AND_BUTTONS (((u64)1 << TABLET_WHEEL) - 1)
#define TABLET_BUTTONS ((u64)0xff)

u8 hid_usage_of_key(unsigned code)
{
#define HID_KEY(key, usage) \
    if (code == (key)) {    \
        return (usage);     \
    }
#define HID_KEYS(first, last, usage)              \
    if (code >= (first) && code <= (last)) {      \
        return (u8)((usage) + (code - (first)));  \
    }
#include "hw/usb/hid_keys.def"
#undef HID_KEY
#undef HID_KEYS
    return 0;
}

/* ---- The queue ---- */

static void hid_push(struct hid *hid, u64 step)
{
    struct hid_saved *s = &hid->saved;
    s->queue[(s->first + s->count++) % HID_QUEUE] = step;
}

/* The last step but `back`; that before the first is what is shown. */
static u64 hid_tail(const struct hid *hid, unsigned back)
{
    const struct hid_saved *s = &hid->saved;
    return back < s->count ? s->queue[(s->first + s->count - 1u - back) % HID_QUEUE]
                           : ld_le64(s->shown);
}

static void hid_replace_last(struct hid *hid, u64 step)
{
    struct hid_saved *s = &hid->saved;
    s->queue[(s->first + s->count - 1u) % HID_QUEUE] = step;
}

static bool keyboard_take(struct hid *hid, const struct input_event *event)
{
    u8 usage = event->type == INPUT_EV_KEY ? hid_usage_of_key(event->code) : 0;
    unsigned limit = event->value != 0 ? (unsigned)(HID_QUEUE - HID_KEPT) : (unsigned)HID_QUEUE;
    if (usage == 0 || hid->saved.count >= limit) {
        return false;
    }
    hid_push(hid, usage | (event->value != 0 ? (u64)STEP_DOWN : 0));
    return true;
}

static u64 tablet_wheel(u64 step, unsigned at, s32 notches)
{
    s32 sum = (s8)(step >> at) + (notches > WHEEL_MAX    ? WHEEL_MAX
                                  : notches < -WHEEL_MAX ? -WHEEL_MAX
                                                         : notches);
    sum = sum > WHEEL_MAX ? WHEEL_MAX : sum < -WHEEL_MAX ? -WHEEL_MAX : sum;
    return (step & ~((u64)0xff << at)) | (u64)(u8)sum << at;
}

static u64 tablet_apply(u64 step, const struct input_event *event)
{
    u64 value = (u64)event->value & 0x7fff;
    u64 button;
    unsigned at;
    switch (event->type) {
    case INPUT_EV_ABS:
        if (event->code > INPUT_ABS_Y) {
            return step;
        }
        at = event->code == INPUT_ABS_X ? TABLET_X : TABLET_Y;
        return (step & ~((u64)0xffff << at)) | value << at;
    case INPUT_EV_REL:
        return event->code == INPUT_REL_WHEEL    ? tablet_wheel(step, TABLET_WHEEL, event->value)
               : event->code == INPUT_REL_HWHEEL ? tablet_wheel(step, TABLET_PAN, event->value)
                                                 : step;
    case INPUT_EV_KEY:
        if (event->code < INPUT_BTN_LEFT || event->code > INPUT_BTN_EXTRA) {
            return step;
        }
        button = BIT(event->code - INPUT_BTN_LEFT);
        return event->value != 0 ? step | button : step & ~button;
    default: return step;
    }
}

static bool same_buttons(u64 a, u64 b)
{
    return ((a ^ b) & TABLET_BUTTONS) == 0;
}

/* A packet is one step. Motion melts into motion; in a full queue all melts, buttons that go up
 * last of all. */
static bool tablet_take(struct hid *hid, const struct input_event *events, unsigned count)
{
    u64 last = hid_tail(hid, 0), before = last & TABLET_PLACE_AND_BUTTONS, step = before;
    for (unsigned i = 0; i < count; i++) {
        step = tablet_apply(step, &events[i]);
    }
    if (step == before) {
        return false;
    }
    bool goes_up = (step & TABLET_BUTTONS) < (before & TABLET_BUTTONS);
    bool is_full = hid->saved.count >= (goes_up ? HID_QUEUE : HID_QUEUE - HID_KEPT);
    bool melts = hid->saved.count > 0 && same_buttons(hid_tail(hid, 1), last) &&
                 same_buttons(last, step);
    if (is_full || melts) {
        step = tablet_wheel(step, TABLET_WHEEL, (s8)(last >> TABLET_WHEEL));
        hid_replace_last(hid, tablet_wheel(step, TABLET_PAN, (s8)(last >> TABLET_PAN)));
    } else {
        hid_push(hid, step);
    }
    return true;
}

bool hid_take(struct hid *hid, const struct input_event *events, unsigned count)
{
    bool any = false;
    if (!hid_is_configured(hid)) {
        return false;
    }
    if (hid->kind == HID_TABLET) {
        return tablet_take(hid, events, count);
    }
    for (unsigned i = 0; i < count; i++) {
        any |= keyboard_take(hid, &events[i]);
    }
    return any;
}

/* ---- Reports ---- */

static void hid_step(struct hid *hid)
{
    struct hid_saved *s = &hid->saved;
    u64 step = s->queue[s->first];
    if (hid->kind == HID_KEYBOARD) {
        u8 bit = (u8)(1u << (step & 7)), *byte = &s->shown[(step & 0xff) / 8];
        *byte = (u8)((step & STEP_DOWN) != 0 ? *byte | bit : *byte & ~bit);
    } else {
        st_le64(s->shown, step);
    }
    s->first = (u16)((s->first + 1u) % HID_QUEUE);
    s->count--;
}

static unsigned keyboard_report(const struct hid *hid, u8 bytes[HID_REPORT_BYTES])
{
    const u8 *shown = hid->saved.shown;
    unsigned keys = 0;
    bytes[0] = shown[USAGE_MODIFIER / 8];
    for (unsigned usage = USAGE_FIRST_KEY; usage < USAGE_MODIFIER; usage++) {
        if ((shown[usage / 8] >> usage % 8 & 1) != 0 && keys++ < KEYBOARD_KEYS) {
            bytes[1 + keys] = (u8)usage;
        }
    }
    for (unsigned i = 0; i < KEYBOARD_KEYS && keys > KEYBOARD_KEYS; i++) {
        bytes[2 + i] = USAGE_ROLLOVER;
    }
    return KEYBOARD_BYTES;
}

unsigned hid_report(const struct hid *hid, u8 bytes[HID_REPORT_BYTES])
{
    memset(bytes, 0, HID_REPORT_BYTES);
    if (hid->kind == HID_KEYBOARD) {
        return keyboard_report(hid, bytes);
    }
    memcpy(bytes, hid->saved.shown, TABLET_BYTES);
    return TABLET_BYTES;
}

unsigned hid_next_report(struct hid *hid, u8 bytes[HID_REPORT_BYTES])
{
    if (hid->saved.count > 0) {
        hid_step(hid);
    }
    unsigned size_bytes = hid_report(hid, bytes);
    if (hid->kind == HID_TABLET) { /* a wheel's notches are told once */
        st_le64(hid->saved.shown, ld_le64(hid->saved.shown) & TABLET_PLACE_AND_BUTTONS);
    }
    return size_bytes;
}
