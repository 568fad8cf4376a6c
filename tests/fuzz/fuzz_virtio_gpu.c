/* virtio-gpu with two heads: commands, pages, cursors. */
#include "hw/virtio/virtio_gpu.h"
#include "tests/fuzz/fuzz_virtio.h"

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct display *display = display_new();
    struct virtio_gpu_config config = {display, 2, 640, 480};
    fuzz_virtio_run(&virtio_gpu_type, &config, bytes, size_bytes);
    display_free(display);
}

static void add_command(struct fuzz_script *script, u16 index, const u32 *words, unsigned count)
{
    u8 bytes[24 + 4 * 24] = {0};
    st_le32(bytes, words[0]);
    for (unsigned i = 1; i < count; i++) {
        st_le32(bytes + 24 + 4 * (i - 1), words[i]);
    }
    script_ram(script, FUZZ_DATA_AT + 0x100u * index, bytes, 24 + 4 * (count - 1));
    script_descriptor(script, FUZZ_DESC_AT + 32u * (index % 4u), FUZZ_DATA_AT + 0x100u * index,
                      24 + 4 * (count - 1), 1, (u16)(2 * (index % 4) + 1));
    script_descriptor(script, FUZZ_DESC_AT + 32u * (index % 4u) + 16, FUZZ_DATA_AT + 0x2000, 512, 2,
                      0);
    script_kick(script, (u16)(2 * (index % 4)), index);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    struct fuzz_script script = {.size_bytes = 0};
    const u32 pages = FUZZ_RAM_GPA + FUZZ_DATA_AT;
    script_virtio_start(&script, 0xa);
    add_command(&script, 0, (const u32[]){0x101, 1, 1, 16, 16}, 5);
    add_command(&script, 1, (const u32[]){0x106, 1, 1, pages, 0, 1024, 0}, 7);
    add_command(&script, 2, (const u32[]){0x105, 0, 0, 16, 16, 0, 0, 1, 0}, 9);
    add_command(&script, 3, (const u32[]){0x103, 0, 0, 16, 16, 0, 1}, 7);
    add_command(&script, 4, (const u32[]){0x104, 0, 0, 16, 16, 1, 0}, 7);
    add(script.bytes, script.size_bytes);
    script.size_bytes = 0;
    script_virtio_start(&script, 0xa);
    add_command(&script, 0, (const u32[]){0x10c, 7, 1, 0, 1, 0, 0, 1024, 0, pages, 0, 1024, 0}, 13);
    add_command(&script, 1,
                (const u32[]){0x10d, 0, 0, 16, 16, 0, 7, 16, 16, 2, 0, 64, 0, 0, 0, 0, 0, 0, 0},
                19);
    add_command(&script, 2, (const u32[]){0x102, 7, 0}, 3);
    add(script.bytes, script.size_bytes);
}
