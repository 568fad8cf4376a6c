/* virtio-input: its configuration and queues, and keys that come in the middle of it. The first
 * byte says how many do, the next where in the rest. */
#include "hw/virtio/virtio_input.h"
#include "tests/fuzz/fuzz_virtio.h"

static void press(struct input *input, struct fuzz_rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        input_key(input, 1 + i * 7 % (INPUT_KEYS + 3), i % 3 != 2);
        input_move_to(input, i * 1000, 65535 - i);
        input_wheel(input, (s32)i - 3, (s32)i);
    }
    journal_deliver(rig->journal, 0);
}

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
    size_t middle = (size_bytes - 2) * bytes[1] / 255;
    fuzz_rig_add(&rig, &virtio_mmio_class, &mmio, 0x200);
    fuzz_rig_run(&rig, bytes + 2, middle);
    press(input, &rig, bytes[0]);
    fuzz_rig_run(&rig, bytes + 2 + middle, size_bytes - 2 - middle);
    input_release_all(input);
    journal_deliver(rig.journal, 0);
    device_free(rig.device);
    rig.device = NULL;
    input_free(input);
    fuzz_rig_fini(&rig);
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
