/* A bounded, growing ring of bytes; see char_backend_internal.h. */
#include "hw/char/char_backend_internal.h"

#include <stdlib.h>
#include <string.h>

void char_queue_fini(struct char_queue *queue)
{
    free(queue->bytes);
    *queue = (struct char_queue){0};
}

/* Makes room for `needed_bytes` in all. */
static void char_queue_grow(struct char_queue *queue, size_t needed_bytes)
{
    size_t capacity = queue->capacity_bytes > 0 ? queue->capacity_bytes : 4096;
    while (capacity < needed_bytes) {
        capacity *= 2;
    }
    u8 *grown = malloc(capacity);
    if (grown == NULL) {
        error_no_memory(capacity);
    }
    size_t size_bytes = queue->size_bytes;
    char_queue_pop(queue, grown, size_bytes);
    free(queue->bytes);
    *queue = (struct char_queue){grown, capacity, 0, size_bytes};
}

void char_queue_begin(struct char_queue *queue)
{
    if (queue->bytes == NULL) {
        char_queue_grow(queue, 0);
    }
}

size_t char_queue_push(struct char_queue *queue, const void *bytes, size_t size_bytes)
{
    size_t room = CHAR_QUEUE_BYTES - queue->size_bytes;
    size_t wanted = size_bytes < room ? size_bytes : room;
    if (queue->size_bytes + wanted > queue->capacity_bytes) {
        char_queue_grow(queue, queue->size_bytes + wanted);
    }
    if (wanted == 0) {
        return 0;
    }
    size_t tail = (queue->head + queue->size_bytes) % queue->capacity_bytes;
    size_t first = queue->capacity_bytes - tail;
    first = first < wanted ? first : wanted;
    memcpy(queue->bytes + tail, bytes, first);
    memcpy(queue->bytes, (const u8 *)bytes + first, wanted - first);
    queue->size_bytes += wanted;
    return wanted;
}

size_t char_queue_pop(struct char_queue *queue, void *buffer, size_t capacity_bytes)
{
    size_t taken = queue->size_bytes < capacity_bytes ? queue->size_bytes : capacity_bytes;
    if (taken == 0) {
        return 0;
    }
    size_t first = queue->capacity_bytes - queue->head;
    first = first < taken ? first : taken;
    memcpy(buffer, queue->bytes + queue->head, first);
    memcpy((u8 *)buffer + first, queue->bytes, taken - first);
    queue->head = (queue->head + taken) % queue->capacity_bytes;
    queue->size_bytes -= taken;
    return taken;
}
