/* Transfer rings (4.10, 4.11); see xhci_private.h.
 *
 * A ring is worked on TRB by TRB; what must be known of a TD that goes on in the next one is in the
 * ring's flags. A TRB of endpoint 0 is a stage, or a piece of one, of a control transfer, and the
 * device keeps what that is about. A TD of endpoint 1 IN is one report: with less room than that
 * it is babble, with more the TD is short. When the device has nothing to say the ring stands
 * still, and the TRB stays the next one. */
#include "hw/usb/xhci_private.h"

enum {
    TRANSFER_PIECE_BYTES = 256,
    LENGTH_MASK = 0x1ffff, /* of a TRB's second word */
};

/* One TRB on its way. */
struct transfer {
    struct xhci *xhci;
    struct hid *hid;
    unsigned slot, endpoint, ring;
    struct xhci_trb trb;
    u32 length_bytes; /* there is room for; went */
    u32 done_bytes;
    bool is_short;    /* less was given than there was room for */
};

static void transfer_post(struct transfer *t, enum xhci_code code, u64 parameter, u32 bytes,
                          u32 flags)
{
    xhci_post(t->xhci, parameter, (u32)code << 24 | bytes,
              (u32)TRB_TRANSFER_EVENT << TRB_TYPE | t->endpoint << TRB_ENDPOINT |
                  (t->slot + 1u) << TRB_SLOT | flags,
              (t->trb.control & TRB_BLOCK_EVENT) != 0);
}

/* Where the driver is looked for again when it has set things right. */
static void transfer_halt(struct transfer *t, enum xhci_code code)
{
    transfer_post(t, code, t->xhci->saved.ring_gpa[t->ring], t->length_bytes - t->done_bytes, 0);
    xhci_endpoint_set(t->xhci, t->slot, t->endpoint, ENDPOINT_HALTED);
}

/* ---- Data between the device and guest memory ---- */

static enum usb_answer transfer_in(struct transfer *t)
{
    u8 piece[TRANSFER_PIECE_BYTES];
    enum usb_answer answer;
    unsigned got_bytes;
    do {
        u32 room_bytes = t->length_bytes - t->done_bytes;
        room_bytes = room_bytes < sizeof(piece) ? room_bytes : (u32)sizeof(piece);
        answer = hid_control_in(t->hid, piece, room_bytes, &got_bytes);
        if (answer == USB_ACK && got_bytes > 0 &&
            xhci_dma_write(t->xhci, t->trb.parameter + t->done_bytes, piece, got_bytes)) {
            t->done_bytes += got_bytes;
        }
    } while (answer == USB_ACK && got_bytes == sizeof(piece) && t->done_bytes < t->length_bytes);
    t->is_short = t->done_bytes < t->length_bytes;
    return answer;
}

static enum usb_answer transfer_out(struct transfer *t)
{
    u8 piece[HID_CONTROL_BYTES];
    if (t->length_bytes > sizeof(piece)) {
        return USB_STALL;
    }
    if ((t->trb.control & TRB_IMMEDIATE) != 0) {
        st_le64(piece, t->trb.parameter);
        t->length_bytes = t->length_bytes < 8 ? t->length_bytes : 8;
    } else if (t->length_bytes > 0 &&
               !xhci_dma_read(t->xhci, t->trb.parameter, piece, t->length_bytes)) {
        return USB_STALL;
    }
    t->done_bytes = t->length_bytes;
    return hid_control_out(t->hid, piece, t->length_bytes);
}

static enum usb_answer transfer_end(struct transfer *t)
{
    u8 lamps = t->hid->saved.lamps;
    enum usb_answer answer = hid_control_end(t->hid);
    if (lamps != t->hid->saved.lamps) {
        xhci_tell_lamps(t->xhci);
    }
    return answer;
}

