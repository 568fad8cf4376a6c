#include "hw/virtio/virtio_gpu.h"
#include "hw/virtio/gpu_edid.h"
#include "hw/virtio/gpu_resource.h"
#include "tests/hw/virtio/rig.h"

#include <stdarg.h>

enum {
    CONTROL = 0,
    CURSOR = 1,
    HEADER = 24,
    RESPONSE = 0x10000,
    PIXELS = 0x40000, /* guest pages of pictures, from RIG_DATA_GPA */
    SIDE = 64,
    OK = 0x1100,
    ERR_MEMORY = 0x1201,
    ERR_SCANOUT,
    ERR_RESOURCE,
    ERR_PARAMETER = 0x1205,
};

static struct fixture f;
static struct rig rig;
static struct display *display;
static struct display_client client;
static struct virtio_gpu_config gpu;
static struct virtio_mmio_config config;

static void setup(void)
{
    fixture_init(&f);
    display = display_new();
    gpu = (struct virtio_gpu_config){display, 2, 1024, 768};
    config = (struct virtio_mmio_config){&virtio_gpu_type, &gpu};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
    client = (struct display_client){.head = 0};
    display_add_client(display, &client);
    rig_start(&rig, BIT(1) | BIT(3), 2);
}

static void teardown(void)
{
    device_free(rig.device);
    display_remove_client(&client);
    display_free(display);
    fixture_fini(&f);
}

TestSuite(virtio_gpu, .init = setup, .fini = teardown);

static const gpa_t response_gpa = RIG_DATA_GPA + RESPONSE;

/* A command with `count` words behind its header; returns the response's type. */
static u32 command(unsigned queue, u32 type, unsigned count, ...)
{
    u8 bytes[HEADER + 4 * 64] = {0};
    va_list words;
    va_start(words, count);
    st_le32(bytes, type);
    for (unsigned i = 0; i < count; i++) {
        st_le32(bytes + HEADER + 4 * i, va_arg(words, u32));
    }
    va_end(words);
    const struct rig_buffer chain[] = {{RIG_DATA_GPA, HEADER + 4 * count, 0},
                                       {response_gpa, 2048, RIG_WRITE}};
    rig_store(&rig, RIG_DATA_GPA, bytes, HEADER + 4 * count);
    cr_assert_geq(rig_run(&rig, queue, chain, 2), HEADER);
    return rig_load32(&rig, response_gpa);
}

static u32 create(u32 id, u32 format, u32 side)
{
    return command(CONTROL, 0x101, 4, id, format, side, side);
}

static u32 attach(u32 id, u32 bytes)
{
    return command(CONTROL, 0x106, 6, id, 1, (u32)RIG_DATA_GPA + PIXELS, 0, bytes, 0);
}

static u32 transfer(u32 id, u32 x, u32 y, u32 width, u32 height, u32 offset)
{
    return command(CONTROL, 0x105, 8, x, y, width, height, offset, 0, id, 0);
}

static u32 set_scanout(u32 head, u32 id, u32 width, u32 height)
{
    return command(CONTROL, 0x103, 6, 0, 0, width, height, head, id);
}

static u32 flush(u32 id, u32 x, u32 y, u32 width, u32 height)
{
    return command(CONTROL, 0x104, 6, x, y, width, height, id, 0);
}

static void paint(u32 first)
{
    for (u32 i = 0; i < SIDE * SIDE; i++) {
        u8 pixel[4];
        st_le32(pixel, first + i);
        rig_store(&rig, RIG_DATA_GPA + PIXELS + 4 * i, pixel, 4);
    }
}

/* A picture of SIDE by SIDE on head 0. */
static void show_picture(u32 format)
{
    cr_assert_eq(create(1, format, SIDE), OK);
    cr_assert_eq(attach(1, 4 * SIDE * SIDE), OK);
    paint(0xff000000u);
    cr_assert_eq(transfer(1, 0, 0, SIDE, SIDE, 0), OK);
    cr_assert_eq(set_scanout(0, 1, SIDE, SIDE), OK);
}

