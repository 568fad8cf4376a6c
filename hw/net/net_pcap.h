/* Packet capture to a file that Wireshark and tcpdump read (pcapng). */
#ifndef METIC_HW_NET_NET_PCAP_H
#define METIC_HW_NET_NET_PCAP_H

#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "hw/clock.h"
#include "hw/journal/journal.h"
#include "hw/net/net_frame.h"

struct net_pcap;

/* As epb_flags says it: what the guest's interface receives and sends. */
enum net_pcap_direction { NET_PCAP_IN = 1, NET_PCAP_OUT = 2 };

/* The time of a packet is guest time, counted from what the wall clock says now. NULL with a reason
 * when the file cannot be written; a host that fails later is logged, and the capture ends. */
struct net_pcap *net_pcap_new(const char *path, struct clock *clock, struct journal *journal,
                              struct log *log, struct metic_error *error);
void net_pcap_free(struct net_pcap *pcap); /* NULL allowed */

/* Any thread. NULL: nothing is captured. */
void net_pcap_write(struct net_pcap *pcap, enum net_pcap_direction direction,
                    const struct net_frame *frame);

#endif
