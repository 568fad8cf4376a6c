#include "hw/block/cfi_flash.h"
#include "tests/hw/fixture.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLASH_GPA 0x20000000u
enum { FLASH_BYTES = 4 * CFI_FLASH_SECTOR_BYTES };

static struct fixture f;
static struct cfi_flash_config config;
static char path[] = P_tmpdir "/metic-flash-XXXXXX";
static unsigned map_changes;

static struct device *make(gpa_t gpa)
{
    struct device_spec spec = {&cfi_flash_class, "flash", &config, 0, {FLASH_BYTES}};
    struct metic_error error = {0};
    struct device *flash = device_new(&spec, &f.env, &error);
    cr_assert_not_null(flash, "%s", error.what);
    cr_assert(device_map(flash, 0, gpa, &error), "%s", error.what);
    return flash;
}

static void count_map_change(void *opaque)
{
    (void)opaque;
    map_changes++;
}

static struct device *flash;

static void setup(void)
{
    fixture_init(&f);
    config = (struct cfi_flash_config){NULL, false};
    flash = make(FLASH_GPA);
    map_changes = 0;
    f.memory.map_changed = count_map_change;
}

static void teardown(void)
{
    device_free(flash);
    fixture_fini(&f);
}

TestSuite(cfi_flash, .init = setup, .fini = teardown);

static void wr(u64 offset, u32 value)
{
    device_write(flash, 0, offset, value, 4);
}

static u32 rd(u64 offset)
{
    return (u32)device_read(flash, 0, offset, 4);
}

static u32 direct(u64 offset)
{
    u8 *host = memory_host(&f.memory, FLASH_GPA + offset, 4);
    cr_assert_not_null(host);
    return ld_le32(host);
}

static bool is_direct(void)
{
    return device_memory_region(flash, 0)->direct;
}

static void program(u64 offset, u32 value)
{
    wr(offset, 0x00400040);
    wr(offset, value);
    cr_assert_eq(rd(offset), 0x00800080);
    wr(offset, 0x00ff00ff);
}

Test(cfi_flash, starts_erased_and_mapped)
{
    cr_assert(is_direct());
    for (u64 at = 0; at < FLASH_BYTES; at += 4096) {
        cr_assert_eq(direct(at), 0xffffffff);
    }
    cr_assert_eq(rd(FLASH_BYTES - 4), 0xffffffff);
    cr_assert_eq(device_read(flash, 0, FLASH_BYTES - 1, 1), 0xff);
}

Test(cfi_flash, program_clears_bits_only)
{
    program(16, 0xf0f0f0f0);
    cr_assert_eq(direct(16), 0xf0f0f0f0);
    program(16, 0x30303030);
    cr_assert_eq(direct(16), 0x30303030);
    wr(16, 0x00400040);
    wr(16, 0xffffffff);
    cr_assert_eq(rd(0), 0x00800080, "ones program nothing, and are no error");
    wr(0, 0x00500050);
    cr_assert(is_direct());
    cr_assert_eq(direct(16), 0x30303030);
    cr_assert_eq(direct(12), 0xffffffff);
}

Test(cfi_flash, erase_is_one_block)
{
    program(CFI_FLASH_SECTOR_BYTES - 4, 0);
    program(CFI_FLASH_SECTOR_BYTES, 0);
    program(2 * CFI_FLASH_SECTOR_BYTES, 0);
    wr(CFI_FLASH_SECTOR_BYTES + 100, 0x00200020);
    wr(CFI_FLASH_SECTOR_BYTES + 100, 0x00d000d0);
    cr_assert_eq(rd(0), 0x00800080);
    wr(0, 0x00ff00ff);
    cr_assert_eq(direct(CFI_FLASH_SECTOR_BYTES - 4), 0);
    cr_assert_eq(direct(CFI_FLASH_SECTOR_BYTES), 0xffffffff);
    cr_assert_eq(direct(2 * CFI_FLASH_SECTOR_BYTES), 0);
}

Test(cfi_flash, unconfirmed_erase_fails)
{
    program(0, 0);
    wr(0, 0x00200020);
    wr(0, 0x00120012);
    cr_assert_eq(rd(0), 0x00b000b0);
    wr(0, 0x00500050);
    wr(0, 0x00700070);
    cr_assert_eq(rd(0), 0x00800080);
    wr(0, 0x00ff00ff);
    cr_assert_eq(direct(0), 0);
}

