#include "hw/virtio/virtio_blk.h"
#include "tests/hw/virtio/rig.h"
#include <stdlib.h>
#include <unistd.h>

enum {
    DISK_BYTES = 1 << 20,
    HEADER = 0x0,      /* offsets from RIG_DATA_GPA */
    STATUS = 0x100,
    RANGE = 0x200,
    DATA = 0x1000,
    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_WRITE_ZEROES = 13,
    F_FLUSH_BIT = 9,
};

#define NO_ANSWER 0xee

static struct fixture f;
static struct rig rig;
static char path[64];
static struct virtio_blk_config blk;
static struct virtio_mmio_config config;

/* Sector s of the file is filled with the byte s. */
static void make_disk(u64 size_bytes)
{
    snprintf(path, sizeof(path), "/tmp/metic-blk-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    for (u64 at = 0; at < size_bytes; at += 512) {
        u8 sector[512];
        size_t part = size_bytes - at < 512 ? (size_t)(size_bytes - at) : 512;
        memset(sector, (int)(at / 512), sizeof(sector));
        cr_assert_eq(write(fd, sector, part), (ssize_t)part);
    }
    close(fd);
}

static void make_device(enum blk_mode mode, unsigned queues)
{
    blk = (struct virtio_blk_config){{.path = path, .mode = mode}, false, queues, "the disk"};
    config = (struct virtio_mmio_config){&virtio_blk_type, &blk};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
}

static void setup(void)
{
    fixture_init(&f);
    make_disk(DISK_BYTES);
}

static void teardown(void)
{
    device_free(rig.device);
    unlink(path);
    fixture_fini(&f);
}

TestSuite(virtio_blk, .init = setup, .fini = teardown);

static void set_header(u32 type, u64 sector)
{
    u8 header[16] = {0};
    st_le32(header, type);
    st_le64(header + 8, sector);
    rig_store(&rig, RIG_DATA_GPA + HEADER, header, sizeof(header));
    header[0] = NO_ANSWER;
    rig_store(&rig, RIG_DATA_GPA + STATUS, header, 1);
}

static u8 status(void)
{
    u8 byte;
    rig_load(&rig, RIG_DATA_GPA + STATUS, &byte, 1);
    return byte;
}

/* A request with `size_bytes` of data at DATA (or RANGE); returns its status. */
static u8 request(u32 type, u64 sector, gpa_t data, u32 size_bytes, bool to_guest)
{
    const struct rig_buffer chain[] = {
        {RIG_DATA_GPA + HEADER, 16, 0},
        {data, size_bytes, to_guest ? RIG_WRITE : 0},
        {RIG_DATA_GPA + STATUS, 1, RIG_WRITE},
    };
    const struct rig_buffer no_data[] = {chain[0], chain[2]};
    set_header(type, sector);
    u32 written = size_bytes > 0 ? rig_run(&rig, 0, chain, 3) : rig_run(&rig, 0, no_data, 2);
    if (status() == 0) {
        cr_assert_eq(written, (to_guest ? size_bytes : 0) + 1);
    }
    return status();
}

static u8 read_sectors(u64 sector, u32 size_bytes)
{
    return request(T_IN, sector, RIG_DATA_GPA + DATA, size_bytes, true);
}

static u8 write_sectors(u64 sector, u8 byte, u32 size_bytes)
{
    u8 bytes[8192];
    cr_assert(size_bytes <= sizeof(bytes));
    memset(bytes, byte, size_bytes);
    rig_store(&rig, RIG_DATA_GPA + DATA, bytes, size_bytes);
    return request(T_OUT, sector, RIG_DATA_GPA + DATA, size_bytes, false);
}

static u8 range(u32 type, u64 sector, u32 sectors, u32 flags)
{
    u8 bytes[16];
    st_le64(bytes, sector);
    st_le32(bytes + 8, sectors);
    st_le32(bytes + 12, flags);
    rig_store(&rig, RIG_DATA_GPA + RANGE, bytes, sizeof(bytes));
    return request(type, 0, RIG_DATA_GPA + RANGE, 16, false);
}

