/* The device's end of a byte stream; see backend_char.h. */
#include "hw/char/char_backend_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CHAR_PORT_TAPS = 8 };

struct char_tap {
    void (*call)(void *opaque, const u8 *bytes, size_t size_bytes);
    void *opaque;
    bool again; /* sees what is written a second time, too */
};

struct char_port {
    struct journal *journal;
    struct journal_source source;
    struct journal_source break_source; /* without bytes a break; with one, whether it is open */
    struct char_backend *backend; /* or NULL */
    struct loop *loop;            /* or NULL */
    struct char_tap taps[CHAR_PORT_TAPS]; /* set up before harts start */
    /* Bytes the guest has written, which goes back with the guest, and those that have left. */
    u64 written, left; /* the writing thread's, as is: */
    bool again;        /* what is written now has left before */
    pthread_mutex_t write_lock; /* one thread writes at a time; taken before `lock` */
    pthread_mutex_t lock;
    struct char_queue input; /* under lock */
    void (*ready)(void *opaque); /* under lock */
    void *ready_opaque;
    size_t (*unread)(void *opaque, void *buffer, size_t capacity_bytes); /* under lock */
    void *unread_opaque;
    bool claimed; /* under lock */
    void (*broken)(void *opaque); /* under lock */
    void *broken_opaque;
    void (*opened)(void *opaque, bool open); /* under lock */
    void *opened_opaque;
    void (*room)(void *opaque); /* under lock */
    void *room_opaque;
    void (*used)(void *opaque, bool used); /* set up before harts start */
    void *used_opaque;
    bool open; /* under lock */
    _Atomic size_t under_way_bytes; /* given to the journal, not yet read by the device */
};

static void char_port_deliver(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct char_port *port = opaque;
    if (journal_is_past(port->journal) && !journal_is_replay(port->journal)) {
        port->under_way_bytes += size_bytes; /* it was counted when it came first, and read */
    }
    pthread_mutex_lock(&port->lock);
    size_t taken = char_queue_push(&port->input, bytes, size_bytes);
    void (*ready)(void *opaque) = port->ready;
    void *ready_opaque = port->ready_opaque;
    pthread_mutex_unlock(&port->lock);
    if (taken < size_bytes && !journal_is_replay(port->journal)) {
        port->under_way_bytes -= size_bytes - taken; /* lost: the guest does not read */
    }
    if (ready != NULL) {
        ready(ready_opaque);
    }
}

static void char_port_deliver_open(struct char_port *port, bool open)
{
    pthread_mutex_lock(&port->lock);
    port->open = open;
    void (*opened)(void *opaque, bool open) = port->opened;
    void *opened_opaque = port->opened_opaque;
    pthread_mutex_unlock(&port->lock);
    if (opened != NULL) {
        opened(opened_opaque, open);
    }
}

static void char_port_deliver_break(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct char_port *port = opaque;
    if (size_bytes > 0) {
        char_port_deliver_open(port, bytes[0] != 0);
        return;
    }
    pthread_mutex_lock(&port->lock);
    void (*broken)(void *opaque) = port->broken;
    void *broken_opaque = port->broken_opaque;
    pthread_mutex_unlock(&port->lock);
    if (broken != NULL) {
        broken(broken_opaque);
    }
}

