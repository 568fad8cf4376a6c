#include "hw/loop.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct loop *loop;

static void setup(void)
{
    loop = loop_new(NULL, NULL);
    cr_assert_not_null(loop);
    cr_assert(loop_start(loop, NULL));
}

static void teardown(void)
{
    loop_free(loop);
}

TestSuite(loop, .init = setup, .fini = teardown, .timeout = 20);

static char order[8];
static unsigned order_count;

static void note(void *opaque)
{
    order[order_count++] = *(const char *)opaque;
}

Test(loop, jobs_run_in_order)
{
    loop_post(loop, note, "a");
    loop_post(loop, note, "b");
    loop_post(loop, note, "c");
    loop_drain(loop);
    cr_assert_str_eq(order, "abc");
}

Test(loop, what_was_posted_runs_before_the_end)
{
    struct loop *other = loop_new(NULL, NULL);
    cr_assert(loop_start(other, NULL));
    order_count = 0;
    loop_post(other, note, "x");
    loop_free(other);
    cr_assert_eq(order_count, 1);
}

Test(loop, what_was_posted_runs_without_a_start)
{
    struct loop *other = loop_new(NULL, NULL);
    order_count = 0;
    loop_post(other, note, "x");
    loop_drain(other);
    cr_assert_eq(order_count, 1);
    loop_post(other, note, "y");
    loop_free(other);
    cr_assert_eq(order_count, 2);
}

struct reader {
    struct loop_watch watch;
    _Atomic unsigned got;
    bool remove_itself;
};

static void read_byte(void *opaque, u32 events)
{
    struct reader *reader = opaque;
    char byte;
    cr_assert(events & EPOLLIN);
    if (read(reader->watch.fd, &byte, 1) == 1) {
        reader->got++;
    }
    if (reader->remove_itself) {
        loop_remove(loop, &reader->watch);
    }
}

Test(loop, watches_are_called_until_removed)
{
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    struct reader reader = {.watch = {.fd = pipe_fds[0], .events = EPOLLIN, .ready = read_byte}};
    reader.watch.opaque = &reader;
    cr_assert(loop_add(loop, &reader.watch, NULL));
    cr_assert_eq(write(pipe_fds[1], "ab", 2), 2);
    while (reader.got < 2) {
        loop_drain(loop);
    }
    loop_modify(loop, &reader.watch, 0);
    loop_drain(loop);
    cr_assert_eq(write(pipe_fds[1], "c", 1), 1);
    loop_drain(loop);
    cr_assert_eq(reader.got, 2, "no longer asked for");
    loop_modify(loop, &reader.watch, EPOLLIN);
    while (reader.got < 3) {
        loop_drain(loop);
    }
    loop_remove(loop, &reader.watch);
    cr_assert_eq(write(pipe_fds[1], "d", 1), 1);
    loop_drain(loop);
    loop_drain(loop);
    cr_assert_eq(reader.got, 3);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* Nothing is lost of what came before the thread. */
Test(loop, watches_wait_for_the_start)
{
    struct loop *other = loop_new(NULL, NULL);
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    struct reader reader = {.watch = {.fd = pipe_fds[0], .events = EPOLLIN, .ready = read_byte}};
    reader.watch.opaque = &reader;
    cr_assert(loop_add(other, &reader.watch, NULL));
    cr_assert_eq(write(pipe_fds[1], "a", 1), 1);
    loop_drain(other);
    cr_assert_eq(reader.got, 0);
    cr_assert(loop_start(other, NULL));
    cr_assert(loop_start(other, NULL), "it has begun already");
    while (reader.got < 1) {
        loop_drain(other);
    }
    loop_remove(other, &reader.watch);
    loop_free(other);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

Test(loop, a_watch_may_remove_itself)
{
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    struct reader reader = {.watch = {.fd = pipe_fds[0], .events = EPOLLIN, .ready = read_byte},
                            .remove_itself = true};
    reader.watch.opaque = &reader;
    cr_assert(loop_add(loop, &reader.watch, NULL));
    cr_assert_eq(write(pipe_fds[1], "ab", 2), 2);
    while (reader.got < 1) {
        loop_drain(loop);
    }
    loop_drain(loop);
    loop_drain(loop);
    cr_assert_eq(reader.got, 1);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

Test(loop, a_file_cannot_be_watched)
{
    FILE *file = tmpfile();
    struct metic_error error = {0};
    struct loop_watch watch = {.fd = fileno(file), .events = EPOLLIN, .ready = read_byte};
    cr_assert(!loop_add(loop, &watch, &error));
    cr_assert_neq(error.what[0], '\0');
    fclose(file);
}
