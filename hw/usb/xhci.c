/* A USB 3 host controller (xHCI 1.0) on PCI, with a keyboard and a tablet in its ports: for
 * firmware that knows no virtio keyboard, and for systems that have no driver for one.
 *
 * 1b36:000d, as QEMU's qemu-xhci. BAR 0, 16 KiB: the registers (xhci_regs.c); BAR 2: MSI-X, one
 * vector, where the machine takes messages, else INTA. The driver writes TRBs into rings and rings
 * a doorbell; the controller answers by TRBs in the event ring and an interrupt.
 *
 *   command ring   slots for devices, their addresses, endpoints and rings (xhci_command.c)
 *   transfer rings one an endpoint: control transfers and reports (xhci_transfer.c)
 *   event ring     what became of those, and changes of ports (xhci_ring.c)
 *
 * Input goes to virtio devices where their drivers are live, and comes here otherwise (input.h).
 *
 * When work is done. With the real clock at once, on the thread that rang or that brings input;
 * with the virtual clock XHCI_LATENCY_NS later, between two slices, as virtio does. At most
 * XHCI_BUDGET TRBs are looked at in a row: a ring that leads back to itself takes no hart away. The
 * rest follows XHCI_LATENCY_NS later.
 *
 * Left out: hubs and hot plug, isochronous and bulk transfers, streams, a second interrupter and
 * moderation of the one there is, scratchpads, saving the controller's state for suspend (restoring
 * fails, as 4.23.2 allows, and drivers begin anew), the debug capability, USB 3 devices. */
#include "hw/usb/xhci_private.h"

#include <string.h>

enum {
    XHCI_BYTES = 0x4000,
    REGISTER_BAR = 0,
    MSIX_BAR = 2,
    XHCI_BUDGET = 512,
    CONFIG_SERIAL_BUS = 0x60, /* 5.2.3: release 3.0, and the length of a frame */
    CONFIG_CAPABILITIES = 0x64,
};
#define XHCI_LATENCY_NS ((u64)20000)

STATE_LIST(xhci_saved, struct xhci_saved, XHCI_SAVED);
STATE_LIST(pci_saved, struct pci_saved, PCI_SAVED);
STATE_LIST(hid_saved, struct hid_saved, HID_SAVED);

struct hid *xhci_hid(struct xhci *xhci, unsigned port)
{
    return port >= 1 && port <= HID_KINDS ? &xhci->hids[port - 1] : NULL;
}

/* ---- Work ---- */

static bool xhci_is_running(const struct xhci *xhci)
{
    return (xhci->saved.usbcmd & XHCI_CMD_RUN) != 0 && xhci->pci.master;
}

void xhci_serve_at(struct xhci *xhci, u64 when_ns)
{
    if (when_ns < xhci->saved.serve_ns) {
        xhci->saved.serve_ns = when_ns;
        timer_arm_at_ns(&xhci->timer, when_ns);
    }
}

static void xhci_serve(struct xhci *xhci)
{
    if (!xhci_is_running(xhci)) {
        return;
    }
    xhci->budget = XHCI_BUDGET;
    bool all = xhci_port_serve(xhci);
    all &= xhci_command_serve(xhci);
    all &= xhci_transfer_serve(xhci);
    if (!all && xhci->budget == 0) {
        xhci_serve_at(xhci, clock_now_ns(xhci->device->env->clock) + XHCI_LATENCY_NS);
    } /* when there was no room for events, making some is what goes on */
}

void xhci_kick(struct xhci *xhci)
{
    const struct device_env *env = xhci->device->env;
    if (!xhci_is_running(xhci)) {
        return;
    }
    if (journal_is_deterministic(env->journal)) {
        xhci_serve_at(xhci, clock_now_ns(env->clock) + XHCI_LATENCY_NS);
    } else {
        xhci_serve(xhci);
    }
}

/* The reports of a device are looked for again, if the driver waits for them. */
static void xhci_ring_reports(struct xhci *xhci, unsigned port)
{
    struct xhci_saved *s = &xhci->saved;
    for (unsigned slot = 0; slot < XHCI_SLOTS; slot++) {
        if (s->slot_port[slot] == port &&
            s->ring_state[xhci_ring(slot, XHCI_ENDPOINT_REPORTS)] == ENDPOINT_RUNNING) {
            s->doorbells[slot] |= 1u << XHCI_ENDPOINT_REPORTS;
        }
    }
}

