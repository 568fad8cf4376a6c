/* The port with its journal, the capture, the cable between two ports, the user network. */
#include "hw/net/net_pcap.h"
#include "hw/net/net_port.h"
#include "hw/net/net_socket.h"
#include "hw/net/net_user.h"
#include "tests/hw/fixture.h"

#include <stdlib.h>
#include <unistd.h>

enum { FRAME = 64 };

static struct fixture f;
static char path[64];

static void setup(void)
{
    fixture_init(&f);
    snprintf(path, sizeof(path), "/tmp/metic-net-%d", (int)getpid());
}

static void teardown(void)
{
    unlink(path);
    fixture_fini(&f);
}

TestSuite(net_port, .init = setup, .fini = teardown, .timeout = 30);

static struct net_port *port_new(const char *pcap)
{
    struct net_port_options options = {.name = "net0", .clock = &f.clock, .journal = f.journal,
                                       .log = &f.log, .pcap_path = pcap};
    struct metic_error error = {{0}, {0}};
    struct net_port *port = net_port_new(&options, &error);
    cr_assert_not_null(port, "%s", error.what);
    return port;
}

static void send(struct net_port *port, u8 fill)
{
    struct net_frame *frame = net_frame_new(FRAME);
    memset(frame->bytes, fill, FRAME);
    net_port_send(port, frame);
}

Test(net_port, what_comes_passes_the_journal)
{
    u8 bytes[FRAME] = {1, 2, 3};
    struct net_port *port = port_new(NULL);
    net_port_set_device(port, free, NULL, NULL); /* somebody who does nothing */
    net_port_input(port, bytes, sizeof(bytes));
    cr_assert_null(net_port_peek(port));
    cr_assert(net_port_may_receive(port));
    journal_deliver(f.journal, 1);
    const struct net_frame *frame = net_port_peek(port);
    cr_assert_not_null(frame);
    cr_assert_eq(frame->size_bytes, FRAME);
    cr_assert_arr_eq(frame->bytes, bytes, FRAME);
    net_port_pop(port);
    cr_assert_null(net_port_peek(port));
    cr_assert_not(net_port_may_receive(port));
    net_port_input(port, bytes, 13);
    journal_deliver(f.journal, 2);
    cr_assert_null(net_port_peek(port), "less than a header is no frame");
    net_port_free(port);
}

Test(net_port, frames_that_are_too_long_are_lost)
{
    static u8 bytes[NET_FRAME_MAX_BYTES + 1];
    struct net_port *port = port_new(NULL);
    net_port_set_device(port, free, NULL, NULL);
    net_port_input(port, bytes, NET_FRAME_MAX_BYTES);
    net_port_input(port, bytes, sizeof(bytes));
    journal_deliver(f.journal, 1);
    cr_assert_not_null(net_port_peek(port));
    net_port_pop(port);
    cr_assert_null(net_port_peek(port));
    net_port_free(port);
}

Test(net_port, without_a_backend_all_is_lost)
{
    struct net_port *port = port_new(NULL);
    cr_assert_not(net_port_has_carrier(port));
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert(net_port_can_send(port));
        send(port, 1);
        net_port_flush(port);
    }
    cr_assert_null(net_port_take(port));
    net_port_free(port);
}

Test(net_port, a_capture_has_both_directions)
{
    u8 bytes[4096];
    struct net_port *port = port_new(path);
    send(port, 0x11);
    net_port_flush(port);
    net_port_set_device(port, free, NULL, NULL);
    memset(bytes, 0x22, FRAME);
    net_port_input(port, bytes, FRAME - 1);
    fixture_run_to_ns(&f, 5);
    journal_deliver(f.journal, 1);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    size_t got = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    cr_assert_eq(got, 28 + 40 + 2 * (44 + FRAME));
    cr_assert_arr_eq(bytes, "\x0a\x0d\x0d\x0a", 4);
    const u8 *first = bytes + 68, *second = first + 44 + FRAME;
    cr_assert_eq(ld_le32(first), 6);
    cr_assert_eq(ld_le32(first + 4), 44 + FRAME);
    cr_assert_eq(ld_le32(first + 40 + FRAME), 44 + FRAME);
    cr_assert_eq(ld_le32(first + 20), FRAME);
    cr_assert_eq(first[28], 0x11);
    cr_assert_eq(ld_le32(first + 28 + FRAME + 4), 2, "out");
    cr_assert_eq(ld_le32(second + 20), FRAME - 1);
    cr_assert_eq(second[28], 0x22);
    cr_assert_eq(second[28 + FRAME - 1], 0, "padded");
    cr_assert_eq(ld_le32(second + 28 + FRAME + 4), 1, "in");
    u64 when_ns = (u64)ld_le32(second + 12) << 32 | ld_le32(second + 16);
    cr_assert_eq(when_ns, 1000000000000000005u, "guest time from the wall clock's start on");
    net_port_free(port);
}