Test(cfi_flash, buffered_write)
{
    wr(0x1000, 0x00e800e8);
    cr_assert_eq(rd(0x1000) & 0x80, 0x80);
    wr(0x1000, 0x00030003);
    for (u32 i = 0; i < 4; i++) {
        wr(0x1004 + 4 * i, 0x11110000 + i);
    }
    wr(0x1000, 0x00d000d0);
    cr_assert_eq(rd(0), 0x00800080);
    wr(0, 0x00ff00ff);
    cr_assert_eq(direct(0x1000), 0xffffffff);
    cr_assert_eq(direct(0x1004), 0x11110000);
    cr_assert_eq(direct(0x1010), 0x11110003);
    cr_assert_eq(direct(0x1014), 0xffffffff);
}

Test(cfi_flash, buffered_write_beside_zeros)
{
    program(0x2000, 0);
    wr(0x2004, 0x00e800e8);
    wr(0x2004, 0);
    wr(0x2004, 0x11223344);
    wr(0x2004, 0x00d000d0);
    cr_assert_eq(rd(0), 0x00800080);
    wr(0, 0x00ff00ff);
    cr_assert_eq(direct(0x2000), 0);
    cr_assert_eq(direct(0x2004), 0x11223344);
}

Test(cfi_flash, hostile_buffered_writes)
{
    wr(0, 0x00e800e8);
    wr(0, 0xffffffff);
    cr_assert_eq(rd(0) & 0x90, 0x90, "too many words");
    wr(0, 0x00500050);
    wr(0x8000, 0x00e800e8);
    wr(0x8000, 0x00010001);
    wr(0x8000, 0);
    wr(0, 0); /* below the window */
    wr(0x8000, 0x00d000d0);
    cr_assert_eq(rd(0) & 0x10, 0x10);
    wr(0, 0x00500050);
    cr_assert_eq(direct(0), 0xffffffff);
}

Test(cfi_flash, query_table)
{
    wr(0x154, 0x00980098);
    cr_assert(!is_direct());
    cr_assert_eq(rd(0x10 * 4), 0x00510051);
    cr_assert_eq(rd(0x11 * 4), 0x00520052);
    cr_assert_eq(rd(0x12 * 4), 0x00590059);
    cr_assert_eq(rd(0x27 * 4) & 0xff, 19, "two chips of 512 KiB");
    cr_assert_eq(rd(0x2a * 4) & 0xff, 0x0b);
    cr_assert_eq(rd(0x2d * 4) & 0xff, 3);
    cr_assert_eq((rd(0x30 * 4) & 0xff) << 16 | (rd(0x2f * 4) & 0xff) << 8, 128 << 10);
    cr_assert_eq(device_read(flash, 0, 0x10 * 4 + 2, 1), 'Q', "the other chip answers too");
    wr(0, 0x00f000f0);
    cr_assert(is_direct());
}

Test(cfi_flash, identifier)
{
    wr(0, 0x00900090);
    cr_assert_eq(rd(0), 0x00890089);
    cr_assert_eq(rd(4), 0x00180018);
    cr_assert_eq(rd(8), 0, "not locked");
    wr(0, 0x00600060);
    wr(0, 0x00010001);
    cr_assert_eq(rd(0), 0x00800080);
    wr(0, 0x00ff00ff);
    cr_assert(is_direct());
}

Test(cfi_flash, mode_changes_are_told_once)
{
    wr(0, 0x00700070);
    wr(0, 0x00900090);
    wr(0, 0x00980098);
    cr_assert_eq(map_changes, 1);
    wr(0, 0x00ff00ff);
    cr_assert_eq(map_changes, 2);
}

static void write_file(const void *bytes, size_t size_bytes)
{
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, size_bytes), (ssize_t)size_bytes);
    close(fd);
}

static void read_file(u64 offset, void *bytes, size_t size_bytes)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, (long)offset, SEEK_SET), 0);
    cr_assert_eq(fread(bytes, 1, size_bytes, file), size_bytes);
    fclose(file);
}

Test(cfi_flash, contents_from_a_file_that_is_not_written)
{
    u8 image[2 * CFI_FLASH_SECTOR_BYTES] = "firmware";
    write_file(image, sizeof(image) - 100);
    device_free(flash);
    config = (struct cfi_flash_config){path, false};
    flash = make(FLASH_GPA + FLASH_BYTES);
    cr_assert_eq(rd(0), 0x6d726966);
    cr_assert_eq(rd(CFI_FLASH_SECTOR_BYTES), 0);
    cr_assert_eq(rd(2 * CFI_FLASH_SECTOR_BYTES - 4), 0xffffffff, "padded with ones");
    cr_assert_eq(rd(FLASH_BYTES - 4), 0xffffffff);
    program(0, 0);
    device_free(flash);
    flash = NULL;
    u8 got[8];
    read_file(0, got, 8);
    unlink(path);
    cr_assert_arr_eq(got, "firmware", 8);
}

