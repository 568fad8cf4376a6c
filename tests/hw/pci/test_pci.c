/* PCI: configuration space, base address registers, pins and MSI-X of a function, and how the host
 * bridge finds them; with a function made for the test. */
#include "hw/pci/pcie_port.h"
#include "tests/hw/pci/bus.h"

enum { SLOT = 3, BAR32 = 0, BAR64 = 2, BAR_IO = 4, BAR_MSIX = 5, VECTORS = 5 };

/* A device whose region 0 is 4 KiB of bytes, which all BARs but MSI-X's lead to. */
struct thing {
    u8 bytes[0x1000];
    struct pci_function pci;
    unsigned resets;
    bool master;
};
STATE_LIST(pci_saved, struct pci_saved, PCI_SAVED);

static u64 thing_read(struct device *device, u64 offset, unsigned size_bytes)
{
    const struct thing *thing = device->state;
    return ld_le(thing->bytes + offset, size_bytes);
}

static void thing_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct thing *thing = device->state;
    st_le(thing->bytes + offset, value, size_bytes);
}

static u64 thing_msix_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct thing *thing = device->state;
    return pci_msix_read(&thing->pci, offset, size_bytes);
}

static void thing_msix_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct thing *thing = device->state;
    pci_msix_write(&thing->pci, offset, value, size_bytes);
}

static void thing_reset(struct device *device)
{
    struct thing *thing = device->state;
    thing->resets++;
    pci_reset(&thing->pci);
}

static void thing_master(struct device *device, bool allowed)
{
    struct thing *thing = device->state;
    thing->master = allowed;
}

static const struct pci_ops thing_ops = {.reset = thing_reset, .master_changed = thing_master};

static bool thing_init(struct device *device, struct metic_error *error)
{
    static const struct pci_identity identity = {
        .vendor = 0x1234, .device = 0x5678, .subsystem_vendor = 0x9abc, .subsystem = 0xdef0,
        .revision = 7, .class_code = 0x0c0330, .pin = 2};
    struct thing *thing = device->state;
    (void)error;
    pci_init(&thing->pci, device, &identity, &thing_ops);
    pci_add_bar(&thing->pci, BAR32, PCI_BAR_MEMORY32, 0, 0x1000);
    pci_add_bar(&thing->pci, BAR64, PCI_BAR_MEMORY64, 0, 0x1000);
    pci_add_bar(&thing->pci, BAR_IO, PCI_BAR_IO, 0, 0x20);
    pci_add_bar(&thing->pci, BAR_MSIX, PCI_BAR_MEMORY32, 1, PCI_MSIX_REGION_BYTES);
    pci_add_msix(&thing->pci, BAR_MSIX, VECTORS);
    pci_add_express(&thing->pci, 9);
    return true;
}

static void thing_input(struct device *self, unsigned index, bool level)
{
    (void)index;
    if (level) {
        thing_reset(self); /* of its bus */
    }
}

static bool thing_restored(struct device *device, struct metic_error *error)
{
    struct thing *thing = device->state;
    return pci_restored(&thing->pci, error);
}

static const struct device_region thing_regions[] = {
    {.size_bytes = 0x1000, .min_bytes = 1, .max_bytes = 8, .read = thing_read,
     .write = thing_write},
    {.size_bytes = 0x1000, .min_bytes = 1, .max_bytes = 4, .read = thing_msix_read,
     .write = thing_msix_write},
};

static const struct device_class thing_class = {
    .name = "thing", .state_bytes = sizeof(struct thing), .regions = thing_regions,
    .region_count = 2, .init = thing_init, .reset = thing_reset, .input = thing_input,
    .saved = &pci_saved, .saved_offset = offsetof(struct thing, pci.saved),
    .restored = thing_restored,
    .pci_offset = offsetof(struct thing, pci)};

static struct fixture f;
static struct bus bus;
static struct device *device;
static struct thing *thing;

