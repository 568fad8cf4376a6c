/* Console ports with names: control messages and data of a hostile driver. */
#include "hw/virtio/virtio_ports.h"
#include "tests/fuzz/fuzz_virtio.h"

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct virtio_ports_config ports = {.count = 2};
    struct virtio_mmio_config mmio = {&virtio_ports_type, &ports};
    struct fuzz_rig rig;
    fuzz_rig_begin(&rig);
    for (unsigned i = 0; i < ports.count; i++) {
        ports.ports[i].name = "name";
        ports.ports[i].port = char_port_new("name", NULL, NULL, rig.journal, NULL);
        char_port_feed(ports.ports[i].port, "some input", 10);
    }
    fuzz_rig_add(&rig, &virtio_mmio_class, &mmio, 0x200);
    journal_deliver(rig.journal, 1);
    fuzz_rig_run(&rig, bytes, size_bytes);
    device_free(rig.device);
    rig.device = NULL;
    for (unsigned i = 0; i < ports.count; i++) {
        char_port_free(ports.ports[i].port);
    }
    fuzz_rig_fini(&rig);
}

/* Queue 3 has its rings where the first queue has them, queues 2 and 4 further on. */
void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static struct fuzz_script script;
    static const u8 messages[][8] = {
        {0, 0, 0, 0, 0, 0, 1}, {1, 0, 0, 0, 3, 0, 1}, {2, 0, 0, 0, 3, 0, 1}, {1, 0, 0, 0, 6, 0, 1},
        {1, 0, 0, 0, 6, 0, 0}, {9, 0, 0, 0, 3, 0, 1},
    };
    static const u8 queues[] = {3, 2, 4};
    script_write(&script, FUZZ_VIRTIO_STATUS, 3, 2);
    script_write(&script, FUZZ_VIRTIO_DRIVER_FEATURES, 2, 2);
    script_write(&script, FUZZ_VIRTIO_DRIVER_SELECT, 1, 2);
    script_write(&script, FUZZ_VIRTIO_DRIVER_FEATURES, 1, 2);
    script_write(&script, FUZZ_VIRTIO_STATUS, 11, 2);
    for (unsigned i = 0; i < ARRAY_LEN(queues); i++) {
        script_write(&script, FUZZ_VIRTIO_QUEUE_SELECT, queues[i], 2);
        script_write(&script, FUZZ_VIRTIO_QUEUE_ENTRIES, 8, 2);
        script_address(&script, FUZZ_VIRTIO_DESC, FUZZ_DESC_AT + 0x5000 * i, 2);
        script_address(&script, FUZZ_VIRTIO_AVAIL, FUZZ_AVAIL_AT + 0x5000 * i, 2);
        script_address(&script, FUZZ_VIRTIO_USED, FUZZ_USED_AT + 0x5000 * i, 2);
        script_write(&script, FUZZ_VIRTIO_READY, 1, 2);
        script_descriptor(&script, FUZZ_DESC_AT + 0x5000 * i, FUZZ_DATA_AT + 0x5000 * i, 64,
                          i == 0 ? 0 : 2, 0);
    }
    for (unsigned i = 1; i < ARRAY_LEN(queues); i++) {
        static const u8 all[] = {0, 0, 8, 0};
        script_ram(&script, FUZZ_AVAIL_AT + 0x5000 * i, all, sizeof(all));
    }
    script_write(&script, FUZZ_VIRTIO_STATUS, 15, 2);
    for (u16 i = 0; i < ARRAY_LEN(messages); i++) {
        u8 bytes[4] = {0, 0, (u8)(i + 1), 0};
        script_ram(&script, FUZZ_DATA_AT, messages[i], 8);
        script_ram(&script, FUZZ_AVAIL_AT, bytes, 4);
        script_write(&script, FUZZ_VIRTIO_NOTIFY, 3, 2);
        script_put(&script, 5, 1);
    }
    add(script.bytes, script.size_bytes);
}
