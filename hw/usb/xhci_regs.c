/* Registers of the USB host controller (chapter 5); see xhci_private.h.
 *
 *   0x0000 capability, with the extended ones at 0x20: which ports are of which protocol (7.2)
 *   0x0040 operational: 0x00 USBCMD, 0x04 USBSTS, 0x08 PAGESIZE, 0x14 DNCTRL, 0x18 CRCR,
 *          0x30 DCBAAP, 0x38 CONFIG; 0x400: PORTSC and three more for each port
 *   0x1000 runtime: MFINDEX; 0x1020 interrupter 0: IMAN, IMOD, ERSTSZ, -, ERSTBA, ERDP
 *   0x2000 doorbells: 0 of the command ring, then one a slot
 *
 * All are words; 64-bit ones may be written in halves or whole, whole as two words. */
#include "hw/usb/xhci_private.h"

enum {
    PART_OPERATIONAL = 0x40,
    PART_PORTS = PART_OPERATIONAL + 0x400,
    PART_PORTS_END = PART_PORTS + 0x10 * XHCI_PORTS,
    PART_RUNTIME = 0x1000,
    PART_INTERRUPTER = PART_RUNTIME + 0x20,
    PART_DOORBELLS = 0x2000,

    CAP_EXTENDED = 0x20,
    CAP_PROTOCOL = 2,
    CAP_VERSION = 0x0100,
    CAP_INTERRUPTERS = 1,
    CAP_64_BIT = 1,
    CAP_THRESHOLD = 0xf, /* HCSPARAMS2: a driver writes a frame ahead of isochronous transfers */

    OP_USBCMD = PART_OPERATIONAL + 0x00,
    OP_USBSTS = PART_OPERATIONAL + 0x04,
    OP_PAGESIZE = PART_OPERATIONAL + 0x08,
    OP_DNCTRL = PART_OPERATIONAL + 0x14,
    OP_CRCR = PART_OPERATIONAL + 0x18,
    OP_DCBAAP = PART_OPERATIONAL + 0x30,
    OP_CONFIG = PART_OPERATIONAL + 0x38,

    RT_MFINDEX = PART_RUNTIME,
    RT_IMAN = PART_INTERRUPTER + 0x00,
    RT_IMOD = PART_INTERRUPTER + 0x04,
    RT_ERSTSZ = PART_INTERRUPTER + 0x08,
    RT_ERSTBA = PART_INTERRUPTER + 0x10,
    RT_ERDP = PART_INTERRUPTER + 0x18,

    CMD_BITS = XHCI_CMD_RUN | XHCI_CMD_INTE | 0xc08, /* and host system errors, wraps, stopping */
    CRCR_CYCLE = 1,
    CRCR_STOP = 6, /* stop, abort */
    CRCR_RUNNING = 8,
    MICROFRAME_NS = 125000,
    MFINDEX_BITS = 0x3fff,
};

/* --- reading --- */

/* Supported protocol capabilities, of USB 2 and of USB 3 (7.2). */
static u32 extended_read(unsigned offset)
{
    static const u32 words[8] = {
        CAP_PROTOCOL | 4 << 8 | 0x0200u << 16, 0x20425355, /* "USB " */
        1 | XHCI_PORTS_USB2 << 8, 0,
        CAP_PROTOCOL | 0 << 8 | 0x0300u << 16, 0x20425355,
        (XHCI_PORTS_USB2 + 1) | (XHCI_PORTS - XHCI_PORTS_USB2) << 8, 0};
    return words[(offset - CAP_EXTENDED) / 4];
}

static u32 capability_read(unsigned offset)
{
    switch (offset) {
    case 0x00: return PART_OPERATIONAL | (u32)CAP_VERSION << 16;
    case 0x04: return XHCI_SLOTS | CAP_INTERRUPTERS << 8 | (u32)XHCI_PORTS << 24;
    case 0x08: return CAP_THRESHOLD; /* and one segment of the event ring, no scratchpad */
    case 0x0c: return 0;
    case 0x10: return CAP_64_BIT | CAP_EXTENDED / 4 << 16; /* contexts of 32 bytes */
    case 0x14: return PART_DOORBELLS;
    case 0x18: return PART_RUNTIME;
    case 0x1c: return 0;
    default: return extended_read(offset);
    }
}

static u32 mfindex(const struct xhci *xhci)
{
    const struct xhci_saved *s = &xhci->saved;
    return (s->usbcmd & XHCI_CMD_RUN) != 0
               ? (clock_now_ns(xhci->device->env->clock) - s->run_ns) / MICROFRAME_NS &
                     MFINDEX_BITS
               : 0;
}

static u32 register_read(const struct xhci *xhci, unsigned offset)
{
    const struct xhci_saved *s = &xhci->saved;
    switch (offset) {
    case OP_USBCMD: return s->usbcmd;
    case OP_USBSTS: return s->usbsts;
    case OP_PAGESIZE: return 1; /* 4 KiB */
    case OP_DNCTRL: return s->dnctrl;
    case OP_CRCR: return s->command_running ? CRCR_RUNNING : 0; /* the rest reads as 0 */
    case OP_DCBAAP: return (u32)s->dcbaa_gpa;
    case OP_DCBAAP + 4: return (u32)(s->dcbaa_gpa >> 32);
    case OP_CONFIG: return s->config;
    case RT_MFINDEX: return mfindex(xhci);
    case RT_IMAN: return s->iman;
    case RT_IMOD: return s->imod;
    case RT_ERSTSZ: return s->erst_count;
    case RT_ERSTBA: return (u32)s->erst_gpa;
    case RT_ERSTBA + 4: return (u32)(s->erst_gpa >> 32);
    case RT_ERDP: return (u32)s->erdp;
    case RT_ERDP + 4: return (u32)(s->erdp >> 32);
    default: return 0;
    }
}

