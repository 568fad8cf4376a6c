/* A USB host's driver for tests: the controller's registers, rings and contexts in guest memory. */
#ifndef METIC_TESTS_HW_USB_HOST_H
#define METIC_TESTS_HW_USB_HOST_H

#include "hw/usb/xhci_private.h"
#include "tests/hw/fixture.h"

#define HOST_GPA(offset) ((gpa_t)FIXTURE_RAM_GPA + (offset))
enum {
    HOST_DCBAA = 0x1000,
    HOST_COMMANDS = 0x2000,
    HOST_ERST = 0x3000,
    HOST_EVENTS = 0x4000,
    HOST_INPUT = 0x5000,
    HOST_CONTEXT = 0x6000, /* a page a slot */
    HOST_CONTROL = 0x10000,
    HOST_REPORTS = 0x11000,
    HOST_DATA = 0x12000,

    OP = 0x40,
    RT = 0x1020,
    DB = 0x2000,
};

struct host {
    struct fixture *f;
    struct device *device;
    unsigned events;   /* in the ring */
    unsigned command, control, event; /* the next one's number */
    u32 last[4];       /* the last event looked at */
};

static inline void host_put(struct host *h, u64 offset, u32 value)
{
    device_write(h->device, 0, offset, value, 4);
}

static inline u32 host_get(struct host *h, u64 offset)
{
    return (u32)device_read(h->device, 0, offset, 4);
}

static inline void host_store(struct host *h, u64 at, u32 value)
{
    u8 bytes[4];
    st_le32(bytes, value);
    cr_assert(memory_dma_write(&h->f->memory, HOST_GPA(at), bytes, 4));
}

static inline u32 host_load(struct host *h, u64 at)
{
    u8 bytes[4];
    cr_assert(memory_dma_read(&h->f->memory, HOST_GPA(at), bytes, 4));
    return ld_le32(bytes);
}

static inline void host_trb(struct host *h, u64 at, u64 parameter, u32 status, u32 control)
{
    host_store(h, at, (u32)parameter);
    host_store(h, at + 4, (u32)(parameter >> 32));
    host_store(h, at + 8, status);
    host_store(h, at + 12, control);
}

/* Lets the controller work. */
static inline void host_wait(struct host *h)
{
    fixture_run_to_ns(h->f, clock_now_ns(&h->f->clock) + 1000000);
}

