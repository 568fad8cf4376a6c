/* Streams of a guest to Unix sockets of the host, the way that Firecracker and cloud-hypervisor
 * have them:
 *
 *   a program of the host's connects to PATH, sends "CONNECT 1234\n" and reads "OK 1073741825\n"
 *   (the number is its own port), when somebody in the guest listens at port 1234, else the end;
 *   a program in the guest that connects to port 52 of the host (address 2) gets who listens at
 *   PATH_52.
 *
 * PATH is made with mode 0600 and taken away at the end. */
#ifndef METIC_HW_VSOCK_VSOCK_UNIX_H
#define METIC_HW_VSOCK_VSOCK_UNIX_H

#include "hw/loop.h"
#include "hw/vsock/vsock_port.h"

/* For port->backend; the loop outlives it. NULL with a reason. */
struct vsock_backend *vsock_unix_new(struct vsock_port *port, const char *path, struct loop *loop,
                                     struct metic_error *error);

#endif
