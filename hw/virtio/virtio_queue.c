/* See virtio_queue.h.
 *
 *   descriptor table  entries x { le64 gpa, le32 size, le16 flags, le16 next }   16-byte aligned
 *   available ring    { le16 flags, le16 idx, le16 head[entries], le16 used_event }       2
 *   used ring         { le16 flags, le16 idx, { le32 head, le32 written }[entries],
 *                       le16 avail_event }                                               4
 *
 * Order between the driver's harts and this thread (guest stores reach us in the driver's order,
 * as the translator keeps it): an index is loaded with acquire before what it covers and stored
 * with release after it. "Publish, then look whether the other side sleeps" needs a full fence
 * between the two on both sides, or each could miss the other. */
#include "hw/virtio/virtio_queue.h"

enum {
    DESC_BYTES = 16,
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,

    RING_IDX = 2,
    RING_START = 4,
    USED_ENTRY_BYTES = 8,

    AVAIL_NO_INTERRUPT = 1,
    USED_NO_NOTIFY = 1,
};

/* ---- 16-bit words shared with the driver; aligned, which virtio_queue_map has checked ---- */

static u16 shared_load(const u8 *at)
{
    return METIC_LE16(__atomic_load_n((const u16 *)(const void *)at, __ATOMIC_ACQUIRE));
}

static void shared_store(u8 *at, u16 value)
{
    __atomic_store_n((u16 *)(void *)at, METIC_LE16(value), __ATOMIC_RELEASE);
}

static unsigned used_event_offset(unsigned entries)
{
    return RING_START + 2 * entries;
}

static unsigned avail_event_offset(unsigned entries)
{
    return RING_START + USED_ENTRY_BYTES * entries;
}

/* ---- Where the rings are ---- */

/* Host bytes of RAM, or of what can be read when `readable_is_enough`; NULL for anything else. */
static u8 *queue_host(const struct virtio *virtio, gpa_t gpa, u64 size_bytes,
                      bool readable_is_enough)
{
    struct memory *memory = virtio->device->env->memory;
    const struct memory_region *region = memory_find(memory, gpa);
    if (region == NULL || (region->kind != MEMORY_RAM && !readable_is_enough)) {
        return NULL;
    }
    if (!readable_is_enough) {
        memory_ask(memory, gpa, size_bytes);
    }
    return memory_host(memory, gpa, size_bytes);
}

bool virtio_queue_map(struct virtio *virtio, unsigned queue)
{
    const struct virtio_saved *saved = &virtio->saved;
    struct virtio_rings *rings = &virtio->rings[queue];
    unsigned entries = saved->entries[queue];
    if (!bits_is_pow2(entries) || entries > virtio->type->queue_entries ||
        saved->desc_gpa[queue] % 16 != 0 || saved->avail_gpa[queue] % 2 != 0 ||
        saved->used_gpa[queue] % 4 != 0) {
        return false;
    }
    rings->desc = queue_host(virtio, saved->desc_gpa[queue], DESC_BYTES * entries, false);
    rings->avail =
        queue_host(virtio, saved->avail_gpa[queue], used_event_offset(entries) + 2, false);
    rings->used =
        queue_host(virtio, saved->used_gpa[queue], avail_event_offset(entries) + 2, false);
    return rings->desc != NULL && rings->avail != NULL && rings->used != NULL;
}

static bool queue_is_live(const struct virtio *virtio, unsigned queue)
{
    return virtio_is_running(virtio) && virtio->saved.ready[queue];
}

/* ---- Chains ---- */

/* A descriptor table being followed: the queue's own, or an indirect one. */
struct queue_walk {
    const u8 *table;
    unsigned entries;
    unsigned index;
    unsigned seen; /* descriptors of this table so far */
    bool indirect;
};