static struct device *new_thing(const char *name)
{
    struct device_spec spec = {&thing_class, name, NULL, 1, {0}};
    return device_new(&spec, &f.env, NULL);
}

static void setup(void)
{
    fixture_init(&f);
    bus_init(&bus, &f);
    device = new_thing("thing");
    thing = device->state;
    pci_host_attach(bus.host, SLOT, device);
    device_reset(device);
}

static void teardown(void)
{
    device_free(device);
    device_free(bus.host);
    fixture_fini(&f);
}

TestSuite(pci, .init = setup, .fini = teardown);

static u32 get(unsigned offset, unsigned size_bytes)
{
    return bus_get(&bus, SLOT, offset, size_bytes);
}

static void put(unsigned offset, u32 value, unsigned size_bytes)
{
    bus_put(&bus, SLOT, offset, value, size_bytes);
}

static u64 memory32(u64 address, unsigned size_bytes)
{
    return device_read(bus.host, PCI_HOST_MEMORY32, address - BUS_MEMORY32, size_bytes);
}

Test(pci, header)
{
    cr_assert_eq(get(0, 4), 0x56781234);
    cr_assert_eq(get(2, 2), 0x5678);
    cr_assert_eq(get(1, 1), 0x12);
    cr_assert_eq(get(8, 4), 0x0c033007);
    cr_assert_eq(get(0x2c, 4), 0xdef09abc);
    cr_assert_eq(get(0x3d, 1), 2);
    put(0, 0, 4);
    put(8, 0, 4);
    cr_assert_eq(get(0, 4), 0x56781234, "identity cannot be written");
    cr_assert_eq(get(8, 4), 0x0c033007);
    put(PCI_COMMAND, 0xffff, 2);
    cr_assert_eq(get(PCI_COMMAND, 2), 0x547);
    put(PCI_INTERRUPT_LINE, 0x2a, 1);
    cr_assert_eq(get(PCI_INTERRUPT_LINE, 1), 0x2a);
    cr_assert_eq(get(0x100, 4), 0, "no extended capability");
    cr_assert_eq(get(0xffc, 4), 0);
}

Test(pci, where_nothing_is)
{
    cr_assert_eq(bus_get(&bus, 4, 0, 4), UINT32_MAX);
    bus_put(&bus, 4, 4, 7, 2);
    cr_assert_eq(device_read(bus.host, PCI_HOST_ECAM, bus_ecam(SLOT, 0) | 1 << 12, 4), UINT32_MAX,
                 "function 1");
    cr_assert_eq(device_read(bus.host, PCI_HOST_ECAM, bus_ecam(SLOT, 0) | 1 << 20, 4), UINT32_MAX,
                 "bus 1");
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x1000, 8), UINT64_MAX);
    cr_assert_eq(device_read(bus.host, PCI_HOST_IO, 0x40, 1), 0xff);
    device_write(bus.host, PCI_HOST_MEMORY64, 0x1000, 5, 8);
    cr_assert_eq(bus_get(&bus, 0, 0, 4), 0x00081b36, "the bridge itself");
    cr_assert_eq(bus_get(&bus, 0, 8, 4), 0x06000000);
}

Test(pci, sizing)
{
    static const struct {
        unsigned bar;
        u32 all_ones, after_zero;
    } rows[] = {{0, 0xfffff000, 0}, {1, 0, 0}, {2, 0xfffff00c, 0xc}, {3, 0xffffffff, 0},
                {4, 0xffffffe1, 1}, {5, 0xfffff000, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put(PCI_BAR0 + 4 * rows[i].bar, UINT32_MAX, 4);
        cr_assert_eq(get(PCI_BAR0 + 4 * rows[i].bar, 4), rows[i].all_ones, "BAR %u", rows[i].bar);
        put(PCI_BAR0 + 4 * rows[i].bar, 0, 4);
        cr_assert_eq(get(PCI_BAR0 + 4 * rows[i].bar, 4), rows[i].after_zero);
    }
}

Test(pci, bars_answer_where_they_lie_and_only_when_enabled)
{
    st_le64(thing->bytes, 0x1122334455667788);
    put(PCI_BAR0, (u32)BUS_MEMORY32 + 0x5000, 4);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x5000, 8), UINT64_MAX, "memory is off");
    put(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x5000, 8), 0x1122334455667788);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x5004, 4), 0x11223344);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x4fff, 1), 0xff);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x6000, 1), 0xff);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x5ffc, 8), UINT64_MAX, "over the end");
    put(PCI_BAR0, (u32)BUS_MEMORY32 + 0x9000, 4);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x5000, 8), UINT64_MAX, "moved");
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x9000, 8), 0x1122334455667788);
    put(PCI_COMMAND, 0, 2);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x9000, 8), UINT64_MAX);
}

