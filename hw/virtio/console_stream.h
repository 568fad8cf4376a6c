/* A console port's two queues, which its bytes go through; for virtio_console.c and
 * virtio_ports.c. The device's lock is held. */
#ifndef METIC_HW_VIRTIO_CONSOLE_STREAM_H
#define METIC_HW_VIRTIO_CONSOLE_STREAM_H

#include "hw/char/backend_char.h"
#include "hw/virtio/virtio_queue.h"

/* Each is what the type's `serve` is for that queue. `chain` is the caller's to lend. A port of
 * NULL takes all and gives nothing. */
bool console_stream_print(struct virtio *virtio, unsigned queue, struct virtio_chain *chain,
                          struct char_port *port);
bool console_stream_fill(struct virtio *virtio, unsigned queue, struct virtio_chain *chain,
                         struct char_port *port);

#endif
