#include "hw/misc/fw_cfg.h"
#include "tests/hw/fixture.h"
#include <string.h>

static struct fixture f;
static struct device *fw_cfg;

static void setup(void)
{
    fixture_init(&f);
    fw_cfg = fixture_device(&f, &fw_cfg_class, NULL, 0);
}

static void teardown(void)
{
    device_free(fw_cfg);
    fixture_fini(&f);
}

TestSuite(fw_cfg, .init = setup, .fini = teardown);

static void select_key(u16 key)
{
    device_write(fw_cfg, 0, 8, (u16)(key >> 8 | key << 8), 2);
}

static void read_bytes(void *buffer, size_t size_bytes)
{
    u8 *at = buffer;
    for (size_t i = 0; i < size_bytes; i++) {
        at[i] = (u8)device_read(fw_cfg, 0, 0, 1);
    }
}

/* Runs a control block at `block_gpa`; returns the control word afterwards. */
static u32 dma(gpa_t block_gpa, u32 control, u32 length, u64 gpa)
{
    u8 block[16];
    st_be32(block, control);
    st_be32(block + 4, length);
    st_be64(block + 8, gpa);
    memory_dma_write(&f.memory, block_gpa, block, sizeof(block));
    device_write(fw_cfg, 0, 0x10, __builtin_bswap64(block_gpa), 8);
    memory_dma_read(&f.memory, block_gpa, block, sizeof(block));
    return ld_be32(block);
}

Test(fw_cfg, signature_and_features)
{
    char text[8];
    select_key(FW_CFG_SIGNATURE);
    read_bytes(text, 8);
    cr_assert_arr_eq(text, "QEMU\0\0\0\0", 8, "zeros after the end");
    select_key(FW_CFG_ID);
    cr_assert_eq(device_read(fw_cfg, 0, 0, 4), 3);
    cr_assert_eq(device_read(fw_cfg, 0, 0x10, 8), __builtin_bswap64(0x51454d5520434647u));
    cr_assert_eq(device_read(fw_cfg, 0, 0x10, 4), __builtin_bswap32(0x51454d55u));
}

Test(fw_cfg, wide_reads_keep_the_byte_order)
{
    select_key(FW_CFG_SIGNATURE);
    cr_assert_eq(device_read(fw_cfg, 0, 0, 8), 0x554d4551u);
}

Test(fw_cfg, files_are_sorted_and_listed)
{
    u8 entry[64];
    u8 count[4];
    cr_assert(fw_cfg_set_file(fw_cfg, "opt/b", "bb", 2, NULL));
    cr_assert(fw_cfg_set_file(fw_cfg, "etc/a", "aaa", 3, NULL));
    cr_assert(fw_cfg_set_file(fw_cfg, "opt/b", "BBBB", 4, NULL));
    select_key(FW_CFG_FILE_DIR);
    read_bytes(count, 4);
    cr_assert_eq(ld_be32(count), 2);
    read_bytes(entry, 64);
    cr_assert_eq(ld_be32(entry), 3);
    cr_assert_str_eq((char *)entry + 8, "etc/a");
    read_bytes(entry, 64);
    cr_assert_eq(ld_be32(entry), 4);
    cr_assert_str_eq((char *)entry + 8, "opt/b");
    select_key((u16)(ld_be32(entry + 4) >> 16));
    read_bytes(entry, 4);
    cr_assert_arr_eq(entry, "BBBB", 4);
}

Test(fw_cfg, dma_reads_selects_and_skips)
{
    char got[8];
    cr_assert(fw_cfg_set_bytes(fw_cfg, FW_CFG_CMDLINE_DATA, "abcdefgh", 8, NULL));
    u32 key = FW_CFG_CMDLINE_DATA << 16;
    cr_assert_eq(dma(FIXTURE_RAM_GPA, key | 8 | 2, 3, FIXTURE_RAM_GPA + 0x100), 0);
    memory_dma_read(&f.memory, FIXTURE_RAM_GPA + 0x100, got, 3);
    cr_assert_arr_eq(got, "abc", 3);
    cr_assert_eq(dma(FIXTURE_RAM_GPA, 4, 2, 0), 0);
    cr_assert_eq(dma(FIXTURE_RAM_GPA, 2, 8, FIXTURE_RAM_GPA + 0x100), 0);
    memory_dma_read(&f.memory, FIXTURE_RAM_GPA + 0x100, got, 8);
    cr_assert_arr_eq(got, "fgh\0\0\0\0\0", 8, "zeros after the end");
    cr_assert_eq(dma(FIXTURE_RAM_GPA, key | 8 | 4, UINT32_MAX, 0), 0);
    cr_assert_eq(device_read(fw_cfg, 0, 0, 1), 0);
}

