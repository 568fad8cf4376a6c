/* See net_frame.h. Checksums are those of RFC 1071: one's complement sums of 16-bit words, which do
 * not care about the byte order they are added in. */
#include "hw/net/net_frame.h"

#include <stdlib.h>
#include <string.h>

enum {
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_IP6 = 0x86dd,
    ETHERTYPE_VLAN = 0x8100,
    VLAN_TAG_BYTES = 4,
    IP4_HEADER_BYTES = 20,
    IP6_HEADER_BYTES = 40,
    PROTOCOL_TCP = 6,
    TCP_HEADER_BYTES = 20,
    TCP_CHECKSUM_OFFSET = 16,
    UDP_CHECKSUM_OFFSET = 6,
};

static u16 net_ld16(const u8 *bytes)
{
    return (u16)(bytes[0] << 8 | bytes[1]);
}

static void net_st16(u8 *bytes, u16 value)
{
    bytes[0] = (u8)(value >> 8);
    bytes[1] = (u8)value;
}

struct net_frame *net_frame_new(u32 size_bytes)
{
    struct net_frame *frame = malloc(sizeof(*frame) + size_bytes);
    if (frame != NULL) {
        frame->next = NULL;
        frame->size_bytes = size_bytes;
        frame->offload = (struct net_offload){0};
    }
    return frame;
}

/* Sum of big-endian words; an odd last byte is the high one. `size_bytes` below 2^24. */
static u32 net_sum(const u8 *bytes, size_t size_bytes)
{
    u64 sum = 0;
    size_t at = 0;
    for (; at + 4 <= size_bytes; at += 4) {
        u32 word;
        memcpy(&word, bytes + at, sizeof(word));
        sum += word; /* in the host's order: turned round once, at the end */
    }
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16 folded = (u16)sum;
    u8 pair[2];
    memcpy(pair, &folded, sizeof(pair));
    u32 result = net_ld16(pair);
    for (; at < size_bytes; at += 2) {
        result += (u32)bytes[at] << 8 | (at + 1 < size_bytes ? bytes[at + 1] : 0u);
    }
    return result;
}

static u16 net_fold(u32 sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (u16)sum;
}

/* Where the IP header begins, behind at most one VLAN tag; 0 when the frame has no IP packet. */
static u32 net_ip_offset(const struct net_frame *frame, u16 *ethertype)
{
    u32 at = NET_HEADER_BYTES;
    if (frame->size_bytes < at + VLAN_TAG_BYTES) {
        return 0;
    }
    *ethertype = net_ld16(frame->bytes + at - 2);
    if (*ethertype == ETHERTYPE_VLAN) {
        at += VLAN_TAG_BYTES;
        *ethertype = net_ld16(frame->bytes + at - 2);
    }
    return at;
}

/* The pseudo header's sum of a TCP packet whose TCP part begins at `tcp`; false when the headers
 * are not what the segmentation says. What the guest put into the field is not believed here: for
 * several segments it may be anything (virtio 1.2, 5.1.6.2.1). */
static bool net_tcp_pseudo(const struct net_frame *frame, u32 tcp, u16 *pseudo)
{
    u16 ethertype = 0;
    u32 ip = net_ip_offset(frame, &ethertype);
    u32 tcp_bytes = frame->size_bytes - tcp;
    const u8 *header = frame->bytes + ip;
    if (ip == 0 || frame->size_bytes < tcp + TCP_HEADER_BYTES) {
        return false;
    }
    if (frame->offload.segmentation == NET_SEGMENT_TCP4) {
        if (ethertype != ETHERTYPE_IP4 || tcp < ip + IP4_HEADER_BYTES ||
            tcp != ip + 4 * (header[0] & 15u) || header[9] != PROTOCOL_TCP) {
            return false;
        }
        *pseudo = net_fold(net_sum(header + 12, 8) + PROTOCOL_TCP + tcp_bytes);
        return true;
    }
    if (ethertype != ETHERTYPE_IP6 || tcp != ip + IP6_HEADER_BYTES || header[6] != PROTOCOL_TCP) {
        return false;
    }
    *pseudo = net_fold(net_sum(header + 8, 32) + PROTOCOL_TCP + tcp_bytes);
    return true;
}

bool net_frame_complete(struct net_frame *frame)
{
    struct net_offload *offload = &frame->offload;
    u32 start = offload->checksum_start;
    u32 field = start + offload->checksum_offset;
    if (!offload->checksum) {
        return offload->segmentation == NET_SEGMENT_NONE;
    }
    if (start < NET_HEADER_BYTES || field + 2 > frame->size_bytes) {
        return false;
    }
    if (offload->segmentation != NET_SEGMENT_NONE) {
        u16 pseudo;
        if (offload->checksum_offset != TCP_CHECKSUM_OFFSET ||
            !net_tcp_pseudo(frame, start, &pseudo)) {
            return false;
        }
        net_st16(frame->bytes + field, pseudo);
    }
    u16 sum = (u16)~net_fold(net_sum(frame->bytes + start, frame->size_bytes - start));
    if (sum == 0 && offload->checksum_offset == UDP_CHECKSUM_OFFSET) {
        sum = UINT16_MAX; /* zero says that there is no checksum (RFC 768) */
    }
    net_st16(frame->bytes + field, sum);
    *offload = (struct net_offload){0};
    return true;
}