static bool queue_add_segment(struct virtio *virtio, struct virtio_chain *chain, gpa_t gpa,
                              u32 size_bytes, bool writable)
{
    if (chain->count == ARRAY_LEN(chain->segments)) {
        virtio_break(virtio, "a descriptor chain is longer than a queue");
        return false;
    }
    if (!writable && chain->count > chain->readable_count) {
        virtio_break(virtio, "a readable descriptor follows a writable one");
        return false;
    }
    u8 *hva = size_bytes > 0 ? queue_host(virtio, gpa, size_bytes, !writable) : NULL;
    if (hva == NULL) {
        virtio_break(virtio, "a buffer is empty or not in RAM (0x%llx, %u bytes)",
                     (unsigned long long)gpa, size_bytes);
        return false;
    }
    chain->segments[chain->count++] = (struct virtio_segment){gpa, hva, size_bytes};
    if (writable) {
        chain->writable_bytes += size_bytes;
    } else {
        chain->readable_count++;
        chain->readable_bytes += size_bytes;
    }
    return true;
}

/* Goes over to the indirect table that a descriptor names; it is the last of its table. */
static bool queue_enter_indirect(struct virtio *virtio, struct queue_walk *walk, gpa_t gpa,
                                 u32 size_bytes, u16 flags)
{
    unsigned entries = size_bytes / DESC_BYTES;
    if (walk->indirect || !virtio_has_feature(virtio, VIRTIO_F_INDIRECT_DESC) ||
        (flags & DESC_NEXT) != 0 || entries == 0 || size_bytes % DESC_BYTES != 0 ||
        entries > VIRTIO_QUEUE_ENTRIES) {
        virtio_break(virtio, "an indirect descriptor is malformed");
        return false;
    }
    const u8 *table = queue_host(virtio, gpa, size_bytes, true);
    if (table == NULL) {
        virtio_break(virtio, "an indirect table is not in RAM");
        return false;
    }
    *walk = (struct queue_walk){.table = table, .entries = entries, .indirect = true};
    return true;
}

/* Follows the chain from walk->index on. A table cannot hold more links than entries, so a loop
 * ends there. */
static bool queue_collect(struct virtio *virtio, struct queue_walk walk,
                          struct virtio_chain *chain)
{
    for (;;) {
        u8 desc[DESC_BYTES];
        if (walk.index >= walk.entries || walk.seen++ >= walk.entries) {
            virtio_break(virtio, "a descriptor chain leaves its table or loops");
            return false;
        }
        memcpy(desc, walk.table + (size_t)walk.index * DESC_BYTES, sizeof(desc));
        gpa_t gpa = ld_le64(desc);
        u32 size_bytes = ld_le32(desc + 8);
        u16 flags = ld_le16(desc + 12);
        if ((flags & DESC_INDIRECT) != 0) {
            if (!queue_enter_indirect(virtio, &walk, gpa, size_bytes, flags)) {
                return false;
            }
            continue;
        }
        if (!queue_add_segment(virtio, chain, gpa, size_bytes, (flags & DESC_WRITE) != 0)) {
            return false;
        }
        if ((flags & DESC_NEXT) == 0) {
            return true;
        }
        walk.index = ld_le16(desc + 14);
    }
}

bool virtio_queue_peek(struct virtio *virtio, unsigned queue, struct virtio_chain *chain)
{
    return virtio_queue_peek_ahead(virtio, queue, 0, chain);
}

bool virtio_queue_peek_ahead(struct virtio *virtio, unsigned queue, unsigned ahead,
                             struct virtio_chain *chain)
{
    if (!queue_is_live(virtio, queue)) {
        return false;
    }
    const struct virtio_rings *rings = &virtio->rings[queue];
    unsigned entries = virtio->saved.entries[queue];
    u16 next = virtio->saved.next_avail[queue];
    u16 waiting = (u16)(shared_load(rings->avail + RING_IDX) - next);
    if (waiting > entries) {
        virtio_break(virtio, "the available ring holds more chains than the queue has entries");
        return false;
    }
    if (waiting <= ahead) {
        return false;
    }
    next = (u16)(next + ahead);
    chain->head = shared_load(rings->avail + RING_START + 2 * (next % entries));
    chain->readable_count = 0;
    chain->count = 0;
    chain->readable_bytes = 0;
    chain->writable_bytes = 0;
    struct queue_walk walk = {.table = rings->desc, .entries = entries, .index = chain->head};
    return queue_collect(virtio, walk, chain);
}

/* ---- Finishing, and telling each other ---- */

/* Whether the other side, which sleeps until `event` was passed, is to be told that the index went
 * from `old` to `new` (2.7.10). */
