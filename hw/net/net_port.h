/* Ethernet between a guest's network device and the host.
 *
 *   device  <->  struct net_port  <->  struct net_backend  <->  user network, another guest
 *
 * The port is the device's end, with a bounded queue for each direction. What the guest sends waits
 * in the port until the backend takes it, on a thread of the backend's; a full queue makes the
 * guest wait. What comes for the guest goes through the journal into the port, from where the
 * device takes it as the driver gives buffers; when too much is under way it is lost, as on any
 * network, so a backend that can stops reading before (net_port_has_room). With the virtual clock
 * sent frames are taken at once, on the machine's thread, so that what a backend answers by itself
 * is a function of the guest; and a replay has no backend at all.
 *
 * Without a backend there is no carrier: what is sent is lost.
 *
 * Locks nest: backend, device, port. A frame belongs to whoever holds it. */
#ifndef METIC_HW_NET_NET_PORT_H
#define METIC_HW_NET_NET_PORT_H

#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "cpu/state.h"
#include "hw/clock.h"
#include "hw/journal/journal.h"
#include "hw/net/net_frame.h"

struct net_port;
struct net_backend;

/* What a backend can do, which the device offers to the driver. */
struct net_abilities {
    u16 mtu_bytes;      /* larger than Ethernet's 1500; 0: just that */
    bool segmentation;  /* takes frames that stand for several segments */
    bool trusted;       /* what it delivers has right checksums */
};

struct net_backend_class {
    const char *name;
    struct net_abilities abilities;
    /* There are frames to take, or there is room again for frames to the guest. Any thread; the
     * device's lock may be held. With the virtual clock it takes them before it returns. */
    void (*wake)(struct net_backend *backend);
    /* Whether something may come without the guest sending first. Any thread. */
    bool (*may_receive)(struct net_backend *backend);
    /* What it knows of the guest, while no hart runs; connections to the outside are not saved,
     * and those there are when it loads are closed. NULL, both: nothing. */
    void (*save)(struct net_backend *backend, struct state_writer *writer);
    bool (*load)(struct net_backend *backend, struct state_reader *reader,
                 struct metic_error *error);
    void (*free)(struct net_backend *backend);
};

/* The beginning of each backend. */
struct net_backend {
    const struct net_backend_class *class;
    struct net_port *port;
};

struct net_port_options {
    const char *name;      /* of the journal's source; kept by pointer */
    struct clock *clock;   /* these outlive the port */
    struct journal *journal;
    struct log *log;
    u8 mac[NET_MAC_BYTES];
    struct net_abilities abilities; /* of the backend there will be */
    void (*tap)(void *opaque, bool sent, size_t size_bytes); /* every frame; or NULL */
    void *tap_opaque;
    const char *pcap_path; /* what passes is written to this file, or NULL */
};

struct net_port *net_port_new(const struct net_port_options *options, struct metic_error *error);
void net_port_free(struct net_port *port); /* NULL allowed */

/* Before harts start; the port owns the backend from here. Not for a replay. */
void net_port_attach(struct net_port *port, struct net_backend *backend);
/* Frees the backend; afterwards none of its threads is in the device. Before the device goes. */
void net_port_detach(struct net_port *port);
void net_port_set_mac(struct net_port *port, const u8 *mac);
bool net_port_has_carrier(const struct net_port *port);
void net_port_set_carrier(struct net_port *port); /* a replay of a machine with a backend */
const struct net_port_options *net_port_options(const struct net_port *port);

/* Whether a machine that waits for ever may hear from outside all the same. Any thread. */
bool net_port_may_receive(struct net_port *port);

/* ---- The device's side, the device's lock held ---- */

/* `arrived`: there are frames; `room`: after net_port_can_send said no, there is room. Both without
 * any lock of the port's; the device takes its own. NULL: nobody is there. */
void net_port_set_device(struct net_port *port, void (*arrived)(void *opaque),
                         void (*room)(void *opaque), void *opaque);

bool net_port_can_send(struct net_port *port);
void net_port_send(struct net_port *port, struct net_frame *frame); /* gives the frame away */
void net_port_flush(struct net_port *port); /* after some sends: the backend gets to work */

const struct net_frame *net_port_peek(struct net_port *port); /* the next for the guest, or NULL */
void net_port_pop(struct net_port *port);
void net_port_clear(struct net_port *port); /* nobody wants what has arrived */

/* Frames that wait for the guest. */
void net_port_save(struct net_port *port, struct state_writer *writer);
bool net_port_load(struct net_port *port, struct state_reader *reader, struct metic_error *error);

/* What the backend has to save, without the device's lock. A machine whose backend is of another
 * kind than the saved one's starts its own anew. */
void net_port_save_backend(struct net_port *port, struct state_writer *writer);
bool net_port_load_backend(struct net_port *port, struct state_reader *reader,
                           struct metic_error *error);

/* ---- The backend's side ---- */

/* The next frame from the guest, complete, or NULL; the caller frees it. */
struct net_frame *net_port_take(struct net_port *port);

/* A frame for the guest; copied. Lost when it is no frame or too many are under way. */
void net_port_input(struct net_port *port, const u8 *bytes, size_t size_bytes);
/* Whether more should be read from the host; after a no, `wake` comes when there is room. */
bool net_port_has_room(struct net_port *port);

#endif