/* Reads a sector and expects it to be all `byte`. */
static void expect_sector(u64 sector, u8 byte)
{
    u8 want[512], got[512];
    cr_assert_eq(read_sectors(sector, 512), 0);
    memset(want, byte, sizeof(want));
    rig_load(&rig, RIG_DATA_GPA + DATA, got, sizeof(got));
    cr_assert_arr_eq(got, want, 512, "sector %u is %u, not %u", (unsigned)sector, got[0], byte);
}

static u8 file_byte(u64 offset)
{
    u8 byte = 0;
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, (long)offset, SEEK_SET), 0);
    cr_assert_eq(fread(&byte, 1, 1, file), 1);
    fclose(file);
    return byte;
}

Test(virtio_blk, configuration)
{
    make_device(BLK_OVERLAY, 3);
    cr_assert_eq(rig_read(&rig, 0x08), 2);
    cr_assert_eq(rig_read(&rig, 0x100), DISK_BYTES / 512);
    cr_assert_eq(rig_read(&rig, 0x104), 0);
    cr_assert_eq(rig_read(&rig, 0x10c), 254, "segments");
    cr_assert_eq(rig_read(&rig, 0x114), 512);
    cr_assert_eq(device_read(rig.device, 0, 0x118, 1), 3, "blocks of 4 KiB");
    cr_assert_eq(device_read(rig.device, 0, 0x122, 2), 3, "queues");
    cr_assert_eq(device_read(rig.device, 0, 0x138, 1), 1, "write zeroes may unmap");
    cr_assert_eq(rig_read(&rig, 0x1000 - 4), 0);
    cr_assert_eq(rig_features(&rig) & 0xffffff,
                 BIT(2) | BIT(6) | BIT(9) | BIT(10) | BIT(12) | BIT(13) | BIT(14));
    rig_write(&rig, 0x30, 2);
    cr_assert_eq(rig_read(&rig, 0x34), 256);
    rig_write(&rig, 0x100, 1);
    cr_assert_eq(rig_read(&rig, 0x100), DISK_BYTES / 512, "nothing there can be written");
}

Test(virtio_blk, reads)
{
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    expect_sector(0, 0);
    expect_sector(5, 5);
    expect_sector(DISK_BYTES / 512 - 1, 255);
}

Test(virtio_blk, framing_means_nothing)
{
    u8 got[1024];
    const struct rig_buffer chain[] = {
        {RIG_DATA_GPA + HEADER, 3, 0},           {RIG_DATA_GPA + HEADER + 3, 13, 0},
        {RIG_DATA_GPA + DATA, 700, RIG_WRITE},   {RIG_DATA_GPA + DATA + 700, 1, RIG_WRITE},
        {RIG_DATA_GPA + DATA + 701, 324, RIG_WRITE}, /* the status is its last byte */
    };
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    set_header(T_IN, 7);
    cr_assert_eq(rig_run(&rig, 0, chain, 5), 1025);
    rig_load(&rig, RIG_DATA_GPA + DATA, got, 1024);
    cr_assert_eq(got[0], 7);
    cr_assert_eq(got[511], 7);
    cr_assert_eq(got[512], 8);
    cr_assert_eq(got[1023], 8);
    rig_load(&rig, RIG_DATA_GPA + DATA + 1024, got, 1);
    cr_assert_eq(got[0], 0);
}

Test(virtio_blk, indirect_requests)
{
    const gpa_t table = RIG_DATA_GPA + 0x8000;
    const struct rig_buffer inner[] = {{RIG_DATA_GPA + HEADER, 16, 0},
                                       {RIG_DATA_GPA + DATA, 512, RIG_WRITE},
                                       {RIG_DATA_GPA + STATUS, 1, RIG_WRITE}};
    const struct rig_buffer outer = {table, 48, RIG_INDIRECT};
    u8 got[512];
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX, 1);
    rig_set_chain(&rig, table, 0, inner, 3);
    set_header(T_IN, 9);
    cr_assert_eq(rig_run(&rig, 0, &outer, 1), 513);
    rig_load(&rig, RIG_DATA_GPA + DATA, got, 512);
    cr_assert_eq(got[100], 9);
}