static bool queue_event_passed(u16 event, u16 new, u16 old)
{
    return (u16)(new - event - 1) < (u16)(new - old);
}

static bool queue_wants_interrupt(struct virtio *virtio, unsigned queue)
{
    const u8 *avail = virtio->rings[queue].avail;
    if (!virtio_has_feature(virtio, VIRTIO_F_EVENT_IDX)) {
        return (shared_load(avail) & AVAIL_NO_INTERRUPT) == 0;
    }
    u16 old = virtio->saved.signalled_used[queue];
    u16 new = virtio->saved.next_used[queue];
    bool valid = virtio->saved.signalled_valid[queue];
    u16 event = shared_load(avail + used_event_offset(virtio->saved.entries[queue]));
    virtio->saved.signalled_used[queue] = new;
    virtio->saved.signalled_valid[queue] = true;
    return !valid || queue_event_passed(event, new, old);
}

static void queue_note_used(struct virtio *virtio, unsigned queue, u64 offset, u64 size_bytes)
{
    memory_note_write(virtio->device->env->memory, virtio->saved.used_gpa[queue] + offset,
                      size_bytes);
}

void virtio_queue_finish(struct virtio *virtio, unsigned queue, const struct virtio_chain *chain,
                         u64 written_bytes)
{
    virtio_queue_fill(virtio, queue, 0, chain, written_bytes);
    virtio_queue_publish(virtio, queue, 1);
}

void virtio_queue_fill(struct virtio *virtio, unsigned queue, unsigned ahead,
                       const struct virtio_chain *chain, u64 written_bytes)
{
    if (!queue_is_live(virtio, queue)) {
        return;
    }
    u8 *used = virtio->rings[queue].used;
    unsigned index = (virtio->saved.next_used[queue] + ahead) % virtio->saved.entries[queue];
    unsigned at = RING_START + USED_ENTRY_BYTES * index;
    st_le32(used + at, chain->head);
    st_le32(used + at + 4, written_bytes < UINT32_MAX ? (u32)written_bytes : UINT32_MAX);
    queue_note_used(virtio, queue, at, USED_ENTRY_BYTES);
}

/* The driver sees the next `count` filled entries. */
static void queue_show(struct virtio *virtio, unsigned queue, unsigned count)
{
    u8 *used = virtio->rings[queue].used;
    virtio->saved.next_used[queue] = (u16)(virtio->saved.next_used[queue] + count);
    shared_store(used + RING_IDX, virtio->saved.next_used[queue]);
    queue_note_used(virtio, queue, RING_IDX, 2);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (queue_wants_interrupt(virtio, queue)) {
        virtio_interrupt_queue(virtio, queue);
    }
}

void virtio_queue_publish(struct virtio *virtio, unsigned queue, unsigned count)
{
    if (queue_is_live(virtio, queue)) {
        virtio->saved.next_avail[queue] = (u16)(virtio->saved.next_avail[queue] + count);
        queue_show(virtio, queue, count);
    }
}

bool virtio_queue_take(struct virtio *virtio, unsigned queue, struct virtio_chain *chain)
{
    bool took = virtio_queue_peek(virtio, queue, chain);
    virtio->saved.next_avail[queue] = (u16)(virtio->saved.next_avail[queue] + took);
    return took;
}

void virtio_queue_give(struct virtio *virtio, unsigned queue, const struct virtio_chain *chain,
                       u64 written_bytes)
{
    if (queue_is_live(virtio, queue)) {
        virtio_queue_fill(virtio, queue, 0, chain, written_bytes);
        queue_show(virtio, queue, 1);
    }
}

bool virtio_queue_has_more(const struct virtio *virtio, unsigned queue)
{
    return queue_is_live(virtio, queue) &&
           shared_load(virtio->rings[queue].avail + RING_IDX) != virtio->saved.next_avail[queue];
}