struct char_port *char_port_new(const char *name, struct loop *loop, struct char_backend *backend,
                                struct journal *journal, struct metic_error *error)
{
    struct char_port *port = calloc(1, sizeof(*port));
    if (port == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    port->journal = journal;
    port->loop = loop;
    port->source = (struct journal_source){.name = name, .deliver = char_port_deliver,
                                           .opaque = port};
    port->break_source = (struct journal_source){
        .name = name, .deliver = char_port_deliver_break, .opaque = port};
    pthread_mutex_init(&port->lock, NULL);
    pthread_mutex_init(&port->write_lock, NULL);
    journal_add_source(journal, &port->source);
    journal_add_source(journal, &port->break_source);
    port->backend = backend;
    port->open = backend != NULL && !char_backend_has_clients(backend);
    if (backend != NULL &&
        !char_backend_attach(backend, port, journal_is_deterministic(journal), error)) {
        port->backend = NULL;
        char_port_free(port);
        return NULL;
    }
    return port;
}

void char_port_free(struct char_port *port)
{
    if (port == NULL) {
        return;
    }
    if (port->backend != NULL) {
        char_backend_detach(port->backend);
    }
    journal_remove_source(port->journal, &port->source);
    journal_remove_source(port->journal, &port->break_source);
    char_queue_fini(&port->input);
    pthread_mutex_destroy(&port->lock);
    pthread_mutex_destroy(&port->write_lock);
    free(port);
}

void char_port_write(struct char_port *port, const void *bytes, size_t size_bytes)
{
    pthread_mutex_lock(&port->write_lock);
    u64 again_bytes = port->left - port->written;
    size_t skip = again_bytes < size_bytes ? (size_t)again_bytes : size_bytes;
    const u8 *fresh = (const u8 *)bytes + skip;
    port->written += size_bytes;
    port->left += size_bytes - skip;
    port->again = skip > 0;
    for (size_t i = 0; i < CHAR_PORT_TAPS && port->taps[i].call != NULL; i++) {
        const struct char_tap *tap = &port->taps[i];
        if (tap->again) {
            tap->call(tap->opaque, bytes, size_bytes);
        } else if (skip < size_bytes) {
            tap->call(tap->opaque, fresh, size_bytes - skip);
        }
    }
    if (port->backend != NULL && skip < size_bytes) {
        char_backend_write(port->backend, fresh, size_bytes - skip);
    }
    pthread_mutex_unlock(&port->write_lock);
}

u64 char_port_written(const struct char_port *port)
{
    return port->written;
}

void char_port_go_back(struct char_port *port, u64 written)
{
    port->written = written;
}

void char_port_forget_future(struct char_port *port)
{
    port->left = port->written;
}

static size_t read_as(struct char_port *port, bool claimer, void *buffer, size_t capacity_bytes)
{
    pthread_mutex_lock(&port->lock);
    size_t taken = port->claimed == claimer
                       ? char_queue_pop(&port->input, buffer, capacity_bytes) : 0;
    pthread_mutex_unlock(&port->lock);
    if (taken > 0 && !journal_is_replay(port->journal)) {
        size_t before = atomic_fetch_sub(&port->under_way_bytes, taken);
        if (before > CHAR_LOW_BYTES && before - taken <= CHAR_LOW_BYTES &&
            port->backend != NULL) {
            char_backend_resume_input(port->backend);
        }
    }
    return taken;
}

size_t char_port_read(struct char_port *port, void *buffer, size_t capacity_bytes)
{
    return read_as(port, false, buffer, capacity_bytes);
}

size_t char_port_read_claimed(struct char_port *port, void *buffer, size_t capacity_bytes)
{
    return read_as(port, true, buffer, capacity_bytes);
}

void char_port_set_ready(struct char_port *port, void (*ready)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&port->lock);
    port->ready = ready;
    port->ready_opaque = opaque;
    pthread_mutex_unlock(&port->lock);
}

size_t char_port_claim(struct char_port *port, void *buffer, size_t capacity_bytes,
                       void (*ready)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&port->lock);
    bool first = !port->claimed;
    port->claimed = true;
    port->ready = ready;
    port->ready_opaque = opaque;
    size_t (*unread)(void *, void *, size_t) = port->unread;
    void *unread_opaque = port->unread_opaque;
    pthread_mutex_unlock(&port->lock);
    return first && unread != NULL ? unread(unread_opaque, buffer, capacity_bytes) : 0;
}

void char_port_set_unread(struct char_port *port,
                          size_t (*unread)(void *opaque, void *buffer, size_t capacity_bytes),
                          void *opaque)
{
    pthread_mutex_lock(&port->lock);
    port->unread = unread;
    port->unread_opaque = opaque;
    pthread_mutex_unlock(&port->lock);
}

