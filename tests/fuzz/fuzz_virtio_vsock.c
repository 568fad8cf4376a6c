/* The socket device: packets of a hostile driver, and between them events as a recording could hold
 * them. The input is a length, a script of the driver's, records with a length each, and the rest
 * of the script. */
#include "hw/virtio/virtio_vsock.h"
#include "tests/fuzz/fuzz_virtio.h"

static void no_call(struct vsock_backend *b, u64 id)
{
    (void)b, (void)id;
}
static void no_number(struct vsock_backend *b, u64 id, u32 number)
{
    (void)b, (void)id, (void)number;
}
static void no_all(struct vsock_backend *b)
{
    (void)b;
}
static void no_send(struct vsock_backend *b, u64 id, const u8 *bytes, size_t size_bytes)
{
    static volatile u8 sum;
    (void)b, (void)id;
    for (size_t i = 0; i < size_bytes; i++) {
        sum = (u8)(sum ^ bytes[i]); /* they are there */
    }
}

static const struct vsock_backend_class class = {
    no_number, no_number, no_send, no_number, no_call, no_call, no_all, no_all,
};

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct vsock_port port;
    struct virtio_vsock_config vsock = {&port};
    struct virtio_mmio_config mmio = {&virtio_vsock_type, &vsock};
    struct vsock_backend backend = {&class, &port};
    struct fuzz_rig rig;
    size_t first = size_bytes > 2 ? ld_le16(bytes) : 0;
    const u8 *at = bytes + (size_bytes < 2 ? size_bytes : 2), *end = bytes + size_bytes;
    first = first < (size_t)(end - at) ? first : (size_t)(end - at);
    fuzz_rig_begin(&rig);
    vsock_port_init(&port, rig.journal, 3);
    port.backend = &backend;
    fuzz_rig_add(&rig, &virtio_mmio_class, &mmio, 0x200);
    fuzz_rig_run(&rig, at, first);
    at += first;
    for (unsigned i = 0; i < 32 && end - at > 1; i++) {
        size_t record = *at < end - at - 1 ? *at : (size_t)(end - at - 1);
        port.source.deliver(port.source.opaque, at + 1, record);
        at += 1 + record;
        fuzz_pass_time(&rig);
    }
    fuzz_rig_run(&rig, at, (size_t)(end - at));
    device_free(rig.device);
    rig.device = NULL;
    vsock_port_fini(&port);
    fuzz_rig_fini(&rig);
}

static void script_packet(struct fuzz_script *script, u16 op, u32 flags, u32 size_bytes, u16 index)
{
    u8 head[44] = {3, 0, 0, 0, 0, 0, 0, 0, 2};
    st_le32(head + 16, 5000);
    st_le32(head + 20, 52);
    st_le32(head + 24, size_bytes);
    st_le16(head + 28, 1);
    st_le16(head + 30, op);
    st_le32(head + 32, flags);
    st_le32(head + 36, 10000);
    script_ram(script, FUZZ_DATA_AT, head, sizeof(head));
    script_descriptor(script, FUZZ_DESC_AT, FUZZ_DATA_AT, 44 + size_bytes, 0, 0);
    script_kick(script, 0, index);
}

/* Queue 1 is the guest's; queue 0 has its rings 0x8000 further. */
static void script_queues(struct fuzz_script *script)
{
    script_write(script, FUZZ_VIRTIO_STATUS, 3, 2);
    script_write(script, FUZZ_VIRTIO_DRIVER_SELECT, 1, 2);
    script_write(script, FUZZ_VIRTIO_DRIVER_FEATURES, 1, 2);
    script_write(script, FUZZ_VIRTIO_STATUS, 11, 2);
    for (unsigned queue = 0; queue < 2; queue++) {
        unsigned offset = queue == 0 ? 0x8000 : 0;
        script_write(script, FUZZ_VIRTIO_QUEUE_SELECT, queue, 2);
        script_write(script, FUZZ_VIRTIO_QUEUE_ENTRIES, 8, 2);
        script_address(script, FUZZ_VIRTIO_DESC, FUZZ_DESC_AT + offset, 2);
        script_address(script, FUZZ_VIRTIO_AVAIL, FUZZ_AVAIL_AT + offset, 2);
        script_address(script, FUZZ_VIRTIO_USED, FUZZ_USED_AT + offset, 2);
        script_write(script, FUZZ_VIRTIO_READY, 1, 2);
    }
    script_write(script, FUZZ_VIRTIO_STATUS, 15, 2);
    script_descriptor(script, FUZZ_DESC_AT + 0x8000, 0xe000, 4096, 2, 0);
    for (u16 i = 0; i < 8; i++) {
        u8 bytes[4] = {0, 0, (u8)(i + 1), 0};
        script_ram(script, FUZZ_AVAIL_AT + 0x8000 + 4u + 2u * i, bytes, 2);
        script_ram(script, FUZZ_AVAIL_AT + 0x8000, bytes, 4);
    }
    script_write(script, FUZZ_VIRTIO_NOTIFY, 0, 2);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static struct fuzz_script script;
    static u8 input[sizeof(script.bytes) + 256];
    static const u8 events[] = {
        16, VSOCK_ACCEPTED, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        20, VSOCK_DATA, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c', 'd',
        16, VSOCK_CONNECT, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 128,
        16, VSOCK_END, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        16, VSOCK_TAKEN, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        16, VSOCK_CLOSED, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    script_queues(&script);
    script_packet(&script, 1, 0, 0, 0);
    size_t first = script.size_bytes;
    script_packet(&script, 5, 0, 20, 1);
    script_packet(&script, 7, 0, 0, 2);
    script_packet(&script, 4, 2, 0, 3);
    script_packet(&script, 4, 3, 0, 4);
    script_packet(&script, 3, 0, 0, 5);
    st_le16(input, (u16)first);
    memcpy(input + 2, script.bytes, first);
    memcpy(input + 2 + first, events, sizeof(events));
    memcpy(input + 2 + first + sizeof(events), script.bytes + first, script.size_bytes - first);
    add(input, 2 + sizeof(events) + script.size_bytes);
}