bool virtio_queue_sleep(struct virtio *virtio, unsigned queue)
{
    if (!queue_is_live(virtio, queue)) {
        return false;
    }
    const struct virtio_rings *rings = &virtio->rings[queue];
    u16 next = virtio->saved.next_avail[queue];
    if (virtio_has_feature(virtio, VIRTIO_F_EVENT_IDX)) {
        unsigned at = avail_event_offset(virtio->saved.entries[queue]);
        shared_store(rings->used + at, next);
        queue_note_used(virtio, queue, at, 2);
    } else {
        shared_store(rings->used, 0);
        queue_note_used(virtio, queue, 0, 2);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return shared_load(rings->avail + RING_IDX) != next;
}

void virtio_queue_wake(struct virtio *virtio, unsigned queue)
{
    /* With event indices nothing is to be done: the old event stays passed. */
    if (queue_is_live(virtio, queue) && !virtio_has_feature(virtio, VIRTIO_F_EVENT_IDX)) {
        shared_store(virtio->rings[queue].used, USED_NO_NOTIFY);
        queue_note_used(virtio, queue, 0, 2);
    }
}

/* ---- The data ---- */

/* Copies out of the segments from `first` up to `end`. */
static size_t chain_read(const struct virtio_chain *chain, unsigned first, unsigned end, u64 offset,
                         u8 *to, size_t size_bytes)
{
    size_t done = 0;
    for (unsigned i = first; i < end && done < size_bytes; i++) {
        const struct virtio_segment *segment = &chain->segments[i];
        if (offset >= segment->size_bytes) {
            offset -= segment->size_bytes;
            continue;
        }
        size_t part = segment->size_bytes - (size_t)offset;
        part = part < size_bytes - done ? part : size_bytes - done;
        memcpy(to + done, segment->hva + offset, part);
        done += part;
        offset = 0;
    }
    return done;
}

size_t virtio_chain_read(const struct virtio_chain *chain, u64 offset, void *buffer,
                         size_t size_bytes)
{
    return chain_read(chain, 0, chain->readable_count, offset, buffer, size_bytes);
}

size_t virtio_chain_read_back(const struct virtio_chain *chain, void *buffer, size_t size_bytes)
{
    return chain_read(chain, chain->readable_count, chain->count, 0, buffer, size_bytes);
}

static unsigned chain_vector(const struct virtio_segment *segments, unsigned count, u64 offset,
                             struct iovec *vector)
{
    unsigned used = 0;
    for (unsigned i = 0; i < count; i++) {
        u64 skip = offset < segments[i].size_bytes ? offset : segments[i].size_bytes;
        offset -= skip;
        if (skip < segments[i].size_bytes) {
            vector[used++] = (struct iovec){segments[i].hva + skip,
                                            segments[i].size_bytes - (size_t)skip};
        }
    }
    return used;
}

unsigned virtio_chain_readable(const struct virtio_chain *chain, u64 offset, struct iovec *vector)
{
    return chain_vector(chain->segments, chain->readable_count, offset, vector);
}

unsigned virtio_chain_writable(const struct virtio_chain *chain, u64 offset, struct iovec *vector)
{
    return chain_vector(chain->segments + chain->readable_count,
                        chain->count - chain->readable_count, offset, vector);
}

size_t virtio_chain_write(struct virtio *virtio, const struct virtio_chain *chain, u64 offset,
                          const void *buffer, size_t size_bytes)
{
    const u8 *from = buffer;
    size_t done = 0;
    for (unsigned i = chain->readable_count; i < chain->count && done < size_bytes; i++) {
        const struct virtio_segment *segment = &chain->segments[i];
        if (offset >= segment->size_bytes) {
            offset -= segment->size_bytes;
            continue;
        }
        size_t part = segment->size_bytes - (size_t)offset;
        part = part < size_bytes - done ? part : size_bytes - done;
        memcpy(segment->hva + offset, from + done, part);
        memory_note_write(virtio->device->env->memory, segment->gpa + offset, part);
        done += part;
        offset = 0;
    }
    return done;
}

void virtio_chain_note_written(struct virtio *virtio, const struct virtio_chain *chain,
                               u64 size_bytes)
{
    for (unsigned i = chain->readable_count; i < chain->count && size_bytes > 0; i++) {
        const struct virtio_segment *segment = &chain->segments[i];
        u64 part = segment->size_bytes < size_bytes ? segment->size_bytes : size_bytes;
        memory_note_write(virtio->device->env->memory, segment->gpa, part);
        size_bytes -= part;
    }
}
