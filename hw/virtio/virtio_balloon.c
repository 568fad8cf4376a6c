/* The memory balloon (virtio 1.2, 5.5): the guest gives pages of its memory back to the host.
 *
 * queue 0  inflate: page numbers (le32, 4 KiB each) that the guest does not use any more queue 1
 * deflate: page numbers that it takes again; they read as zeros queue 2  statistics: one buffer
 * of counts (le16 tag, le64 value), which the device keeps until
 *            it wants newer ones
 * then     reporting: ranges of pages that are free in the guest right now (the driver's buffers
 *            are the pages themselves)
 *
 * configuration: 0 le32 wanted pages, 4 le32 pages in the balloon (written by the driver), 8 le32
 * hint command, 12 le32 poison
 *
 * A page that is given back is dropped from the host's memory at once (memory_discard) and reads
 * as zeros, so that what a guest sees is a function of what it did. A driver whose free pages
 * hold a pattern (poison) keeps what it reports. Inflated pages are not kept from the guest: it
 * may deflate without telling (5.5.3, MUST_TELL_HOST is not offered), or use a page all the same,
 * which then is its own loss.
 *
 * Left out: free page hints (5.5.6.6), which serve live migration. */
#include "hw/virtio/virtio_balloon.h"

#include "cpu/memory.h"
#include "hw/virtio/virtio_queue.h"

#include <string.h>

#define BALLOON_F_STATS_VQ BIT(1)
#define BALLOON_F_DEFLATE_ON_OOM BIT(2)
#define BALLOON_F_PAGE_POISON BIT(4)
#define BALLOON_F_REPORTING BIT(5)

enum {
    BALLOON_QUEUE_ENTRIES = 128,
    BALLOON_INFLATE = 0,
    BALLOON_DEFLATE = 1,
    BALLOON_STATS = 2,
    BALLOON_QUEUES = 4,
    BALLOON_CONFIG_BYTES = 16,
    BALLOON_PAGE_BITS = 12,
    BALLOON_STAT_BYTES = 10,
    BALLOON_PART_PAGES = 256,
    /* A hart waits meanwhile. */
    BALLOON_MAX_PAGES = 1 << 16,
    BALLOON_CHAINS_AT_ONCE = 8,
};

struct balloon_saved {
    u32 wanted_pages, actual_pages, poison;
    u32 stats_valid;
    u64 stats[VIRTIO_BALLOON_STATS];
    u64 reported_bytes;
};
#define BALLOON_SAVED(FIELD, T)                                                       \
    FIELD(T, wanted_pages) FIELD(T, actual_pages) FIELD(T, poison) FIELD(T, stats_valid) \
    FIELD(T, stats) FIELD(T, reported_bytes)
STATE_LIST(balloon_saved, struct balloon_saved, BALLOON_SAVED);

struct balloon {
    struct balloon_saved saved;
    struct virtio_chain chain;
};

/* --- pages --- */

/* Numbers that follow each other, up or down, are given back together. */
struct run {
    u64 first, end; /* page numbers */
};

static void run_discard(struct virtio *virtio, struct run *run)
{
    if (run->end > run->first &&
        !memory_discard(virtio->device->env->memory, run->first << BALLOON_PAGE_BITS,
                        (run->end - run->first) << BALLOON_PAGE_BITS)) {
        device_guest_error(virtio->device, "pages in the balloon that are no RAM");
    }
    run->first = run->end = 0;
}

static void run_add(struct virtio *virtio, struct run *run, u32 page)
{
    if (run->end > run->first && page == run->end) {
        run->end++;
    } else if (run->end > run->first && (u64)page + 1 == run->first) {
        run->first--;
    } else {
        run_discard(virtio, run);
        run->first = page;
        run->end = (u64)page + 1;
    }
}

