/* Inside the USB host controller; what it is stands in xhci.c.
 *
 *   xhci.c           the device: its PCI function, life, when work is done, input
 *   xhci_regs.c      capability, operational, runtime registers and doorbells
 *   xhci_port.c      port registers
 *   xhci_ring.c      TRBs in guest memory, the event ring, the interrupt
 *   xhci_command.c   the command ring
 *   xhci_slot.c      device and endpoint contexts
 *   xhci_transfer.c  transfer rings
 *
 * Everything is called with the device's lock held. Section numbers are those of "eXtensible Host
 * Controller Interface for Universal Serial Bus", revision 1.2. */
#ifndef METIC_HW_USB_XHCI_PRIVATE_H
#define METIC_HW_USB_XHCI_PRIVATE_H

#include "hw/pci/pci.h"
#include "hw/usb/hid.h"
#include "hw/usb/xhci.h"

enum {
    XHCI_PORTS = 4,      /* 1 keyboard, 2 tablet; 3 and 4, of USB 3, have nothing in them */
    XHCI_PORTS_USB2 = 2,
    XHCI_SLOTS = 8,
    XHCI_ENDPOINTS = 32, /* of a slot: index 0 is none, 1 is endpoint 0, 3 is endpoint 1 IN */
    XHCI_ENDPOINT_CONTROL = 1,
    XHCI_ENDPOINT_REPORTS = 2 * HID_ENDPOINT + 1,
    XHCI_RINGS = XHCI_SLOTS * XHCI_ENDPOINTS,

    XHCI_TRB_BYTES = 16,
    XHCI_CONTEXT_BYTES = 32,
};

enum { /* USBCMD, USBSTS: 5.4.1, 5.4.2 */
    XHCI_CMD_RUN = 1 << 0,
    XHCI_CMD_RESET = 1 << 1,
    XHCI_CMD_INTE = 1 << 2,
    XHCI_CMD_SAVE = 1 << 8,
    XHCI_CMD_RESTORE = 1 << 9,
    XHCI_STS_HALTED = 1 << 0,
    XHCI_STS_HOST_ERROR = 1 << 2,
    XHCI_STS_EVENT = 1 << 3,
    XHCI_STS_PORT_CHANGE = 1 << 4,
    XHCI_STS_RESTORE_ERROR = 1 << 10,
    XHCI_STS_CLEARED_BY_ONE =
        XHCI_STS_HOST_ERROR | XHCI_STS_EVENT | XHCI_STS_PORT_CHANGE | XHCI_STS_RESTORE_ERROR,
};

enum xhci_trb_type { /* 6.4.6 */
    TRB_NORMAL = 1,
    TRB_SETUP = 2,
    TRB_DATA = 3,
    TRB_STATUS = 4,
    TRB_LINK = 6,
    TRB_EVENT_DATA = 7,
    TRB_NO_OP = 8,
    TRB_ENABLE_SLOT = 9,
    TRB_DISABLE_SLOT = 10,
    TRB_ADDRESS_DEVICE = 11,
    TRB_CONFIGURE_ENDPOINT = 12,
    TRB_EVALUATE_CONTEXT = 13,
    TRB_RESET_ENDPOINT = 14,
    TRB_STOP_ENDPOINT = 15,
    TRB_SET_DEQUEUE = 16,
    TRB_RESET_DEVICE = 17,
    TRB_NO_OP_COMMAND = 23,
    TRB_TRANSFER_EVENT = 32,
    TRB_COMMAND_EVENT = 33,
    TRB_PORT_EVENT = 34,
};

enum { /* bits of a TRB's last word: 6.4 */
    TRB_CYCLE = 1 << 0,
    TRB_TOGGLE = 1 << 1, /* of a link: what follows has the other cycle bit */
    TRB_ISP = 1 << 2,    /* an event when less came than there was room for */
    TRB_CHAIN = 1 << 4,
    TRB_IOC = 1 << 5,    /* an event when it is done */
    TRB_IMMEDIATE = 1 << 6,
    TRB_BLOCK_EVENT = 1 << 9, /* ... without an interrupt */
    TRB_NO_ADDRESS = 1 << 9,  /* address device: all but the address */
    TRB_DECONFIGURE = 1 << 9, /* configure endpoint */
    TRB_EVENT_IS_DATA = 1 << 2,
    TRB_DATA_IN = 1 << 16,
    TRB_TYPE = 10,            /* shifts */
    TRB_ENDPOINT = 16,
    TRB_SLOT = 24,
};

