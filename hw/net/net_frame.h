/* One Ethernet frame on its way, and what its sender left undone. */
#ifndef METIC_HW_NET_NET_FRAME_H
#define METIC_HW_NET_NET_FRAME_H

#include "cpu/base/types.h"

enum {
    NET_MAC_BYTES = 6,
    NET_HEADER_BYTES = 14,
    /* A header with a VLAN tag, and the largest IP packet there is. */
    NET_FRAME_MAX_BYTES = NET_HEADER_BYTES + 4 + 65535,
};

enum net_segmentation { NET_SEGMENT_NONE, NET_SEGMENT_TCP4, NET_SEGMENT_TCP6 };

/* What a guest's stack leaves to its device. `checksum_start` on, all bytes are to be summed and
 * the sum stored `checksum_offset` behind it; the field holds the pseudo header's sum already. */
struct net_offload {
    bool checksum;
    enum net_segmentation segmentation; /* the frame stands for several TCP segments */
    u16 checksum_start, checksum_offset;
};

struct net_frame {
    struct net_frame *next; /* of whoever holds it */
    u32 size_bytes;
    struct net_offload offload;
    u8 bytes[];
};

/* A frame of `size_bytes` (at most NET_FRAME_MAX_BYTES), its bytes not set; NULL when the host has
 * no memory. free() ends it. */
struct net_frame *net_frame_new(u32 size_bytes);

/* Computes what was left undone; the frame is then one that could be on a wire, but for its length
 * when it stands for several segments. False: the offload does not fit the frame. */
bool net_frame_complete(struct net_frame *frame);

#endif
