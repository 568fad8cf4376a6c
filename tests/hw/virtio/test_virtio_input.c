#include "hw/virtio/virtio_input.h"
#include "tests/hw/virtio/rig.h"

enum { EVENTS = 0, STATUS = 1, KEY_A = 30, KEY_B = 48, KEY_CAPSLOCK = 58 };

static struct fixture f;
static struct rig rig;
static struct input *input;
static struct virtio_input_config keyboard;
static struct virtio_mmio_config config;
static u64 delivered;

static void start(enum input_device device)
{
    keyboard.device = device;
    config = (struct virtio_mmio_config){&virtio_input_type, &keyboard};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void setup(void)
{
    fixture_init(&f);
    input = input_new(f.journal);
    keyboard.input = input;
    delivered = 0;
}

static void teardown(void)
{
    device_free(rig.device);
    input_free(input);
    fixture_fini(&f);
}

TestSuite(virtio_input, .init = setup, .fini = teardown);

static void deliver(void)
{
    journal_deliver(f.journal, ++delivered);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
}

static void offer_buffers(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct rig_buffer buffer = {RIG_DATA_GPA + 8 * i, 8, RIG_WRITE};
        rig_set_chain(&rig, RIG_RING_GPA(EVENTS), i, &buffer, 1);
        rig_offer(&rig, EVENTS, (u16)i);
    }
    rig_kick(&rig, EVENTS);
}

static void expect_event(unsigned index, u16 type, u16 code, u32 value)
{
    u8 bytes[8];
    rig_load(&rig, RIG_DATA_GPA + 8 * index, bytes, 8);
    cr_assert_eq(ld_le16(bytes), type, "event %u", index);
    cr_assert_eq(ld_le16(bytes + 2), code, "event %u", index);
    cr_assert_eq(ld_le32(bytes + 4), value, "event %u", index);
}

/* Reads the configuration for a select and a subselect. */
static u8 ask(u8 select, u8 subselect, u8 *data, unsigned size_bytes)
{
    device_write(rig.device, 0, 0x100, select, 1);
    device_write(rig.device, 0, 0x101, subselect, 1);
    for (unsigned i = 0; i < size_bytes; i++) {
        data[i] = (u8)device_read(rig.device, 0, 0x108 + i, 1);
    }
    return (u8)device_read(rig.device, 0, 0x102, 1);
}

Test(virtio_input, says_what_it_is)
{
    u8 data[128];
    start(INPUT_TABLET);
    cr_assert_eq(ask(1, 0, data, 12), 12);
    cr_assert_arr_eq(data, "metic tablet", 12);
    cr_assert_eq(ask(3, 0, data, 8), 8);
    cr_assert_eq(ask(0x11, INPUT_EV_ABS, data, 1), 1);
    cr_assert_eq(data[0], 3);
    cr_assert_eq(ask(0x12, INPUT_ABS_Y, data, 20), 20);
    cr_assert_eq(ld_le32(data + 4), INPUT_ABS_MAX);
    cr_assert_eq(ask(0x12, 2, data, 1), 0);
    cr_assert_eq(ask(0x11, INPUT_EV_KEY, data, 128), 0x114 / 8 + 1);
    cr_assert_eq(data[0x110 / 8], 0x1f);
    cr_assert_eq(ask(0xff, 0xff, data, 8), 0);
}

Test(virtio_input, a_key_goes_down_and_up)
{
    start(INPUT_KEYBOARD);
    rig_start(&rig, 0, 2);
    offer_buffers(4);
    input_key(input, KEY_A, true);
    input_key(input, KEY_A, true);
    input_key(input, KEY_A, false);
    cr_assert_eq(rig_used_idx(&rig, EVENTS), 0, "not before the journal delivers");
    deliver();
    cr_assert_eq(rig_used_idx(&rig, EVENTS), 4, "down and up, once each, with their ends");
    expect_event(0, INPUT_EV_KEY, KEY_A, 1);
    expect_event(1, INPUT_EV_SYN, 0, 0);
    expect_event(2, INPUT_EV_KEY, KEY_A, 0);
    expect_event(3, INPUT_EV_SYN, 0, 0);
}

Test(virtio_input, release_all_lets_every_key_up)
{
    start(INPUT_KEYBOARD);
    rig_start(&rig, 0, 2);
    input_key(input, KEY_A, true);
    input_key(input, KEY_B, true);
    input_release_all(input);
    deliver();
    offer_buffers(8);
    cr_assert_eq(rig_used_idx(&rig, EVENTS), 8);
    expect_event(4, INPUT_EV_KEY, KEY_A, 0);
    expect_event(6, INPUT_EV_KEY, KEY_B, 0);
}

Test(virtio_input, a_tablet_has_a_place_and_buttons)
{
    start(INPUT_TABLET);
    rig_start(&rig, 0, 2);
    offer_buffers(7);
    input_move_to(input, 100, 99999);
    input_key(input, INPUT_BTN_RIGHT, true);
    input_wheel(input, -1, 0);
    deliver();
    cr_assert_eq(rig_used_idx(&rig, EVENTS), 7);
    expect_event(0, INPUT_EV_ABS, INPUT_ABS_X, 100);
    expect_event(1, INPUT_EV_ABS, INPUT_ABS_Y, INPUT_ABS_MAX);
    expect_event(3, INPUT_EV_KEY, INPUT_BTN_RIGHT, 1);
    expect_event(5, INPUT_EV_REL, INPUT_REL_WHEEL, 0xffffffffu);
}