Test(virtio_blk, overlay_keeps_writes_and_leaves_the_file)
{
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    cr_assert_eq(write_sectors(9, 0xaa, 512), 0);
    cr_assert_eq(write_sectors(30, 0xbb, 8192), 0);
    expect_sector(8, 8);
    expect_sector(9, 0xaa);
    expect_sector(10, 10);
    expect_sector(29, 29);
    expect_sector(30, 0xbb);
    expect_sector(45, 0xbb);
    expect_sector(46, 46);
    cr_assert_eq(file_byte(9 * 512), 9);
    cr_assert_eq(file_byte(30 * 512), 30);
}

Test(virtio_blk, write_back_reaches_the_file)
{
    make_device(BLK_WRITE_BACK, 1);
    rig_start(&rig, BIT(F_FLUSH_BIT), 1);
    cr_assert_eq(write_sectors(9, 0xaa, 1024), 0);
    cr_assert_eq(request(T_FLUSH, 0, 0, 0, false), 0);
    expect_sector(10, 0xaa);
    cr_assert_eq(file_byte(9 * 512), 0xaa);
    cr_assert_eq(file_byte(8 * 512), 8);
    cr_assert_eq(file_byte(11 * 512), 11);
}

Test(virtio_blk, read_only_refuses_writes)
{
    make_device(BLK_READ_ONLY, 1);
    cr_assert_eq(rig_features(&rig) & BIT(5), BIT(5));
    cr_assert_eq(rig_features(&rig) & (BIT(13) | BIT(14)), 0);
    rig_start(&rig, 0, 1);
    cr_assert_eq(write_sectors(9, 0xaa, 512), 1);
    cr_assert_eq(range(T_WRITE_ZEROES, 9, 1, 0), 1);
    cr_assert_eq(range(T_DISCARD, 9, 1, 0), 1);
    expect_sector(9, 9);
}

static void check_zeroing(void)
{
    cr_assert_eq(range(T_WRITE_ZEROES, 3, 30, 0), 0);
    expect_sector(2, 2);
    expect_sector(3, 0);
    expect_sector(20, 0);
    expect_sector(32, 0);
    expect_sector(33, 33);
    cr_assert_eq(range(T_WRITE_ZEROES, 40, 16, 1), 0, "unmap");
    expect_sector(39, 39);
    expect_sector(40, 0);
    expect_sector(55, 0);
    expect_sector(56, 56);
    cr_assert_eq(range(T_WRITE_ZEROES, 57, 1, 0), 0, "inside a cluster");
    expect_sector(56, 56);
    expect_sector(57, 0);
    expect_sector(58, 58);
    cr_assert_eq(range(T_DISCARD, 80, 16, 0), 0);
    expect_sector(79, 79);
    expect_sector(96, 96);
}

Test(virtio_blk, zeroing_an_overlay)
{
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    check_zeroing();
    cr_assert_eq(file_byte(40 * 512), 40);
}

Test(virtio_blk, zeroing_a_file)
{
    make_device(BLK_WRITE_BACK, 1);
    rig_start(&rig, 0, 1);
    check_zeroing();
    cr_assert_eq(file_byte(40 * 512), 0);
}

Test(virtio_blk, ranges_are_checked)
{
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    const u64 last = DISK_BYTES / 512 - 1;
    cr_assert_eq(read_sectors(last, 1024), 1);
    cr_assert_eq(read_sectors(last + 1, 512), 1);
    cr_assert_eq(read_sectors(UINT64_MAX, 512), 1);
    cr_assert_eq(read_sectors((u64)1 << 55, 512), 1, "times 512 this is 0");
    cr_assert_eq(read_sectors(0, 511), 1);
    cr_assert_eq(write_sectors(last, 1, 1024), 1);
    cr_assert_eq(write_sectors(0, 1, 100), 1);
    cr_assert_eq(range(T_DISCARD, last, 2, 0), 1);
    cr_assert_eq(range(T_DISCARD, UINT64_MAX, 2, 0), 1);
    cr_assert_eq(range(T_WRITE_ZEROES, 0, UINT32_MAX, 0), 1);
    cr_assert_eq(range(T_DISCARD, 0, 1, 1), 2, "no flag is known for discard");
    cr_assert_eq(range(T_WRITE_ZEROES, 0, 1, 2), 2);
    cr_assert_eq(request(T_DISCARD, 0, RIG_DATA_GPA + RANGE, 32, false), 2, "two ranges");
    cr_assert_eq(request(T_DISCARD, 0, RIG_DATA_GPA + RANGE, 8, false), 2, "half a range");
    cr_assert_eq(request(77, 0, 0, 0, false), 2, "no such request");
    expect_sector(last, (u8)last);
    cr_assert(!rig_is_broken(&rig));
}