Test(net_port, a_capture_that_cannot_be_written)
{
    struct net_port_options options = {.name = "net0", .clock = &f.clock, .journal = f.journal,
                                       .log = &f.log, .pcap_path = "/no/such/place"};
    struct metic_error error = {{0}, {0}};
    cr_assert_null(net_port_new(&options, &error));
    cr_assert_not_null(strstr(error.what, "/no/such/place"));
}

/* Lets the loop work until the port has a frame. */
static const struct net_frame *await(struct net_port *port)
{
    for (unsigned i = 0; i < 5000 && net_port_peek(port) == NULL; i++) {
        usleep(1000);
        journal_deliver(f.journal, i);
    }
    return net_port_peek(port);
}

static struct net_backend *cable(struct net_port *port, struct loop *loop, bool *second)
{
    struct metic_error error = {{0}, {0}};
    struct net_backend *end = net_socket_new(port, path, loop, second, &error);
    cr_assert_not_null(end, "%s", error.what);
    net_port_attach(port, end);
    net_port_set_device(port, free, NULL, NULL);
    return end;
}

Test(net_port, a_cable_has_two_ends)
{
    struct loop *loop = loop_new(NULL, NULL);
    cr_assert(loop_start(loop, NULL));
    struct net_port *a = port_new(NULL), *b = port_new(NULL), *c = port_new(NULL);
    bool second = true;
    cable(a, loop, &second);
    cr_assert_not(second);
    send(a, 1);
    net_port_flush(a); /* nobody is there: lost */
    loop_drain(loop);
    cable(b, loop, &second);
    cr_assert(second);
    send(b, 2);
    net_port_flush(b);
    cr_assert_not_null(await(a));
    cr_assert_eq(net_port_peek(a)->bytes[0], 2);
    for (u8 i = 3; i < 103; i++) {
        send(a, i);
        net_port_flush(a);
    }
    for (u8 i = 3; i < 103; i++) {
        cr_assert_not_null(await(b));
        cr_assert_eq(net_port_peek(b)->bytes[0], i);
        net_port_pop(b);
    }
    net_port_free(a); /* the second end waits for another now */
    for (unsigned i = 0; i < 5000 && access(path, F_OK) != 0; i++) {
        usleep(1000);
    }
    cable(c, loop, &second);
    cr_assert(second);
    send(c, 4);
    net_port_flush(c);
    cr_assert_not_null(await(b));
    cr_assert_eq(net_port_peek(b)->bytes[0], 4);
    net_port_free(b);
    net_port_free(c);
    loop_free(loop);
}

Test(net_port, a_cable_does_not_destroy_files)
{
    struct loop *loop = loop_new(NULL, NULL);
    cr_assert(loop_start(loop, NULL));
    struct net_port *port = port_new(NULL);
    struct metic_error error = {{0}, {0}};
    bool second;
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL && fclose(file) == 0);
    cr_assert_null(net_socket_new(port, path, loop, &second, &error));
    cr_assert_not_null(strstr(error.what, "is no socket"), "%s", error.what);
    cr_assert_eq(access(path, F_OK), 0);
    net_port_free(port);
    loop_free(loop);
}

/* The router answers a question for its address by itself, so at once and always the same. */
Test(net_port, the_user_network_answers)
{
    static const u8 question[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1, 2, 3,
                                    8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 1, 2, 3,
                                    10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2};
    if (!net_user_is_built()) {
        cr_skip_test("built without libslirp");
    }
    struct net_port *port = port_new(NULL);
    struct net_user_options options = {.restricted = true};
    struct metic_error error = {{0}, {0}};
    struct net_backend *user = net_user_new(port, &options, &error);
    cr_assert_not_null(user, "%s", error.what);
    net_port_attach(port, user);
    net_port_set_device(port, free, NULL, NULL);
    struct net_frame *frame = net_frame_new(sizeof(question));
    memcpy(frame->bytes, question, sizeof(question));
    net_port_send(port, frame);
    net_port_flush(port);
    journal_deliver(f.journal, 1);
    const struct net_frame *answer = net_port_peek(port);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->bytes[21], 2, "a reply");
    cr_assert_arr_eq(answer->bytes + 28, "\x0a\0\2\2", 4);
    net_port_free(port);
}
