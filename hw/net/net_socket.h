/* A cable between two guests: a Unix stream socket on which each Ethernet frame follows its length
 * in four bytes, big-endian. QEMU's `-netdev stream` and `-netdev socket` speak the same. */
#ifndef METIC_HW_NET_NET_SOCKET_H
#define METIC_HW_NET_NET_SOCKET_H

#include "cpu/base/error.h"
#include "hw/loop.h"
#include "hw/net/net_port.h"

extern const struct net_backend_class net_socket_class;

/* The first to come makes the socket at `path` (mode 0600) and waits for the second, which connects
 * to it; *second tells. When the other end goes away, the place is free for a new one. The loop
 * outlives the backend. NULL with a reason. */
struct net_backend *net_socket_new(struct net_port *port, const char *path, struct loop *loop,
                                   bool *second, struct metic_error *error);

#endif
