#include "hw/virtio/virtio_vsock.h"
#include "tests/hw/virtio/rig.h"

enum {
    RX = 0, TX = 1, CID = 3, GUEST_PORT = 5000, HOST_PORT = 52,
    REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST,
    BUFFER = 4096, /* each buffer of the driver's */
};

static struct fixture f;
static struct rig rig;
static struct vsock_port port;
static struct virtio_vsock_config vsock;
static struct virtio_mmio_config config;
static char calls[4096]; /* what the device did to the host's side */
static u16 seen;         /* packets of the device's that were looked at */

static void note(const char *what, u64 id, u64 number)
{
    size_t used = strlen(calls);
    snprintf(calls + used, sizeof(calls) - used, "%s %llu %llu;", what,
             (unsigned long long)(id & ~VSOCK_HOST_ID), (unsigned long long)number);
}

static void on_open(struct vsock_backend *b, u64 id, u32 number)
{
    (void)b;
    note("open", id, number);
}
static void on_accept(struct vsock_backend *b, u64 id, u32 number)
{
    (void)b;
    (void)number;
    note("accept", id, 0);
}
static void on_send(struct vsock_backend *b, u64 id, const u8 *bytes, size_t size_bytes)
{
    (void)b;
    (void)bytes;
    note("send", id, size_bytes);
}
static void on_took(struct vsock_backend *b, u64 id, u32 number)
{
    (void)b;
    note("took", id, number);
}
static void on_end(struct vsock_backend *b, u64 id)
{
    (void)b;
    note("end", id, 0);
}
static void on_close(struct vsock_backend *b, u64 id)
{
    (void)b;
    note("close", id, 0);
}
static void on_close_all(struct vsock_backend *b)
{
    (void)b;
    note("close_all", 0, 0);
}
static void on_free(struct vsock_backend *b)
{
    (void)b;
}

static const struct vsock_backend_class backend_class = {
    on_open, on_accept, on_send, on_took, on_end, on_close, on_close_all, on_free,
};
static struct vsock_backend backend = {&backend_class, &port};