Test(virtio_gpu, tells_of_its_screens)
{
    cr_assert_eq(command(CONTROL, 0x100, 0), 0x1101);
    cr_assert_eq(rig_load32(&rig, response_gpa + HEADER + 8), 1024);
    cr_assert_eq(rig_load32(&rig, response_gpa + HEADER + 12), 768);
    cr_assert_eq(rig_load32(&rig, response_gpa + HEADER + 16), 1);
    cr_assert_eq(rig_load32(&rig, response_gpa + HEADER + 24 + 16), 1);
    cr_assert_eq(rig_load32(&rig, response_gpa + HEADER + 48 + 16), 0, "there are two");
    cr_assert_eq(rig_read(&rig, 0x108), 2);
}

Test(virtio_gpu, has_an_edid_with_a_sum)
{
    u8 edid[GPU_EDID_BYTES];
    cr_assert_eq(command(CONTROL, 0x10a, 2, 0, 0), 0x1104);
    cr_assert_eq(rig_load32(&rig, response_gpa + HEADER), GPU_EDID_BYTES);
    rig_load(&rig, response_gpa + HEADER + 8, edid, sizeof(edid));
    u8 sum = 0;
    for (unsigned i = 0; i < sizeof(edid); i++) {
        sum = (u8)(sum + edid[i]);
    }
    cr_assert_eq(sum, 0);
    cr_assert_eq(edid[54 + 2] | (edid[54 + 4] & 0xf0) << 4, 1024);
    cr_assert_eq(edid[54 + 5] | (edid[54 + 7] & 0xf0) << 4, 768);
    cr_assert_eq(command(CONTROL, 0x10a, 2, 2, 0), ERR_PARAMETER);
}

Test(virtio_gpu, shows_a_picture)
{
    show_picture(2);
    cr_assert(display_client_take(&client));
    cr_assert_eq(client.width, SIDE);
    cr_assert_eq(client.pixels[SIDE * SIDE - 1] & 0xffffff, SIDE * SIDE - 1);
    paint(0x00200000u);
    cr_assert_eq(transfer(1, 8, 2, 4, 3, 4 * (2 * SIDE + 8)), OK);
    cr_assert_not(display_client_take(&client), "not before the flush");
    cr_assert_eq(flush(1, 8, 2, 4, 3), OK);
    cr_assert(display_client_take(&client));
    cr_assert_eq(client.rect_count, 1);
    cr_assert_eq(client.rects[0].width, 4);
    cr_assert_eq(client.pixels[2 * SIDE + 8], 0x200000 + 2 * SIDE + 8);
    cr_assert_eq(client.pixels[2 * SIDE + 7] & 0xffffff, 2 * SIDE + 7);
}

/* As Linux flips: both commands are there when the device is told. The flush names a part only. */
Test(virtio_gpu, a_flip_shows_all_with_its_flush_or_without)
{
    enum { FLUSH_AT = 0x1000 };
    show_picture(2);
    display_client_take(&client);
    cr_assert_eq(create(2, 2, SIDE), OK);
    cr_assert_eq(attach(2, 4 * SIDE * SIDE), OK);
    paint(0x00500000u);
    cr_assert_eq(transfer(2, 0, 0, SIDE, SIDE, 0), OK);
    const u32 words[2][8] = {{0x103, 0, 0, SIDE, SIDE, 0, 2}, {0x104, 0, 0, 1, 1, 2, 0}};
    for (unsigned i = 0; i < 2; i++) {
        u8 bytes[HEADER + 24] = {0};
        const gpa_t at = RIG_DATA_GPA + i * FLUSH_AT;
        const struct rig_buffer chain[] = {{at, sizeof(bytes), 0},
                                           {response_gpa + i * FLUSH_AT, 512, RIG_WRITE}};
        st_le32(bytes, words[i][0]);
        for (unsigned n = 1; n < 7; n++) {
            st_le32(bytes + HEADER + 4 * (n - 1), words[i][n]);
        }
        rig_store(&rig, at, bytes, sizeof(bytes));
        rig_set_chain(&rig, RIG_RING_GPA(CONTROL), 2 * i, chain, 2);
        rig_offer(&rig, CONTROL, (u16)(2 * i));
    }
    rig_kick(&rig, CONTROL);
    cr_assert_eq(rig_load32(&rig, response_gpa + FLUSH_AT), OK);
    cr_assert(display_client_take(&client));
    cr_assert_eq(client.rect_count, 1);
    cr_assert_eq(client.rects[0].height, SIDE);
    cr_assert_eq(client.pixels[SIDE * SIDE - 1], 0x500000 + SIDE * SIDE - 1);
    cr_assert_eq(set_scanout(0, 1, SIDE, SIDE), OK);
    cr_assert(display_client_take(&client), "also when no flush comes");
    cr_assert_eq(client.pixels[SIDE * SIDE - 1] & 0xffffff, SIDE * SIDE - 1);
}

