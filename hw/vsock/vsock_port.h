/* Byte streams between programs in a guest and programs of the host, as AF_VSOCK means them.
 *
 *   device (virtio_vsock.c)  <->  struct vsock_port  <->  struct vsock_backend (vsock_unix.c)
 *
 * A stream has an id, which is never used again. The device gives ids to those that the guest
 * opens, below VSOCK_HOST_ID; the backend to those that come from the host. What the device does is
 * a call to the backend, what the backend tells is an event that goes through the journal; so a
 * replay has no backend at all. Calls about a stream that the backend does not know are answered
 * with VSOCK_CLOSED, events about one that the device does not know are dropped: a stream ends on
 * both sides at different times.
 *
 * How much is under way is bounded on both sides: the backend reads no more from a stream of which
 * the device has not `took` VSOCK_BUFFER_BYTES; the device lets the guest send VSOCK_BUFFER_BYTES
 * that the backend has not told to be VSOCK_TAKEN. */
#ifndef METIC_HW_VSOCK_VSOCK_PORT_H
#define METIC_HW_VSOCK_VSOCK_PORT_H

#include "cpu/base/bits.h"
#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/journal/journal.h"

enum {
    VSOCK_BUFFER_BYTES = 256 << 10,
    VSOCK_MAX_STREAMS = 512,
    VSOCK_HOST_CID = 2,
    VSOCK_DEFAULT_CID = 3,
};

#define VSOCK_HOST_ID BIT(63)

enum vsock_event_kind {
    VSOCK_CONNECT = 1, /* somebody on the host wants the guest's port `number` */
    VSOCK_ACCEPTED,    /* what the guest opened is open */
    VSOCK_REFUSED,     /* it is not, and is gone */
    VSOCK_DATA,
    VSOCK_TAKEN,       /* the host has taken `number` bytes of what was sent */
    VSOCK_END,         /* the host will send no more */
    VSOCK_CLOSED,      /* it will not take any more, either; the stream is gone there */
};

struct vsock_event {
    enum vsock_event_kind kind;
    u64 id;
    u32 number;
    const u8 *bytes;
    size_t size_bytes; /* at most VSOCK_EVENT_BYTES */
};

enum { VSOCK_EVENT_BYTES = 64 << 10 };

struct vsock_port;
struct vsock_backend;

/* What the device does; its lock is held. Nothing may wait. */
struct vsock_backend_class {
    void (*open)(struct vsock_backend *backend, u64 id, u32 port); /* ACCEPTED or REFUSED follows */
    void (*accept)(struct vsock_backend *backend, u64 id, u32 host_port); /* after CONNECT */
    void (*send)(struct vsock_backend *backend, u64 id, const u8 *bytes, size_t size_bytes);
    void (*took)(struct vsock_backend *backend, u64 id, u32 size_bytes); /* of DATA */
    void (*end)(struct vsock_backend *backend, u64 id); /* the guest will send no more */
    void (*close)(struct vsock_backend *backend, u64 id); /* when all is sent; nothing is told */
    void (*close_all)(struct vsock_backend *backend);
    void (*free)(struct vsock_backend *backend);
};

/* The beginning of each backend. */
struct vsock_backend {
    const struct vsock_backend_class *class;
    struct vsock_port *port;
};

struct vsock_port {
    struct journal *journal;
    struct journal_source source;
    struct vsock_backend *backend; /* NULL: whatever is opened is refused */
    u32 guest_cid;
    _Atomic u32 stream_count; /* that the device knows; the device sets it */
    /* The device's; without its lock. Set before harts start. */
    void (*arrived)(void *opaque, const struct vsock_event *event);
    void *opaque;
};

void vsock_port_init(struct vsock_port *port, struct journal *journal, u32 guest_cid);
/* Frees the backend; afterwards none of its threads is in the device. Before the device goes. */
void vsock_port_detach(struct vsock_port *port);
void vsock_port_fini(struct vsock_port *port);

/* The backend's side; no device's lock is held. */
void vsock_port_tell(struct vsock_port *port, const struct vsock_event *event);

#endif
