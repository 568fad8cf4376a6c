/* virtio-balloon: pages given back, among them those of the rings. */
#include "hw/virtio/virtio_balloon.h"
#include "tests/fuzz/fuzz_virtio.h"

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    fuzz_virtio_run(&virtio_balloon_type, &(struct virtio_balloon_config){NULL}, bytes, size_bytes);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    struct fuzz_script script = {.size_bytes = 0};
    script_virtio_start(&script, 0x30000000);
    script_descriptor(&script, FUZZ_DESC_AT, FUZZ_DATA_AT, 64, 2, 0);
    script_kick(&script, 0, 0);
    script_descriptor(&script, FUZZ_DESC_AT + 16, FUZZ_DATA_AT, 16, 3, 2);
    script_descriptor(&script, FUZZ_DESC_AT + 32, FUZZ_DATA_AT + 0x40, 16, 2, 0);
    script_kick(&script, 1, 1);
    add(script.bytes, script.size_bytes);
}