Test(virtio_gpu, finds_rows_in_memory_of_many_pieces)
{
    enum { PIECES = 8, PIECE_BYTES = 4 * SIDE * SIDE / PIECES };
    u8 bytes[HEADER + 32 + 16 * (PIECES + 1)] = {0};
    st_le32(bytes, 0x10c);
    st_le32(bytes + HEADER, 7);
    st_le32(bytes + HEADER + 4, 1);
    st_le32(bytes + HEADER + 12, PIECES + 1);
    st_le32(bytes + HEADER + 24, 4 * SIDE * SIDE);
    for (u32 i = 0, n = 0; i <= PIECES; i++) { /* backwards in memory, an empty one in between */
        u8 *entry = bytes + HEADER + 32 + 16 * i;
        st_le64(entry, RIG_DATA_GPA + PIXELS + (u64)(PIECES - 1 - n) * PIECE_BYTES);
        st_le32(entry + 8, i == 3 ? 0 : PIECE_BYTES);
        n += i != 3;
    }
    const struct rig_buffer chain[] = {{RIG_DATA_GPA, sizeof(bytes), 0},
                                       {response_gpa, 512, RIG_WRITE}};
    rig_store(&rig, RIG_DATA_GPA, bytes, sizeof(bytes));
    rig_run(&rig, CONTROL, chain, 2);
    cr_assert_eq(rig_load32(&rig, response_gpa), OK);
    paint(0);
    cr_assert_eq(command(CONTROL, 0x10d, 18, 0, 0, SIDE, SIDE, 0, 7, SIDE, SIDE, 2, 0, 4 * SIDE, 0,
                         0, 0, 0, 0, 0, 0),
                 OK);
    display_client_take(&client);
    for (u32 piece = 0; piece < PIECES; piece++) {
        u32 pixel = client.pixels[piece * PIECE_BYTES / 4];
        cr_assert_eq(pixel, (PIECES - 1 - piece) * PIECE_BYTES / 4);
    }
}

Test(virtio_gpu, knows_the_order_of_bytes)
{
    static const struct {
        u32 format, memory, pixel;
    } cases[] = {
        {1, 0x80112233, 0x80112233},  {2, 0x00112233, 0x00112233},
        {3, 0x33221180, 0x80112233},  {67, 0x80332211, 0x80112233},
        {121, 0x11223380, 0x80112233}, {134, 0x00332211, 0x00112233},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        u8 bytes[4];
        cr_assert_eq(create(10 + i, cases[i].format, 16), OK);
        cr_assert_eq(attach(10 + i, 4 * 16 * 16), OK);
        st_le32(bytes, cases[i].memory);
        rig_store(&rig, RIG_DATA_GPA + PIXELS, bytes, 4);
        cr_assert_eq(transfer(10 + i, 0, 0, 16, 16, 0), OK);
        cr_assert_eq(set_scanout(0, 10 + i, 16, 16), OK);
        display_client_take(&client);
        cr_assert_eq(client.pixels[0], cases[i].pixel, "format %u", cases[i].format);
    }
    cr_assert_eq(create(99, 5, 16), ERR_PARAMETER);
}

