/* virtio-console without a port behind it, and with its two queues. */
#include "hw/virtio/virtio_console.h"
#include "tests/fuzz/fuzz_virtio.h"

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    fuzz_virtio_run(&virtio_console_type, NULL, bytes, size_bytes);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    struct fuzz_script script = {.size_bytes = 0};
    script_virtio_start(&script, 0x30000004);
    script_descriptor(&script, FUZZ_DESC_AT, FUZZ_DATA_AT, 64, 2, 0);
    script_kick(&script, 0, 0);
    script_write(&script, 0x108, 'x', 2);
    script_write(&script, FUZZ_VIRTIO_NOTIFY, 1, 2);
    add(script.bytes, script.size_bytes);
}
