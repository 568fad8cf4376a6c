/* What a user does with keyboard and pointer, on its way to the guest's input devices.
 *
 *   window, VNC, monitor, script  ->  struct input  ->  journal  ->  virtio-input, USB (hw/usb)
 *
 * Events are Linux's (linux/input-event-codes): types, key codes and axes are those numbers, which
 * is also what virtio-input carries. A packet is what happened at one moment to one device; it ends
 * with a SYN_REPORT of its own making.
 *
 * A guest may have a keyboard on each bus. A packet goes to one of them: to the first, in the order
 * of enum input_bus, whose driver is live when it is delivered. So firmware that knows only USB is
 * typed to, a system that has drivers for both sees each key once, and nobody has to choose. What
 * goes up does so everywhere, in case the driver changed while it was down.
 *
 * A key that is down is remembered, so that it is told down once, and up whatever becomes of the
 * client (input_release_all when it loses the keyboard).
 *
 * Threads: any that holds no device's lock; one mutex inside. */
#ifndef METIC_HW_DISPLAY_INPUT_H
#define METIC_HW_DISPLAY_INPUT_H

#include "cpu/state.h"
#include "hw/journal/journal.h"

enum input_device { INPUT_KEYBOARD, INPUT_TABLET, INPUT_MOUSE, INPUT_DEVICES };

enum { /* types */
    INPUT_EV_SYN = 0,
    INPUT_EV_KEY = 1,
    INPUT_EV_REL = 2,
    INPUT_EV_ABS = 3,
    INPUT_EV_LED = 17,
    INPUT_EV_REP = 20,
};
enum { INPUT_REL_X = 0, INPUT_REL_Y = 1, INPUT_REL_HWHEEL = 6, INPUT_REL_WHEEL = 8 };
enum { INPUT_ABS_X = 0, INPUT_ABS_Y = 1 };
enum {
    INPUT_BTN_LEFT = 0x110,
    INPUT_BTN_RIGHT,
    INPUT_BTN_MIDDLE,
    INPUT_BTN_SIDE,
    INPUT_BTN_EXTRA,
    INPUT_KEYS = 0x300, /* key and button codes are below this */
};
/* Tablet coordinates go from 0 to this over the whole head. */
enum { INPUT_ABS_MAX = 32767 };

struct input_event {
    u16 type, code;
    s32 value;
};

enum { INPUT_PACKET_EVENTS = 8 };

struct input;

/* NULL when the host has no memory. Before harts start; the journal outlives it. */
struct input *input_new(struct journal *journal);
void input_free(struct input *input); /* NULL allowed */

enum input_bus { INPUT_VIRTIO, INPUT_USB, INPUT_BUSES };

/* A device that takes packets: called from the journal, SYN_REPORT included. One for each kind and
 * bus. A key that goes up may be one that it never heard of. */
struct input_sink {
    void (*take)(void *opaque, const struct input_event *events, unsigned count);
    bool (*is_live)(void *opaque); /* a driver takes what comes */
    void *opaque;
};
void input_set_sink(struct input *input, enum input_device device, enum input_bus bus,
                    struct input_sink sink);
bool input_has_sink(const struct input *input, enum input_device device); /* on any bus */

/* By a keyboard: which lamps its driver lit, bits 0 num lock, 1 caps lock, 2 scroll lock (LED_*);
 * or that there is no driver any more. With the device's lock held. */
void input_set_lamps(struct input *input, u8 lamps);
void input_forget_lamps(struct input *input);

/* ---- Clients ---- */

/* The lamps as they were told last, and how often they changed. While no driver has told of any, as
 * few drivers of firmware do, the keys decide. */
u8 input_get_lamps(const struct input *input, u32 *changes);

/* A key of the keyboard (KEY_*), or a button of the pointer (INPUT_BTN_*). Told only when it
 * changes. Codes that do not exist are ignored. */
void input_key(struct input *input, unsigned code, bool down);
enum { INPUT_KEEP = 0xffff }; /* as a place: where it was */
/* The pointer's place in 0 to INPUT_ABS_MAX; the tablet. */
void input_move_to(struct input *input, u32 x, u32 y);
/* By how far it moved, for a guest that wants a mouse. */
void input_move_by(struct input *input, s32 dx, s32 dy);
/* Notches: up and right are positive. */
void input_wheel(struct input *input, s32 vertical, s32 horizontal);
/* Everything that is down goes up. */
void input_release_all(struct input *input);

/* ---- Snapshots ---- */

/* Which keys are down. With no device's lock held. */
void input_save_keys(struct input *input, struct state_writer *writer);
/* They go up: whoever held them when the machine was saved holds them no more. After the devices
 * and the journal. */
bool input_load_keys(struct input *input, struct state_reader *reader, struct metic_error *error);

#endif