Test(virtio_gpu, shows_a_blob_without_a_transfer)
{
    u32 at = (u32)RIG_DATA_GPA + PIXELS;
    cr_assert_eq(command(CONTROL, 0x10c, 12, 7, 1, 0, 1, 0, 0, 4 * SIDE * SIDE, 0, at, 0,
                         4 * SIDE * SIDE, 0),
                 OK);
    paint(0x300000);
    cr_assert_eq(command(CONTROL, 0x10d, 18, 0, 0, SIDE, SIDE, 0, 7, SIDE, SIDE, 2, 0, 4 * SIDE, 0,
                         0, 0, 0, 0, 0, 0),
                 OK);
    display_client_take(&client);
    cr_assert_eq(client.pixels[5], 0x300005);
    paint(0x400000);
    cr_assert_eq(flush(7, 0, 0, SIDE, 1), OK);
    display_client_take(&client);
    cr_assert_eq(client.pixels[5], 0x400005);
    cr_assert_eq(client.pixels[SIDE], 0x300000 + SIDE);
    cr_assert_eq(command(CONTROL, 0x10d, 18, 0, 0, SIDE, SIDE, 0, 7, SIDE, SIDE, 2, 0, 4 * SIDE, 0,
                         0, 0, 4, 0, 0, 0),
                 ERR_PARAMETER, "it ends behind the blob");
}

Test(virtio_gpu, refuses_what_does_not_fit)
{
    cr_assert_eq(create(0, 1, SIDE), ERR_RESOURCE);
    cr_assert_eq(create(1, 1, 0), ERR_MEMORY);
    cr_assert_eq(create(1, 1, 8193), ERR_MEMORY);
    cr_assert_eq(create(1, 1, 8192), OK);
    cr_assert_eq(create(2, 1, 8192), ERR_MEMORY, "all pictures together have a limit");
    cr_assert_eq(create(1, 1, SIDE), ERR_RESOURCE, "taken");
    cr_assert_eq(transfer(1, 0, 0, 4, 4, 0), ERR_PARAMETER, "no pages");
    cr_assert_eq(attach(1, 64), OK);
    cr_assert_eq(transfer(1, 0, 0, 16, 2, 0), ERR_PARAMETER, "too few pages");
    cr_assert_eq(transfer(1, 8190, 0, 4, 1, 0), ERR_PARAMETER);
    cr_assert_eq(transfer(1, 0, 0, 4, 1, 0xffffffffu), ERR_PARAMETER);
    cr_assert_eq(set_scanout(2, 1, SIDE, SIDE), ERR_SCANOUT);
    cr_assert_eq(set_scanout(0, 9, SIDE, SIDE), ERR_RESOURCE);
    cr_assert_eq(set_scanout(0, 1, 8193, 16), ERR_PARAMETER);
    cr_assert_eq(set_scanout(0, 1, 15, 16), ERR_PARAMETER);
    cr_assert_eq(flush(9, 0, 0, 1, 1), ERR_RESOURCE);
    cr_assert_eq(command(CONTROL, 0x106, 2, 1, 20000), ERR_PARAMETER, "too many pages");
    cr_assert_eq(command(CONTROL, 0x106, 2, 1, 3), ERR_PARAMETER, "pages that are not there");
    cr_assert_eq(command(CONTROL, 0x777, 0), 0x1200);
}

Test(virtio_gpu, a_resource_in_use_can_go)
{
    show_picture(1);
    cr_assert_eq(command(CONTROL, 0x102, 2, 1, 0), OK);
    display_client_take(&client);
    cr_assert_eq(client.width, 0, "what showed it shows nothing");
    cr_assert_eq(flush(1, 0, 0, 4, 4), ERR_RESOURCE);
    cr_assert_eq(command(CONTROL, 0x102, 2, 1, 0), ERR_RESOURCE);
}

Test(virtio_gpu, pages_may_vanish_under_a_picture)
{
    show_picture(1);
    cr_assert_eq(command(CONTROL, 0x106, 6, 1, 1, (u32)RIG_OUTSIDE_GPA, 0, 4 * SIDE * SIDE, 0), OK);
    cr_assert_eq(transfer(1, 0, 0, SIDE, SIDE, 0), ERR_PARAMETER, "they are no RAM");
    cr_assert_eq(command(CONTROL, 0x107, 2, 1, 0), OK);
    cr_assert_eq(transfer(1, 0, 0, 1, 1, 0), ERR_PARAMETER);
    cr_assert_eq(flush(1, 0, 0, SIDE, SIDE), OK, "the host's copy is still there");
}

