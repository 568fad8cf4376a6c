/* The guest's end of the clipboard, as SPICE's agent is it, for a shell:
 *
 *   clip PORT           says what the agent says when it starts, and then each text of the host's
 *                       that is announced, as "host has: TEXT"; a line on its input is copied, and
 *                       "host takes it" is said when the host has asked for it
 *   clip PORT hostile   writes a megabyte of anything, in chunks and without */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIPBOARD = 4, CAPABILITIES = 6, GRAB = 7, REQUEST = 8, LONGEST = 14 };

struct message {
    uint32_t protocol, type;
    uint64_t opaque;
    uint32_t bytes;
} __attribute__((packed));

static int port;
static char copied[1 << 20];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void put(const void *bytes, size_t size)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t done = write(port, at, size);
        if (done <= 0) {
            die("write");
        }
        at += done;
        size -= (size_t)done;
    }
}

static void get(void *bytes, size_t size)
{
    for (char *at = bytes; size > 0;) {
        ssize_t done = read(port, at, size);
        if (done <= 0) {
            die("read");
        }
        at += done;
        size -= (size_t)done;
    }
}

static void say(uint32_t type, const uint32_t *words, unsigned count, const char *text)
{
    static char bytes[sizeof(copied) + 64];
    size_t text_bytes = strlen(text);
    struct message head = {1, type, 0, (uint32_t)(4 * count + text_bytes)};
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), words, 4 * count);
    memcpy(bytes + sizeof(head) + 4 * count, text, text_bytes);
    size_t all = sizeof(head) + head.bytes;
    for (size_t at = 0; at < all; at += 2048) {
        uint32_t chunk[2] = {1, (uint32_t)(all - at < 2048 ? all - at : 2048)};
        put(chunk, sizeof(chunk));
        put(bytes + at, chunk[1]);
    }
}

/* The next message's type; its data, with a zero behind. */
static uint32_t hear(char *data, uint32_t *size)
{
    static char bytes[sizeof(copied) + 64];
    struct message head;
    size_t got = 0;
    do {
        uint32_t chunk[2];
        get(chunk, sizeof(chunk));
        if (chunk[0] != 1 || chunk[1] > 2048 || got + chunk[1] > sizeof(bytes)) {
            printf("a bad chunk\n");
            exit(1);
        }
        get(bytes + got, chunk[1]);
        got += chunk[1];
        memcpy(&head, bytes, sizeof(head));
    } while (got < sizeof(head) || got < sizeof(head) + head.bytes);
    memcpy(data, bytes + sizeof(head), head.bytes);
    data[head.bytes] = '\0';
    *size = head.bytes;
    return head.type;
}

static void serve_port(void)
{
    static const uint32_t text[2] = {0, 1};
    static char data[sizeof(copied) + 64];
    uint32_t size;
    switch (hear(data, &size)) {
    case CAPABILITIES: printf("clipboard is shared\n"); break;
    case GRAB: say(REQUEST, text, 2, ""); break;
    case REQUEST:
        say(CLIPBOARD, text, 2, copied);
        printf("host takes it\n");
        break;
    case CLIPBOARD:
        if (size < 200) {
            printf("host has: %s\n", data + 8);
        } else {
            unsigned sum = 0;
            for (uint32_t i = 8; i < size; i++) {
                sum = sum * 31 + (unsigned char)data[i];
            }
            printf("host has %u bytes, sum %u\n", size - 8, sum);
        }
        break;
    case LONGEST: break;
    default: printf("an unknown message\n");
    }
}

static void be_hostile(void)
{
    uint32_t state = 1;
    for (unsigned i = 0; i < 256; i++) {
        uint32_t words[1024];
        for (unsigned w = 0; w < 1024; w++) {
            state = state * 1664525 + 1013904223;
            words[w] = state >> 16 < 0x2000 ? state & 15 : state;
        }
        words[0] = i % 3 == 0 ? words[0] : 1;
        words[1] = i % 5 == 0 ? 0xffffffff : 4088;
        put(words, sizeof(words));
        if (i % 16 == 0) { /* begins anew */
            close(port);
            port = open("/dev/virtio-ports/com.redhat.spice.0", O_RDWR);
        }
    }
    printf("hostile: done\n");
}

int main(int argc, char **argv)
{
    static const uint32_t mine[2] = {1, 1 << 5 | 1 << 6 | 1 << 10}, grab[2] = {0, 1};
    setvbuf(stdout, NULL, _IOLBF, 0);
    port = open(argv[1], O_RDWR);
    if (port < 0) {
        die(argv[1]);
    }
    if (argc > 2) {
        be_hostile();
        return 0;
    }
    say(CAPABILITIES, mine, 2, "");
    for (;;) {
        struct pollfd fds[2] = {{port, POLLIN, 0}, {0, POLLIN, 0}};
        poll(fds, 2, -1);
        if ((fds[0].revents & POLLIN) != 0) {
            serve_port();
        }
        if (fds[1].revents != 0) {
            ssize_t got = read(0, copied, sizeof(copied) - 1);
            if (got <= 0) {
                return 0;
            }
            copied[got] = '\0';
            copied[strcspn(copied, "\n")] = '\0';
            say(GRAB, grab, 2, "");
        }
    }
}
