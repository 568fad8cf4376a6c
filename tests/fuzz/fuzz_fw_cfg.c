/* fw_cfg: selectors, data reads, DMA control blocks. */
#include "hw/misc/fw_cfg.h"
#include "tests/fuzz/fuzz_device.h"

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct fuzz_rig rig;
    fuzz_rig_init(&rig, &fw_cfg_class, NULL, 24);
    static const u8 file[300] = {1, 2, 3};
    (void)fw_cfg_set_u16(rig.device, FW_CFG_NB_CPUS, 4, NULL);
    (void)fw_cfg_set_file(rig.device, "etc/a-file", file, sizeof(file), NULL);
    fuzz_rig_run(&rig, bytes, size_bytes);
    fuzz_rig_fini(&rig);
}

/* A control block at 0x1000 whose buffer is at 0x2000, and the write that starts it. */
static void seed_dma(void (*add)(const u8 *bytes, size_t size_bytes), u32 control, u32 length)
{
    struct fuzz_script script = {.size_bytes = 0};
    u8 block[16];
    st_be32(block, control);
    st_be32(block + 4, length);
    st_be64(block + 8, FUZZ_RAM_GPA + 0x2000);
    script_ram(&script, 0x1000, block, sizeof(block));
    script_write(&script, 0x10, __builtin_bswap64(FUZZ_RAM_GPA + 0x1000), 3);
    add(script.bytes, script.size_bytes);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    struct fuzz_script script = {.size_bytes = 0};
    script_write(&script, 8, __builtin_bswap16(FW_CFG_FILE_DIR), 1);
    for (unsigned i = 0; i < 10; i++) {
        script_put(&script, 3, 1);
        script_put(&script, 0, 2);
        script_put(&script, i, 1);
    }
    add(script.bytes, script.size_bytes);
    seed_dma(add, FW_CFG_FILE_DIR << 16 | 8 | 2, 200);   /* select, read */
    seed_dma(add, FW_CFG_FILE_FIRST << 16 | 8 | 2, 400);
    seed_dma(add, FW_CFG_FILE_FIRST << 16 | 8 | 4, 100); /* select, skip */
    seed_dma(add, FW_CFG_FILE_FIRST << 16 | 8 | 16, 100); /* select, write */
}