static void balloon_inflate(struct virtio *virtio, const struct virtio_chain *chain)
{
    struct run run = {0, 0};
    u8 numbers[BALLOON_PART_PAGES * 4];
    for (u64 at = 0; at < (u64)BALLOON_MAX_PAGES * 4;) {
        size_t got = virtio_chain_read(chain, at, numbers, sizeof(numbers));
        for (size_t i = 0; i + 4 <= got; i += 4) {
            run_add(virtio, &run, ld_le32(numbers + i));
        }
        at += got;
        if (got < sizeof(numbers)) {
            break;
        }
    }
    run_discard(virtio, &run);
}

static void balloon_report(struct virtio *virtio, const struct virtio_chain *chain)
{
    struct balloon *balloon = virtio->state;
    bool keeps = virtio_has_feature(virtio, BALLOON_F_PAGE_POISON) && balloon->saved.poison != 0;
    for (unsigned i = chain->readable_count; !keeps && i < chain->count; i++) {
        const struct virtio_segment *segment = &chain->segments[i];
        u64 first = (segment->gpa + PAGE_OFFSET_MASK) & PAGE_MASK;
        u64 end = (segment->gpa + segment->size_bytes) & PAGE_MASK;
        if (end > first && memory_discard(virtio->device->env->memory, first, end - first)) {
            balloon->saved.reported_bytes += end - first;
        }
    }
}

/* --- statistics --- */

static void balloon_take_stats(struct virtio *virtio, const struct virtio_chain *chain)
{
    struct balloon *balloon = virtio->state;
    u8 bytes[BALLOON_STAT_BYTES * 32];
    size_t got = virtio_chain_read(chain, 0, bytes, sizeof(bytes));
    balloon->saved.stats_valid = 0;
    for (size_t at = 0; at + BALLOON_STAT_BYTES <= got; at += BALLOON_STAT_BYTES) {
        u16 tag = ld_le16(bytes + at);
        if (tag < VIRTIO_BALLOON_STATS) {
            balloon->saved.stats[tag] = ld_le64(bytes + at + 2);
            balloon->saved.stats_valid |= 1u << tag;
        }
    }
}

const char *virtio_balloon_stat_name(unsigned index)
{
    static const char *const names[VIRTIO_BALLOON_STATS] = {
        "swap-in", "swap-out", "major-faults", "minor-faults", "free-memory", "total-memory",
        "available-memory", "disk-caches", "hugetlb-allocations", "hugetlb-failures",
    };
    return names[index];
}

/* --- queues --- */

/* The number of the reporting queue depends on whether there is one of statistics. */
static bool is_stats(const struct virtio *virtio, unsigned queue)
{
    return queue == BALLOON_STATS && virtio_has_feature(virtio, BALLOON_F_STATS_VQ);
}

static bool balloon_serve(struct virtio *virtio, unsigned queue)
{
    struct balloon *balloon = virtio->state;
    if (is_stats(virtio, queue)) {
        if (virtio_queue_peek(virtio, queue, &balloon->chain)) {
            balloon_take_stats(virtio, &balloon->chain); /* and keeps the buffer */
        }
        virtio_queue_sleep(virtio, queue);
        return false;
    }
    for (unsigned i = 0; i < BALLOON_CHAINS_AT_ONCE; i++) {
        if (!virtio_queue_peek(virtio, queue, &balloon->chain)) {
            return virtio_queue_sleep(virtio, queue);
        }
        if (queue == BALLOON_INFLATE) {
            balloon_inflate(virtio, &balloon->chain);
        } else if (queue != BALLOON_DEFLATE &&
                   virtio_has_feature(virtio, BALLOON_F_REPORTING)) {
            balloon_report(virtio, &balloon->chain);
        }
        virtio_queue_finish(virtio, queue, &balloon->chain, 0);
    }
    return true;
}

