#include "hw/virtio/virtio_net.h"
#include "tests/hw/virtio/rig.h"
#include <stdlib.h>

enum { RX = 0, TX = 1, HDR = 12, FRAME = 60, CSUM = 0, GUEST_CSUM = 1, TSO4 = 11, MRG = 15 };

/* A backend that keeps what it is given. */
struct fake {
    struct net_backend backend;
    unsigned count;
    u32 size_bytes;
    u8 bytes[NET_FRAME_MAX_BYTES];
    bool busy; /* takes nothing */
};

static struct fixture f;
static struct rig rig;
static struct net_port *port;
static struct virtio_net_config net;
static struct virtio_mmio_config config;
static struct fake fake;

static void fake_wake(struct net_backend *backend)
{
    struct net_frame *frame;
    (void)backend;
    while (!fake.busy && (frame = net_port_take(port)) != NULL) {
        fake.count++;
        fake.size_bytes = frame->size_bytes;
        memcpy(fake.bytes, frame->bytes, frame->size_bytes);
        free(frame);
    }
}

static bool fake_may_receive(struct net_backend *backend)
{
    (void)backend;
    return false;
}

static void fake_free(struct net_backend *backend)
{
    (void)backend;
}

static const struct net_backend_class fake_class = {
    .name = "fake",
    .abilities = {.mtu_bytes = 9000, .segmentation = true, .trusted = true},
    .wake = fake_wake,
    .may_receive = fake_may_receive,
    .free = fake_free,
};

