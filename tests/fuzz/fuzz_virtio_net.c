/* virtio-net: hostile descriptors and frames, over the user network when it is built in (closed to
 * the outside), so that libslirp's share of them is tried as well. The first byte says what comes
 * from outside now and then. */
#include "hw/net/net_user.h"
#include "hw/virtio/virtio_net.h"
#include "tests/fuzz/fuzz_virtio.h"

static void fuzz_net_attach(struct net_port *port)
{
    struct net_user_options options = {.restricted = true};
    struct net_backend *backend =
        net_user_is_built() ? net_user_new(port, &options, NULL) : NULL;
    if (backend != NULL) {
        net_port_attach(port, backend);
    }
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct virtio_net_config net = {NULL};
    struct virtio_mmio_config mmio = {&virtio_net_type, &net};
    struct fuzz_rig rig;
    u8 first = size_bytes > 0 ? bytes[0] : 0;
    fuzz_rig_begin(&rig);
    struct net_port_options options = {.name = "net0", .clock = &rig.clock,
                                       .journal = rig.journal, .log = &rig.log,
                                       .mac = {0x52, 0x54, 0, 1, 2, 3},
                                       .abilities = net_user_class.abilities};
    net.port = net_port_new(&options, NULL);
    if (net.port == NULL) {
        abort();
    }
    if ((first & 1) != 0) {
        fuzz_net_attach(net.port);
    }
    fuzz_rig_add(&rig, &virtio_mmio_class, &mmio, 0x200);
    struct fuzz_stream stream = {bytes + (size_bytes > 0), bytes + size_bytes};
    for (unsigned steps = 0; steps < FUZZ_MAX_STEPS && stream.at < stream.end; steps++) {
        fuzz_step(&rig, &stream);
        if (steps % 8 == first >> 5) {
            size_t left = (size_t)(stream.end - stream.at);
            net_port_input(net.port, stream.at, left < 2000 ? left : 2000);
            journal_deliver(rig.journal, steps);
        }
    }
    fuzz_pass_time(&rig);
    fuzz_pass_time(&rig);
    net_port_detach(net.port);
    device_free(rig.device);
    rig.device = NULL;
    net_port_free(net.port);
    fuzz_rig_fini(&rig);
}

/* Queue 1 is the one that sends, so the script's start, which makes queue 0 ready, is repeated. */
static void seed(void (*add)(const u8 *bytes, size_t size_bytes), u8 first, u32 features,
                 const u8 *frame, unsigned frame_bytes)
{
    struct fuzz_script script = {.size_bytes = 0};
    script_put(&script, first, 1);
    script_virtio_start(&script, features);
    script_write(&script, FUZZ_VIRTIO_QUEUE_SELECT, 1, 2);
    script_write(&script, FUZZ_VIRTIO_QUEUE_ENTRIES, 8, 2);
    script_address(&script, FUZZ_VIRTIO_DESC, FUZZ_DESC_AT, 2);
    script_address(&script, FUZZ_VIRTIO_AVAIL, FUZZ_AVAIL_AT, 2);
    script_address(&script, FUZZ_VIRTIO_USED, FUZZ_USED_AT, 2);
    script_write(&script, FUZZ_VIRTIO_READY, 1, 2);
    script_descriptor(&script, FUZZ_DESC_AT, FUZZ_DATA_AT, frame_bytes, 0, 0);
    script_ram(&script, FUZZ_DATA_AT, frame, frame_bytes);
    script_kick(&script, 0, 0);
    script_write(&script, FUZZ_VIRTIO_NOTIFY, 1, 2);
    script_put(&script, 5, 1);
    add(script.bytes, script.size_bytes);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    /* A question for the router's address; an empty TCP segment whose checksum is left open. */
    static const u8 arp[12 + 42] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1, 2,
        3, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 1, 2, 3, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10,
        0, 2, 2};
    static const u8 tcp[12 + 54] = {
        1, 1, 54, 0, 0, 4, 34, 0, 16, 0, 0, 0, 0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 1, 2, 3, 8,
        0,
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0x62, 0xbe, 10, 0, 2, 15, 10, 0, 2, 2, 4, 0, 0, 80,
        0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff};
    seed(add, 1, 0x30018001, arp, sizeof(arp));
    seed(add, 1, 0x30019803, tcp, sizeof(tcp));
    seed(add, 0x20, 0x30018003, arp, sizeof(arp));
}
