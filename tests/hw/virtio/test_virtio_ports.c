#include "hw/char/char_backend_internal.h"
#include "hw/virtio/virtio_ports.h"
#include "tests/hw/virtio/rig.h"

enum {
    CONTROL_RX = 2, CONTROL_TX = 3, RX = 4, TX = 5, /* of the first port */
    DEVICE_READY = 0, DEVICE_ADD, DEVICE_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN,
    PORT_NAME,
};

static struct fixture f;
static struct rig rig;
static struct virtio_ports_config ports;
static struct virtio_mmio_config config;
static u16 seen; /* control messages that were looked at */

static void setup(void)
{
    static const char *const names[] = {"first", "second"};
    fixture_init(&f);
    ports.count = 2;
    seen = 0;
    for (unsigned i = 0; i < 2; i++) {
        ports.ports[i].name = names[i];
        ports.ports[i].port = char_port_new(names[i], NULL, NULL, f.journal, NULL);
    }
    config = (struct virtio_mmio_config){&virtio_ports_type, &ports};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void teardown(void)
{
    device_free(rig.device);
    for (unsigned i = 0; i < 2; i++) {
        char_port_free(ports.ports[i].port);
    }
    fixture_fini(&f);
}

TestSuite(virtio_ports, .init = setup, .fini = teardown);

static void start(void)
{
    rig_start(&rig, BIT(1), 8);
    for (u16 i = 0; i < RIG_ENTRIES; i++) {
        struct rig_buffer buffer = {RIG_DATA_GPA + 0x10000u + 128u * i, 128, RIG_WRITE};
        rig_set_chain(&rig, RIG_RING_GPA(CONTROL_RX), i, &buffer, 1);
        rig_offer(&rig, CONTROL_RX, i);
    }
    rig_kick(&rig, CONTROL_RX);
}

static void say(u32 id, u16 event, u16 value)
{
    u8 bytes[8];
    const struct rig_buffer chain = {RIG_DATA_GPA, 8, 0};
    st_le32(bytes, id);
    st_le16(bytes + 4, event);
    st_le16(bytes + 6, value);
    rig_store(&rig, RIG_DATA_GPA, bytes, sizeof(bytes));
    rig_run(&rig, CONTROL_TX, &chain, 1);
}

static void expect(u32 id, u16 event, u16 value, const char *name)
{
    u8 bytes[128];
    cr_assert_neq(rig_used_idx(&rig, CONTROL_RX), seen, "there is no message");
    u32 head = rig_used_head(&rig, CONTROL_RX, seen);
    cr_assert_eq(rig_used_bytes(&rig, CONTROL_RX, seen++), 8 + strlen(name));
    rig_load(&rig, RIG_DATA_GPA + 0x10000u + 128u * head, bytes, sizeof(bytes));
    cr_assert_eq(ld_le32(bytes), id);
    cr_assert_eq(ld_le16(bytes + 4), event);
    cr_assert_eq(ld_le16(bytes + 6), value);
    cr_assert_arr_eq(bytes + 8, name, strlen(name));
    rig_offer(&rig, CONTROL_RX, (u16)head);
    rig_kick(&rig, CONTROL_RX);
}

static void expect_none(void)
{
    cr_assert_eq(rig_used_idx(&rig, CONTROL_RX), seen, "there is a message");
}

static void host(bool open)
{
    char_port_tell_open(ports.ports[0].port, open);
    journal_deliver(f.journal, 1);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
}

Test(virtio_ports, are_told_of)
{
    start();
    cr_assert_eq(rig_read(&rig, 0x104), 3, "ports there may be");
    host(true);
    expect_none();
    say(0, DEVICE_READY, 1);
    expect(1, DEVICE_ADD, 1, "");
    expect(2, DEVICE_ADD, 1, "");
    expect_none();
    say(1, PORT_READY, 1);
    expect(1, PORT_NAME, 1, "first");
    expect(1, PORT_OPEN, 1, "");
    say(2, PORT_READY, 1);
    expect(2, PORT_NAME, 1, "second");
    host(true);
    expect_none();
    host(false);
    expect(1, PORT_OPEN, 0, "");
    say(0, PORT_READY, 1);
    say(3, PORT_READY, 1);
    say(99, PORT_OPEN, 1);
    say(1, RESIZE, 1);
    expect_none();
}

Test(virtio_ports, input_waits_for_a_program)
{
    char got[4];
    const struct rig_buffer buffer = {RIG_DATA_GPA + 0x8000, 16, RIG_WRITE};
    start();
    say(0, DEVICE_READY, 1);
    say(1, PORT_READY, 1);
    rig_set_chain(&rig, RIG_RING_GPA(RX), 0, &buffer, 1);
    rig_offer(&rig, RX, 0);
    rig_kick(&rig, RX);
    char_port_feed(ports.ports[0].port, "abc", 3);
    journal_deliver(f.journal, 1);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
    cr_assert_eq(rig_used_idx(&rig, RX), 0, "nobody has it open");
    say(1, PORT_OPEN, 1);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
    cr_assert_eq(rig_used_idx(&rig, RX), 1);
    cr_assert_eq(rig_used_bytes(&rig, RX, 0), 3);
    rig_load(&rig, RIG_DATA_GPA + 0x8000, got, 3);
    cr_assert_arr_eq(got, "abc", 3);
}

/* Somebody who was there when the state was saved is not where it is loaded. */
Test(virtio_ports, saved_state)
{
    struct state_writer writer = {0};
    start();
    host(true);
    say(0, DEVICE_READY, 1);
    say(1, PORT_READY, 1);
    seen = rig_used_idx(&rig, CONTROL_RX);
    device_save(rig.device, &writer);
    host(false);
    expect(1, PORT_OPEN, 0, "");
    struct state_reader reader = {.bytes = writer.bytes, .size_bytes = writer.size_bytes};
    cr_assert(device_load(rig.device, &reader, NULL));
    seen--; /* the ring is as it was then, but for what lies in memory */
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
    expect(1, PORT_OPEN, 0, "");
    for (size_t cut = 0; cut < writer.size_bytes; cut++) {
        reader = (struct state_reader){.bytes = writer.bytes, .size_bytes = cut};
        cr_assert_not(device_load(rig.device, &reader, NULL));
    }
    state_writer_fini(&writer);
}
