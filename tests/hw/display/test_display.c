#include "hw/display/display.h"
#include <criterion/criterion.h>
#include <string.h>

static struct display *display;
static struct display_producer low, high;
static struct display_client client;
static unsigned told, refreshed;

static void on_changed(void *opaque)
{
    (void)opaque;
    told++;
}

static void on_refresh(void *opaque)
{
    (void)opaque;
    refreshed++;
}

static void setup(void)
{
    display = display_new();
    low = (struct display_producer){.name = "low", .rank = 1};
    high = (struct display_producer){.name = "high", .rank = 2};
    display_add_producer(display, &low);
    display_add_producer(display, &high);
    client = (struct display_client){.head = 0, .changed = on_changed};
    display_add_client(display, &client);
    told = refreshed = 0;
}

static void teardown(void)
{
    display_remove_client(&client);
    display_remove_producer(display, &low);
    display_remove_producer(display, &high);
    display_free(display);
}

TestSuite(display, .init = setup, .fini = teardown);

static void put_one(struct display_producer *producer, u32 x, u32 y, u32 pixel)
{
    display_put(display, producer, 0, (struct display_rect){x, y, 1, 1}, &pixel, 1);
}

Test(display, clips_what_wraps)
{
    struct display_rect all = {0, 0, 100, 50};
    struct display_rect got = display_clip((struct display_rect){90, 40, 0xffffffffu, 20}, all);
    cr_assert_eq(got.width, 10);
    cr_assert_eq(got.height, 10);
    got = display_clip((struct display_rect){0xfffffff0u, 0, 0x20, 10}, all);
    cr_assert_eq(got.width, 0, "an end beyond 32 bits is not the start again");
    got = display_clip((struct display_rect){100, 0, 1, 1}, all);
    cr_assert_eq(got.width, 0);
}

Test(display, a_client_sees_what_changed)
{
    cr_assert(display_client_take(&client), "everything is new at first");
    cr_assert_eq(client.width, 0);
    cr_assert(display_show(display, &low, 0, 8, 4));
    cr_assert(display_client_take(&client));
    cr_assert(client.resized);
    cr_assert_eq(client.width, 8);
    cr_assert_eq(client.height, 4);
    cr_assert_eq(client.pixels[31], 0);
    cr_assert_not(display_client_take(&client), "nothing happened since");
    put_one(&low, 3, 2, 0x123456);
    cr_assert(display_client_take(&client));
    cr_assert_not(client.resized);
    cr_assert_eq(client.rect_count, 1);
    cr_assert_eq(client.rects[0].x, 3);
    cr_assert_eq(client.rects[0].y, 2);
    cr_assert_eq(client.pixels[2 * 8 + 3], 0x123456);
}

Test(display, tells_once_until_looked_at)
{
    display_show(display, &low, 0, 8, 4);
    unsigned before = told;
    put_one(&low, 0, 0, 1);
    put_one(&low, 1, 1, 2);
    cr_assert_eq(told, before, "told already");
    display_client_take(&client);
    put_one(&low, 1, 1, 3);
    put_one(&low, 1, 1, 4);
    cr_assert_eq(told, before + 1);
}

/* What does not change is neither told of, nor copied: the client's pixels are its own to scribble
 * on, and stay scribbled but for the rectangle that was put. */
Test(display, a_still_screen_costs_nothing)
{
    display_show(display, &low, 0, 1280, 800);
    put_one(&low, 1, 1, 1);
    display_client_take(&client);
    memset(client.pixels, 0xee, 1280 * 800 * sizeof(u32));
    unsigned before = told;
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_not(display_client_take(&client));
        cr_assert_eq(client.rect_count, 0);
    }
    cr_assert_eq(told, before);
    put_one(&low, 640, 400, 5);
    cr_assert_eq(told, before + 1);
    cr_assert(display_client_take(&client));
    unsigned copied = 0;
    for (u32 i = 0; i < 1280 * 800; i++) {
        copied += client.pixels[i] != 0xeeeeeeeeu;
    }
    cr_assert_eq(copied, 1, "%u pixels were copied for one", copied);
}