static void setup(void)
{
    fixture_init(&f);
    vsock_port_init(&port, f.journal, CID);
    port.backend = &backend;
    vsock.port = &port;
    calls[0] = '\0';
    seen = 0;
    config = (struct virtio_mmio_config){&virtio_vsock_type, &vsock};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void teardown(void)
{
    device_free(rig.device);
    vsock_port_fini(&port);
    fixture_fini(&f);
}

TestSuite(virtio_vsock, .init = setup, .fini = teardown);

static void start(void)
{
    rig_start(&rig, 0, 3);
    for (u16 i = 0; i < RIG_ENTRIES; i++) {
        struct rig_buffer buffer = {RIG_DATA_GPA + 0x10000u + BUFFER * i, BUFFER, RIG_WRITE};
        rig_set_chain(&rig, RIG_RING_GPA(RX), i, &buffer, 1);
        rig_offer(&rig, RX, i);
    }
    rig_kick(&rig, RX);
}

/* The guest sends a packet. */
static void packet_of(u64 src, u32 guest_port, u32 host_port, u16 op, u32 flags, u32 size_bytes,
                      u32 buffer_bytes, u32 taken_bytes)
{
    static u8 data[65536];
    u8 head[44] = {0};
    st_le64(head, src);
    st_le64(head + 8, 2);
    st_le32(head + 16, guest_port);
    st_le32(head + 20, host_port);
    st_le32(head + 24, size_bytes);
    st_le16(head + 28, 1);
    st_le16(head + 30, op);
    st_le32(head + 32, flags);
    st_le32(head + 36, buffer_bytes);
    st_le32(head + 40, taken_bytes);
    rig_store(&rig, RIG_DATA_GPA, head, sizeof(head));
    rig_store(&rig, RIG_DATA_GPA + 44, data, sizeof(data));
    const struct rig_buffer chain = {RIG_DATA_GPA, 44 + size_bytes, 0};
    rig_run(&rig, TX, &chain, 1);
}

static void packet(u16 op, u32 flags, u32 size_bytes)
{
    packet_of(CID, GUEST_PORT, HOST_PORT, op, flags, size_bytes, 10000, 0);
}

/* The next packet to the guest must be this one; its buffer is given back. The data's length. */
static u32 expect(u16 op, u32 flags)
{
    u8 head[44];
    cr_assert_neq(rig_used_idx(&rig, RX), seen, "there is no packet");
    u32 index = rig_used_head(&rig, RX, seen++);
    rig_load(&rig, RIG_DATA_GPA + 0x10000u + BUFFER * index, head, sizeof(head));
    cr_assert_eq(ld_le64(head), 2);
    cr_assert_eq(ld_le64(head + 8), CID);
    cr_assert_eq(ld_le16(head + 28), 1);
    cr_assert_eq(ld_le16(head + 30), op, "%u, not %u", ld_le16(head + 30), op);
    cr_assert_eq(ld_le32(head + 32), flags);
    cr_assert_eq(rig_used_bytes(&rig, RX, seen - 1u), 44 + ld_le32(head + 24));
    rig_offer(&rig, RX, (u16)index);
    rig_kick(&rig, RX);
    return ld_le32(head + 24);
}

static void expect_none(void)
{
    cr_assert_eq(rig_used_idx(&rig, RX), seen, "there is a packet");
}

static void expect_calls(const char *text)
{
    cr_assert_str_eq(calls, text);
    calls[0] = '\0';
}

static void tell(enum vsock_event_kind kind, u64 id, u32 number, size_t size_bytes)
{
    static const u8 data[VSOCK_EVENT_BYTES];
    vsock_port_tell(&port, &(struct vsock_event){kind, id, number, data, size_bytes});
    journal_deliver(f.journal, 1);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
}

/* A stream that the guest opened, number 0. */
static void open_stream(void)
{
    start();
    packet(REQUEST, 0, 0);
    expect_calls("open 0 52;");
    expect_none();
    tell(VSOCK_ACCEPTED, 0, 0, 0);
    expect(RESPONSE, 0);
}

Test(virtio_vsock, a_stream_of_the_guests)
{
    open_stream();
    cr_assert_eq(rig_read(&rig, 0x100), CID);
    packet(RW, 0, 100);
    expect_calls("send 0 100;");
    tell(VSOCK_TAKEN, 0, 100, 0);
    expect_none();
    tell(VSOCK_DATA, 0, 0, 5000);
    cr_assert_eq(expect(RW, 0), BUFFER - 44);
    cr_assert_eq(expect(RW, 0), 5000 - (BUFFER - 44));
    expect_calls("took 0 4052;took 0 948;");
    packet(SHUTDOWN, 2, 0);
    expect_calls("end 0 0;");
    tell(VSOCK_DATA, 0, 0, 10);
    cr_assert_eq(expect(RW, 0), 10, "the other direction is open");
    calls[0] = '\0';
    packet(SHUTDOWN, 3, 0);
    expect(RST, 0);
    expect_calls("close 0 0;");
    packet(RW, 0, 1);
    expect(RST, 0);
    expect_calls("");
}

Test(virtio_vsock, a_stream_of_the_hosts)
{
    start();
    tell(VSOCK_CONNECT, VSOCK_HOST_ID | 7, 1234, 0);
    expect(REQUEST, 0);
    packet_of(CID, 1234, (1 << 30) + 1, RESPONSE, 0, 0, 10000, 0);
    expect_calls("accept 7 0;");
    tell(VSOCK_DATA, VSOCK_HOST_ID | 7, 0, 3);
    cr_assert_eq(expect(RW, 0), 3);
    tell(VSOCK_END, VSOCK_HOST_ID | 7, 0, 0);
    expect(SHUTDOWN, 2);
    calls[0] = '\0';
    packet_of(CID, 1234, (1 << 30) + 1, RW, 0, 20, 10000, 0);
    expect_calls("send 7 20;");
    tell(VSOCK_CLOSED, VSOCK_HOST_ID | 7, 0, 0);
    expect(SHUTDOWN, 3);
    packet_of(CID, 1234, (1 << 30) + 1, RW, 0, 20, 10000, 0);
    packet_of(CID, 1234, (1 << 30) + 1, RST, 0, 0, 10000, 0);
    expect_calls("");
    expect_none();
}

Test(virtio_vsock, refusals)
{
    start();
    packet(REQUEST, 0, 0);
    tell(VSOCK_REFUSED, 0, 0, 0);
    expect(RST, 0);
    expect_calls("open 0 52;");
    tell(VSOCK_CONNECT, VSOCK_HOST_ID, 1, 0);
    expect(REQUEST, 0);
    packet_of(CID, 1, (1 << 30) + 1, RST, 0, 0, 0, 0);
    expect_calls("close 0 0;");
    packet_of(9, GUEST_PORT, HOST_PORT, REQUEST, 0, 0, 10000, 0);
    expect_none();
    packet(99, 0, 0);
    expect(RST, 0);
    packet(REQUEST, 0, 0);
    packet(REQUEST, 0, 0);
    expect(RST, 0);
    expect_calls("open 1 52;close 1 0;");
}

/* Neither side sends more than the other has room for. */
Test(virtio_vsock, credit)
{
    open_stream();
    packet_of(CID, GUEST_PORT, HOST_PORT, CREDIT_UPDATE, 0, 0, 100, 0);
    tell(VSOCK_DATA, 0, 0, 250);
    cr_assert_eq(expect(RW, 0), 100);
    expect_none();
    packet_of(CID, GUEST_PORT, HOST_PORT, CREDIT_UPDATE, 0, 0, 100, 60);
    cr_assert_eq(expect(RW, 0), 60);
    packet_of(CID, GUEST_PORT, HOST_PORT, CREDIT_UPDATE, 0, 0, 100, 160);
    cr_assert_eq(expect(RW, 0), 90);
    packet(CREDIT_REQUEST, 0, 0);
    expect(CREDIT_UPDATE, 0);
    for (u32 sent = 0; sent < VSOCK_BUFFER_BYTES; sent += 32768) {
        packet(RW, 0, 32768);
    }
    expect_none();
    tell(VSOCK_TAKEN, 0, 1000, 0);
    expect(CREDIT_UPDATE, 0);
    calls[0] = '\0';
    packet(RW, 0, 1001);
    expect(RST, 0);
    expect_calls("close 0 0;");
}

Test(virtio_vsock, what_a_recording_must_not_do)
{
    static const u8 records[][40] = {{0}, {99}, {VSOCK_DATA}};
    open_stream();
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        for (size_t size = 0; size <= sizeof(records[i]); size++) {
            port.source.deliver(port.source.opaque, records[i], size);
        }
    }
    tell(VSOCK_TAKEN, 0, 1, 0);
    expect(RST, 0);
    for (int i = 0; i < 20; i++) {
        tell(VSOCK_CONNECT, VSOCK_HOST_ID | 1, 1234, 0);
        tell(VSOCK_ACCEPTED, VSOCK_HOST_ID | 1, 0, 0);
        tell(VSOCK_DATA, VSOCK_HOST_ID | 1, 0, 65536);
    }
    tell(VSOCK_REFUSED, 12345, 0, 0);
}

