#include "hw/virtio/virtio_console.h"
#include "tests/hw/virtio/rig.h"

enum { RX = 0, TX = 1, TABLE = 0x20000 };

static struct fixture f;
static struct rig rig;
static struct char_port *port;
static struct virtio_console_config console;
static struct virtio_mmio_config config;
static char printed[4096];
static size_t printed_bytes;

static void on_output(void *opaque, const u8 *bytes, size_t size_bytes)
{
    (void)opaque;
    for (size_t i = 0; i < size_bytes; i++) {
        printed[printed_bytes++ % sizeof(printed)] = (char)bytes[i];
    }
}

static void setup(void)
{
    fixture_init(&f);
    port = char_port_new("console0", NULL, NULL, f.journal, NULL);
    cr_assert_not_null(port);
    char_port_add_tap(port, on_output, NULL);
    console.port = port;
    config = (struct virtio_mmio_config){&virtio_console_type, &console};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void teardown(void)
{
    device_free(rig.device);
    char_port_free(port);
    fixture_fini(&f);
}

TestSuite(virtio_console, .init = setup, .fini = teardown);

static void feed(const char *text)
{
    char_port_feed(port, text, strlen(text));
    journal_deliver(f.journal, 1);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
}

Test(virtio_console, prints_a_chain)
{
    const struct rig_buffer chain[] = {{RIG_DATA_GPA, 6, 0}, {RIG_DATA_GPA + 100, 6, 0}};
    rig_start(&rig, 0, 2);
    cr_assert_eq(rig_read(&rig, 0x08), 3);
    rig_store(&rig, RIG_DATA_GPA, "hello ", 6);
    rig_store(&rig, RIG_DATA_GPA + 100, "world\n", 6);
    cr_assert_eq(rig_run(&rig, TX, chain, 2), 0);
    cr_assert_eq(printed_bytes, 12);
    cr_assert_arr_eq(printed, "hello world\n", 12);
}

Test(virtio_console, input_fills_waiting_buffers)
{
    char got[16] = {0};
    const struct rig_buffer first = {RIG_DATA_GPA, 4, RIG_WRITE};
    const struct rig_buffer second = {RIG_DATA_GPA + 4, 8, RIG_WRITE};
    rig_start(&rig, 0, 2);
    rig_set_chain(&rig, RIG_RING_GPA(RX), 0, &first, 1);
    rig_set_chain(&rig, RIG_RING_GPA(RX), 1, &second, 1);
    rig_offer(&rig, RX, 0);
    rig_offer(&rig, RX, 1);
    rig_kick(&rig, RX);
    cr_assert_eq(rig_used_idx(&rig, RX), 0, "there is no input yet");
    feed("abcdef");
    cr_assert_eq(rig_used_idx(&rig, RX), 2);
    cr_assert_eq(rig_used_bytes(&rig, RX, 0), 4);
    cr_assert_eq(rig_used_bytes(&rig, RX, 1), 2);
    rig_load(&rig, RIG_DATA_GPA, got, 6);
    cr_assert_str_eq(got, "abcdef");
    cr_assert(f.lines[0]);
}

Test(virtio_console, input_waits_for_buffers)
{
    char got[8] = {0};
    const struct rig_buffer buffer = {RIG_DATA_GPA, 8, RIG_WRITE};
    rig_start(&rig, VIRTIO_F_EVENT_IDX, 2);
    feed("xyz");
    cr_assert_eq(rig_run(&rig, RX, &buffer, 1), 3);
    rig_load(&rig, RIG_DATA_GPA, got, 3);
    cr_assert_str_eq(got, "xyz");
}

Test(virtio_console, input_before_the_driver_is_not_lost)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 8, RIG_WRITE};
    feed("early");
    rig_start(&rig, 0, 2);
    cr_assert_eq(rig_run(&rig, RX, &buffer, 1), 5);
}

Test(virtio_console, emergency_write_needs_no_driver)
{
    rig_write(&rig, 0x108, 'A');
    cr_assert_eq(printed_bytes, 1);
    cr_assert_eq(printed[0], 'A');
    rig_write(&rig, 0x100, 'B');
    device_write(rig.device, 0, 0x108, 'C', 1);
    cr_assert_eq(printed_bytes, 1);
}

Test(virtio_console, endless_output_is_cut)
{
    struct rig_buffer inner[256];
    const gpa_t table = RIG_DATA_GPA + TABLE;
    const struct rig_buffer outer = {table, sizeof(inner) / sizeof(inner[0]) * 16, RIG_INDIRECT};
    rig_start(&rig, VIRTIO_F_INDIRECT_DESC, 2);
    for (unsigned i = 0; i < 256; i++) {
        inner[i] = (struct rig_buffer){FIXTURE_RAM_GPA, FIXTURE_RAM_BYTES, 0};
    }
    rig_set_chain(&rig, table, 0, inner, 256);
    cr_assert_eq(rig_run(&rig, TX, &outer, 1), 0);
    cr_assert_eq(printed_bytes, 1 << 20);
}

Test(virtio_console, without_a_port_it_swallows)
{
    const struct rig_buffer buffer = {RIG_DATA_GPA, 4, 0};
    const struct virtio_mmio_config bare = {&virtio_console_type, NULL};
    struct rig other = {.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &bare, 1)};
    rig_start(&other, 0, 2);
    cr_assert_eq(rig_run(&other, TX, &buffer, 1), 0);
    rig_write(&other, 0x108, 'A');
    cr_assert_eq(printed_bytes, 0);
    device_free(other.device);
}
