/* The host's end of the network's check.
 *
 *     host serve FILE BYTES   an HTTP server on a free port of 127.0.0.1, its number in FILE:
 *                             GET answers with BYTES bytes, PUT and POST with the count of bytes
 *                             that came. Runs until it is killed.
 *     host occupy FILE        listens on a free port, its number in FILE, until it is killed
 *     host get PORT           sends a line to 127.0.0.1:PORT, prints what comes back; fails without
 *     host datagram PORT      sends four bytes there by UDP
 *     host body BYTES         prints what the server would answer to GET */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return name;
}

static int listen_at_free_port(const char *path)
{
    struct sockaddr_in name = loopback(0);
    socklen_t name_bytes = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &name_bytes) != 0) {
        perror("listen");
        exit(1);
    }
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, "%d\n", ntohs(name.sin_port)) < 0 || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

/* Bytes that `wget` of the guest can check with md5sum: a counter. */
static void send_body(FILE *stream, long bytes)
{
    static unsigned char part[65536]; /* the counter repeats after as many */
    for (long i = 0; i < (long)sizeof(part); i++) {
        part[i] = (unsigned char)(i ^ i >> 8);
    }
    while (bytes > 0) {
        size_t now = bytes < (long)sizeof(part) ? (size_t)bytes : sizeof(part);
        if (fwrite(part, 1, now, stream) != now) {
            return;
        }
        bytes -= (long)now;
    }
}

static void answer(int fd, long bytes)
{
    char line[1024];
    long length = 0;
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    if (in == NULL || out == NULL || fgets(line, sizeof(line), in) == NULL) {
        return;
    }
    int get = strncmp(line, "GET ", 4) == 0;
    while (fgets(line, sizeof(line), in) != NULL && line[0] != '\r') {
        if (strncasecmp(line, "Content-Length:", 15) == 0) {
            length = atol(line + 15);
        }
    }
    long got = 0;
    while (!get && got < length) {
        size_t now = fread(line, 1, sizeof(line), in);
        if (now == 0) {
            break;
        }
        got += (long)now;
    }
    if (get) {
        fprintf(out, "HTTP/1.0 200 OK\r\nContent-Length: %ld\r\n\r\n", bytes);
        send_body(out, bytes);
    } else {
        fprintf(out, "HTTP/1.0 200 OK\r\n\r\nreceived %ld\n", got);
    }
    fclose(out);
    fclose(in);
}

static int get(int port)
{
    static const char hello[] = "hello from the host\n";
    char bytes[4096];
    ssize_t got;
    struct sockaddr_in name = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0 ||
        write(fd, hello, sizeof(hello) - 1) != sizeof(hello) - 1 ||
        shutdown(fd, SHUT_WR) != 0) {
        return 1;
    }
    size_t total = 0;
    while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
        total += fwrite(bytes, 1, (size_t)got, stdout);
    }
    return total == 0;
}

static int datagram(int port)
{
    struct sockaddr_in name = loopback(port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return sendto(fd, "ping", 4, 0, (struct sockaddr *)&name, sizeof(name)) != 4;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "get") == 0) {
        return get(atoi(argv[2]));
    }
    if (argc == 3 && strcmp(argv[1], "datagram") == 0) {
        return datagram(atoi(argv[2]));
    }
    if (argc == 3 && strcmp(argv[1], "body") == 0) {
        send_body(stdout, atol(argv[2]));
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "occupy") == 0) {
        listen_at_free_port(argv[2]);
        return pause();
    }
    if (argc != 4 || strcmp(argv[1], "serve") != 0) {
        return 2;
    }
    int fd = listen_at_free_port(argv[2]);
    for (;;) {
        int client = accept(fd, NULL, NULL);
        if (client >= 0) {
            answer(client, atol(argv[3]));
        }
    }
}