/* SET_SCANOUT_BLOB of blob 7: SIDE by SIDE of a picture of that size on head 0. */
static u32 show_blob(u32 width, u32 height, u32 format, u32 stride, u32 offset)
{
    return command(CONTROL, 0x10d, 18, 0, 0, SIDE, SIDE, 0, 7, width, height, format, 0, stride, 0,
                   0, 0, offset, 0, 0, 0);
}

Test(virtio_gpu, absurd_blobs_are_refused)
{
    const u32 last = 0xffffffffu, bytes = 4 * SIDE * SIDE;
    cr_assert_eq(command(CONTROL, 0x10c, 12, 7, 1, 0, 1, 0, 0, last, last,
                         (u32)RIG_DATA_GPA + PIXELS, 0, bytes, 0),
                 OK, "larger than its pages: they count");
    cr_assert_eq(show_blob(SIDE, SIDE, 2, last, 0), ERR_PARAMETER);
    cr_assert_eq(show_blob(SIDE, SIDE, 2, 4 * SIDE, last), ERR_PARAMETER);
    cr_assert_eq(show_blob(SIDE, SIDE, 2, 4 * SIDE - 1, 0), ERR_PARAMETER, "rows overlap");
    cr_assert_eq(show_blob(SIDE, SIDE, 2, 0, 0), ERR_PARAMETER);
    cr_assert_eq(show_blob(last, last, 2, last, 0), ERR_PARAMETER);
    cr_assert_eq(show_blob(0x40000001, 1, 2, 4, 0), ERR_PARAMETER, "four times that wraps");
    cr_assert_eq(show_blob(SIDE, 0, 2, 4 * SIDE, 0), ERR_PARAMETER);
    cr_assert_eq(show_blob(SIDE - 1, SIDE, 2, 4 * SIDE, 0), ERR_PARAMETER, "less than is shown");
    cr_assert_eq(show_blob(SIDE, SIDE, 999, 4 * SIDE, 0), ERR_PARAMETER);
    cr_assert_eq(show_blob(SIDE, SIDE, 2, 4 * SIDE, 0), OK);
    /* Its pages go while it is shown, come back fewer, and it goes itself. */
    cr_assert_eq(command(CONTROL, 0x107, 2, 7, 0), OK);
    cr_assert_eq(flush(7, 0, 0, SIDE, SIDE), OK);
    cr_assert_eq(attach(7, 4 * SIDE), OK);
    cr_assert_eq(flush(7, 0, 0, SIDE, SIDE), OK);
    cr_assert_eq(flush(7, last, last, last, last), OK);
    cr_assert_eq(command(CONTROL, 0x102, 2, 7, 0), OK);
    cr_assert_eq(flush(7, 0, 0, SIDE, SIDE), ERR_RESOURCE);
    display_client_take(&client);
    cr_assert_eq(client.width, 0);
}

Test(virtio_gpu, a_flip_to_what_then_goes)
{
    show_picture(1);
    cr_assert_eq(create(2, 1, SIDE), OK);
    cr_assert_eq(set_scanout(0, 2, SIDE, SIDE), OK);
    cr_assert_eq(command(CONTROL, 0x102, 2, 2, 0), OK);
    cr_assert_eq(flush(1, 0, 0, SIDE, SIDE), OK, "nothing shows it now");
    display_client_take(&client);
    cr_assert_eq(client.width, 0);
    cr_assert_eq(set_scanout(0, 1, SIDE, SIDE), OK);
    display_client_take(&client);
    cr_assert_eq(client.width, SIDE);
}

Test(virtio_gpu, lists_of_pages_have_a_limit_together)
{
    struct gpu_resources all = {0};
    const unsigned most = GPU_MAX_ALL_ENTRIES / GPU_MAX_PAGES_ENTRIES;
    for (u32 id = 1; id <= most + 1; id++) {
        struct gpu_resource *made = gpu_resource_new_blob(&all, id, 4096);
        struct gpu_pages *pages = calloc(GPU_MAX_PAGES_ENTRIES, sizeof(*pages));
        cr_assert_not_null(made);
        cr_assert_eq(gpu_resource_attach(&all, made, pages, GPU_MAX_PAGES_ENTRIES), id <= most);
        cr_assert_eq(made->page_count, id <= most ? GPU_MAX_PAGES_ENTRIES : 0);
    }
    struct gpu_pages *again = calloc(GPU_MAX_PAGES_ENTRIES, sizeof(*again));
    cr_assert(gpu_resource_attach(&all, all.first, again, GPU_MAX_PAGES_ENTRIES),
              "in place of its own");
    gpu_resource_free(&all, all.first);
    struct gpu_resource *last = gpu_resource_find(&all, most + 1);
    again = calloc(GPU_MAX_PAGES_ENTRIES, sizeof(*again));
    cr_assert(gpu_resource_attach(&all, last, again, GPU_MAX_PAGES_ENTRIES), "there is room again");
    gpu_resources_clear(&all);
    cr_assert_eq(all.page_entries, 0);
}