static void xhci_fire(void *opaque)
{
    struct xhci *xhci = opaque;
    device_lock(xhci->device);
    if (xhci->saved.serve_ns <= clock_now_ns(xhci->device->env->clock)) {
        xhci->saved.serve_ns = CLOCK_NEVER_NS;
        for (unsigned port = 1; port <= HID_KINDS; port++) {
            xhci_ring_reports(xhci, port); /* one may be due to repeat its report */
        }
        xhci_serve(xhci);
    }
    device_unlock(xhci->device);
}

/* ---- Input ---- */

static void xhci_take(struct xhci *xhci, enum hid_kind kind, const struct input_event *events,
                      unsigned count)
{
    unsigned port = (unsigned)kind + 1;
    device_lock(xhci->device);
    if (hid_take(&xhci->hids[kind], events, count)) {
        xhci_port_wake(xhci, port);
        xhci_ring_reports(xhci, port);
        xhci_kick(xhci);
    }
    device_unlock(xhci->device);
}

static void xhci_take_key(void *opaque, const struct input_event *events, unsigned count)
{
    xhci_take(opaque, HID_KEYBOARD, events, count);
}

static void xhci_take_tablet(void *opaque, const struct input_event *events, unsigned count)
{
    xhci_take(opaque, HID_TABLET, events, count);
}

void xhci_tell_lamps(const struct xhci *xhci)
{
    const struct xhci_config *config = xhci->device->config;
    input_set_lamps(config->input, xhci->hids[HID_KEYBOARD].saved.lamps);
}

static bool xhci_is_live(struct xhci *xhci, enum hid_kind kind)
{
    device_lock(xhci->device);
    bool live = hid_is_configured(&xhci->hids[kind]);
    device_unlock(xhci->device);
    return live;
}

static bool xhci_keyboard_is_live(void *opaque)
{
    return xhci_is_live(opaque, HID_KEYBOARD);
}

static bool xhci_tablet_is_live(void *opaque)
{
    return xhci_is_live(opaque, HID_TABLET);
}

/* ---- Life ---- */

/* HCRST (4.2): everything but what is PCI's. */
void xhci_reset_controller(struct xhci *xhci)
{
    memset(&xhci->saved, 0, sizeof(xhci->saved));
    xhci->saved.serve_ns = CLOCK_NEVER_NS;
    xhci->saved.usbsts = XHCI_STS_HALTED;
    timer_cancel(&xhci->timer);
    xhci_port_reset_all(xhci);
    xhci_update_irq(xhci);
}

static void xhci_reset(struct device *device)
{
    struct xhci *xhci = device->state;
    pci_reset(&xhci->pci);
    xhci_reset_controller(xhci);
}

static void xhci_master_changed(struct device *device, bool allowed)
{
    struct xhci *xhci = device->state;
    if (allowed) {
        xhci_kick(xhci);
    }
}

static const struct pci_ops xhci_ops = {.master_changed = xhci_master_changed,
                                        .reset = xhci_reset};

static void xhci_init_pci(struct xhci *xhci, struct device *device)
{
    static const struct pci_identity identity = {
        .vendor = 0x1b36, .device = 0x000d, .subsystem_vendor = 0x1af4, .subsystem = 0x1100,
        .revision = 1, .class_code = 0x0c0330, .pin = 1};
    const struct xhci_config *config = device->config;
    pci_init(&xhci->pci, device, &identity, &xhci_ops);
    xhci->pci.power_on[CONFIG_SERIAL_BUS] = 0x30;
    xhci->pci.power_on[CONFIG_SERIAL_BUS + 1] = 0x20;
    xhci->pci.next_cap = CONFIG_CAPABILITIES;
    pci_add_bar(&xhci->pci, REGISTER_BAR, PCI_BAR_MEMORY64, 0, XHCI_BYTES);
    if (config->msix) {
        pci_add_bar(&xhci->pci, MSIX_BAR, PCI_BAR_MEMORY32, 1, PCI_MSIX_REGION_BYTES);
        pci_add_msix(&xhci->pci, MSIX_BAR, 1);
    }
    pci_add_express(&xhci->pci, PCI_PORT_INTEGRATED_ENDPOINT);
}