u64 xhci_read(struct device *device, u64 offset, unsigned size_bytes)
{
    const struct xhci *xhci = device->state;
    unsigned word = (unsigned)offset & ~3u;
    u32 value = word < PART_OPERATIONAL ? capability_read(word)
                : word >= PART_PORTS && word < PART_PORTS_END
                    ? xhci_port_read(xhci, (word - PART_PORTS) / 0x10 + 1, word % 0x10)
                    : register_read(xhci, word);
    value >>= 8 * (offset & 3);
    return size_bytes < 4 ? value & ((1u << 8 * size_bytes) - 1) : value;
}

/* --- writing --- */

static void write_usbcmd(struct xhci *xhci, u32 value)
{
    struct xhci_saved *s = &xhci->saved;
    if ((value & XHCI_CMD_RESET) != 0) {
        xhci_reset_controller(xhci);
        return;
    }
    bool ran = (s->usbcmd & XHCI_CMD_RUN) != 0, runs = (value & XHCI_CMD_RUN) != 0;
    s->usbcmd = value & CMD_BITS;
    if ((value & XHCI_CMD_RESTORE) != 0) { /* nothing was saved: the driver begins anew (4.23.2) */
        s->usbsts |= XHCI_STS_RESTORE_ERROR;
    }
    if (runs && !ran) {
        s->run_ns = clock_now_ns(xhci->device->env->clock);
        s->usbsts &= ~(u32)XHCI_STS_HALTED;
    } else if (!runs) {
        s->usbsts |= XHCI_STS_HALTED;
        s->command_running = false;
    }
    xhci_update_irq(xhci);
    xhci_kick(xhci);
}

/* The low half, which a 64-bit write brings first; the pointer is taken from both. */
static void write_crcr(struct xhci *xhci, u32 value, bool high)
{
    struct xhci_saved *s = &xhci->saved;
    if (high) {
        s->command_gpa = s->command_running ? s->command_gpa
                                            : (u32)s->command_gpa | (u64)value << 32;
        return;
    }
    if (s->command_running) {
        if ((value & CRCR_STOP) != 0) {
            xhci_command_stop(xhci);
        }
        return;
    }
    s->command_gpa = (s->command_gpa & ~(u64)UINT32_MAX) | (value & ~(u32)0x3f);
    s->command_cycle = (value & CRCR_CYCLE) != 0;
}

static u64 with_half(u64 old, u32 value, bool high)
{
    return high ? (u32)old | (u64)value << 32 : (old & ~(u64)UINT32_MAX) | value;
}

/* The ring is found anew: the table may have been written between the two halves. */
static void write_erstba(struct xhci *xhci, u32 value, bool high)
{
    struct xhci_saved *s = &xhci->saved;
    s->erst_gpa = with_half(s->erst_gpa, high ? value : value & ~(u32)0x3f, high);
    s->event_count = 0;
    s->event_gpa = 0;
    s->event_at = 0;
}

static void ring_doorbell(struct xhci *xhci, unsigned number, u32 value)
{
    struct xhci_saved *s = &xhci->saved;
    unsigned endpoint = value & 0xff;
    if ((s->usbcmd & XHCI_CMD_RUN) == 0 || number > XHCI_SLOTS) {
        return;
    }
    if (number == 0) {
        s->command_running = s->command_running || endpoint == 0;
    } else if (endpoint != 0 && endpoint < XHCI_ENDPOINTS) {
        s->doorbells[number - 1] |= 1u << endpoint;
    }
    xhci_kick(xhci);
}

static void register_write(struct xhci *xhci, unsigned offset, u32 value)
{
    struct xhci_saved *s = &xhci->saved;
    bool high = (offset & 4) != 0;
    switch (offset) {
    case OP_USBCMD: write_usbcmd(xhci, value); break;
    case OP_USBSTS: s->usbsts &= ~(value & XHCI_STS_CLEARED_BY_ONE); break;
    case OP_DNCTRL: s->dnctrl = value & 0xffff; break;
    case OP_CRCR:
    case OP_CRCR + 4: write_crcr(xhci, value, offset != OP_CRCR); break;
    case OP_DCBAAP:
    case OP_DCBAAP + 4:
        s->dcbaa_gpa = with_half(s->dcbaa_gpa, high ? value : value & ~(u32)0x3f, high);
        break;
    case OP_CONFIG: s->config = value & 0x3ff; break;
    case RT_IMAN: xhci_write_iman(xhci, value); break;
    case RT_IMOD: s->imod = value; break;
    case RT_ERSTSZ: s->erst_count = value & 0xffff; break;
    case RT_ERSTBA:
    case RT_ERSTBA + 4: write_erstba(xhci, value, high); break;
    case RT_ERDP: xhci_write_erdp(xhci, with_half(s->erdp, value, false)); break;
    case RT_ERDP + 4: s->erdp = with_half(s->erdp, value, true); break;
    default: break;
    }
}

void xhci_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct xhci *xhci = device->state;
    if (size_bytes != 4 || offset % 4 != 0) {
        device_guest_error(device, "a write that is not of an aligned word");
        return;
    }
    unsigned at = (unsigned)offset;
    if (at >= PART_PORTS && at < PART_PORTS_END) {
        xhci_port_write(xhci, (at - PART_PORTS) / 0x10 + 1, at % 0x10, (u32)value);
    } else if (at >= PART_DOORBELLS) {
        ring_doorbell(xhci, (at - PART_DOORBELLS) / 4, (u32)value);
    } else {
        register_write(xhci, at, (u32)value);
    }
}
