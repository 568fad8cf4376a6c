/* Images: recognised, placed into a small machine, searched for symbols. */
#include "hw/loader/loader.h"
#include "tests/fuzz/fuzz.h"
#include "tests/hw/loader_build.h"

#include <libfdt.h>
#include <zlib.h>

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static struct memory *memory;
    struct metic_error error;
    if (memory == NULL) {
        memory = build_memory(8 << 20);
    }
    struct image *image = image_open_bytes("fuzz", bytes, size_bytes, &error);
    if (image == NULL) {
        return;
    }
    u64 value;
    gpa_t entry, end;
    (void)image_find_symbol(image, "tohost", &value);
    if (image_place(memory, image, 0x80200000, &entry, &end, &error) &&
        end > 0x80000000 + (8 << 20)) {
        abort();
    }
    if (image_check_startable(image, &error) != (image->mode != IMAGE_MODE_NONE) ||
        memchr(image->description, '\0', sizeof(image->description)) == NULL) {
        abort();
    }
    image_free(image);
}

static void seed_packed(void (*add)(const u8 *bytes, size_t size_bytes), const u8 *bytes,
                        size_t size_bytes)
{
    static u8 out[FUZZ_MAX_BYTES];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size_bytes,
                       .next_out = out, .avail_out = sizeof(out)};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK &&
        deflate(&stream, Z_FINISH) == Z_STREAM_END) {
        add(out, sizeof(out) - stream.avail_out);
    }
    deflateEnd(&stream);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static u8 bytes[BUILD_KERNEL_BYTES];
    build_elf(bytes, 0x80000000, 0x80000000);
    add(bytes, BUILD_ELF_BYTES);
    build_elf(bytes, 0xffffffff80000000, 0);
    add(bytes, BUILD_ELF_BYTES);
    build_kernel(bytes);
    add(bytes, BUILD_KERNEL_BYTES);
    seed_packed(add, bytes, BUILD_KERNEL_BYTES);
    if (fdt_create_empty_tree(bytes, 1024) == 0) {
        (void)fdt_setprop_string(bytes, 0, "model", "a board");
        add(bytes, 1024);
    }
    add((const u8 *)"070701", 6);
    add((const u8 *)"#!/bin/sh\n", 10);
}
