/* See vsock_port.h. An event in the journal: u8 kind, 3 zeros, le32 number, le64 id, bytes. */
#include "hw/vsock/vsock_port.h"

#include "cpu/base/bits.h"
#include <string.h>

enum { EVENT_HEAD_BYTES = 16 };

/* A recording may hold anything. */
static void vsock_deliver(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct vsock_port *port = opaque;
    if (size_bytes < EVENT_HEAD_BYTES || bytes[0] < VSOCK_CONNECT || bytes[0] > VSOCK_CLOSED ||
        size_bytes > EVENT_HEAD_BYTES + VSOCK_EVENT_BYTES) {
        return;
    }
    struct vsock_event event = {
        .kind = (enum vsock_event_kind)bytes[0],
        .number = ld_le32(bytes + 4),
        .id = ld_le64(bytes + 8),
        .bytes = bytes + EVENT_HEAD_BYTES,
        .size_bytes = size_bytes - EVENT_HEAD_BYTES,
    };
    if (port->arrived != NULL) {
        port->arrived(port->opaque, &event);
    }
}

void vsock_port_tell(struct vsock_port *port, const struct vsock_event *event)
{
    u8 bytes[EVENT_HEAD_BYTES + VSOCK_EVENT_BYTES] = {(u8)event->kind};
    CHECK(event->size_bytes <= VSOCK_EVENT_BYTES);
    st_le32(bytes + 4, event->number);
    st_le64(bytes + 8, event->id);
    if (event->size_bytes > 0) {
        memcpy(bytes + EVENT_HEAD_BYTES, event->bytes, event->size_bytes);
    }
    journal_input(port->journal, &port->source, bytes, EVENT_HEAD_BYTES + event->size_bytes);
}

void vsock_port_init(struct vsock_port *port, struct journal *journal, u32 guest_cid)
{
    *port = (struct vsock_port){
        .journal = journal,
        .source = {.name = "vsock0", .deliver = vsock_deliver, .opaque = port},
        .guest_cid = guest_cid,
    };
    journal_add_source(journal, &port->source);
}

void vsock_port_detach(struct vsock_port *port)
{
    if (port->backend != NULL) {
        port->backend->class->free(port->backend);
        port->backend = NULL;
    }
}

void vsock_port_fini(struct vsock_port *port)
{
    vsock_port_detach(port);
    journal_remove_source(port->journal, &port->source);
}