Test(display, many_rectangles_become_few_and_cover_all)
{
    display_show(display, &low, 0, 200, 200);
    display_client_take(&client);
    for (u32 i = 0; i < 100; i++) {
        put_one(&low, i * 37 % 200, i * 61 % 200, i + 1);
    }
    cr_assert(display_client_take(&client));
    cr_assert_leq(client.rect_count, DISPLAY_MAX_RECTS);
    for (u32 i = 0; i < 100; i++) {
        cr_assert_eq(client.pixels[i * 61 % 200 * 200 + i * 37 % 200], i + 1);
    }
}

Test(display, the_higher_rank_is_seen_and_the_lower_comes_back)
{
    low.refresh = on_refresh;
    display_show(display, &low, 0, 8, 4);
    display_show(display, &high, 0, 16, 16);
    cr_assert(display_is_seen(display, &high, 0));
    put_one(&high, 1, 1, 9);
    cr_assert_not(display_is_seen(display, &low, 0));
    put_one(&low, 0, 0, 7);
    display_client_take(&client);
    cr_assert_eq(client.width, 16);
    cr_assert_eq(client.pixels[0], 0, "the lower one is unseen");
    refreshed = 0;
    display_hide(display, &high, 0);
    cr_assert_eq(refreshed, 1, "asked to put everything again");
    cr_assert(display_show(display, &low, 0, 8, 4));
    display_client_take(&client);
    cr_assert_eq(client.width, 8);
    display_hide(display, &low, 0);
    display_client_take(&client);
    cr_assert_eq(client.width, 0);
    cr_assert_null(client.pixels);
}

/* Only who tells nobody of changes must be looked at again and again. */
Test(display, says_who_must_be_looked_at)
{
    low.refresh = on_refresh;
    display_client_take(&client);
    cr_assert_not(client.untold, "nothing is shown");
    display_show(display, &low, 0, 8, 4);
    display_client_take(&client);
    cr_assert(client.untold);
    display_show(display, &high, 0, 16, 16);
    display_client_take(&client);
    cr_assert(client.untold, "what is black may be left for the lower one");
    put_one(&high, 1, 1, 9);
    display_client_take(&client);
    cr_assert_not(client.untold);
    display_hide(display, &high, 0);
    display_client_take(&client);
    cr_assert(client.untold);
}

/* Firmware that starts a GPU and then draws into the framebuffer alone. */
Test(display, what_stays_black_hides_nothing)
{
    display_show(display, &low, 0, 8, 4);
    display_show(display, &high, 0, 16, 16);
    put_one(&high, 2, 2, 0);
    display_client_take(&client);
    cr_assert_eq(client.width, 16, "both are black: the higher rank");
    cr_assert(display_is_seen(display, &low, 0), "the lower one may put");
    put_one(&low, 3, 3, 7);
    display_client_take(&client);
    cr_assert_eq(client.width, 8);
    cr_assert_eq(client.pixels[3 * 8 + 3], 7);
    put_one(&high, 2, 2, 0xff000000u);
    display_client_take(&client);
    cr_assert_eq(client.width, 8);
    put_one(&high, 5, 6, 1);
    display_client_take(&client);
    cr_assert_eq(client.width, 16);
    cr_assert_eq(client.pixels[6 * 16 + 5], 1);
    cr_assert_eq(client.pixels[3 * 8 + 3], 0, "nothing of the other's is left");
    display_show(display, &high, 0, 8, 4);
    display_client_take(&client);
    cr_assert_eq(client.width, 8, "another size of what is lit");
    display_hide(display, &high, 0);
    display_hide(display, &low, 0);
}

Test(display, refuses_sizes_that_are_none)
{
    cr_assert_not(display_show(display, &low, 0, 0, 4));
    cr_assert_not(display_show(display, &low, 0, 4, DISPLAY_MAX_SIDE + 1));
    cr_assert_not(display_show(display, &low, DISPLAY_MAX_HEADS, 4, 4));
    cr_assert_eq(display_head_count(display), 0);
}

Test(display, puts_only_what_is_inside)
{
    static u32 pixels[32 * 32];
    for (unsigned i = 0; i < 32 * 32; i++) {
        pixels[i] = i;
    }
    display_show(display, &low, 0, 8, 4);
    display_put(display, &low, 0, (struct display_rect){6, 2, 32, 32}, pixels, 32);
    display_put(display, &low, 0, (struct display_rect){0xffffffffu, 2, 32, 32}, pixels, 32);
    display_client_take(&client);
    cr_assert_eq(client.pixels[3 * 8 + 7], 33);
    cr_assert_eq(client.pixels[2 * 8 + 5], 0);
}