Test(pci, wide_bar_and_io)
{
    thing->bytes[1] = 0x5a;
    put(PCI_BAR0 + 8, 0x00002000, 4);
    put(PCI_BAR0 + 12, 4, 4);
    put(PCI_BAR0 + 16, 0x4000, 4);
    put(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    cr_assert_eq(device_read(bus.host, PCI_HOST_MEMORY64, 0x2001, 1), 0x5a);
    cr_assert_eq(device_read(bus.host, PCI_HOST_IO, 0x4001, 1), 0xff, "I/O is off");
    put(PCI_COMMAND, PCI_COMMAND_IO, 2);
    cr_assert_eq(device_read(bus.host, PCI_HOST_IO, 0x4001, 1), 0x5a);
    cr_assert_eq(device_read(bus.host, PCI_HOST_MEMORY64, 0x2001, 1), 0xff);
    device_write(bus.host, PCI_HOST_IO, 0x4001, 0xa5, 1);
    cr_assert_eq(thing->bytes[1], 0xa5);
}

/* Pin INTB of slot 3 is line (3 + 1) mod 4; two functions may share it. */
Test(pci, pins)
{
    struct device *other = new_thing("other");
    pci_host_attach(bus.host, SLOT + 4, other);
    device_reset(other);
    struct pci_function *second = pci_function_of(other);
    pci_set_intx(&thing->pci, true);
    cr_assert(f.lines[0] && !f.lines[1] && !f.lines[2] && !f.lines[3]);
    cr_assert((get(PCI_STATUS, 2) & PCI_STATUS_INTX) != 0);
    put(PCI_COMMAND, PCI_COMMAND_NO_INTX, 2);
    cr_assert(!f.lines[0]);
    cr_assert((get(PCI_STATUS, 2) & PCI_STATUS_INTX) != 0, "still wanted");
    put(PCI_COMMAND, 0, 2);
    pci_set_intx(second, true);
    pci_set_intx(&thing->pci, false);
    cr_assert(f.lines[0], "the other one");
    pci_set_intx(second, false);
    cr_assert(!f.lines[0]);
    device_free(other);
}

static void set_vector(unsigned vector, u32 address, u32 data, u32 control)
{
    const u32 words[4] = {address, 0, data, control};
    for (unsigned i = 0; i < 4; i++) {
        device_write(device, 1, 16 * vector + 4 * i, words[i], 4);
    }
}

Test(pci, messages)
{
    unsigned cap = bus_find_cap(&bus, SLOT, PCI_CAP_MSIX, 0);
    cr_assert_neq(cap, 0);
    cr_assert_eq(get(cap + 2, 2), VECTORS - 1);
    cr_assert_eq(get(cap + 4, 4), BAR_MSIX);
    cr_assert_eq(get(cap + 8, 4), 0x800 | BAR_MSIX);
    cr_assert_eq(device_read(device, 1, 12, 4), 1, "masked after reset");
    set_vector(2, 0x28000007, 42, 0);
    cr_assert_eq(device_read(device, 1, 32, 4), 0x28000004, "aligned");
    put(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    pci_msix_notify(&thing->pci, 2);
    cr_assert_eq(bus.messages, 0, "not enabled");
    put(cap + 2, 0x8000, 2);
    pci_msix_notify(&thing->pci, 2);
    cr_assert_eq(bus.messages, 1);
    cr_assert(bus.message_gpa == 0x28000004 && bus.message_data == 42);
    pci_msix_notify(&thing->pci, VECTORS);
    pci_msix_notify(&thing->pci, 0xffff);
    cr_assert_eq(bus.messages, 1, "no such vectors");
    put(PCI_COMMAND, 0, 2);
    pci_msix_notify(&thing->pci, 2);
    cr_assert_eq(bus.messages, 1, "no bus master");
}

Test(pci, masked_messages_wait)
{
    unsigned cap = bus_find_cap(&bus, SLOT, PCI_CAP_MSIX, 0);
    put(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    set_vector(1, 0x1000, 11, 1);
    put(cap + 2, 0x8000, 2);
    pci_msix_notify(&thing->pci, 1);
    pci_msix_notify(&thing->pci, 1);
    cr_assert_eq(bus.messages, 0);
    cr_assert_eq(device_read(device, 1, 0x800, 4), 2);
    device_write(device, 1, 16 + 12, 0, 4);
    cr_assert_eq(bus.messages, 1);
    cr_assert_eq(device_read(device, 1, 0x800, 4), 0);
    put(cap + 2, 0xc000, 2); /* mask all */
    pci_msix_notify(&thing->pci, 1);
    cr_assert_eq(bus.messages, 1);
    put(cap + 2, 0x8000, 2);
    cr_assert_eq(bus.messages, 2);
    device_write(device, 1, 0x800, UINT32_MAX, 4); /* cannot be written */
    cr_assert_eq(device_read(device, 1, 0x800, 4), 0);
}

/* With messages on, the pin is quiet. */
Test(pci, messages_silence_the_pin)
{
    unsigned cap = bus_find_cap(&bus, SLOT, PCI_CAP_MSIX, 0);
    pci_set_intx(&thing->pci, true);
    cr_assert(f.lines[0]);
    put(cap + 2, 0x8000, 2);
    cr_assert(!f.lines[0]);
    put(cap + 2, 0, 2);
    cr_assert(f.lines[0]);
}

Test(pci, function_level_reset)
{
    unsigned cap = bus_find_cap(&bus, SLOT, PCI_CAP_EXPRESS, 0);
    cr_assert_neq(cap, 0);
    cr_assert(get(cap + 4, 4) >> 28 & 1, "offered");
    unsigned before = thing->resets;
    put(PCI_BAR0, (u32)BUS_MEMORY32 + 0x5000, 4);
    put(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    cr_assert(thing->master);
    put(cap + 8, 0x0010, 2);
    cr_assert_eq(thing->resets, before);
    put(cap + 8, 0x8010, 2);
    cr_assert_eq(thing->resets, before + 1);
    cr_assert_eq(get(PCI_COMMAND, 2), 0);
    cr_assert_eq(get(PCI_BAR0, 4), 0);
    cr_assert_eq(get(cap + 8, 2), 0, "reads as 0");
    cr_assert(!thing->master);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x5000, 1), 0xff);
}

/* ---- Behind a root port ---- */

enum { PORT_SLOT = 9 };

static struct device *port, *behind;

static void setup_port(void)
{
    struct device_spec spec = {&pcie_port_class, "port", NULL, 1, {0}};
    setup();
    port = device_new(&spec, &f.env, NULL);
    behind = new_thing("behind");
    pci_host_attach(bus.host, PORT_SLOT, port);
    pci_host_attach_behind(bus.host, PORT_SLOT, behind);
    device_reset(port);
    device_reset(behind);
}

static void teardown_port(void)
{
    device_free(behind);
    device_free(port);
    teardown();
}

TestSuite(pcie_port, .init = setup_port, .fini = teardown_port);

static u32 get_behind(unsigned offset, unsigned size_bytes)
{
    return (u32)device_read(bus.host, PCI_HOST_ECAM, 5 << 20 | offset, size_bytes);
}

static void put_behind(unsigned offset, u32 value, unsigned size_bytes)
{
    device_write(bus.host, PCI_HOST_ECAM, 5 << 20 | offset, value, size_bytes);
}

static void put_port(unsigned offset, u32 value, unsigned size_bytes)
{
    bus_put(&bus, PORT_SLOT, offset, value, size_bytes);
}

static void number_buses(void)
{
    put_port(0x18, 0x00070500, 4);
}

Test(pcie_port, is_a_bridge)
{
    cr_assert_eq(bus_get(&bus, PORT_SLOT, 0, 4), 0x000c1b36);
    cr_assert_eq(bus_get(&bus, PORT_SLOT, PCI_HEADER_TYPE, 1), 1);
    unsigned cap = bus_find_cap(&bus, PORT_SLOT, PCI_CAP_EXPRESS, 0);
    cr_assert_eq(bus_get(&bus, PORT_SLOT, cap + 2, 2) >> 4 & 15, 4, "root port");
    cr_assert_eq(bus_get(&bus, PORT_SLOT, cap + 4, 4) >> 28 & 1, 0, "no reset of its own");
    put_port(PCI_PREFETCH_BASE, 0, 4);
    cr_assert_eq(bus_get(&bus, PORT_SLOT, PCI_PREFETCH_BASE, 4), 0x00010001, "64 bits wide");
}

Test(pcie_port, leads_to_its_bus)
{
    cr_assert_eq(get_behind(0, 4), UINT32_MAX, "not numbered yet");
    number_buses();
    cr_assert_eq(get_behind(0, 4), 0x56781234);
    cr_assert_eq(get_behind(1 << 15, 4), UINT32_MAX, "slot 1");
    cr_assert_eq(device_read(bus.host, PCI_HOST_ECAM, 6 << 20, 4), UINT32_MAX, "nothing there");
    put_behind(PCI_INTERRUPT_LINE, 77, 1);
    cr_assert_eq(get_behind(PCI_INTERRUPT_LINE, 1), 77);
}

Test(pcie_port, passes_on_what_lies_in_its_windows)
{
    struct thing *inner = behind->state;
    inner->bytes[0] = 0x5a;
    number_buses();
    put_behind(PCI_BAR0, (u32)BUS_MEMORY32 + 0x200000, 4);
    put_behind(PCI_BAR0 + 8, 0x00300000, 4);
    put_behind(PCI_BAR0 + 12, 4, 4);
    put_behind(PCI_BAR0 + 16, 0x2000, 4);
    put_behind(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 2);
    put_port(PCI_MEMORY_BASE, 0x40204020, 4);
    put_port(PCI_PREFETCH_BASE, 0x00300030, 4);
    put_port(PCI_PREFETCH_BASE_HIGH, 4, 4);
    put_port(PCI_PREFETCH_BASE_HIGH + 4, 4, 4);
    put_port(PCI_IO_BASE, 0x2020, 2);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x200000, 1), 0xff, "the port passes nothing yet");
    put_port(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 2);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x200000, 1), 0x5a);
    cr_assert_eq(device_read(bus.host, PCI_HOST_MEMORY64, 0x300000, 1), 0x5a);
    cr_assert_eq(device_read(bus.host, PCI_HOST_IO, 0x2000, 1), 0x5a);
    put_port(PCI_MEMORY_BASE, 0x40304030, 4);
    cr_assert_eq(memory32(BUS_MEMORY32 + 0x200000, 1), 0xff, "the window moved away");
    put_port(PCI_PREFETCH_BASE, 0x00200030, 4);
    cr_assert_eq(device_read(bus.host, PCI_HOST_MEMORY64, 0x300000, 1), 0xff, "an empty window");
}