Test(cfi_flash, contents_written_back_when_asked)
{
    static u8 image[FLASH_BYTES];
    write_file(image, sizeof(image));
    device_free(flash);
    config = (struct cfi_flash_config){path, true};
    flash = make(FLASH_GPA + FLASH_BYTES);
    wr(CFI_FLASH_SECTOR_BYTES, 0x00200020);
    wr(CFI_FLASH_SECTOR_BYTES, 0x00d000d0);
    u8 got[4];
    read_file(CFI_FLASH_SECTOR_BYTES, got, 4); /* at once: a killed machine loses nothing */
    cr_assert_arr_eq(got, "\xff\xff\xff\xff", 4);
    program(CFI_FLASH_SECTOR_BYTES + 8, 0x12345678);
    read_file(CFI_FLASH_SECTOR_BYTES + 8, got, 4);
    cr_assert_arr_eq(got, "\x78\x56\x34\x12", 4);
    read_file(0, got, 4);
    cr_assert_arr_eq(got, "\0\0\0\0", 4);
    device_free(flash);
    flash = NULL;
    unlink(path);
}

/* Beyond the end of a file shorter than the bank lie ones, in the file too once it grows. */
Test(cfi_flash, a_short_file_grows_by_erased_sectors)
{
    u8 got[4];
    write_file("start", 5);
    device_free(flash);
    config = (struct cfi_flash_config){path, true};
    flash = make(FLASH_GPA + FLASH_BYTES);
    program(FLASH_BYTES - 4, 0);
    read_file(FLASH_BYTES - 4, got, 4);
    cr_assert_arr_eq(got, "\0\0\0\0", 4);
    read_file(CFI_FLASH_SECTOR_BYTES, got, 4);
    cr_assert_arr_eq(got, "\xff\xff\xff\xff", 4);
    read_file(1, got, 4);
    cr_assert_arr_eq(got, "tart", 4);
    device_free(flash);
    flash = NULL;
    unlink(path);
}

Test(cfi_flash, a_file_that_does_not_fit_is_refused)
{
    static u8 image[FLASH_BYTES + 1];
    struct metic_error error = {0};
    write_file(image, sizeof(image));
    config = (struct cfi_flash_config){path, false};
    struct device_spec spec = {&cfi_flash_class, "flash", &config, 0, {FLASH_BYTES}};
    struct device *other = device_new(&spec, &f.env, NULL);
    cr_assert(!device_map(other, 0, 0x30000000, &error));
    cr_assert_neq(error.what[0], '\0');
    cr_assert_neq(error.next[0], '\0');
    device_free(other);
    unlink(path);
}

Test(cfi_flash, random_commands_do_no_harm)
{
    u64 state = 7;
    for (unsigned i = 0; i < 100000; i++) {
        static const u8 commands[] = {0xff, 0x40, 0x20, 0xe8, 0xd0, 0x70, 0x90, 0x98, 0x60, 0};
        state = state * 6364136223846793005u + 1442695040888963407u;
        u64 offset = (state >> 33) % FLASH_BYTES;
        unsigned size = 1u << (state >> 60 & 3);
        offset &= ~(u64)(size - 1);
        u64 value = (state >> 59 & 1) != 0 ? commands[(state >> 50) % ARRAY_LEN(commands)]
                                           : state >> 20 & 0x7ff;
        device_write(flash, 0, offset, value, size);
        device_read(flash, 0, offset, size);
    }
}

Test(cfi_flash, loading_undoes_later_changes)
{
    struct state_writer writer;
    struct state_reader reader;
    program(8, 0x12345678);
    state_writer_init(&writer);
    device_save(flash, &writer);
    program(8, 0);
    program(CFI_FLASH_SECTOR_BYTES, 0);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(device_load(flash, &reader, NULL));
    cr_assert_eq(direct(8), 0x12345678);
    cr_assert_eq(direct(CFI_FLASH_SECTOR_BYTES), 0xffffffff);
    state_writer_fini(&writer);
}

Test(cfi_flash, state_survives)
{
    program(CFI_FLASH_SECTOR_BYTES + 8, 0x12345678);
    wr(0, 0x00980098);
    struct device *other = make(FLASH_GPA + FLASH_BYTES);
    struct state_writer writer;
    struct state_reader reader;
    state_writer_init(&writer);
    device_save(flash, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(device_load(other, &reader, NULL));
    cr_assert_eq(device_read(other, 0, 0x10 * 4, 4), 0x00510051);
    device_write(other, 0, 0, 0xff, 4);
    cr_assert_eq(device_read(other, 0, CFI_FLASH_SECTOR_BYTES + 8, 4), 0x12345678);
    state_reader_init(&reader, writer.bytes, writer.size_bytes - 1);
    cr_assert(!device_load(other, &reader, NULL));
    state_writer_fini(&writer);
    device_free(other);
}
