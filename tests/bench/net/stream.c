/* Both ends of the network's bench.
 *
 *     stream serve PORT                 answers at PORT (0: a free one, which is printed)
 *     stream ADDRESS PORT get BYTES     takes so many bytes
 *     stream ADDRESS PORT put BYTES     sends so many, and waits until they were taken
 *     stream ADDRESS PORT ask TIMES     sends a byte and waits for one, so many times
 *
 * What is asked for is a letter and the number, 8 bytes little-endian. Prints nanoseconds, and the
 * sum of what was read. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static unsigned char buffer[256 << 10];

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int put_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t put = write(fd, at, size);
        if (put <= 0) {
            return 0;
        }
        at += put;
        size -= (size_t)put;
    }
    return 1;
}

static int put_many(int fd, uint64_t count)
{
    memset(buffer, 'm', sizeof(buffer));
    while (count > 0) {
        size_t part = count < sizeof(buffer) ? (size_t)count : sizeof(buffer);
        if (!put_all(fd, buffer, part)) {
            return 0;
        }
        count -= part;
    }
    return 1;
}

/* The count of bytes that came. */
static uint64_t get_many(int fd, uint64_t count)
{
    uint64_t got = 0;
    while (got < count) {
        size_t room = count - got < sizeof(buffer) ? (size_t)(count - got) : sizeof(buffer);
        ssize_t part = read(fd, buffer, room);
        if (part <= 0) {
            break;
        }
        got += (uint64_t)part;
    }
    return got;
}

static uint64_t echo_many(int fd, uint64_t count, int first)
{
    uint64_t done = 0;
    char byte = 'a';
    for (; done < count; done++) {
        if ((first && !put_all(fd, &byte, 1)) || read(fd, &byte, 1) != 1 ||
            (!first && !put_all(fd, &byte, 1))) {
            break;
        }
    }
    return done;
}

static void answer(int fd)
{
    unsigned char head[9];
    uint64_t count;
    if (recv(fd, head, sizeof(head), MSG_WAITALL) != sizeof(head)) {
        return;
    }
    memcpy(&count, head + 1, sizeof(count));
    switch (head[0]) {
    case 'g': put_many(fd, count); break;
    case 'p':
        count = get_many(fd, count);
        put_all(fd, &count, sizeof(count));
        break;
    default: echo_many(fd, count, 0);
    }
}

static void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int serve(int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t name_bytes = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &name_bytes) != 0) {
        perror("stream");
        return 1;
    }
    printf("%u\n", ntohs(name.sin_port));
    fflush(stdout);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int one = accept(fd, NULL, NULL);
        if (one >= 0) {
            no_delay(one);
            answer(one);
            close(one);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        return serve(atoi(argv[2]));
    }
    if (argc != 5) {
        return 2;
    }
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    uint64_t count = strtoull(argv[4], NULL, 0), result = 0;
    unsigned char head[9] = {(unsigned char)argv[3][0]};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, argv[1], &name.sin_addr);
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        return 1;
    }
    no_delay(fd);
    memcpy(head + 1, &count, sizeof(count));
    int64_t began_ns = now_ns();
    if (!put_all(fd, head, sizeof(head))) {
        return 1;
    }
    switch (head[0]) {
    case 'g': result = get_many(fd, count); break;
    case 'p':
        if (!put_many(fd, count) ||
            recv(fd, &result, sizeof(result), MSG_WAITALL) != sizeof(result)) {
            return 1;
        }
        break;
    default: result = echo_many(fd, count, 1);
    }
    printf("%lld %llu\n", (long long)(now_ns() - began_ns), (unsigned long long)result);
    return result == count ? 0 : 1;
}