Test(virtio_gpu, answers_a_fence)
{
    u8 bytes[HEADER] = {0};
    const struct rig_buffer chain[] = {{RIG_DATA_GPA, HEADER, 0}, {response_gpa, 512, RIG_WRITE}};
    st_le32(bytes, 0x100);
    st_le32(bytes + 4, 1);
    st_le64(bytes + 8, 0x1122334455667788u);
    rig_store(&rig, RIG_DATA_GPA, bytes, sizeof(bytes));
    rig_run(&rig, CONTROL, chain, 2);
    cr_assert_eq(rig_load32(&rig, response_gpa + 4), 1);
    cr_assert_eq(rig_load32(&rig, response_gpa + 8), 0x55667788);
}

Test(virtio_gpu, bears_short_chains)
{
    const struct rig_buffer small = {RIG_DATA_GPA, 3, 0};
    const struct rig_buffer only_out[] = {{RIG_DATA_GPA, HEADER, 0}};
    rig_run(&rig, CONTROL, &small, 1);
    cr_assert_eq(f.log_count, 1);
    rig_run(&rig, CONTROL, only_out, 1);
    rig_run(&rig, CURSOR, &small, 1);
}

Test(virtio_gpu, has_a_cursor)
{
    show_picture(1);
    cr_assert_eq(create(2, 1, 64), OK);
    cr_assert_eq(attach(2, 4 * 64 * 64), OK);
    cr_assert_eq(transfer(2, 0, 0, 64, 64, 0), OK);
    cr_assert_eq(command(CURSOR, 0x300, 8, 0, 10, 20, 0, 2, 3, 4, 0), OK);
    display_client_take(&client);
    cr_assert(client.cursor.visible);
    cr_assert_eq(client.cursor.x, 13, "where the hot spot is");
    cr_assert_eq(client.cursor.hot_y, 4);
    cr_assert_eq(client.cursor.pixels[1], 0xff000001u);
    cr_assert_eq(command(CURSOR, 0x301, 8, 0, 11, 21, 0, 2, 3, 4, 0), OK);
    display_client_take(&client);
    cr_assert_eq(client.cursor.y, 25);
    cr_assert_eq(command(CURSOR, 0x300, 8, 0, 10, 20, 0, 0, 0, 0, 0), OK);
    display_client_take(&client);
    cr_assert_not(client.cursor.visible);
    cr_assert_eq(command(CURSOR, 0x300, 8, 7, 10, 20, 0, 2, 3, 4, 0), ERR_SCANOUT);
}

Test(virtio_gpu, a_cursor_may_be_anywhere)
{
    const u32 least = 0x80000000u, last = 0xffffffffu;
    show_picture(1);
    cr_assert_eq(create(2, 1, 64), OK);
    cr_assert_eq(command(CURSOR, 0x300, 8, 0, least, last, 0, 2, last, last, 0), OK);
    display_client_take(&client);
    cr_assert_eq(client.cursor.x, -4 * 8192, "far to the left, with no number that wraps");
    cr_assert_eq(client.cursor.y, 62);
    cr_assert_lt(client.cursor.hot_x, client.cursor.width, "inside it, whatever was said");
    cr_assert_eq(command(CURSOR, 0x301, 8, 0, last >> 1, least, 0, 0, 0, 0, 0), OK);
    cr_assert_eq(command(CONTROL, 0x102, 2, 2, 0), OK, "its picture goes");
    display_client_take(&client);
    cr_assert_eq(client.cursor.x, 4 * 8192);
    cr_assert_eq(client.cursor.y, -4 * 8192);
    cr_assert_eq(command(CURSOR, 0x300, 8, 0, 0, 0, 0, 2, 0, 0, 0), OK);
    display_client_take(&client);
    cr_assert_not(client.cursor.visible, "there is none to be shown");
    cr_assert_eq(command(CURSOR, 0x300, 8, 0, 0, 0, 0, 1, 0, 0, 0), OK);
    cr_assert_eq(create(3, 1, 32), OK);
    cr_assert_eq(command(CURSOR, 0x300, 8, 0, 0, 0, 0, 3, 0, 0, 0), OK);
    display_client_take(&client);
    cr_assert_not(client.cursor.visible, "a cursor is 64 by 64");
}