enum xhci_code { /* 6.4.5 */
    CODE_SUCCESS = 1,
    CODE_BABBLE = 3,
    CODE_TRANSACTION = 4,
    CODE_TRB = 5,
    CODE_STALL = 6,
    CODE_NO_SLOTS = 9,
    CODE_NO_SLOT = 11,
    CODE_NO_ENDPOINT = 12,
    CODE_SHORT = 13,
    CODE_PARAMETER = 17,
    CODE_CONTEXT_STATE = 19,
    CODE_COMMAND_STOPPED = 24,
    CODE_STOPPED = 26,
};

enum xhci_slot_state { SLOT_FREE, SLOT_ENABLED, SLOT_DEFAULT, SLOT_ADDRESSED, SLOT_CONFIGURED };

/* 6.2.3; as contexts have it. */
enum xhci_endpoint_state {
    ENDPOINT_DISABLED,
    ENDPOINT_RUNNING,
    ENDPOINT_HALTED,
    ENDPOINT_STOPPED,
    ENDPOINT_ERROR,
};

enum { /* of a transfer ring */
    RING_CYCLE = 1,   /* its next TRB has this cycle bit */
    RING_IN_TD = 2,   /* the TRB before was chained to the next one */
    RING_SKIP = 4,    /* that part of a TD had less than was asked for: the rest is passed over */
};

struct xhci_saved {
    u64 serve_ns; /* guest time at which work is to be looked for, or CLOCK_NEVER_NS */
    u64 run_ns;   /* when it began to run, for MFINDEX */
    u64 command_gpa, dcbaa_gpa;
    u64 erst_gpa, erdp;             /* as written */
    u64 event_gpa;                  /* the event ring: 0 until it was looked up */
    u64 slot_gpa[XHCI_SLOTS];       /* the output device context */
    u64 ring_gpa[XHCI_RINGS];       /* the next TRB */
    u32 ring_bytes[XHCI_RINGS];     /* went so far in this TD, for event data */
    u32 ring_flags[XHCI_RINGS];
    u32 doorbells[XHCI_SLOTS];      /* endpoints that may have work, a bit each */
    u32 portsc[XHCI_PORTS];
    u32 usbcmd, usbsts, dnctrl, config;
    u32 iman, imod, erst_count;
    u32 event_count, event_at;      /* TRBs in the ring, the next one's number */
    u32 port_events;                /* ports of which an event is to be told, a bit each */
    u8 slot_state[XHCI_SLOTS];      /* enum xhci_slot_state */
    u8 slot_port[XHCI_SLOTS];       /* from 1; 0: not known yet */
    u8 ring_state[XHCI_RINGS];      /* enum xhci_endpoint_state */
    bool command_cycle, command_running, event_cycle;
    u8 unused[5];                   /* padding, spelled out */
};
#define XHCI_SAVED(FIELD, T)                                                                     \
    FIELD(T, serve_ns) FIELD(T, run_ns) FIELD(T, command_gpa) FIELD(T, dcbaa_gpa)                \
    FIELD(T, erst_gpa) FIELD(T, erdp) FIELD(T, event_gpa) FIELD(T, slot_gpa) FIELD(T, ring_gpa)  \
    FIELD(T, ring_bytes) FIELD(T, ring_flags) FIELD(T, doorbells) FIELD(T, portsc)               \
    FIELD(T, usbcmd) FIELD(T, usbsts) FIELD(T, dnctrl) FIELD(T, config) FIELD(T, iman)           \
    FIELD(T, imod) FIELD(T, erst_count) FIELD(T, event_count) FIELD(T, event_at)                 \
    FIELD(T, port_events) FIELD(T, slot_state) FIELD(T, slot_port) FIELD(T, ring_state)          \
    FIELD(T, command_cycle) FIELD(T, command_running) FIELD(T, event_cycle) FIELD(T, unused)

struct xhci {
    struct xhci_saved saved;
    struct pci_function pci;
    struct device *device;
    struct hid hids[HID_KINDS]; /* in ports 1 and 2 */
    struct timer timer;
    unsigned budget; /* TRBs that may still be looked at before a pause */
};

struct xhci_trb {
    u64 parameter;
    u32 status, control;
};

/* ---- xhci.c ---- */

/* There may be work: a doorbell, a port's change, room for events. Does it now, or with the virtual
 * clock a little later. */
