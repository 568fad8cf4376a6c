/* virtio-input: its configuration and queues, and keys that come in the middle of it; see
 * fuzz_input.h. */
#include "hw/virtio/virtio_input.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_virtio.h"

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct fuzz_rig rig;
    if (size_bytes < 2) {
        return;
    }
    fuzz_rig_begin(&rig);
    struct input *input = input_new(rig.journal);
    struct virtio_input_config config = {input, (enum input_device)(bytes[0] % INPUT_DEVICES)};
    struct virtio_mmio_config mmio = {&virtio_input_type, &config};
    fuzz_rig_add(&rig, &virtio_mmio_class, &mmio, 0x200);
    fuzz_input_run(&rig, input, bytes, size_bytes);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    for (unsigned kind = 0; kind < INPUT_DEVICES; kind++) {
        struct fuzz_script script = {.size_bytes = 0};
        script_put(&script, 30 + kind, 1);
        script_put(&script, 200, 1);
        for (unsigned select = 0; select < 4; select++) {
            static const u8 kinds[] = {1, 3, 0x11, 0x12};
            script_write(&script, 0x100, kinds[select], 0);
            script_write(&script, 0x101, select, 0);
        }
        script_virtio_start(&script, 0);
        for (u16 i = 0; i < 6; i++) { /* buffers for events, one too short, one not writable */
            script_descriptor(&script, FUZZ_DESC_AT + 16u * i, FUZZ_DATA_AT + 8u * i,
                              i == 3 ? 4 : 8, i == 4 ? 0 : 2, 0);
            script_kick(&script, i, i);
        }
        add(script.bytes, script.size_bytes);
    }
}
