/* virtio over PCI: found through its capabilities, driven with pins and with messages, reset,
 * saved. The device behind it is the entropy source. */
#include "hw/virtio/virtio_pci.h"
#include "hw/virtio/virtio_rng.h"
#include "tests/hw/pci/bus.h"
#include "tests/hw/virtio/rig.h"

enum { SLOT = 1, CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_WINDOW };

static const struct virtio_pci_config config = {&virtio_rng_type, NULL, true, false};
static struct fixture f;
static struct bus bus;
static struct rig rig;

static struct device *new_function(const char *name)
{
    struct device_spec spec = {&virtio_pci_class, name, &config, 1, {0}};
    struct device *made = device_new(&spec, &f.env, NULL);
    cr_assert_not_null(made);
    return made;
}

static void setup(void)
{
    fixture_init(&f);
    bus_init(&bus, &f);
    rig = (struct rig){.f = &f, .device = new_function("rng"), .pci = true};
    pci_host_attach(bus.host, SLOT, rig.device);
    device_reset(rig.device);
    bus_put(&bus, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static void teardown(void)
{
    device_free(rig.device);
    device_free(bus.host);
    fixture_fini(&f);
}

TestSuite(virtio_pci, .init = setup, .fini = teardown);

static unsigned vendor_cap(u8 kind)
{
    for (unsigned i = 0; i < 5; i++) {
        unsigned at = bus_find_cap(&bus, SLOT, PCI_CAP_VENDOR, i);
        if (at != 0 && bus_get(&bus, SLOT, at + 3, 1) == kind) {
            return at;
        }
    }
    return 0;
}

static const struct rig_buffer buffer[] = {{RIG_DATA_GPA, 64, RIG_WRITE}};

Test(virtio_pci, identity_and_capabilities)
{
    cr_assert_eq(bus_get(&bus, SLOT, 0, 4), 0x10441af4);
    cr_assert_eq(bus_get(&bus, SLOT, PCI_REVISION, 1), 1);
    static const u32 offsets[] = {[CAP_COMMON] = 0, [CAP_NOTIFY] = 0x3000, [CAP_ISR] = 0x1000,
                                  [CAP_DEVICE] = 0x2000};
    for (u8 kind = CAP_COMMON; kind <= CAP_DEVICE; kind++) {
        unsigned at = vendor_cap(kind);
        cr_assert_neq(at, 0, "%u", kind);
        cr_assert_eq(bus_get(&bus, SLOT, at + 4, 1), 4, "BAR");
        cr_assert_eq(bus_get(&bus, SLOT, at + 8, 4), offsets[kind]);
    }
    cr_assert_eq(bus_get(&bus, SLOT, vendor_cap(CAP_NOTIFY) + 16, 4), 4, "multiplier");
    cr_assert_neq(vendor_cap(CAP_WINDOW), 0);
}

Test(virtio_pci, common_registers)
{
    cr_assert_eq(device_read(rig.device, 0, 0x12, 2), 1, "queues");
    cr_assert_eq(device_read(rig.device, 0, 0x10, 2), 0xffff, "no vector yet");
    cr_assert_eq(device_read(rig.device, 0, 0x1e, 2), 0);
    device_write(rig.device, 0, 0x16, 5, 2);
    cr_assert_eq(device_read(rig.device, 0, 0x18, 2), 0, "no such queue");
    cr_assert_eq(device_read(rig.device, 0, 0x1a, 2), 0xffff);
    device_write(rig.device, 0, 0x16, 0, 2);
    cr_assert_neq(device_read(rig.device, 0, 0x18, 2), 0);
    device_write(rig.device, 0, 0x20, 0x11223344, 4);
    device_write(rig.device, 0, 0x24, 0x55667788, 4);
    cr_assert_eq(device_read(rig.device, 0, 0x20, 8), 0x5566778811223344);
    cr_assert_eq(device_read(rig.device, 0, 0x22, 2), 0x1122);
    cr_assert_eq(device_read(rig.device, 0, 0x16, 4), device_read(rig.device, 0, 0x18, 2) << 16,
                 "two registers at once");
    device_write(rig.device, 0, 0x08, 1, 4);
    device_write(rig.device, 0, 0x0c, 1, 4);
    cr_assert_eq(device_read(rig.device, 0, 0x0c, 4), 1);
}

/* As the driver does it: through the BAR, wherever that lies. */
Test(virtio_pci, registers_are_behind_the_bar)
{
    bus_put(&bus, SLOT, PCI_BAR0 + 16, 0x00010000, 4);
    bus_put(&bus, SLOT, PCI_BAR0 + 20, 4, 4);
    device_write(bus.host, PCI_HOST_MEMORY64, 0x10014, VIRTIO_ACKNOWLEDGE, 1);
    cr_assert_eq(rig_read(&rig, 0x70), VIRTIO_ACKNOWLEDGE);
    bus_put(&bus, SLOT, PCI_BAR0 + 16, 0x00020000, 4);
    cr_assert_eq(device_read(bus.host, PCI_HOST_MEMORY64, 0x10014, 1), 0xff);
    cr_assert_eq(device_read(bus.host, PCI_HOST_MEMORY64, 0x20014, 1), VIRTIO_ACKNOWLEDGE);
}

Test(virtio_pci, a_request_with_the_pin)
{
    rig_start(&rig, 0, 1);
    cr_assert_eq(rig_run(&rig, 0, buffer, 1), 64);
    cr_assert(f.lines[1], "INTA of slot 1");
    cr_assert_eq(rig_read(&rig, 0x60), VIRTIO_ISR_QUEUE);
    cr_assert(!f.lines[1], "reading clears it");
    cr_assert_eq(rig_read(&rig, 0x60), 0);
    cr_assert_eq(bus.messages, 0);
}

static void enable_messages(void)
{
    unsigned cap = bus_find_cap(&bus, SLOT, PCI_CAP_MSIX, 0);
    cr_assert_eq(bus_get(&bus, SLOT, cap + 2, 2) & 0x7ff, 1, "a vector each, and one more");
    for (unsigned i = 0; i < 2; i++) {
        device_write(rig.device, 1, 16 * i, 0x28000000, 4);
        device_write(rig.device, 1, 16 * i + 8, 100 + i, 4);
        device_write(rig.device, 1, 16 * i + 12, 0, 4);
    }
    bus_put(&bus, SLOT, cap + 2, 0x8000, 2);
}

Test(virtio_pci, a_request_with_messages)
{
    enable_messages();
    cr_assert(rig_negotiate(&rig, VIRTIO_F_VERSION_1));
    device_write(rig.device, 0, 0x10, 0, 2);
    cr_assert_eq(device_read(rig.device, 0, 0x10, 2), 0);
    rig_add_queue(&rig, 0);
    device_write(rig.device, 0, 0x1a, 1, 2);
    cr_assert_eq(device_read(rig.device, 0, 0x1a, 2), 1);
    rig_write(&rig, 0x70, 15);
    cr_assert_eq(rig_run(&rig, 0, buffer, 1), 64);
    cr_assert_eq(bus.messages, 1);
    cr_assert_eq(bus.message_data, 101);
    cr_assert(!f.lines[1]);
    cr_assert_eq(rig_read(&rig, 0x60), 0, "no status for queues then");
    device_write(rig.device, 0, 0x1a, 2, 2);
    cr_assert_eq(device_read(rig.device, 0, 0x1a, 2), 0xffff, "no such vector");
    rig_run(&rig, 0, buffer, 1);
    cr_assert_eq(bus.messages, 1);
    /* What breaks the device is told by the configuration's vector. */
    const struct rig_buffer outside[] = {{RIG_OUTSIDE_GPA, 64, RIG_WRITE}};
    rig_set_chain(&rig, RIG_RING_GPA(0), 0, outside, 1);
    rig_offer(&rig, 0, 0);
    rig_kick(&rig, 0);
    cr_assert(rig_is_broken(&rig));
    cr_assert_eq(bus.messages, 2);
    cr_assert_eq(bus.message_data, 100);
    cr_assert_eq(rig_read(&rig, 0x60), VIRTIO_ISR_CONFIG);
}

Test(virtio_pci, without_bus_mastering_nothing_is_served)
{
    rig_start(&rig, 0, 1);
    bus_put(&bus, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    rig_set_chain(&rig, RIG_RING_GPA(0), 0, buffer, 1);
    rig_offer(&rig, 0, 0);
    rig_kick(&rig, 0);
    cr_assert_eq(rig_used_idx(&rig, 0), 0);
    bus_put(&bus, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
    cr_assert_eq(rig_used_idx(&rig, 0), 1, "what waited is served then");
}

static void window(u32 offset, u32 size_bytes)
{
    unsigned at = vendor_cap(CAP_WINDOW);
    bus_put(&bus, SLOT, at + 4, 4, 1);
    bus_put(&bus, SLOT, at + 8, offset, 4);
    bus_put(&bus, SLOT, at + 12, size_bytes, 4);
}

Test(virtio_pci, the_window_reaches_all_registers)
{
    unsigned data = vendor_cap(CAP_WINDOW) + 16;
    window(0x14, 1);
    bus_put(&bus, SLOT, data, VIRTIO_ACKNOWLEDGE, 1);
    cr_assert_eq(rig_read(&rig, 0x70), VIRTIO_ACKNOWLEDGE);
    cr_assert_eq(bus_get(&bus, SLOT, data, 1), VIRTIO_ACKNOWLEDGE);
    window(0x12, 2);
    cr_assert_eq(bus_get(&bus, SLOT, data, 2), 1);
    static const u32 odd[][2] = {{0x12, 3}, {0x13, 2}, {0x4000, 4}, {0xfffffffc, 4}, {0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        window(odd[i][0], odd[i][1]);
        bus_put(&bus, SLOT, data, 0x55, 4);
        cr_assert_eq(bus_get(&bus, SLOT, data, 4), 0x55, "memory, no more");
    }
}

Test(virtio_pci, resets)
{
    enable_messages();
    rig_start(&rig, 0, 1);
    device_write(rig.device, 0, 0x10, 0, 2);
    rig_write(&rig, 0x70, 0);
    cr_assert_eq(device_read(rig.device, 0, 0x10, 2), 0xffff, "a driver's reset takes vectors");
    cr_assert_eq(bus_get(&bus, SLOT, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
                 "and leaves the function alone");
    rig_start(&rig, 0, 1);
    unsigned cap = bus_find_cap(&bus, SLOT, PCI_CAP_EXPRESS, 0);
    bus_put(&bus, SLOT, cap + 8, 0x8000, 2);
    cr_assert_eq(rig_read(&rig, 0x70), 0);
    cr_assert_eq(bus_get(&bus, SLOT, PCI_COMMAND, 2), 0);
}

Test(virtio_pci, saved_state)
{
    enable_messages();
    rig_start(&rig, 0, 1);
    device_write(rig.device, 0, 0x1a, 1, 2);
    rig_run(&rig, 0, buffer, 1);
    rig_offer(&rig, 0, 0); /* one that waits for its notification */
    struct device *other = new_function("other");
    pci_host_attach(bus.host, SLOT + 1, other);
    fixture_clone_state(rig.device, other);
    struct rig second = rig;
    second.device = other;
    unsigned before = bus.messages;
    rig_kick(&second, 0);
    cr_assert_eq(rig_used_idx(&second, 0), 2);
    cr_assert_eq(bus.messages, before + 1);
    device_free(other);
}

/* A hostile file: queues that lie nowhere must not be served when bus mastering comes with it. */
Test(virtio_pci, impossible_saved_state_is_refused)
{
    struct device *other = new_function("other");
    struct virtio *virtio = other->state; /* its first member */
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error = {0};
    virtio->saved.status = 15;
    virtio->saved.ready[0] = true;
    virtio->saved.desc_gpa[0] = RIG_OUTSIDE_GPA;
    pci_function_of(other)->saved.config[PCI_COMMAND] = PCI_COMMAND_MASTER;
    state_writer_init(&writer);
    device_save(other, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert_not(device_load(rig.device, &reader, &error));
    cr_assert_neq(error.what[0], '\0');
    state_writer_fini(&writer);
    device_free(other);
}

Test(virtio_pci, hostile_registers)
{
    u32 random = 1;
    for (unsigned i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        unsigned size_bytes = 1u << (random >> 30) % 4;
        u64 offset = random >> 7 & 0x3fff;
        offset = random % 3 == 0 ? offset & 0x3f : offset;
        device_write(rig.device, random >> 29 & 1, offset, random * 2654435761u, size_bytes);
        (void)device_read(rig.device, random >> 28 & 1, offset, size_bytes);
    }
    rig_write(&rig, 0x70, 0);
    bus_put(&bus, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    rig_start(&rig, 0, 1);
    cr_assert_eq(rig_run(&rig, 0, buffer, 1), 64);
}
