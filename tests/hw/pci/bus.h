/* A PCI bus for tests: a host bridge whose lines end in the fixture's, and functions in its slots,
 * reached as a hart reaches them. */
#ifndef METIC_TESTS_HW_PCI_BUS_H
#define METIC_TESTS_HW_PCI_BUS_H

#include "hw/pci/pci.h"
#include "hw/pci/pci_host.h"
#include "tests/hw/fixture.h"

#define BUS_MEMORY32 ((u64)0x40000000)
#define BUS_MEMORY64 ((u64)0x400000000)

struct bus {
    struct device *host;
    /* The last message that a function sent, and how many there were. */
    gpa_t message_gpa;
    u32 message_data;
    unsigned messages;
};

static inline void bus_message(void *opaque, gpa_t gpa, u32 data)
{
    struct bus *bus = opaque;
    bus->message_gpa = gpa;
    bus->message_data = data;
    bus->messages++;
}

static inline void bus_init(struct bus *bus, struct fixture *f)
{
    static const struct pci_host_config config = {BUS_MEMORY32, 0x40000000, BUS_MEMORY64,
                                                  (u64)16 << 30};
    struct device_spec spec = {&pci_host_class, "pci", &config, PCI_HOST_LINES,
                               {0, 0, 0x40000000, (u64)16 << 30}};
    *bus = (struct bus){0};
    f->env.message = bus_message;
    f->env.message_opaque = bus;
    bus->host = device_new(&spec, &f->env, NULL);
    cr_assert_not_null(bus->host);
    for (unsigned i = 0; i < PCI_HOST_LINES; i++) {
        device_connect(bus->host, i, (struct irq_line){fixture_set_line, f, i});
    }
    device_reset(bus->host);
}

static inline u64 bus_ecam(unsigned slot, unsigned offset)
{
    return (u64)slot << 15 | offset;
}

static inline u32 bus_get(struct bus *bus, unsigned slot, unsigned offset, unsigned size_bytes)
{
    return (u32)device_read(bus->host, PCI_HOST_ECAM, bus_ecam(slot, offset), size_bytes);
}

static inline void bus_put(struct bus *bus, unsigned slot, unsigned offset, u32 value,
                           unsigned size_bytes)
{
    device_write(bus->host, PCI_HOST_ECAM, bus_ecam(slot, offset), value, size_bytes);
}

/* Offset of the `nth` (0, 1, ...) capability with this id; 0: there is none. */
static inline unsigned bus_find_cap(struct bus *bus, unsigned slot, u8 id, unsigned nth)
{
    unsigned at = bus_get(bus, slot, PCI_CAPABILITIES, 1);
    for (unsigned seen = 0; at != 0 && seen < 48; seen++) {
        if (bus_get(bus, slot, at, 1) == id && nth-- == 0) {
            return at;
        }
        at = bus_get(bus, slot, at + 1, 1);
    }
    return 0;
}

#endif
