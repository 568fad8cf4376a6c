/* The user-mode network: the guest behind a router and a DHCP server that live in this process, and
 * reach the host's network as any program does, without privileges (libslirp).
 *
 *   10.0.2.2   the host, and the router        fec0::2   the same
 *   10.0.2.3   the host's name server          fec0::3
 *   10.0.2.15  what DHCP gives to the guest    fec0::/64 announced to it */
#ifndef METIC_HW_NET_NET_USER_H
#define METIC_HW_NET_NET_USER_H

#include "cpu/base/error.h"
#include "hw/net/net_port.h"

/* A port of the host's that leads to one of the guest's. */
struct net_forward {
    u32 host_ip4;    /* to listen at; 0x7f000001 is 127.0.0.1, 0 all addresses */
    u16 host_port;
    u16 guest_port;
    bool udp;
};

struct net_user_options {
    bool restricted; /* the guest reaches nothing but the router; forwards still lead to it */
    const char *tftp;     /* a folder to be read by TFTP, or NULL; kept by pointer */
    const char *bootfile; /* DHCP's "boot file name", or NULL; kept by pointer */
    const struct net_forward *forwards;
    unsigned forward_count;
    /* Says which ports were opened; may be NULL. */
    void (*say)(void *opaque, const char *line);
    /* Each forward with the host's port it got, in their order; may be NULL. */
    void (*opened)(void *opaque, unsigned index, u16 host_port);
    void *opaque;
};

extern const struct net_backend_class net_user_class;

/* Whether this build has it. */
bool net_user_is_built(void);

/* A backend for `port`, which must be attached to it then. A host port that is taken becomes the
 * next free one. NULL with a reason. */
struct net_backend *net_user_new(struct net_port *port, const struct net_user_options *options,
                                 struct metic_error *error);

#endif