void char_port_hold_open(struct char_port *port)
{
    pthread_mutex_lock(&port->lock);
    port->open = true;
    pthread_mutex_unlock(&port->lock);
}

void char_port_set_used(struct char_port *port, void (*used)(void *opaque, bool used),
                        void *opaque)
{
    port->used = used;
    port->used_opaque = opaque;
}

void char_port_tell_used(struct char_port *port, bool used)
{
    if (port->used != NULL) {
        port->used(port->used_opaque, used);
    }
}

void char_port_drop_input(struct char_port *port)
{
    pthread_mutex_lock(&port->lock);
    size_t dropped = port->input.size_bytes;
    port->input.head = port->input.size_bytes = 0;
    pthread_mutex_unlock(&port->lock);
    if (!journal_is_replay(port->journal)) {
        port->under_way_bytes -= dropped;
    }
}

void char_port_send_break(struct char_port *port)
{
    journal_input(port->journal, &port->break_source, "", 0);
}

void char_port_set_broken(struct char_port *port, void (*broken)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&port->lock);
    port->broken = broken;
    port->broken_opaque = opaque;
    pthread_mutex_unlock(&port->lock);
}

void char_port_set_opened(struct char_port *port, void (*opened)(void *opaque, bool open),
                          void *opaque)
{
    pthread_mutex_lock(&port->lock);
    port->opened = opened;
    port->opened_opaque = opaque;
    pthread_mutex_unlock(&port->lock);
}

bool char_port_is_open(struct char_port *port)
{
    pthread_mutex_lock(&port->lock);
    bool open = port->open;
    pthread_mutex_unlock(&port->lock);
    return open;
}

void char_port_tell_open(struct char_port *port, bool open)
{
    u8 byte = open;
    journal_input(port->journal, &port->break_source, &byte, 1);
}

bool char_port_has_room(struct char_port *port)
{
    return port->backend == NULL || journal_is_deterministic(port->journal) ||
           char_backend_has_room(port->backend);
}

void char_port_set_room(struct char_port *port, void (*room)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&port->lock);
    port->room = room;
    port->room_opaque = opaque;
    pthread_mutex_unlock(&port->lock);
}

void char_port_tell_room(struct char_port *port)
{
    pthread_mutex_lock(&port->lock);
    void (*room)(void *opaque) = port->room;
    void *room_opaque = port->room_opaque;
    pthread_mutex_unlock(&port->lock);
    if (room != NULL) {
        room(room_opaque);
    }
}

static void add_tap(struct char_port *port,
                    void (*tap)(void *opaque, const u8 *bytes, size_t size_bytes), void *opaque,
                    bool again)
{
    size_t i = 0;
    while (i < CHAR_PORT_TAPS && port->taps[i].call != NULL) {
        i++;
    }
    CHECK(i < CHAR_PORT_TAPS);
    port->taps[i] = (struct char_tap){tap, opaque, again};
}

void char_port_add_tap(struct char_port *port,
                       void (*tap)(void *opaque, const u8 *bytes, size_t size_bytes),
                       void *opaque)
{
    add_tap(port, tap, opaque, false);
}

void char_port_add_inner_tap(struct char_port *port,
                             void (*tap)(void *opaque, const u8 *bytes, size_t size_bytes),
                             void *opaque)
{
    add_tap(port, tap, opaque, true);
}

size_t char_port_input_under_way(const struct char_port *port)
{
    return port->under_way_bytes;
}

size_t char_port_input_room(const struct char_port *port)
{
    size_t under_way = port->under_way_bytes;
    return under_way < CHAR_QUEUE_BYTES ? CHAR_QUEUE_BYTES - under_way : 0;
}

/* Bytes that count as under way already. */
static void char_port_feed_counted(struct char_port *port, const void *bytes, size_t size_bytes)
{
    const u8 *at = bytes;
    while (size_bytes > 0) {
        size_t part = size_bytes < 65536 ? size_bytes : 65536;
        journal_input(port->journal, &port->source, at, part);
        at += part;
        size_bytes -= part;
    }
}