void xhci_kick(struct xhci *xhci);
void xhci_reset_controller(struct xhci *xhci);
/* The hid in a port, from 1; NULL: none. */
struct hid *xhci_hid(struct xhci *xhci, unsigned port);
/* Looks for work again at this guest time, or earlier if that was settled before. */
void xhci_serve_at(struct xhci *xhci, u64 when_ns);

/* ---- xhci_regs.c ---- */

u64 xhci_read(struct device *device, u64 offset, unsigned size_bytes);
void xhci_write(struct device *device, u64 offset, u64 value, unsigned size_bytes);

/* ---- xhci_port.c ---- */

void xhci_port_reset_all(struct xhci *xhci); /* as the controller's reset leaves them */
u32 xhci_port_read(const struct xhci *xhci, unsigned port, unsigned offset);
void xhci_port_write(struct xhci *xhci, unsigned port, unsigned offset, u32 value);
/* The keyboard's lamps, for whoever types. */
void xhci_tell_lamps(const struct xhci *xhci);

bool xhci_port_is_enabled(const struct xhci *xhci, unsigned port);
/* The device in a suspended port has something to say. */
void xhci_port_wake(struct xhci *xhci, unsigned port);
/* Tells of those that changed; false: there was no room for an event. */
bool xhci_port_serve(struct xhci *xhci);

/* ---- xhci_ring.c ---- */

/* The controller can no longer reach what the driver gave it: it stops (4.10.2.6). */
void xhci_fail(struct xhci *xhci);
/* DMA; false when it failed. */
bool xhci_dma_read(struct xhci *xhci, gpa_t gpa, void *bytes, size_t size_bytes);
bool xhci_dma_write(struct xhci *xhci, gpa_t gpa, const void *bytes, size_t size_bytes);
u32 xhci_read_u32(struct xhci *xhci, gpa_t gpa); /* 0 when it failed */

/* The TRB at *gpa, links followed: *gpa is where it lies. False: the driver has put none there yet,
 * or the controller failed. Costs one of the budget, as each link does. */
bool xhci_ring_peek(struct xhci *xhci, u64 *gpa, bool *cycle, struct xhci_trb *trb);
static inline unsigned trb_type(const struct xhci_trb *trb)
{
    return trb->control >> TRB_TYPE & 0x3f;
}

/* Whether `count` events fit; what makes events waits until they do. */
bool xhci_has_room(struct xhci *xhci, unsigned count);
/* Puts an event there is room for; `control` without the cycle bit. */
void xhci_post(struct xhci *xhci, u64 parameter, u32 status, u32 control, bool quiet);
void xhci_update_irq(struct xhci *xhci);
/* The driver has taken events, or changed what it wants to hear of. */
void xhci_write_erdp(struct xhci *xhci, u64 value);
void xhci_write_iman(struct xhci *xhci, u32 value);

/* ---- xhci_command.c ---- */

/* Does the commands there are; false: some may be left, for want of room or budget. */
bool xhci_command_serve(struct xhci *xhci);
void xhci_command_stop(struct xhci *xhci);

/* ---- xhci_slot.c; `slot` is an index, 0 to XHCI_SLOTS - 1. What commands do, and the code to be
 * told ---- */

enum xhci_code xhci_slot_disable(struct xhci *xhci, unsigned slot);
enum xhci_code xhci_slot_address(struct xhci *xhci, unsigned slot, gpa_t input, bool no_address);
enum xhci_code xhci_slot_configure(struct xhci *xhci, unsigned slot, gpa_t input, bool undo);
enum xhci_code xhci_slot_evaluate(struct xhci *xhci, unsigned slot, gpa_t input);
enum xhci_code xhci_slot_reset(struct xhci *xhci, unsigned slot);

/* The ring of a slot's endpoint. */
static inline unsigned xhci_ring(unsigned slot, unsigned endpoint)
{
    return slot * XHCI_ENDPOINTS + endpoint;
}
/* Changes an endpoint's state, in its context too, together with where its ring goes on. */
void xhci_endpoint_set(struct xhci *xhci, unsigned slot, unsigned endpoint,
                       enum xhci_endpoint_state state);

/* ---- xhci_transfer.c ---- */

/* Works on the rings whose doorbells were rung; false: some are left, as above. */
bool xhci_transfer_serve(struct xhci *xhci);
/* An endpoint is about to be stopped: tells of the TD it was at, if there is one. */
void xhci_transfer_stopped(struct xhci *xhci, unsigned slot, unsigned endpoint);

#endif