Test(virtio_vsock, too_many_streams)
{
    start();
    for (u32 i = 0; i < VSOCK_MAX_STREAMS; i++) {
        packet_of(CID, 1000 + i, HOST_PORT, REQUEST, 0, 0, 10000, 0);
        calls[0] = '\0';
    }
    packet(REQUEST, 0, 0);
    expect(RST, 0);
    expect_calls("");
    tell(VSOCK_CONNECT, VSOCK_HOST_ID | 1, 1234, 0);
    expect_calls("close 1 0;");
}

/* A driver that takes no answers gets no more of its packets looked at. */
Test(virtio_vsock, answers_that_nobody_takes)
{
    rig_start(&rig, 0, 3);
    for (unsigned i = 0; i < 64; i++) {
        packet(RW, 0, 1);
    }
    const struct rig_buffer chain = {RIG_DATA_GPA, 45, 0};
    u16 before = rig_used_idx(&rig, TX);
    rig_set_chain(&rig, RIG_RING_GPA(TX), 0, &chain, 1);
    rig_offer(&rig, TX, 0);
    rig_kick(&rig, TX);
    cr_assert_eq(rig_used_idx(&rig, TX), before);
    for (u16 i = 0; i < RIG_ENTRIES; i++) {
        struct rig_buffer buffer = {RIG_DATA_GPA + 0x10000u + BUFFER * i, BUFFER, RIG_WRITE};
        rig_set_chain(&rig, RIG_RING_GPA(RX), i, &buffer, 1);
        rig_offer(&rig, RX, i);
    }
    rig_kick(&rig, RX);
    cr_assert_eq(rig_used_idx(&rig, TX), (u16)(before + 1), "it goes on by itself");
    for (unsigned i = 0; i < 65; i++) {
        expect(RST, 0);
    }
}

Test(virtio_vsock, a_loaded_stream_is_reset)
{
    struct state_writer writer = {0};
    open_stream();
    device_save(rig.device, &writer);
    struct state_reader reader = {.bytes = writer.bytes, .size_bytes = writer.size_bytes};
    cr_assert(device_load(rig.device, &reader, NULL));
    expect_calls("close 0 0;close_all 0 0;");
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 1000000);
    rig_kick(&rig, RX);
    expect(RST, 0);
    for (size_t cut = 0; cut < writer.size_bytes; cut++) {
        reader = (struct state_reader){.bytes = writer.bytes, .size_bytes = cut};
        cr_assert_not(device_load(rig.device, &reader, NULL));
    }
    state_writer_fini(&writer);
}
