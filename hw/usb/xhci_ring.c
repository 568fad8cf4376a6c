/* Rings in guest memory (4.9), the event ring (4.9.4) and the interrupt (4.17); see xhci_private.h.
 *
 * A ring's TRBs are the driver's as long as their cycle bit is not the one that is looked for; a
 * link leads to the next piece. The event ring is one segment, which the event ring segment table
 * names; how much room it has is known from ERDP. An event makes the interrupt pending, and a
 * further one does not, until the driver has said by ERDP that it has looked (EHB). */
#include "hw/usb/xhci_private.h"

enum {
    IMAN_PENDING = 1,
    IMAN_ENABLE = 2,
    ERDP_BUSY = 8,
    EVENT_RING_MIN = 16, /* TRBs, 6.5 */
    EVENT_RING_MAX = 4096,
};

void xhci_fail(struct xhci *xhci)
{
    device_guest_error(xhci->device, "a ring or a context lies where there is no memory");
    xhci->saved.usbsts |= XHCI_STS_HOST_ERROR | XHCI_STS_HALTED;
    xhci->saved.usbcmd &= ~(u32)XHCI_CMD_RUN;
}

bool xhci_dma_read(struct xhci *xhci, gpa_t gpa, void *bytes, size_t size_bytes)
{
    bool ok = memory_dma_read(xhci->device->env->memory, gpa, bytes, size_bytes);
    if (!ok) {
        xhci_fail(xhci);
    }
    return ok;
}

bool xhci_dma_write(struct xhci *xhci, gpa_t gpa, const void *bytes, size_t size_bytes)
{
    bool ok = memory_dma_write(xhci->device->env->memory, gpa, bytes, size_bytes);
    if (!ok) {
        xhci_fail(xhci);
    }
    return ok;
}

u32 xhci_read_u32(struct xhci *xhci, gpa_t gpa)
{
    u8 bytes[4];
    return xhci_dma_read(xhci, gpa, bytes, sizeof(bytes)) ? ld_le32(bytes) : 0;
}

/* ---- Rings of the driver's ---- */

bool xhci_ring_peek(struct xhci *xhci, u64 *gpa, bool *cycle, struct xhci_trb *trb)
{
    u8 bytes[XHCI_TRB_BYTES];
    for (; xhci->budget > 0; xhci->budget--) {
        if (!xhci_dma_read(xhci, *gpa, bytes, sizeof(bytes))) {
            return false;
        }
        *trb = (struct xhci_trb){ld_le64(bytes), ld_le32(bytes + 8), ld_le32(bytes + 12)};
        if (((trb->control & TRB_CYCLE) != 0) != *cycle) {
            return false;
        }
        if (trb_type(trb) != TRB_LINK) {
            xhci->budget--;
            return true;
        }
        *gpa = trb->parameter & ~(u64)0xf;
        *cycle ^= (trb->control & TRB_TOGGLE) != 0;
    }
    return false;
}

/* ---- Events ---- */

/* Finds the ring in the table; false: there is none. */
static bool event_ring_find(struct xhci *xhci)
{
    struct xhci_saved *s = &xhci->saved;
    u8 entry[16];
    if (s->event_count != 0) {
        return true;
    }
    if (s->erst_count == 0 || !xhci_dma_read(xhci, s->erst_gpa, entry, sizeof(entry))) {
        return false;
    }
    u32 count = ld_le32(entry + 8) & 0xffff;
    if (count < EVENT_RING_MIN || count > EVENT_RING_MAX) {
        device_guest_error(xhci->device, "an event ring of a size that none has");
        return false;
    }
    s->event_gpa = ld_le64(entry) & ~(u64)0x3f;
    s->event_count = count;
    s->event_at = 0;
    s->event_cycle = true;
    return true;
}

/* The number of the event the driver will look at next. */
static u32 event_ring_taken(const struct xhci *xhci)
{
    const struct xhci_saved *s = &xhci->saved;
    u64 offset = (s->erdp & ~(u64)0xf) - s->event_gpa;
    return offset / XHCI_TRB_BYTES < s->event_count ? (u32)(offset / XHCI_TRB_BYTES) : 0;
}

bool xhci_has_room(struct xhci *xhci, unsigned count)
{
    const struct xhci_saved *s = &xhci->saved;
    if (!event_ring_find(xhci)) {
        return false;
    }
    u32 waiting = (s->event_at + s->event_count - event_ring_taken(xhci)) % s->event_count;
    return s->event_count - 1 - waiting >= count;
}

static bool irq_is_on(const struct xhci *xhci)
{
    const struct xhci_saved *s = &xhci->saved;
    return (s->iman & IMAN_PENDING) != 0 && (s->iman & IMAN_ENABLE) != 0 &&
           (s->usbcmd & XHCI_CMD_INTE) != 0;
}

/* A message takes the place of the pending bit (5.5.2.1). */
void xhci_update_irq(struct xhci *xhci)
{
    if (irq_is_on(xhci) && pci_msix_is_enabled(&xhci->pci)) {
        xhci->saved.iman &= ~(u32)IMAN_PENDING;
        pci_msix_notify(&xhci->pci, 0);
    }
    pci_set_intx(&xhci->pci, irq_is_on(xhci));
}

static void irq_raise(struct xhci *xhci)
{
    struct xhci_saved *s = &xhci->saved;
    s->usbsts |= XHCI_STS_EVENT;
    if ((s->erdp & ERDP_BUSY) == 0) {
        s->erdp |= ERDP_BUSY;
        s->iman |= IMAN_PENDING;
        xhci_update_irq(xhci);
    }
}

void xhci_post(struct xhci *xhci, u64 parameter, u32 status, u32 control, bool quiet)
{
    struct xhci_saved *s = &xhci->saved;
    u8 bytes[XHCI_TRB_BYTES];
    CHECK(s->event_count != 0);
    st_le64(bytes, parameter);
    st_le32(bytes + 8, status);
    st_le32(bytes + 12, control | (s->event_cycle ? (u32)TRB_CYCLE : 0));
    /* The cycle bit last: a driver on another hart may be looking at it. */
    gpa_t gpa = s->event_gpa + (u64)s->event_at * XHCI_TRB_BYTES;
    if (!xhci_dma_write(xhci, gpa, bytes, 12) || !xhci_dma_write(xhci, gpa + 12, bytes + 12, 4)) {
        return;
    }
    if (++s->event_at == s->event_count) {
        s->event_at = 0;
        s->event_cycle = !s->event_cycle;
    }
    if (!quiet) {
        irq_raise(xhci);
    }
}

void xhci_write_iman(struct xhci *xhci, u32 value)
{
    u32 pending = xhci->saved.iman & IMAN_PENDING & ~value;
    xhci->saved.iman = pending | (value & IMAN_ENABLE);
    xhci_update_irq(xhci);
}

void xhci_write_erdp(struct xhci *xhci, u64 value)
{
    struct xhci_saved *s = &xhci->saved;
    u64 busy = s->erdp & ERDP_BUSY & ~value;
    s->erdp = (value & ~(u64)ERDP_BUSY) | busy;
    if (busy == 0 && s->event_count != 0 && event_ring_taken(xhci) != s->event_at) {
        irq_raise(xhci); /* some came after the driver last looked */
    }
    xhci_kick(xhci);
}