Test(virtio_gpu, a_user_asks_for_a_size)
{
    display_request_size(display, 1, 640, 480);
    cr_assert_eq(rig_read(&rig, 0x100), 0);
    journal_deliver(f.journal, 1);
    cr_assert_eq(rig_read(&rig, 0x100), 1, "an event");
    cr_assert(f.lines[0]);
    command(CONTROL, 0x100, 0);
    cr_assert_eq(rig_load32(&rig, response_gpa + HEADER + 24 + 8), 640);
    rig_write(&rig, 0x104, 1);
    cr_assert_eq(rig_read(&rig, 0x100), 0);
    display_request_size(display, 1, 3, 480);
    display_request_size(display, 5, 640, 480);
    journal_deliver(f.journal, 2);
    cr_assert_eq(rig_read(&rig, 0x100), 0, "sizes that are none are no event");
}

enum { EVENTS_READ = 0x100, EVENTS_CLEAR = 0x104 };

static void user_asks(unsigned head, u32 width, u32 height)
{
    static u64 now;
    display_request_size(display, head, width, height);
    journal_deliver(f.journal, ++now);
}

Test(virtio_gpu, a_size_between_a_question_and_its_end_is_told_again)
{
    user_asks(1, 640, 480);
    command(CONTROL, 0x100, 0);
    user_asks(0, 320, 200);
    rig_write(&rig, EVENTS_CLEAR, 1);
    cr_assert_eq(rig_read(&rig, EVENTS_READ), 1, "the driver has not asked since");
    command(CONTROL, 0x100, 0);
    rig_write(&rig, EVENTS_CLEAR, 1);
    cr_assert_eq(rig_read(&rig, EVENTS_READ), 0, "and only once");
}

Test(virtio_gpu, a_driver_may_clear_an_event_before_it_asks)
{
    user_asks(1, 640, 480);
    user_asks(0, 320, 200);
    rig_write(&rig, EVENTS_CLEAR, 1);
    cr_assert_eq(rig_read(&rig, EVENTS_READ), 0);
    command(CONTROL, 0x100, 0);
    user_asks(0, 640, 400);
    rig_write(&rig, EVENTS_CLEAR, 1);
    cr_assert_eq(rig_read(&rig, EVENTS_READ), 0, "a question about the event before counts not");
}

Test(virtio_gpu, is_saved_with_its_pictures)
{
    show_picture(1);
    struct display *second = display_new();
    struct virtio_gpu_config other_gpu = {second, 2, 1024, 768};
    struct virtio_mmio_config other_config = {&virtio_gpu_type, &other_gpu};
    struct device *other = fixture_device(&f, &virtio_mmio_class, &other_config, 1);
    struct display_client viewer = {.head = 0};
    display_add_client(second, &viewer);
    fixture_clone_state(rig.device, other);
    display_client_take(&viewer);
    cr_assert_eq(viewer.width, SIDE, "and shown at once");
    cr_assert_eq(viewer.pixels[77] & 0xffffff, 77);
    device_free(other);
    display_remove_client(&viewer);
    display_free(second);
}

Test(virtio_gpu, a_reset_forgets_all)
{
    show_picture(1);
    rig_write(&rig, 0x70, 0);
    display_client_take(&client);
    cr_assert_eq(client.width, 0);
    rig_start(&rig, 0, 2);
    cr_assert_eq(flush(1, 0, 0, 1, 1), ERR_RESOURCE);
    cr_assert_eq(create(1, 1, SIDE), OK);
}