static void setup(void)
{
    fixture_init(&f);
    struct net_port_options options = {
        .name = "net0", .clock = &f.clock, .journal = f.journal, .log = &f.log,
        .mac = {0x52, 0x54, 0, 1, 2, 3}, .abilities = fake_class.abilities};
    port = net_port_new(&options, NULL);
    cr_assert_not_null(port);
    memset(&fake, 0, sizeof(fake));
    fake.backend = (struct net_backend){&fake_class, port};
    net_port_attach(port, &fake.backend);
    net.port = port;
    config = (struct virtio_mmio_config){&virtio_net_type, &net};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void teardown(void)
{
    net_port_detach(port);
    device_free(rig.device);
    net_port_free(port);
    fixture_fini(&f);
}

TestSuite(virtio_net, .init = setup, .fini = teardown);

/* A frame of FRAME or more bytes, counted through. */
static const u8 *frame_of(u32 size_bytes)
{
    static u8 bytes[NET_FRAME_MAX_BYTES];
    for (u32 i = 0; i < size_bytes; i++) {
        bytes[i] = (u8)(i ^ i >> 8);
    }
    return bytes;
}

static void arrive(u32 size_bytes)
{
    net_port_input(port, frame_of(size_bytes), size_bytes);
    journal_deliver(f.journal, 1);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
}

/* Puts a header and a frame at RIG_DATA_GPA. */
static void place(const u8 *header, const u8 *bytes, u32 size_bytes)
{
    rig_store(&rig, RIG_DATA_GPA, header, HDR);
    rig_store(&rig, RIG_DATA_GPA + HDR, bytes, size_bytes);
}

static void offer_buffers(unsigned count, u32 size_bytes)
{
    for (unsigned i = 0; i < count; i++) {
        const struct rig_buffer buffer = {RIG_DATA_GPA + 0x10000 * i, size_bytes, RIG_WRITE};
        rig_set_chain(&rig, RIG_RING_GPA(RX), i, &buffer, 1);
        rig_offer(&rig, RX, (u16)i);
    }
    rig_kick(&rig, RX);
}

Test(virtio_net, says_what_it_is)
{
    cr_expect_eq(rig_read(&rig, 0x08), 1);
    cr_expect_eq(rig_read(&rig, 0x100), 0x01005452);
    cr_expect_eq(rig_read(&rig, 0x104), 0x00010302); /* two bytes of address, the carrier */
    cr_expect_eq(rig_read(&rig, 0x108), 9000u << 16 | 1);
    u64 offered = rig_features(&rig);
    cr_expect(offered & BIT(5), "an address");
    cr_expect(offered & BIT(16), "a status");
    cr_expect(offered & BIT(MRG), "frames in several buffers");
    cr_expect(offered & BIT(TSO4), "segmentation, since the backend can");
    cr_expect_not(offered & BIT(17), "no control queue");
}

Test(virtio_net, sends_a_frame)
{
    const u8 header[HDR] = {0};
    const struct rig_buffer chain[] = {{RIG_DATA_GPA, HDR, 0}, {RIG_DATA_GPA + HDR, FRAME, 0}};
    rig_start(&rig, 0, 2);
    place(header, frame_of(FRAME), FRAME);
    cr_assert_eq(rig_run(&rig, TX, chain, 2), 0);
    cr_assert_eq(fake.count, 1);
    cr_assert_eq(fake.size_bytes, FRAME);
    cr_assert_arr_eq(fake.bytes, frame_of(FRAME), FRAME);
}

Test(virtio_net, what_is_no_frame_is_lost)
{
    const struct rig_buffer short_chain = {RIG_DATA_GPA, HDR + 13, 0};
    const struct rig_buffer headless = {RIG_DATA_GPA, 5, 0};
    const struct rig_buffer writable = {RIG_DATA_GPA, 100, RIG_WRITE};
    const struct rig_buffer huge[] = {{RIG_DATA_GPA, HDR, 0},
                                      {RIG_DATA_GPA, NET_FRAME_MAX_BYTES + 1, 0}};
    const u8 header[HDR] = {0};
    rig_start(&rig, 0, 2);
    place(header, frame_of(FRAME), FRAME);
    rig_run(&rig, TX, &short_chain, 1);
    rig_run(&rig, TX, &headless, 1);
    rig_run(&rig, TX, &writable, 1);
    rig_run(&rig, TX, huge, 2);
    cr_assert_eq(fake.count, 0);
    cr_assert_not(rig_is_broken(&rig));
}

/* What was not negotiated is not done. */
Test(virtio_net, offloads_are_negotiated)
{
    const u8 checksum[HDR] = {1, 0, 0, 0, 0, 0, 14, 0, 4, 0};
    const u8 segments[HDR] = {1, 1, 54, 0, 0, 4, 34, 0, 16, 0};
    const struct rig_buffer chain = {RIG_DATA_GPA, HDR + FRAME, 0};
    rig_start(&rig, 0, 2);
    place(checksum, frame_of(FRAME), FRAME);
    rig_run(&rig, TX, &chain, 1);
    cr_assert_arr_eq(fake.bytes, frame_of(FRAME), FRAME, "the checksum was left alone");
    place(segments, frame_of(FRAME), FRAME);
    rig_run(&rig, TX, &chain, 1);
    cr_assert_eq(fake.count, 1, "segments were not negotiated");
}

Test(virtio_net, a_checksum_is_completed)
{
    const u8 header[HDR] = {1, 0, 0, 0, 0, 0, 14, 0, 4, 0};
    const struct rig_buffer chain = {RIG_DATA_GPA, HDR + FRAME, 0};
    u32 sum = 0;
    rig_start(&rig, BIT(CSUM), 2);
    place(header, frame_of(FRAME), FRAME);
    rig_run(&rig, TX, &chain, 1);
    cr_assert_eq(fake.count, 1);
    cr_assert_arr_eq(fake.bytes, frame_of(FRAME), 18);
    /* The words behind the start and the field's old value sum to zero. */
    for (unsigned i = 14; i < FRAME; i += 2) {
        sum += (u32)fake.bytes[i] << 8 | fake.bytes[i + 1];
    }
    sum += (u32)frame_of(FRAME)[18] << 8 | frame_of(FRAME)[19];
    sum = (sum & 0xffff) + (sum >> 16);
    cr_expect_eq((sum & 0xffff) + (sum >> 16), 0xffff);
}

Test(virtio_net, a_frame_that_does_not_fit_its_offload_is_lost)
{
    const u8 header[HDR] = {1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    const struct rig_buffer chain = {RIG_DATA_GPA, HDR + FRAME, 0};
    rig_start(&rig, BIT(CSUM), 2);
    place(header, frame_of(FRAME), FRAME);
    rig_run(&rig, TX, &chain, 1);
    cr_assert_eq(fake.count, 0);
    cr_assert_not(rig_is_broken(&rig));
}

Test(virtio_net, a_busy_backend_makes_the_guest_wait)
{
    const u8 header[HDR] = {0};
    const struct rig_buffer chain = {RIG_DATA_GPA, HDR + FRAME, 0};
    unsigned sent = 0;
    rig_start(&rig, 0, 2);
    place(header, frame_of(FRAME), FRAME);
    rig_set_chain(&rig, RIG_RING_GPA(TX), 0, &chain, 1);
    fake.busy = true;
    while (sent < 1000 && rig_used_idx(&rig, TX) == sent) {
        rig_offer(&rig, TX, 0);
        rig_kick(&rig, TX);
        sent++;
    }
    cr_assert_lt(sent, 1000, "it does not take frames without end");
    u16 waiting = rig_used_idx(&rig, TX);
    fake.busy = false;
    fake_wake(&fake.backend);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
    cr_assert_eq(rig_used_idx(&rig, TX), waiting + 1, "the one that waited is sent");
    cr_assert_eq(fake.count, sent);
}

Test(virtio_net, receives_a_frame)
{
    u8 got[HDR + FRAME];
    rig_start(&rig, BIT(MRG), 2);
    offer_buffers(2, 2048);
    cr_assert_eq(rig_used_idx(&rig, RX), 0);
    arrive(FRAME);
    cr_assert_eq(rig_used_idx(&rig, RX), 1);
    cr_assert_eq(rig_used_bytes(&rig, RX, 0), HDR + FRAME);
    rig_load(&rig, RIG_DATA_GPA, got, sizeof(got));
    cr_assert_eq(ld_le16(got + 10), 1);
    cr_assert_eq(got[0], 0, "not said to be checked: the driver did not want to know");
    cr_assert_arr_eq(got + HDR, frame_of(FRAME), FRAME);
    cr_assert(f.lines[0]);
}

Test(virtio_net, a_large_frame_fills_several_buffers)
{
    static u8 got[3000];
    rig_start(&rig, BIT(MRG) | BIT(GUEST_CSUM), 2);
    offer_buffers(4, 1000);
    arrive(2500);
    cr_assert_eq(rig_used_idx(&rig, RX), 3);
    cr_assert_eq(rig_used_bytes(&rig, RX, 0), 1000);
    cr_assert_eq(rig_used_bytes(&rig, RX, 1), 1000);
    cr_assert_eq(rig_used_bytes(&rig, RX, 2), 512);
    rig_load(&rig, RIG_DATA_GPA, got, 1000);
    rig_load(&rig, RIG_DATA_GPA + 0x10000, got + 1000, 1000);
    rig_load(&rig, RIG_DATA_GPA + 0x20000, got + 2000, 512);
    cr_assert_eq(got[0], 2, "a trusted backend's checksums are right");
    cr_assert_eq(ld_le16(got + 10), 3);
    cr_assert_arr_eq(got + HDR, frame_of(2500), 2500);
}

Test(virtio_net, a_frame_waits_for_all_its_buffers)
{
    rig_start(&rig, BIT(MRG) | VIRTIO_F_EVENT_IDX, 2);
    offer_buffers(2, 1000);
    arrive(2500);
    cr_assert_eq(rig_used_idx(&rig, RX), 0, "the driver must see all of it at once");
    const struct rig_buffer buffer = {RIG_DATA_GPA + 0x20000, 1000, RIG_WRITE};
    rig_set_chain(&rig, RIG_RING_GPA(RX), 2, &buffer, 1);
    rig_offer(&rig, RX, 2);
    rig_kick(&rig, RX);
    cr_assert_eq(rig_used_idx(&rig, RX), 3);
}

Test(virtio_net, a_frame_that_never_fits_is_lost)
{
    rig_start(&rig, 0, 2);
    offer_buffers(2, 1000);
    arrive(2500);
    cr_assert_eq(rig_used_idx(&rig, RX), 0);
    arrive(500);
    cr_assert_eq(rig_used_idx(&rig, RX), 1, "the next one is not in its way");
    cr_assert_eq(rig_used_bytes(&rig, RX, 0), HDR + 500);
}

Test(virtio_net, buffers_without_room_end)
{
    rig_start(&rig, BIT(MRG), 2);
    offer_buffers(RIG_ENTRIES, 13);
    arrive(2500);
    cr_assert_eq(rig_used_idx(&rig, RX), 0);
    arrive(14);
    cr_assert_eq(rig_used_idx(&rig, RX), 2);
}

Test(virtio_net, nobody_hears_before_the_driver)
{
    arrive(FRAME);
    rig_start(&rig, 0, 2);
    offer_buffers(1, 2048);
    cr_assert_eq(rig_used_idx(&rig, RX), 0);
}

Test(virtio_net, a_flood_is_bounded)
{
    rig_start(&rig, 0, 2);
    for (unsigned i = 0; i < 5000; i++) {
        net_port_input(port, frame_of(1500), 1500);
    }
    cr_assert_not(net_port_has_room(port));
    journal_deliver(f.journal, 1);
    offer_buffers(RIG_ENTRIES, 2048);
    cr_assert_eq(rig_used_idx(&rig, RX), RIG_ENTRIES);
    rig_write(&rig, 0x70, 0);
    cr_assert(net_port_has_room(port), "a reset drops what waited");
}

Test(virtio_net, waiting_frames_are_saved)
{
    struct {
        struct net_port *port;
        struct virtio_net_config net;
        struct virtio_mmio_config config;
    } other;
    u8 got[HDR + FRAME];
    rig_start(&rig, 0, 2);
    arrive(FRAME);
    other.port = net_port_new(net_port_options(port), NULL);
    other.net.port = other.port;
    other.config = (struct virtio_mmio_config){&virtio_net_type, &other.net};
    struct rig second = {.f = &f,
                         .device = fixture_device(&f, &virtio_mmio_class, &other.config, 1)};
    struct state_writer writer;
    struct state_reader reader;
    state_writer_init(&writer);
    device_save(rig.device, &writer);
    for (size_t cut = 0; cut < writer.size_bytes; cut += 7) {
        state_reader_init(&reader, writer.bytes, cut);
        cr_assert_not(device_load(second.device, &reader, NULL));
    }
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(device_load(second.device, &reader, NULL));
    state_writer_fini(&writer);
    const struct rig_buffer buffer = {RIG_DATA_GPA, 2048, RIG_WRITE};
    cr_assert_eq(rig_run(&second, RX, &buffer, 1), HDR + FRAME);
    rig_load(&rig, RIG_DATA_GPA, got, sizeof(got));
    cr_assert_arr_eq(got + HDR, frame_of(FRAME), FRAME);
    device_free(second.device);
    net_port_free(other.port);
}