static enum usb_answer transfer_control(struct transfer *t)
{
    u8 setup[USB_SETUP_BYTES];
    switch (trb_type(&t->trb)) {
    case TRB_SETUP:
        st_le64(setup, t->trb.parameter);
        t->done_bytes = t->length_bytes;
        hid_setup(t->hid, setup);
        return USB_ACK;
    case TRB_STATUS:
        t->length_bytes = 0;
        return transfer_end(t);
    default: /* a data stage, or the next piece of it */
        return (t->hid->saved.setup[0] & USB_IN) != 0 ? transfer_in(t) : transfer_out(t);
    }
}

/* A report fits into one TRB of any driver, so that no more is looked for. */
static enum usb_answer transfer_report(struct transfer *t, u64 now_ns)
{
    u8 report[HID_REPORT_BYTES];
    unsigned got_bytes;
    u64 due_ns;
    enum usb_answer answer = hid_report_in(t->hid, now_ns, report, &got_bytes, &due_ns);
    if (answer == USB_NAK) {
        xhci_serve_at(t->xhci, due_ns);
        return USB_NAK;
    }
    t->done_bytes = got_bytes < t->length_bytes ? got_bytes : t->length_bytes;
    t->is_short = got_bytes < t->length_bytes;
    if (t->done_bytes > 0) {
        xhci_dma_write(t->xhci, t->trb.parameter, report, t->done_bytes);
    }
    return answer;
}

/* ---- TRBs ---- */

static void transfer_tell(struct transfer *t)
{
    struct xhci_saved *s = &t->xhci->saved;
    u32 wants = TRB_IOC | (t->is_short ? (u32)TRB_ISP : 0);
    if ((t->trb.control & wants) != 0) {
        transfer_post(t, t->is_short ? CODE_SHORT : CODE_SUCCESS, s->ring_gpa[t->ring],
                      t->length_bytes - t->done_bytes, 0);
    }
}

/* An event of the driver's own (4.11.5.2), with the bytes that went so far. */
static void transfer_event_data(struct transfer *t)
{
    struct xhci_saved *s = &t->xhci->saved;
    if ((t->trb.control & TRB_IOC) != 0) {
        bool is_short = (s->ring_flags[t->ring] & RING_SKIP) != 0;
        transfer_post(t, is_short ? CODE_SHORT : CODE_SUCCESS, t->trb.parameter,
                      s->ring_bytes[t->ring] & 0xffffff, TRB_EVENT_IS_DATA);
    }
    s->ring_bytes[t->ring] = 0;
}

/* To the next TRB, and out of the TD if this was its last. */
static void transfer_advance(struct transfer *t)
{
    struct xhci_saved *s = &t->xhci->saved;
    s->ring_gpa[t->ring] += XHCI_TRB_BYTES;
    if ((t->trb.control & TRB_CHAIN) != 0) {
        s->ring_flags[t->ring] |= RING_IN_TD | (t->is_short ? (u32)RING_SKIP : 0);
    } else {
        s->ring_flags[t->ring] &= ~(u32)(RING_IN_TD | RING_SKIP);
        s->ring_bytes[t->ring] = 0;
    }
}

/* False: the ring stands still. */
static bool transfer_trb(struct transfer *t, u64 now_ns)
{
    struct xhci_saved *s = &t->xhci->saved;
    unsigned type = trb_type(&t->trb);
    enum usb_answer answer = USB_ACK;
    bool is_control = t->endpoint == XHCI_ENDPOINT_CONTROL;
    if (type == TRB_EVENT_DATA) {
        transfer_event_data(t);
    } else if (type == TRB_NO_OP) {
        t->length_bytes = 0;
        transfer_tell(t);
    } else if ((s->ring_flags[t->ring] & RING_SKIP) == 0) {
        bool known = is_control ? type >= TRB_NORMAL && type <= TRB_STATUS : type == TRB_NORMAL;
        if (!known) {
            transfer_halt(t, CODE_TRB);
            return false;
        }
        answer = is_control ? transfer_control(t) : transfer_report(t, now_ns);
        if (answer == USB_ACK) {
            s->ring_bytes[t->ring] += t->done_bytes;
            transfer_tell(t);
        }
    }
    if (answer == USB_STALL) {
        transfer_halt(t, CODE_STALL);
    } else if (answer == USB_ACK && (s->usbcmd & XHCI_CMD_RUN) != 0) {
        transfer_advance(t);
        return true;
    }
    return false;
}