Test(fw_cfg, dma_by_halves)
{
    u8 block[16] = {0};
    st_be32(block, (u32)FW_CFG_SIGNATURE << 16 | 8 | 2);
    st_be32(block + 4, 4);
    st_be64(block + 8, FIXTURE_RAM_GPA + 64);
    memory_dma_write(&f.memory, FIXTURE_RAM_GPA + 16, block, sizeof(block));
    device_write(fw_cfg, 0, 0x10, 0, 4);
    device_write(fw_cfg, 0, 0x14, __builtin_bswap32(FIXTURE_RAM_GPA + 16), 4);
    memory_dma_read(&f.memory, FIXTURE_RAM_GPA + 64, block, 4);
    cr_assert_arr_eq(block, "QEMU", 4);
}

Test(fw_cfg, dma_to_nowhere_is_an_error)
{
    cr_assert_eq(dma(FIXTURE_RAM_GPA, 8 | 2, 4, 0x1000), 1);
    cr_assert_eq(dma(FIXTURE_RAM_GPA, 8 | 2, UINT32_MAX, FIXTURE_RAM_GPA + 0x1000), 1);
    cr_assert_eq(dma(FIXTURE_RAM_GPA, 2, 100, UINT64_MAX - 10), 1);
    cr_assert_eq(dma(FIXTURE_RAM_GPA, 16, 4, FIXTURE_RAM_GPA + 0x100), 1, "nothing is writable");
}

Test(fw_cfg, hostile_blocks_and_accesses)
{
    u64 state = 1;
    dma(0, 2, 4, 0);
    dma(UINT64_MAX - 3, 2, 4, 0);
    dma(FIXTURE_RAM_GPA + FIXTURE_RAM_BYTES - 8, 2, 4, 0);
    for (unsigned i = 0; i < 20000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        unsigned size = 1u << (state >> 60 & 3);
        u64 offset = (state >> 40) % (0x18 - size + 1);
        u64 value = state >> 8;
        if (offset == 0x10 || offset == 0x14) {
            value = __builtin_bswap64(FIXTURE_RAM_GPA + (state >> 20 & 0xfff));
        }
        device_write(fw_cfg, 0, offset, value, size);
        device_read(fw_cfg, 0, offset, size);
    }
}

Test(fw_cfg, keys_that_do_not_exist_read_zero)
{
    const u16 keys[] = {0x3fff, 0x8000, 0xffff, 0x60, 0x4000 | FW_CFG_KERNEL_DATA};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        select_key(keys[i]);
        cr_assert_eq(device_read(fw_cfg, 0, 0, 8), 0);
    }
}

Test(fw_cfg, no_room_is_told)
{
    struct metic_error error = {0};
    char name[100];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "opt/%02u", i);
        cr_assert(fw_cfg_set_file(fw_cfg, name, name, 3, &error));
    }
    cr_assert(!fw_cfg_set_file(fw_cfg, "opt/one-too-many", "", 0, &error));
    cr_assert_neq(error.what[0], '\0');
    memset(name, 'x', 99);
    name[99] = '\0';
    cr_assert(!fw_cfg_set_file(fw_cfg, name, "", 0, &error));
}

Test(fw_cfg, state_survives)
{
    struct device *other = fixture_device(&f, &fw_cfg_class, NULL, 0);
    select_key(FW_CFG_SIGNATURE);
    device_read(fw_cfg, 0, 0, 1);
    fixture_clone_state(fw_cfg, other);
    cr_assert_eq(device_read(other, 0, 0, 1), 'E');
    device_free(other);
}
