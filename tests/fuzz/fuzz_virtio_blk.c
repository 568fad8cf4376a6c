/* virtio-blk on a small disk with an overlay. */
#include "hw/virtio/virtio_blk.h"
#include "tests/fuzz/fuzz_virtio.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DISK_BYTES = 1 << 16 };

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static char path[64];
    if (path[0] == '\0') {
        int fd = memfd_create("disk", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, DISK_BYTES) != 0) {
            abort();
        }
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    struct virtio_blk_config config = {.disk = {.path = path, .mode = BLK_OVERLAY},
                                       .serial = "fuzz"};
    fuzz_virtio_run(&virtio_blk_type, &config, bytes, size_bytes);
}

/* One request: header, 512 bytes of data, status byte. */
static void seed_request(void (*add)(const u8 *bytes, size_t size_bytes), u32 type, bool write)
{
    struct fuzz_script script = {.size_bytes = 0};
    u8 header[16] = {0};
    script_virtio_start(&script, 0x30000000 | 0x6640);
    st_le32(header, type);
    st_le64(header + 8, 3);
    script_ram(&script, FUZZ_DATA_AT, header, sizeof(header));
    script_descriptor(&script, FUZZ_DESC_AT, FUZZ_DATA_AT, 16, 1, 1);
    script_descriptor(&script, FUZZ_DESC_AT + 16, FUZZ_DATA_AT + 0x200, 512,
                      (u16)(1 | (write ? 0 : 2)), 2);
    script_descriptor(&script, FUZZ_DESC_AT + 32, FUZZ_DATA_AT + 0x100, 1, 2, 0);
    script_kick(&script, 0, 0);
    /* The same three through a table of their own. */
    script_descriptor(&script, FUZZ_DESC_AT + 48, FUZZ_DESC_AT, 48, 4, 0);
    script_kick(&script, 3, 1);
    add(script.bytes, script.size_bytes);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const struct {
        u32 type;
        bool write;
    } requests[] = {{0, false}, {1, true}, {4, true}, {8, false}, {11, true}, {13, true}};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        seed_request(add, requests[i].type, requests[i].write);
    }
}