Test(display, a_cursor_is_its_producers)
{
    static struct display_cursor cursor = {.visible = true, .x = 5, .width = 64, .height = 64};
    display_show(display, &low, 0, 8, 4);
    display_client_take(&client);
    display_set_cursor(display, &high, 0, &cursor);
    cr_assert_not(display_client_take(&client), "not of one that is not seen");
    display_set_cursor(display, &low, 0, &cursor);
    cr_assert(display_client_take(&client));
    cr_assert(client.cursor_reshaped);
    cr_assert_eq(client.cursor.x, 5);
    display_move_cursor(display, &low, 0, 6, -1);
    cr_assert(display_client_take(&client));
    cr_assert_not(client.cursor_reshaped);
    cr_assert_eq(client.cursor.y, -1);
    display_show(display, &high, 0, 8, 4);
    display_client_take(&client);
    cr_assert_not(client.cursor.visible, "another producer brings its own");
}

struct row_reader {
    u32 rows; /* that there are */
    unsigned told; /* clients, before all were read */
};

static bool read_row(void *opaque, u32 x, u32 y, u32 width, u32 *pixels)
{
    struct row_reader *reader = opaque;
    reader->told += told;
    for (u32 i = 0; i < width && y < reader->rows; i++) {
        pixels[i] = 1000 * y + x + i;
    }
    return y < reader->rows;
}

Test(display, rows_are_seen_at_once)
{
    struct row_reader reader = {.rows = 10};
    display_show(display, &low, 0, 8, 4);
    display_client_take(&client);
    told = 0;
    display_put_rows(display, &low, 0, (struct display_rect){6, 1, 32, 32}, read_row, &reader);
    cr_assert_eq(reader.told, 0, "a client heard of half a picture");
    cr_assert_eq(told, 1);
    cr_assert(display_client_take(&client));
    cr_assert_eq(client.rect_count, 1);
    cr_assert_eq(client.rects[0].height, 3);
    cr_assert_eq(client.pixels[3 * 8 + 7], 2001);
    reader.rows = 1; /* of which the others cannot be read */
    display_put_rows(display, &low, 0, (struct display_rect){0, 0, 8, 4}, read_row, &reader);
    display_client_take(&client);
    cr_assert_eq(client.rects[0].height, 1);
    reader.rows = 0;
    display_put_rows(display, &low, 0, (struct display_rect){0, 0, 8, 4}, read_row, &reader);
    cr_assert_not(display_client_take(&client));
}

static void expect_on_desktop(unsigned head, u32 x, u32 y, u32 wanted_x, u32 wanted_y)
{
    display_to_desktop(display, head, 1000, &x, &y);
    cr_expect_eq(x, wanted_x, "head %u: x is %u, not %u", head, x, wanted_x);
    cr_expect_eq(y, wanted_y, "head %u: y is %u, not %u", head, y, wanted_y);
}

Test(display, knows_where_a_head_lies)
{
    expect_on_desktop(0, 500, 250, 500, 250); /* nothing is shown */
    display_show(display, &high, 0, 101, 101);
    expect_on_desktop(0, 333, 777, 333, 777); /* the only one, to the last bit */
    display_show(display, &high, 1, 100, 51);
    expect_on_desktop(0, 1000, 1000, 500, 1000); /* two, of which nobody says how they lie */
    expect_on_desktop(1, 0, 1000, 505, 500);
    expect_on_desktop(1, 1000, 0, 1000, 0);
    /* Parts of one picture, the second on the left. */
    display_set_place(display, &high, 0, (struct display_place){7, 100, 0, 201, 101});
    display_set_place(display, &high, 1, (struct display_place){7, 0, 50, 201, 101});
    expect_on_desktop(0, 0, 0, 500, 0);
    expect_on_desktop(0, 1000, 1000, 1000, 1000);
    expect_on_desktop(1, 0, 0, 0, 500);
    /* The same on both. */
    display_set_place(display, &high, 0, (struct display_place){7, 0, 0, 101, 101});
    display_set_place(display, &high, 1, (struct display_place){7, 0, 0, 101, 101});
    expect_on_desktop(0, 999, 1, 999, 1);
    display_hide(display, &high, 1);
    expect_on_desktop(0, 999, 1, 999, 1);
}