void char_port_feed(struct char_port *port, const void *bytes, size_t size_bytes)
{
    if (!journal_is_replay(port->journal)) { /* the recording has its own input */
        port->under_way_bytes += size_bytes;
        char_port_feed_counted(port, bytes, size_bytes);
    }
}

void char_port_remove_tap(struct char_port *port, const void *opaque)
{
    for (size_t i = 0; i < CHAR_PORT_TAPS; i++) {
        if (port->taps[i].opaque == opaque) {
            memmove(&port->taps[i], &port->taps[i + 1],
                    (CHAR_PORT_TAPS - 1 - i) * sizeof(port->taps[0]));
            port->taps[CHAR_PORT_TAPS - 1] = (struct char_tap){0};
            return;
        }
    }
}

/* A feed that left the writing hart's thread, for the real clock. */
struct char_later {
    struct char_port *port;
    size_t size_bytes;
    u8 bytes[];
};

static void char_port_feed_now(void *opaque)
{
    struct char_later *later = opaque;
    char_port_feed_counted(later->port, later->bytes, later->size_bytes);
    free(later);
}

void char_port_feed_later(struct char_port *port, const void *bytes, size_t size_bytes)
{
    if (port->again) {
        return; /* what it answers to is in the past, and so is the answer: the journal has it */
    }
    if (port->loop == NULL || journal_is_deterministic(port->journal)) {
        char_port_feed(port, bytes, size_bytes); /* only queues */
        return;
    }
    struct char_later *later = malloc(sizeof(*later) + size_bytes);
    if (later == NULL) {
        error_no_memory(sizeof(*later) + size_bytes);
    }
    later->port = port;
    later->size_bytes = size_bytes;
    memcpy(later->bytes, bytes, size_bytes);
    port->under_way_bytes += size_bytes;
    loop_post(port->loop, char_port_feed_now, later);
}

void char_port_drain(struct char_port *port)
{
    if (port->loop != NULL) {
        loop_drain(port->loop);
    }
}

/* ---- Saved state ---- */

/* With the virtual clock the journal holds what was fed and is not delivered, and saves that. */
void char_port_save(struct char_port *port, struct state_writer *writer)
{
    pthread_mutex_lock(&port->lock);
    const struct char_queue *input = &port->input;
    size_t under_way = port->under_way_bytes;
    state_write_u64(writer, under_way > input->size_bytes ? under_way - input->size_bytes : 0);
    state_write_u32(writer, (u32)input->size_bytes);
    for (size_t i = 0; i < input->size_bytes; i++) {
        state_write_bytes(writer, &input->bytes[(input->head + i) % input->capacity_bytes], 1);
    }
    pthread_mutex_unlock(&port->lock);
}

bool char_port_load(struct char_port *port, struct state_reader *reader, struct metic_error *error)
{
    u64 in_journal;
    u32 size_bytes;
    if (!state_read_u64(reader, &in_journal) || !state_read_u32(reader, &size_bytes) ||
        size_bytes > CHAR_QUEUE_BYTES || in_journal > (u64)JOURNAL_MAX_RECORD_BYTES << 10 ||
        reader->size_bytes - reader->position < size_bytes) {
        return error_set(error, NULL, "the saved input of %s is damaged", port->source.name);
    }
    pthread_mutex_lock(&port->lock);
    size_t taken_bytes = port->input.size_bytes, under_way = port->under_way_bytes;
    size_t queued_bytes = under_way > taken_bytes ? under_way - taken_bytes : 0;
    port->input.head = port->input.size_bytes = 0;
    char_queue_push(&port->input, reader->bytes + reader->position, size_bytes);
    reader->position += size_bytes;
    bool counts = journal_is_deterministic(port->journal) && !journal_is_replay(port->journal);
    if (journal_is_past(port->journal)) {
        in_journal = queued_bytes; /* what came since then waits there still */
    }
    port->under_way_bytes = size_bytes + (counts ? (size_t)in_journal : 0);
    pthread_mutex_unlock(&port->lock);
    if (port->backend != NULL) {
        char_backend_resume_input(port->backend);
    }
    return true;
}