void virtio_balloon_ask(struct virtio_balloon_config *config, u32 wanted_pages)
{
    struct virtio *virtio = config->virtio;
    struct balloon *balloon = virtio->state;
    device_lock(virtio->device);
    if (balloon->saved.wanted_pages != wanted_pages) {
        balloon->saved.wanted_pages = wanted_pages;
        virtio_config_changed(virtio);
    }
    if (virtio_is_running(virtio) && is_stats(virtio, BALLOON_STATS) &&
        virtio_queue_peek(virtio, BALLOON_STATS, &balloon->chain)) {
        virtio_queue_finish(virtio, BALLOON_STATS, &balloon->chain, 0);
    }
    device_unlock(virtio->device);
}

void virtio_balloon_look(struct virtio_balloon_config *config,
                         struct virtio_balloon_status *status)
{
    struct virtio *virtio = config->virtio;
    const struct balloon *balloon = virtio->state;
    device_lock(virtio->device);
    *status = (struct virtio_balloon_status){
        .wanted_pages = balloon->saved.wanted_pages,
        .actual_pages = balloon->saved.actual_pages,
        .reported_bytes = balloon->saved.reported_bytes,
        .stats_valid = balloon->saved.stats_valid,
    };
    memcpy(status->stats, balloon->saved.stats, sizeof(status->stats));
    device_unlock(virtio->device);
}

/* --- configuration, life --- */

static void balloon_read_config(struct virtio *virtio, u8 *bytes)
{
    const struct balloon *balloon = virtio->state;
    st_le32(bytes, balloon->saved.wanted_pages);
    st_le32(bytes + 4, balloon->saved.actual_pages);
    st_le32(bytes + 8, 0);
    st_le32(bytes + 12, balloon->saved.poison);
}

static void balloon_write_config(struct virtio *virtio, u32 offset, u64 value,
                                 unsigned size_bytes)
{
    struct balloon *balloon = virtio->state;
    if (offset == 4 && size_bytes == 4) {
        balloon->saved.actual_pages = (u32)value;
    } else if (offset == 12 && size_bytes == 4) {
        balloon->saved.poison = (u32)value;
    } else {
        device_guest_error(virtio->device, "write to configuration that cannot be written");
    }
}

/* What is wanted stays: a guest that starts anew is to do with as little. */
static void balloon_reset(struct virtio *virtio)
{
    struct balloon *balloon = virtio->state;
    balloon->saved.actual_pages = 0;
    balloon->saved.poison = 0;
    balloon->saved.stats_valid = 0;
}

static bool balloon_init(struct virtio *virtio, struct metic_error *error)
{
    struct virtio_balloon_config *config =
        (struct virtio_balloon_config *)(uintptr_t)virtio->config;
    (void)error;
    virtio->queue_count = BALLOON_QUEUES;
    virtio->config_bytes = BALLOON_CONFIG_BYTES;
    virtio->features |= BALLOON_F_STATS_VQ | BALLOON_F_DEFLATE_ON_OOM | BALLOON_F_PAGE_POISON |
                        BALLOON_F_REPORTING;
    config->virtio = virtio;
    return true;
}

static void balloon_fini(struct virtio *virtio)
{
    (void)virtio;
}

static void balloon_save(struct virtio *virtio, struct state_writer *writer)
{
    const struct balloon *balloon = virtio->state;
    state_write_list(writer, &balloon_saved, &balloon->saved);
}

static bool balloon_load(struct virtio *virtio, struct state_reader *reader,
                         struct metic_error *error)
{
    struct balloon *balloon = virtio->state;
    return state_read_list(reader, &balloon_saved, &balloon->saved, error);
}

const struct virtio_type virtio_balloon_type = {
    .name = "virtio-balloon",
    .device_id = 5,
    .on_hart_only = true,
    .queue_entries = BALLOON_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct balloon),
    .init = balloon_init,
    .fini = balloon_fini,
    .read_config = balloon_read_config,
    .write_config = balloon_write_config,
    .serve = balloon_serve,
    .reset = balloon_reset,
    .save = balloon_save,
    .load = balloon_load,
};