Test(virtio_input, a_flood_loses_packets_but_no_key_stays_down)
{
    start(INPUT_KEYBOARD);
    rig_start(&rig, 0, 2);
    for (unsigned i = 0; i < 2000; i++) {
        input_key(input, KEY_B, true);
        input_key(input, KEY_B, false);
    }
    input_key(input, KEY_A, true);
    input_key(input, KEY_A, false);
    deliver();
    unsigned down = 0, up = 0, got = 0;
    for (;;) {
        unsigned before = rig_used_idx(&rig, EVENTS);
        offer_buffers(8);
        unsigned now = rig_used_idx(&rig, EVENTS);
        for (unsigned i = 0; i < now - before; i++) {
            u8 bytes[8];
            rig_load(&rig, RIG_DATA_GPA + 8 * i, bytes, 8);
            if (ld_le16(bytes) == INPUT_EV_KEY) {
                down += ld_le32(bytes + 4) == 1;
                up += ld_le32(bytes + 4) == 0;
            }
        }
        got += now - before;
        if (now - before < 8) {
            break;
        }
    }
    cr_assert_leq(got, 1024);
    cr_assert_geq(up, down);
}

static void light(u16 type, u16 code, u32 value)
{
    const struct rig_buffer lamp = {RIG_DATA_GPA, 8, 0};
    u8 bytes[8];
    st_le16(bytes, type);
    st_le16(bytes + 2, code);
    st_le32(bytes + 4, value);
    rig_store(&rig, RIG_DATA_GPA, bytes, sizeof(bytes));
    cr_assert_eq(rig_run(&rig, STATUS, &lamp, 1), 0);
}

/* Who types is told of them, and until a driver does, what the keys do is expected. */
Test(virtio_input, lamps_are_told)
{
    enum { CAPS = 2, NUM = 1 };
    u32 before, changes;
    start(INPUT_KEYBOARD);
    rig_start(&rig, 0, 2);
    cr_assert_eq(input_get_lamps(input, &before), 0);
    input_key(input, KEY_CAPSLOCK, true);
    input_key(input, KEY_CAPSLOCK, false);
    cr_assert_eq(input_get_lamps(input, &changes), CAPS, "expected");
    light(INPUT_EV_LED, 0, 1);
    cr_assert_eq(input_get_lamps(input, &changes), NUM);
    cr_assert_neq(changes, before);
    input_key(input, KEY_CAPSLOCK, true);
    cr_assert_eq(input_get_lamps(input, &changes), NUM, "no more: there is a driver");
    light(INPUT_EV_LED, 1, 1);
    cr_assert_eq(input_get_lamps(input, &changes), NUM | CAPS);
    light(INPUT_EV_LED, 7, 1);
    light(INPUT_EV_KEY, 0, 0);
    light(INPUT_EV_LED, 0, 0);
    cr_assert_eq(input_get_lamps(input, &changes), CAPS);
    struct virtio_mmio_config other_config = config;
    struct device *other = fixture_device(&f, &virtio_mmio_class, &other_config, 1);
    input_forget_lamps(input);
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error;
    state_writer_init(&writer);
    device_save(rig.device, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(device_load(other, &reader, &error), "%s", error.what);
    cr_assert_eq(input_get_lamps(input, &changes), CAPS, "restored");
    state_writer_fini(&writer);
    device_free(other);
}

/* Whoever held a key when the machine was saved holds it no more when it is loaded. */
Test(virtio_input, keys_of_a_snapshot_go_up)
{
    struct state_writer writer;
    struct state_reader reader;
    struct metic_error error;
    start(INPUT_KEYBOARD);
    rig_start(&rig, 0, 2);
    offer_buffers(8);
    input_key(input, KEY_A, true);
    state_writer_init(&writer);
    input_save_keys(input, &writer);
    input_key(input, KEY_A, false);
    input_key(input, KEY_B, true); /* after it: the guest that is loaded has not seen it */
    deliver();
    expect_event(4, INPUT_EV_KEY, KEY_B, 1);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(input_load_keys(input, &reader, &error), "%s", error.what);
    deliver();
    expect_event(6, INPUT_EV_KEY, KEY_A, 0);
    cr_assert_eq(rig_used_idx(&rig, EVENTS), 8);
    input_key(input, KEY_B, false);
    deliver();
    cr_assert_eq(rig_used_idx(&rig, EVENTS), 8, "it is not down");
    state_reader_init(&reader, writer.bytes, writer.size_bytes - 1);
    cr_assert(!input_load_keys(input, &reader, &error));
    writer.bytes[KEY_A] = 200;
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(!input_load_keys(input, &reader, &error));
    state_writer_fini(&writer);
}

Test(virtio_input, waiting_events_are_saved)
{
    start(INPUT_KEYBOARD);
    rig_start(&rig, 0, 2);
    input_key(input, KEY_A, true);
    deliver();
    struct virtio_mmio_config other_config = config;
    struct device *other = fixture_device(&f, &virtio_mmio_class, &other_config, 1);
    fixture_clone_state(rig.device, other);
    device_free(other);
}
