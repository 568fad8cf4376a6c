/* The guest's end of the vsock check.
 *
 *     guest echo PORT          answers each stream with what came in it, until it is killed
 *     guest send PORT BYTES    opens a stream to the host's PORT, sends BYTES bytes while it reads
 *                              what comes back, which must be the same; prints how it went
 *     guest wait PORT          returns when somebody has come to PORT */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static int listen_at(unsigned port)
{
    struct sockaddr_vm name = {.svm_family = AF_VSOCK, .svm_port = port,
                               .svm_cid = VMADDR_CID_ANY};
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(fd, 8) != 0) {
        perror("listen");
        exit(1);
    }
    return fd;
}

static void echo(int fd)
{
    char bytes[20000];
    for (ssize_t got; (got = read(fd, bytes, sizeof(bytes))) > 0;) {
        for (ssize_t at = 0, put; at < got; at += put) {
            put = write(fd, bytes + at, (size_t)(got - at));
            if (put <= 0) {
                return;
            }
        }
    }
}

static int serve(unsigned port)
{
    int fd = listen_at(port);
    printf("echo listens\n");
    fflush(stdout);
    for (;;) {
        int one = accept(fd, NULL, NULL);
        if (one >= 0 && fork() == 0) {
            echo(one);
            return 0;
        }
        close(one);
    }
}

static unsigned char pattern(unsigned long at)
{
    return (unsigned char)((at * 2654435761u) >> 13);
}

static int send_all(unsigned port, unsigned long bytes)
{
    struct sockaddr_vm name = {.svm_family = AF_VSOCK, .svm_port = port,
                               .svm_cid = VMADDR_CID_HOST};
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    unsigned long sent = 0, got = 0, wrong = 0;
    if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        printf("connect: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        static unsigned char buffer[30000];
        struct pollfd ready = {.fd = fd, .events = (short)(POLLIN | (sent < bytes ? POLLOUT : 0))};
        poll(&ready, 1, -1);
        if (sent < bytes && (ready.revents & POLLOUT) != 0) {
            size_t part = bytes - sent < sizeof(buffer) ? bytes - sent : sizeof(buffer);
            for (size_t i = 0; i < part; i++) {
                buffer[i] = pattern(sent + i);
            }
            ssize_t put = send(fd, buffer, part, MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += put > 0 ? (unsigned long)put : 0;
            if (sent == bytes) {
                shutdown(fd, SHUT_WR);
            }
        }
        if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            ssize_t read_bytes = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
            if (read_bytes == 0 || (read_bytes < 0 && errno != EAGAIN)) {
                break;
            }
            for (ssize_t i = 0; i < read_bytes; i++) {
                wrong += buffer[i] != pattern(got + (unsigned long)i);
            }
            got += read_bytes > 0 ? (unsigned long)read_bytes : 0;
        }
    }
    printf("sent %lu got %lu wrong %lu\n", sent, got, wrong);
    return got == bytes && wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    unsigned port = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 0;
    const char *what = argc > 2 ? argv[1] : "";
    if (strcmp(what, "echo") == 0) {
        return serve(port);
    }
    if (strcmp(what, "send") == 0 && argc > 3) {
        return send_all(port, strtoul(argv[3], NULL, 0));
    }
    if (strcmp(what, "wait") == 0) {
        return accept(listen_at(port), NULL, NULL) >= 0 ? 0 : 1;
    }
    return 2;
}
