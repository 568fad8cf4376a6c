/* ramfb: what firmware writes into its file, of any size, place and format, and somebody who looks.
 * Pictures of more than four million pixels are refused here only because they take long. */
#include "hw/display/ramfb.h"
#include "tests/fuzz/fuzz_device.h"

enum { MOST_PIXELS = 1 << 22 };

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct fuzz_rig rig;
    struct linear linear;
    struct display *display = display_new();
    struct display_client client = {.head = 0};
    u32 width, height;
    fuzz_rig_begin(&rig);
    linear_init(&linear, display, &rig.memory, "ramfb", 1);
    display_add_client(display, &client);
    for (unsigned i = 0; i < 4 && size_bytes >= RAMFB_BYTES; i++) {
        ramfb_written(&linear, bytes, RAMFB_BYTES);
        bytes += RAMFB_BYTES;
        size_bytes -= RAMFB_BYTES;
        if (!display_get_size(display, 0, &width, &height) ||
            (u64)width * height <= MOST_PIXELS) {
            display_client_take(&client);
        }
    }
    ramfb_written(&linear, bytes, (u32)size_bytes);
    display_remove_client(&client);
    linear_fini(&linear);
    display_free(display);
    fuzz_rig_fini(&rig);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const u32 formats[] = {LINEAR_XRGB8888, LINEAR_ABGR8888, LINEAR_RGB888, LINEAR_RGB565};
    for (unsigned i = 0; i < 4; i++) {
        u8 bytes[3 * RAMFB_BYTES] = {0};
        for (unsigned at = 0; at < sizeof(bytes); at += RAMFB_BYTES) {
            st_be64(bytes + at, FUZZ_RAM_GPA + 0x100 * i);
            st_be32(bytes + at + 8, formats[(i + at) % 4]);
            st_be32(bytes + at + 16, 64 + at);
            st_be32(bytes + at + 20, 32);
            st_be32(bytes + at + 24, i == 2 ? 0 : 512);
        }
        add(bytes, sizeof(bytes));
    }
}
