/* Sockets that wait for clients of this user's: of this host alone. */
#ifndef METIC_UI_LISTENER_H
#define METIC_UI_LISTENER_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

struct listener {
    int fd;            /* -1: none; does not block */
    char path[108];    /* of the Unix socket, to be removed; or empty */
    char address[128]; /* as people write it */
};

/* At a port of 127.0.0.1; 0: any that is free. False with a reason, and `next` for what to do. */
bool listener_open_port(struct listener *listener, unsigned port, const char *next,
                        struct metic_error *error);
/* At a path; the socket is the user's alone. One that nobody listens at any more is replaced. */
bool listener_open_path(struct listener *listener, const char *path, const char *next,
                        struct metic_error *error);
void listener_close(struct listener *listener);

/* ":1234" and "1234" are ports. */
bool listener_parse_port(const char *text, unsigned *port);

#endif
