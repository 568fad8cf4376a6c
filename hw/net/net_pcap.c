/* See net_pcap.h. The format is that of draft-ietf-opsawg-pcapng: blocks of
 *
 *   le32 type, le32 length, body padded to 4 bytes, le32 length again
 *
 * one section header, one interface (Ethernet, times in nanoseconds), and an enhanced packet block
 * for each frame. Everything is written in the machine's own byte order, which the section header
 * tells; here it is always little-endian. Each frame is flushed, so that the file is good whenever
 * somebody looks, and after a crash. */
#include "hw/net/net_pcap.h"

#include "cpu/base/bits.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PCAP_INTERFACE = 1,
    PCAP_PACKET = 6,
    PCAP_LINK_ETHERNET = 1,
    PCAP_OPTION_END = 0,
    PCAP_OPTION_IF_NAME = 2,
    PCAP_OPTION_IF_TSRESOL = 9,
    PCAP_OPTION_EPB_FLAGS = 2,
    PCAP_NANOSECONDS = 9, /* 10^-9 */
    PCAP_PACKET_BYTES = 28 + 16, /* a packet block without its packet */
};

struct net_pcap {
    FILE *file; /* NULL: the host failed; under lock */
    char *path;
    struct clock *clock;
    struct log *log;
    u64 wall_offset_ns; /* Unix time at guest time 0 */
    pthread_mutex_t lock;
};

static const u8 pcap_head[] = {
    /* Section header: version 1.0, length unknown. */
    0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 28, 0, 0, 0,
    /* Interface: Ethernet, packets whole; if_name "net0", if_tsresol, end of options. */
    PCAP_INTERFACE, 0, 0, 0, 40, 0, 0, 0, PCAP_LINK_ETHERNET, 0, 0, 0, 0, 0, 0, 0,
    PCAP_OPTION_IF_NAME, 0, 4, 0, 'n', 'e', 't', '0',
    PCAP_OPTION_IF_TSRESOL, 0, 1, 0, PCAP_NANOSECONDS, 0, 0, 0,
    PCAP_OPTION_END, 0, 0, 0, 40, 0, 0, 0,
};

/* Lock held, or nobody else knows the capture yet. */
static bool pcap_put(struct net_pcap *pcap, const void *bytes, size_t size_bytes)
{
    return fwrite(bytes, 1, size_bytes, pcap->file) == size_bytes;
}

struct net_pcap *net_pcap_new(const char *path, struct clock *clock, struct journal *journal,
                              struct log *log, struct metic_error *error)
{
    struct net_pcap *pcap = calloc(1, sizeof(*pcap));
    char *copy = strdup(path);
    if (pcap == NULL || copy == NULL) {
        error_set(error, NULL, "out of memory");
        free(copy);
        free(pcap);
        return NULL;
    }
    *pcap = (struct net_pcap){.path = copy, .clock = clock, .log = log,
                              .wall_offset_ns = journal_wall_ns(journal) - clock_now_ns(clock)};
    pthread_mutex_init(&pcap->lock, NULL);
    pcap->file = fopen(path, "wbe");
    if (pcap->file == NULL || !pcap_put(pcap, pcap_head, sizeof(pcap_head)) ||
        fflush(pcap->file) != 0) {
        error_set(error, "Name a file in a directory that can be written.",
                  "the packet capture '%s' cannot be written: %s", path, strerror(errno));
        net_pcap_free(pcap);
        return NULL;
    }
    return pcap;
}

void net_pcap_free(struct net_pcap *pcap)
{
    if (pcap == NULL) {
        return;
    }
    if (pcap->file != NULL) {
        fclose(pcap->file);
    }
    pthread_mutex_destroy(&pcap->lock);
    free(pcap->path);
    free(pcap);
}

/* Lock held. */
static bool pcap_put_packet(struct net_pcap *pcap, enum net_pcap_direction direction,
                            const struct net_frame *frame)
{
    static const u8 zeros[4];
    u32 padding_bytes = (4 - frame->size_bytes % 4) % 4;
    u32 block_bytes = PCAP_PACKET_BYTES + frame->size_bytes + padding_bytes;
    u64 when_ns = pcap->wall_offset_ns + clock_now_ns(pcap->clock);
    u8 head[28], tail[16] = {0};
    st_le32(head, PCAP_PACKET);
    st_le32(head + 4, block_bytes);
    st_le32(head + 8, 0); /* the interface */
    st_le32(head + 12, (u32)(when_ns >> 32));
    st_le32(head + 16, (u32)when_ns);
    st_le32(head + 20, frame->size_bytes);
    st_le32(head + 24, frame->size_bytes);
    st_le16(tail, PCAP_OPTION_EPB_FLAGS);
    st_le16(tail + 2, 4);
    st_le32(tail + 4, (u32)direction);
    st_le32(tail + 8, PCAP_OPTION_END);
    st_le32(tail + 12, block_bytes);
    return pcap_put(pcap, head, sizeof(head)) &&
           pcap_put(pcap, frame->bytes, frame->size_bytes) &&
           pcap_put(pcap, zeros, padding_bytes) && pcap_put(pcap, tail, sizeof(tail)) &&
           fflush(pcap->file) == 0;
}

void net_pcap_write(struct net_pcap *pcap, enum net_pcap_direction direction,
                    const struct net_frame *frame)
{
    if (pcap == NULL) {
        return;
    }
    pthread_mutex_lock(&pcap->lock);
    if (pcap->file != NULL && !pcap_put_packet(pcap, direction, frame)) {
        log_print(pcap->log, LOG_ERROR, "the packet capture '%s' ends here: %s", pcap->path,
                  strerror(errno));
        fclose(pcap->file);
        pcap->file = NULL;
    }
    pthread_mutex_unlock(&pcap->lock);
}