/* INTB behind slot 9 is line (9 + 1) mod 4. */
Test(pcie_port, pins_and_hot_reset)
{
    struct thing *inner = behind->state;
    number_buses();
    pci_set_intx(&inner->pci, true);
    cr_assert(f.lines[2]);
    put_behind(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    unsigned before = inner->resets;
    put_port(PCI_BRIDGE_CONTROL, 0x0003, 2);
    cr_assert_eq(inner->resets, before);
    put_port(PCI_BRIDGE_CONTROL, PCI_BRIDGE_RESET, 2);
    cr_assert_eq(inner->resets, before + 1);
    cr_assert_eq(get_behind(PCI_COMMAND, 2), 0);
    cr_assert(!f.lines[2]);
    put_port(PCI_BRIDGE_CONTROL, 0, 2);
    cr_assert_eq(inner->resets, before + 1);
    cr_assert_eq(get_behind(0, 4), 0x56781234, "and is there again");
}

Test(pcie_port, saved_state)
{
    number_buses();
    put_port(PCI_MEMORY_BASE, 0x40204020, 4);
    put_port(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    struct device_spec spec = {&pcie_port_class, "other", NULL, 1, {0}};
    struct device *other = device_new(&spec, &f.env, NULL);
    fixture_clone_state(port, other);
    cr_assert(pci_bridge_leads_to(pci_function_of(other), 5));
    cr_assert(pci_bridge_passes(pci_function_of(other), BUS_MEMORY32 + 0x2fffff, false));
    cr_assert(!pci_bridge_passes(pci_function_of(other), BUS_MEMORY32 + 0x300000, false));
    device_free(other);
}

Test(pci, saved_state)
{
    put(PCI_BAR0, (u32)BUS_MEMORY32 + 0x5000, 4);
    put(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    put(PCI_INTERRUPT_LINE, 9, 1);
    set_vector(1, 0x1000, 11, 1);
    pci_set_intx(&thing->pci, true);
    struct device *other = new_thing("other");
    pci_host_attach(bus.host, SLOT + 4, other);
    fixture_clone_state(device, other);
    cr_assert_eq(bus_get(&bus, SLOT + 4, PCI_INTERRUPT_LINE, 1), 9);
    u64 base;
    cr_assert_eq(pci_find_bar(pci_function_of(other), BUS_MEMORY32 + 0x5008, false, &base), 0);
    cr_assert_eq(base, BUS_MEMORY32 + 0x5000);
    device_free(other);
}

Test(pci, saved_state_of_another_device_is_refused)
{
    struct device *other = new_thing("other");
    struct thing *second = other->state;
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error = {0};
    second->pci.saved.config[PCI_VENDOR] ^= 1;
    state_writer_init(&writer);
    device_save(other, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert_not(device_load(device, &reader, &error));
    cr_assert_neq(error.what[0], '\0');
    state_writer_fini(&writer);
    device_free(other);
}

Test(pci, host_bridge_state)
{
    pci_set_intx(&thing->pci, true);
    bus_put(&bus, 0, PCI_INTERRUPT_LINE, 3, 1);
    struct bus other;
    struct fixture second;
    fixture_init(&second);
    bus_init(&other, &second);
    fixture_clone_state(bus.host, other.host);
    cr_assert(second.lines[0]);
    cr_assert_eq(bus_get(&other, 0, PCI_INTERRUPT_LINE, 1), 3);
    device_free(other.host);
    fixture_fini(&second);
}

/* Every register with every width and odd values; what is not writable stays. */
Test(pci, hostile_configuration)
{
    u32 random = 1;
    for (unsigned i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        unsigned size_bytes = 1u << (random >> 30) % 3;
        put(random >> 8 & 0xfff & ~(size_bytes - 1), random * 2654435761u, size_bytes);
        (void)get(random >> 12 & 0xfff, size_bytes);
        (void)device_read(bus.host, PCI_HOST_MEMORY32, random & 0x3fffffff, 1);
        device_write(device, 1, random >> 3 & 0xfff, random, 4);
    }
    cr_assert_eq(get(0, 4), 0x56781234);
    cr_assert_neq(bus_find_cap(&bus, SLOT, PCI_CAP_MSIX, 0), 0);
}
