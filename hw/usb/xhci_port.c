/* Ports (4.15, 4.19, 5.4.8): keyboard and tablet in ports 1 and 2, which are of USB 2; nothing in
 * those of USB 3. A reset is over at once. What changed is said by change bits, which the driver
 * clears, and by a port status change event when the first of them comes up. */
#include "hw/usb/xhci_private.h"

enum { /* PORTSC */
    PORT_CONNECTED = 1 << 0,
    PORT_ENABLED = 1 << 1,
    PORT_RESET = 1 << 4,
    PORT_LINK = 5, /* shift of four bits */
    PORT_POWER = 1 << 9,
    PORT_SPEED_HIGH = 3 << 10,
    PORT_INDICATOR = 3 << 14,
    PORT_LINK_WRITE = 1 << 16,
    PORT_CONNECT_CHANGE = 1 << 17,
    PORT_ENABLE_CHANGE = 1 << 18,
    PORT_RESET_CHANGE = 1 << 21,
    PORT_LINK_CHANGE = 1 << 22,
    PORT_CHANGES = 0x7f << 17,
    PORT_WAKES = 7 << 25,
    PORT_KEPT = PORT_INDICATOR | PORT_WAKES, /* bits that are as they were written */

    LINK_U0 = 0,
    LINK_U3 = 3, /* suspended */
    LINK_DISABLED = 4,
    LINK_RX_DETECT = 5,
    LINK_POLLING = 7,
    LINK_RESUME = 15,

    REGISTER_PORTSC = 0,
};

static unsigned port_link(u32 portsc)
{
    return portsc >> PORT_LINK & 0xf;
}

static void port_set_link(u32 *portsc, unsigned link)
{
    *portsc = (*portsc & ~((u32)0xf << PORT_LINK)) | (u32)link << PORT_LINK;
}

bool xhci_port_is_enabled(const struct xhci *xhci, unsigned port)
{
    u32 portsc = xhci->saved.portsc[port - 1];
    return (portsc & PORT_ENABLED) != 0 && port_link(portsc) == LINK_U0;
}

/* The first change is told; further ones are seen when the driver looks (4.19.2). */
static void port_changed(struct xhci *xhci, unsigned port, u32 change)
{
    u32 *portsc = &xhci->saved.portsc[port - 1];
    if ((*portsc & PORT_CHANGES) == 0) {
        xhci->saved.port_events |= 1u << port;
    }
    *portsc |= change;
    xhci->saved.usbsts |= XHCI_STS_PORT_CHANGE;
    xhci_kick(xhci);
}

void xhci_port_reset_all(struct xhci *xhci)
{
    struct xhci_saved *s = &xhci->saved;
    for (unsigned port = 1; port <= XHCI_PORTS; port++) {
        u32 *portsc = &s->portsc[port - 1];
        struct hid *hid = xhci_hid(xhci, port);
        *portsc = PORT_POWER;
        port_set_link(portsc, hid != NULL ? LINK_POLLING : LINK_RX_DETECT);
        if (hid != NULL) {
            *portsc |= PORT_CONNECTED | PORT_SPEED_HIGH | PORT_CONNECT_CHANGE;
            s->port_events |= 1u << port;
            hid_reset(hid);
        }
    }
}

u32 xhci_port_read(const struct xhci *xhci, unsigned port, unsigned offset)
{
    return offset == REGISTER_PORTSC ? xhci->saved.portsc[port - 1] : 0;
}

static void port_reset(struct xhci *xhci, unsigned port)
{
    u32 *portsc = &xhci->saved.portsc[port - 1];
    struct hid *hid = xhci_hid(xhci, port);
    if (hid != NULL) {
        hid_reset(hid);
        *portsc |= PORT_ENABLED;
        port_set_link(portsc, LINK_U0);
        port_changed(xhci, port, PORT_RESET_CHANGE);
    }
}

static void port_write_link(struct xhci *xhci, unsigned port, unsigned link)
{
    u32 *portsc = &xhci->saved.portsc[port - 1];
    unsigned now = port_link(*portsc);
    if ((*portsc & PORT_ENABLED) == 0) {
        return;
    }
    if (link == LINK_U0 && (now == LINK_U3 || now == LINK_RESUME)) {
        port_set_link(portsc, LINK_U0);
        port_changed(xhci, port, PORT_LINK_CHANGE);
    } else if ((link == LINK_U3 && now == LINK_U0) || (link == LINK_RESUME && now == LINK_U3)) {
        port_set_link(portsc, link);
    }
}

void xhci_port_write(struct xhci *xhci, unsigned port, unsigned offset, u32 value)
{
    u32 *portsc = &xhci->saved.portsc[port - 1];
    if (offset != REGISTER_PORTSC) {
        return;
    }
    *portsc &= ~(value & PORT_CHANGES);
    *portsc = (*portsc & ~(u32)PORT_KEPT) | (value & PORT_KEPT);
    if ((value & PORT_ENABLED) != 0 && (*portsc & PORT_ENABLED) != 0) { /* 1 disables */
        *portsc &= ~(u32)PORT_ENABLED;
        port_set_link(portsc, LINK_DISABLED);
    }
    if ((value & PORT_RESET) != 0) {
        port_reset(xhci, port);
    } else if ((value & PORT_LINK_WRITE) != 0) {
        port_write_link(xhci, port, port_link(value));
    }
}

void xhci_port_wake(struct xhci *xhci, unsigned port)
{
    u32 *portsc = &xhci->saved.portsc[port - 1];
    if (port_link(*portsc) == LINK_U3 && xhci_hid(xhci, port)->saved.may_wake) {
        port_set_link(portsc, LINK_RESUME);
        port_changed(xhci, port, PORT_LINK_CHANGE);
    }
}

bool xhci_port_serve(struct xhci *xhci)
{
    struct xhci_saved *s = &xhci->saved;
    for (unsigned port = 1; port <= XHCI_PORTS; port++) {
        u32 bit = 1u << port;
        if ((s->port_events & bit) == 0) {
            continue;
        }
        if (!xhci_has_room(xhci, 1)) {
            return false;
        }
        s->port_events &= ~bit;
        xhci_post(xhci, (u64)port << 24, (u32)CODE_SUCCESS << 24,
                  (u32)TRB_PORT_EVENT << TRB_TYPE, false);
    }
    return true;
}