/* ---- Rings ---- */

/* The ring's next TRB. */
static bool transfer_peek(struct transfer *t)
{
    struct xhci_saved *s = &t->xhci->saved;
    bool cycle = (s->ring_flags[t->ring] & RING_CYCLE) != 0;
    bool found = xhci_ring_peek(t->xhci, &s->ring_gpa[t->ring], &cycle, &t->trb);
    s->ring_flags[t->ring] = (s->ring_flags[t->ring] & ~(u32)RING_CYCLE) |
                             (cycle ? (u32)RING_CYCLE : 0);
    t->length_bytes = found ? t->trb.status & LENGTH_MASK : 0;
    t->done_bytes = 0;
    t->is_short = false;
    return found;
}

static struct transfer transfer_of(struct xhci *xhci, unsigned slot, unsigned endpoint)
{
    return (struct transfer){.xhci = xhci, .hid = xhci_hid(xhci, xhci->saved.slot_port[slot]),
                             .slot = slot, .endpoint = endpoint,
                             .ring = xhci_ring(slot, endpoint)};
}

/* False: it may have more, for want of room or budget. */
static bool transfer_ring(struct xhci *xhci, unsigned slot, unsigned endpoint)
{
    struct xhci_saved *s = &xhci->saved;
    struct transfer t = transfer_of(xhci, slot, endpoint);
    u64 now_ns = clock_now_ns(xhci->device->env->clock);
    if (s->ring_state[t.ring] == ENDPOINT_STOPPED) {
        xhci_endpoint_set(xhci, slot, endpoint, ENDPOINT_RUNNING);
    }
    if (t.hid == NULL || !xhci_port_is_enabled(xhci, s->slot_port[slot])) {
        return true; /* as a device that does not answer for now */
    }
    while (s->ring_state[t.ring] == ENDPOINT_RUNNING && (s->usbcmd & XHCI_CMD_RUN) != 0) {
        if (!xhci_has_room(xhci, 2)) {
            return false;
        }
        if (!transfer_peek(&t)) {
            return xhci->budget > 0;
        }
        if (endpoint != XHCI_ENDPOINT_CONTROL && endpoint != XHCI_ENDPOINT_REPORTS) {
            transfer_halt(&t, CODE_TRANSACTION);
        } else if (!transfer_trb(&t, now_ns)) {
            break;
        }
    }
    return true;
}

bool xhci_transfer_serve(struct xhci *xhci)
{
    struct xhci_saved *s = &xhci->saved;
    bool all = true;
    for (unsigned slot = 0; slot < XHCI_SLOTS; slot++) {
        for (unsigned i = 1; i < XHCI_ENDPOINTS && s->doorbells[slot] >> i != 0; i++) {
            if ((s->doorbells[slot] >> i & 1) == 0) {
                continue;
            }
            if (transfer_ring(xhci, slot, i)) {
                s->doorbells[slot] &= ~(1u << i);
            } else {
                all = false;
            }
        }
    }
    return all;
}

void xhci_transfer_stopped(struct xhci *xhci, unsigned slot, unsigned endpoint)
{
    struct transfer t = transfer_of(xhci, slot, endpoint);
    xhci->saved.doorbells[slot] &= ~(1u << endpoint);
    if (transfer_peek(&t)) {
        transfer_post(&t, CODE_STOPPED, xhci->saved.ring_gpa[t.ring], t.length_bytes, 0);
    }
}
