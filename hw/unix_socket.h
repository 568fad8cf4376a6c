/* Unix sockets by path, mode 0600: listening where nobody does, and connecting. */
#ifndef METIC_HW_UNIX_SOCKET_H
#define METIC_HW_UNIX_SOCKET_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

enum unix_result {
    UNIX_OK,
    UNIX_FAILED, /* with a reason */
    UNIX_TAKEN,  /* somebody else came to it at this moment */
};

/* Whether a socket can have this path, and a name of its own beside it for a moment. */
bool unix_path_fits(const char *path, struct metic_error *error);

/* A socket that listens at `path`, close-on-exec and non-blocking. What is left there of one that
 * nobody listens at any more is taken away; that nobody does is the caller's to find out, by
 * unix_connect. */
enum unix_result unix_listen(const char *path, int backlog, int *fd, struct metic_error *error);

/* The same, refused when somebody listens there. -1 with a reason. */
int unix_listen_alone(const char *path, int backlog, struct metic_error *error);

/* A socket that is connected to who listens there, or -1 with errno. It does not wait. */
int unix_connect(const char *path);

#endif
