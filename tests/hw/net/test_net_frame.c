/* Checksums that a guest leaves to its device, against packets summed the slow way. */
#include "hw/net/net_frame.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { ETHERNET = 14, TCP4 = ETHERNET + 20, TCP6 = ETHERNET + 40 };

/* RFC 1071, word by word. */
static u16 slow_sum(const u8 *bytes, size_t size_bytes, u32 sum)
{
    for (size_t i = 0; i < size_bytes; i++) {
        sum += i % 2 == 0 ? (u32)bytes[i] << 8 : bytes[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (u16)sum;
}

/* A TCP packet with a wrong checksum field. */
static struct net_frame *tcp_frame(bool six, u32 payload_bytes)
{
    u32 ip = six ? 40 : 20, tcp = ETHERNET + ip;
    struct net_frame *frame = net_frame_new(tcp + 20 + payload_bytes);
    cr_assert_not_null(frame);
    for (u32 i = 0; i < frame->size_bytes; i++) {
        frame->bytes[i] = (u8)(7 * i + (i >> 8));
    }
    frame->bytes[12] = six ? 0x86 : 0x08;
    frame->bytes[13] = six ? 0xdd : 0x00;
    frame->bytes[ETHERNET] = six ? 0x60 : 0x45;
    frame->bytes[ETHERNET + (six ? 6 : 9)] = 6;
    frame->offload = (struct net_offload){
        .checksum = true, .segmentation = six ? NET_SEGMENT_TCP6 : NET_SEGMENT_TCP4,
        .checksum_start = (u16)tcp, .checksum_offset = 16};
    return frame;
}

static u16 verify(const struct net_frame *frame, bool six)
{
    u32 tcp = six ? TCP6 : TCP4, tcp_bytes = frame->size_bytes - tcp;
    const u8 *ip = frame->bytes + ETHERNET;
    u32 pseudo = slow_sum(ip + (six ? 8 : 12), six ? 32 : 8, 0) + 6 + tcp_bytes;
    return slow_sum(frame->bytes + tcp, tcp_bytes, pseudo);
}

Test(net_frame, segments_get_the_whole_checksum)
{
    static const u32 sizes[] = {0, 1, 2, 3, 4, 5, 1447, 1448, 9001, 65000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (int six = 0; six < 2; six++) {
            struct net_frame *frame = tcp_frame(six, sizes[i]);
            cr_assert(net_frame_complete(frame));
            cr_expect_eq(verify(frame, six), 0xffff, "%u bytes", sizes[i]);
            free(frame);
        }
    }
}

Test(net_frame, a_plain_checksum_believes_the_field)
{
    struct net_frame *frame = tcp_frame(false, 101);
    const u8 *ip = frame->bytes + ETHERNET;
    u16 pseudo = slow_sum(ip + 12, 8, 6 + 20 + 101);
    frame->offload.segmentation = NET_SEGMENT_NONE;
    frame->bytes[TCP4 + 16] = (u8)(pseudo >> 8);
    frame->bytes[TCP4 + 17] = (u8)pseudo;
    cr_assert(net_frame_complete(frame));
    cr_expect_eq(verify(frame, false), 0xffff);
    cr_expect(net_frame_complete(frame), "once is enough");
    free(frame);
}

Test(net_frame, a_zero_of_udp_is_not_sent)
{
    struct net_frame *frame = net_frame_new(60);
    memset(frame->bytes, 0, 60);
    frame->bytes[40] = frame->bytes[41] = 0xff;
    frame->offload = (struct net_offload){.checksum = true, .checksum_start = 34,
                                          .checksum_offset = 6};
    frame->bytes[34] = 0;
    cr_assert(net_frame_complete(frame));
    cr_expect_eq(frame->bytes[40], 0xff);
    cr_expect_eq(frame->bytes[41], 0xff);
    free(frame);
}

Test(net_frame, what_does_not_fit_is_refused)
{
    struct net_frame *frame = tcp_frame(false, 100);
    const struct net_offload good = frame->offload;
    frame->offload.checksum_start = 13;
    cr_expect_not(net_frame_complete(frame), "inside the Ethernet header");
    frame->offload = good;
    frame->offload.checksum_start = 0xffff;
    cr_expect_not(net_frame_complete(frame), "behind the end");
    frame->offload = good;
    frame->offload.checksum_offset = 200;
    cr_expect_not(net_frame_complete(frame), "a field behind the end");
    frame->offload = good;
    frame->offload.checksum = false;
    cr_expect_not(net_frame_complete(frame), "segments without a checksum");
    frame->offload = good;
    frame->offload.segmentation = NET_SEGMENT_TCP6;
    cr_expect_not(net_frame_complete(frame), "another IP");
    frame->offload = good;
    frame->bytes[ETHERNET + 9] = 17;
    cr_expect_not(net_frame_complete(frame), "not TCP");
    frame->bytes[ETHERNET + 9] = 6;
    frame->bytes[ETHERNET] = 0x46;
    cr_expect_not(net_frame_complete(frame), "TCP begins elsewhere");
    free(frame);
}