static bool xhci_init(struct device *device, struct metic_error *error)
{
    struct xhci *xhci = device->state;
    const struct xhci_config *config = device->config;
    (void)error;
    CHECK(device->output_count == 1);
    xhci->device = device;
    for (unsigned i = 0; i < HID_KINDS; i++) {
        hid_init(&xhci->hids[i], (enum hid_kind)i);
    }
    timer_init(&xhci->timer, device->env->clock, xhci_fire, xhci);
    xhci_init_pci(xhci, device);
    input_set_sink(config->input, INPUT_KEYBOARD, INPUT_USB,
                   (struct input_sink){xhci_take_key, xhci_keyboard_is_live, xhci});
    input_set_sink(config->input, INPUT_TABLET, INPUT_USB,
                   (struct input_sink){xhci_take_tablet, xhci_tablet_is_live, xhci});
    return true;
}

static void xhci_fini(struct device *device)
{
    struct xhci *xhci = device->state;
    const struct xhci_config *config = device->config;
    input_set_sink(config->input, INPUT_KEYBOARD, INPUT_USB, (struct input_sink){0});
    input_set_sink(config->input, INPUT_TABLET, INPUT_USB, (struct input_sink){0});
    timer_fini(&xhci->timer);
}

/* What no controller could hold is refused; states and addresses are looked at where they are
 * used. */
static bool xhci_restored(struct device *device, struct metic_error *error)
{
    struct xhci *xhci = device->state;
    const struct xhci_saved *s = &xhci->saved;
    bool ok = s->event_count <= 4096 && (s->event_at == 0 || s->event_at < s->event_count);
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        ok &= s->slot_state[i] <= SLOT_CONFIGURED && s->slot_port[i] <= HID_KINDS &&
              (s->doorbells[i] & 1) == 0;
    }
    for (unsigned i = 0; i < XHCI_RINGS; i++) {
        ok &= s->ring_state[i] <= ENDPOINT_ERROR;
    }
    if (!ok) {
        return error_set(error, NULL, "the saved state of %s is none", device->name);
    }
    for (unsigned i = 0; i < HID_KINDS; i++) {
        if (!hid_restored(&xhci->hids[i], error)) {
            return false;
        }
    }
    if (!pci_restored(&xhci->pci, error)) {
        return false;
    }
    if (xhci->hids[HID_KEYBOARD].saved.lamps != 0) { /* else they may be those of virtio's */
        xhci_tell_lamps(xhci);
    }
    xhci_update_irq(xhci);
    timer_arm_at_ns(&xhci->timer, s->serve_ns);
    return true;
}

static u64 xhci_msix_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct xhci *xhci = device->state;
    return pci_msix_read(&xhci->pci, offset, size_bytes);
}

static void xhci_msix_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct xhci *xhci = device->state;
    pci_msix_write(&xhci->pci, offset, value, size_bytes);
}

static const struct device_region xhci_regions[] = {
    {.name = "registers", .size_bytes = XHCI_BYTES, .kind = MEMORY_MMIO, .min_bytes = 1,
     .max_bytes = 4, .read = xhci_read, .write = xhci_write},
    {.name = "msix", .size_bytes = PCI_MSIX_REGION_BYTES, .kind = MEMORY_MMIO, .min_bytes = 1,
     .max_bytes = 4, .read = xhci_msix_read, .write = xhci_msix_write},
};

static const struct device_saved xhci_parts[] = {
    {&pci_saved, offsetof(struct xhci, pci.saved)},
    {&hid_saved, offsetof(struct xhci, hids[HID_KEYBOARD].saved)},
    {&hid_saved, offsetof(struct xhci, hids[HID_TABLET].saved)},
};

const struct device_class xhci_class = {
    .name = "xhci",
    .summary = "USB 3 host controller on PCI, with a keyboard and a tablet",
    .state_bytes = sizeof(struct xhci),
    .regions = xhci_regions,
    .region_count = ARRAY_LEN(xhci_regions),
    .init = xhci_init,
    .fini = xhci_fini,
    .reset = xhci_reset,
    .saved = &xhci_saved,
    .saved_offset = offsetof(struct xhci, saved),
    .more_saved = xhci_parts,
    .more_saved_count = ARRAY_LEN(xhci_parts),
    .restored = xhci_restored,
    .pci_offset = offsetof(struct xhci, pci),
};
