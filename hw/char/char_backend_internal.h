/* What the port and its backend tell each other. Private to hw/char_*.c. */
#ifndef METIC_HW_CHAR_BACKEND_INTERNAL_H
#define METIC_HW_CHAR_BACKEND_INTERNAL_H

#include "hw/char/backend_char.h"

enum {
    CHAR_QUEUE_BYTES = 1 << 20,
    CHAR_HIGH_BYTES = 16 << 10, /* input under way at which a backend stops reading */
    CHAR_LOW_BYTES = 4 << 10,   /* and at which it goes on */
};

/* A byte queue with a limit; grows to what it needs. Not locked. */
struct char_queue {
    u8 *bytes;
    size_t capacity_bytes;
    size_t head;
    size_t size_bytes;
};

void char_queue_begin(struct char_queue *queue); /* empty: takes room for the first bytes */
void char_queue_fini(struct char_queue *queue);
/* Appends as much as fits under CHAR_QUEUE_BYTES; returns how much. */
size_t char_queue_push(struct char_queue *queue, const void *bytes, size_t size_bytes);
size_t char_queue_pop(struct char_queue *queue, void *buffer, size_t capacity_bytes);

/* Port to backend. */
bool char_backend_attach(struct char_backend *backend, struct char_port *port,
                         bool deterministic, struct metic_error *error);
void char_backend_detach(struct char_backend *backend);
void char_backend_write(struct char_backend *backend, const void *bytes, size_t size_bytes);
void char_backend_resume_input(struct char_backend *backend); /* any thread, locks held or not */

/* Whether it takes 64 KiB more without losing any or waiting; after a no, char_port_tell_room. */
bool char_backend_has_room(struct char_backend *backend);
bool char_backend_has_clients(const struct char_backend *backend); /* who come and go */

/* Backend to port, on the loop thread: somebody came or went; there is room. */
void char_port_tell_open(struct char_port *port, bool open);
void char_port_tell_room(struct char_port *port);
/* Bytes handed to the journal that the device has not taken yet. */
size_t char_port_input_under_way(const struct char_port *port);

/* Script to port. */
void char_port_drain(struct char_port *port); /* waits for what feed_later began */

/* The process's terminal. Enter fails when standard input is none. */
bool char_terminal_enter(struct metic_error *error);
void char_terminal_leave(void);

#endif