Test(virtio_blk, tells_its_id)
{
    char id[20];
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    cr_assert_eq(request(T_GET_ID, 0, RIG_DATA_GPA + DATA, 20, true), 0);
    rig_load(&rig, RIG_DATA_GPA + DATA, id, sizeof(id));
    cr_assert_arr_eq(id, "the disk\0\0\0\0\0\0\0\0\0\0\0\0", 20);
}

Test(virtio_blk, requests_without_header_or_status_break_the_device)
{
    const struct rig_buffer header = {RIG_DATA_GPA + HEADER, 16, 0};
    const struct rig_buffer short_header[] = {{RIG_DATA_GPA + HEADER, 15, 0},
                                              {RIG_DATA_GPA + STATUS, 1, RIG_WRITE}};
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    rig_set_chain(&rig, RIG_RING_GPA(0), 0, &header, 1);
    rig_offer(&rig, 0, 0);
    rig_kick(&rig, 0);
    cr_assert(rig_is_broken(&rig));
    rig_start(&rig, 0, 1);
    rig_set_chain(&rig, RIG_RING_GPA(0), 0, short_header, 2);
    rig_offer(&rig, 0, 0);
    rig_kick(&rig, 0);
    cr_assert(rig_is_broken(&rig));
}

Test(virtio_blk, every_queue_is_served)
{
    u8 got[512];
    make_device(BLK_OVERLAY, 4);
    rig_start(&rig, 0, 4);
    for (unsigned queue = 0; queue < 4; queue++) {
        const struct rig_buffer chain[] = {{RIG_DATA_GPA + HEADER, 16, 0},
                                           {RIG_DATA_GPA + DATA, 512, RIG_WRITE},
                                           {RIG_DATA_GPA + STATUS, 1, RIG_WRITE}};
        set_header(T_IN, 20 + queue);
        cr_assert_eq(rig_run(&rig, queue, chain, 3), 513);
        rig_load(&rig, RIG_DATA_GPA + DATA, got, sizeof(got));
        cr_assert_eq(got[0], 20 + queue);
    }
}

Test(virtio_blk, a_file_cut_short_is_an_io_error)
{
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    cr_assert_eq(truncate(path, 4096), 0);
    expect_sector(7, 7);
    cr_assert_eq(read_sectors(8, 512), 1);
    cr_assert(f.log_count > 0);
    cr_assert_eq(write_sectors(9, 1, 512), 1, "the rest of the cluster cannot be had");
    cr_assert_eq(write_sectors(16, 1, 4096), 0, "a whole cluster can");
    expect_sector(16, 1);
}

Test(virtio_blk, odd_sizes_are_rounded_up)
{
    unlink(path);
    make_disk(5 * 512 + 100);
    make_device(BLK_WRITE_BACK, 1);
    rig_start(&rig, 0, 1);
    u8 got[512];
    cr_assert_eq(rig_read(&rig, 0x100), 6);
    cr_assert_eq(read_sectors(5, 512), 0);
    rig_load(&rig, RIG_DATA_GPA + DATA, got, sizeof(got));
    cr_assert_eq(got[99], 5);
    cr_assert_eq(got[100], 0);
    cr_assert_eq(write_sectors(5, 0x77, 512), 0);
    expect_sector(5, 0x77);
}

Test(virtio_blk, overlay_survives_saving)
{
    make_device(BLK_OVERLAY, 1);
    rig_start(&rig, 0, 1);
    cr_assert_eq(write_sectors(9, 0xaa, 512), 0);
    cr_assert_eq(write_sectors(2000, 0xbb, 512), 0);
    struct device *first = rig.device;
    rig.device = fixture_device(&f, &virtio_mmio_class, &config, 1);
    fixture_clone_state(first, rig.device);
    device_free(first);
    expect_sector(9, 0xaa);
    expect_sector(10, 10);
    expect_sector(2000, 0xbb);
    expect_sector(2001, (u8)2001);
}