/* Up to a running controller with an event ring of `events` TRBs. */
static inline void host_start(struct host *h, struct fixture *f, struct device *device,
                              unsigned events)
{
    *h = (struct host){.f = f, .device = device, .events = events};
    struct pci_function *function = pci_function_of(device);
    pci_config_write(function, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    host_put(h, OP, XHCI_CMD_RESET);
    host_put(h, OP + 0x38, XHCI_SLOTS);
    host_put(h, OP + 0x30, (u32)HOST_GPA(HOST_DCBAA));
    host_put(h, OP + 0x18, (u32)HOST_GPA(HOST_COMMANDS) | 1);
    host_trb(h, HOST_ERST, HOST_GPA(HOST_EVENTS), events, 0);
    host_put(h, RT + 0x08, 1);
    host_put(h, RT + 0x18, (u32)HOST_GPA(HOST_EVENTS));
    host_put(h, RT + 0x10, (u32)HOST_GPA(HOST_ERST));
    host_put(h, RT, 2);
    host_put(h, OP, XHCI_CMD_RUN | XHCI_CMD_INTE);
    host_wait(h);
}

/* The next event, with the ring given back; its type, 0 when there is none. */
static inline unsigned host_event(struct host *h)
{
    u64 at = HOST_EVENTS + (u64)(h->event % h->events) * XHCI_TRB_BYTES;
    for (unsigned i = 0; i < 4; i++) {
        h->last[i] = host_load(h, at + 4 * i);
    }
    if ((h->last[3] & TRB_CYCLE) != (h->event / h->events % 2 == 0)) {
        return 0;
    }
    h->event++;
    at = HOST_EVENTS + (u64)(h->event % h->events) * XHCI_TRB_BYTES;
    host_put(h, RT + 0x18, (u32)HOST_GPA(at) | 8);
    return h->last[3] >> TRB_TYPE & 0x3f;
}

/* Of the event last looked at. */
static inline unsigned host_code(const struct host *h)
{
    return h->last[2] >> 24;
}

/* Does a command and returns its code; events in front of its own are passed over. */
static inline unsigned host_command(struct host *h, u64 parameter, u32 control)
{
    host_trb(h, HOST_COMMANDS + (u64)h->command++ * XHCI_TRB_BYTES, parameter, 0,
             control | TRB_CYCLE);
    host_put(h, DB, 0);
    host_wait(h);
    for (unsigned type = host_event(h); type != 0; type = host_event(h)) {
        if (type == TRB_COMMAND_EVENT) {
            return host_code(h);
        }
    }
    return 0;
}

static inline u32 host_slot_command(unsigned type, unsigned slot, unsigned endpoint)
{
    return (u32)type << TRB_TYPE | slot << TRB_SLOT | endpoint << TRB_ENDPOINT;
}

/* An endpoint in the input context. */
static inline void host_endpoint(struct host *h, unsigned endpoint, u32 type, u64 ring)
{
    u64 at = HOST_INPUT + (u64)(endpoint + 1) * XHCI_CONTEXT_BYTES;
    host_store(h, at + 4, type << 3 | 64u << 16);
    host_store(h, at + 8, (u32)HOST_GPA(ring) | 1);
    host_store(h, at + 12, 0);
}

/* A device in a port becomes one with an address; its slot's number. */
static inline unsigned host_address(struct host *h, unsigned port)
{
    host_put(h, OP + 0x400 + 0x10 * (port - 1), 1 << 9 | 1 << 4);
    cr_assert_eq(host_command(h, 0, host_slot_command(TRB_ENABLE_SLOT, 0, 0)), CODE_SUCCESS);
    unsigned slot = h->last[3] >> TRB_SLOT;
    host_store(h, HOST_DCBAA + 8 * slot, (u32)HOST_GPA(HOST_CONTEXT + 0x1000 * slot));
    host_store(h, HOST_INPUT + 4, 3);
    host_store(h, HOST_INPUT + XHCI_CONTEXT_BYTES, 1u << 27 | 3 << 20);
    host_store(h, HOST_INPUT + XHCI_CONTEXT_BYTES + 4, port << 16);
    host_endpoint(h, 1, 4, HOST_CONTROL);
    h->control = 0;
    cr_assert_eq(host_command(h, HOST_GPA(HOST_INPUT),
                              host_slot_command(TRB_ADDRESS_DEVICE, slot, 0)), CODE_SUCCESS);
    return slot;
}

/* A TRB on the control ring, and on that of reports at `index`. */
static inline void host_control(struct host *h, u64 parameter, u32 length, u32 control)
{
    host_trb(h, HOST_CONTROL + (u64)h->control++ * XHCI_TRB_BYTES, parameter, length,
             control | TRB_CYCLE);
}

static inline void host_report(struct host *h, unsigned slot, unsigned index, u32 length)
{
    host_trb(h, HOST_REPORTS + (u64)index * XHCI_TRB_BYTES, HOST_GPA(HOST_DATA + 16 * index),
             length, (u32)TRB_NORMAL << TRB_TYPE | TRB_IOC | TRB_ISP | TRB_CYCLE);
    host_put(h, DB + 4 * slot, XHCI_ENDPOINT_REPORTS);
    host_wait(h);
}

/* A request without data or with `length` bytes in; the code of its last event. */
static inline unsigned host_request(struct host *h, unsigned slot, u64 setup, u32 length)
{
    host_control(h, setup, 8, (u32)TRB_SETUP << TRB_TYPE | TRB_IMMEDIATE);
    if (length != 0) {
        host_control(h, HOST_GPA(HOST_DATA), length,
                     (u32)TRB_DATA << TRB_TYPE | TRB_DATA_IN | TRB_ISP);
    }
    host_control(h, 0, 0, (u32)TRB_STATUS << TRB_TYPE | TRB_IOC);
    host_put(h, DB + 4 * slot, 1);
    host_wait(h);
    unsigned code = 0;
    while (host_event(h) == TRB_TRANSFER_EVENT) {
        code = host_code(h);
    }
    return code;
}

/* Up to an endpoint that gives reports. */
static inline unsigned host_configure(struct host *h, unsigned port)
{
    unsigned slot = host_address(h, port);
    cr_assert_eq(host_request(h, slot, 0x0000000000010900, 0), CODE_SUCCESS);
    host_store(h, HOST_INPUT + 4, 1 | 1 << XHCI_ENDPOINT_REPORTS);
    host_endpoint(h, XHCI_ENDPOINT_REPORTS, 7, HOST_REPORTS);
    cr_assert_eq(host_command(h, HOST_GPA(HOST_INPUT),
                              host_slot_command(TRB_CONFIGURE_ENDPOINT, slot, 0)), CODE_SUCCESS);
    return slot;
}

#endif
