/* Device contexts (6.2) and the commands about them (4.6.4 to 4.6.7, 4.6.11); see xhci_private.h.
 *
 * What the controller needs of a context is kept in its own state when a command brings it; the
 * output context in guest memory is written for the driver to read.
 *
 *   input context: control (words 0: contexts to drop, 1: to add), then as the output context
 *   output context: slot, endpoint 0, 1 OUT, 1 IN, ... 15 IN, 32 bytes each
 *   slot: word 0: 27..31 the last context in use; word 1: 16..23 port; word 3: 0..7 address,
 *         27..31 state
 *   endpoint: word 0: 0..2 state; words 2, 3: the ring, bit 0 its cycle bit */
#include "hw/usb/xhci_private.h"

enum {
    CONTEXT_WORDS = XHCI_CONTEXT_BYTES / 4,
    SLOT_ENTRIES = 27, /* shifts */
    SLOT_PORT = 16,
    SLOT_STATE = 27,
    ADD_SLOT = 1,
    ADD_CONTROL = 2,
    ENDPOINT_STATE_BITS = 7,
};

struct context {
    u32 words[CONTEXT_WORDS];
};

static bool context_read(struct xhci *xhci, gpa_t gpa, struct context *context)
{
    u8 bytes[XHCI_CONTEXT_BYTES];
    bool ok = xhci_dma_read(xhci, gpa, bytes, sizeof(bytes));
    for (unsigned i = 0; i < CONTEXT_WORDS; i++) {
        context->words[i] = ok ? ld_le32(bytes + (size_t)i * 4) : 0;
    }
    return ok;
}

static bool context_write(struct xhci *xhci, gpa_t gpa, const struct context *context)
{
    u8 bytes[XHCI_CONTEXT_BYTES];
    for (unsigned i = 0; i < CONTEXT_WORDS; i++) {
        st_le32(bytes + (size_t)i * 4, context->words[i]);
    }
    return xhci_dma_write(xhci, gpa, bytes, sizeof(bytes));
}

static gpa_t context_at(const struct xhci *xhci, unsigned slot, unsigned number)
{
    return xhci->saved.slot_gpa[slot] + (u64)number * XHCI_CONTEXT_BYTES;
}

/* ---- Endpoints ---- */

void xhci_endpoint_set(struct xhci *xhci, unsigned slot, unsigned endpoint,
                       enum xhci_endpoint_state state)
{
    struct xhci_saved *s = &xhci->saved;
    unsigned ring = xhci_ring(slot, endpoint);
    gpa_t gpa = context_at(xhci, slot, endpoint);
    struct context context;
    s->ring_state[ring] = (u8)state;
    if (context_read(xhci, gpa, &context)) {
        context.words[0] = (context.words[0] & ~(u32)ENDPOINT_STATE_BITS) | (u32)state;
        context.words[2] = (u32)s->ring_gpa[ring] | ((s->ring_flags[ring] & RING_CYCLE) != 0);
        context.words[3] = (u32)(s->ring_gpa[ring] >> 32);
        context_write(xhci, gpa, &context);
    }
}

/* From the input context at `gpa`. */
static void endpoint_start(struct xhci *xhci, unsigned slot, unsigned endpoint, gpa_t gpa)
{
    struct xhci_saved *s = &xhci->saved;
    unsigned ring = xhci_ring(slot, endpoint);
    struct context context;
    if (!context_read(xhci, gpa, &context)) {
        return;
    }
    s->ring_gpa[ring] = (context.words[2] & ~(u32)0xf) | (u64)context.words[3] << 32;
    s->ring_flags[ring] = (context.words[2] & 1) != 0 ? RING_CYCLE : 0;
    s->ring_bytes[ring] = 0;
    if (context_write(xhci, context_at(xhci, slot, endpoint), &context)) {
        xhci_endpoint_set(xhci, slot, endpoint, ENDPOINT_RUNNING);
    }
}

static void endpoint_end(struct xhci *xhci, unsigned slot, unsigned endpoint)
{
    struct xhci_saved *s = &xhci->saved;
    if (s->ring_state[xhci_ring(slot, endpoint)] != ENDPOINT_DISABLED) {
        xhci_endpoint_set(xhci, slot, endpoint, ENDPOINT_DISABLED);
        s->doorbells[slot] &= ~(1u << endpoint);
    }
}

static void endpoints_end(struct xhci *xhci, unsigned slot, unsigned first)
{
    for (unsigned endpoint = first; endpoint < XHCI_ENDPOINTS; endpoint++) {
        endpoint_end(xhci, slot, endpoint);
    }
}

/* ---- Slots ---- */

static void slot_set(struct xhci *xhci, unsigned slot, enum xhci_slot_state state, u8 address)
{
    gpa_t gpa = context_at(xhci, slot, 0);
    struct context context;
    xhci->saved.slot_state[slot] = (u8)state;
    if (context_read(xhci, gpa, &context)) {
        u32 shown = state <= SLOT_ENABLED ? 0 : (u32)state - SLOT_ENABLED;
        context.words[3] = shown << SLOT_STATE | address;
        context_write(xhci, gpa, &context);
    }
}

static void slot_set_entries(struct xhci *xhci, unsigned slot, u32 entries)
{
    gpa_t gpa = context_at(xhci, slot, 0);
    struct context context;
    if (context_read(xhci, gpa, &context)) {
        context.words[0] = (context.words[0] & ~(0x1fu << SLOT_ENTRIES)) | entries << SLOT_ENTRIES;
        context_write(xhci, gpa, &context);
    }
}

enum xhci_code xhci_slot_disable(struct xhci *xhci, unsigned slot)
{
    struct xhci_saved *s = &xhci->saved;
    if (s->slot_state[slot] > SLOT_ENABLED) {
        endpoints_end(xhci, slot, XHCI_ENDPOINT_CONTROL);
        slot_set(xhci, slot, SLOT_ENABLED, 0);
    }
    s->slot_state[slot] = SLOT_FREE;
    s->slot_port[slot] = 0;
    s->slot_gpa[slot] = 0;
    s->doorbells[slot] = 0;
    return CODE_SUCCESS;
}

static bool port_is_taken(const struct xhci *xhci, unsigned port, unsigned but)
{
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        if (i != but && xhci->saved.slot_port[i] == port) {
            return true;
        }
    }
    return false;
}

/* The input's slot and control contexts become the slot's, and its ring begins. */
enum xhci_code xhci_slot_address(struct xhci *xhci, unsigned slot, gpa_t input, bool no_address)
{
    struct xhci_saved *s = &xhci->saved;
    struct context control, context;
    u8 pointer[8];
    if (s->slot_state[slot] > (no_address ? SLOT_ENABLED : SLOT_DEFAULT)) {
        return CODE_CONTEXT_STATE;
    }
    if (!context_read(xhci, input, &control) ||
        !context_read(xhci, input + XHCI_CONTEXT_BYTES, &context) ||
        !xhci_dma_read(xhci, s->dcbaa_gpa + 8 * ((u64)slot + 1), pointer, sizeof(pointer))) {
        return CODE_TRB;
    }
    unsigned port = context.words[1] >> SLOT_PORT & 0xff;
    bool routed = (context.words[0] & 0xfffff) != 0;
    if ((control.words[1] & 3) != (ADD_SLOT | ADD_CONTROL) || port == 0 || port > XHCI_PORTS ||
        routed || port_is_taken(xhci, port, slot)) {
        return CODE_PARAMETER;
    }
    if (xhci_hid(xhci, port) == NULL || !xhci_port_is_enabled(xhci, port)) {
        return CODE_TRANSACTION;
    }
    s->slot_gpa[slot] = ld_le64(pointer) & ~(u64)0x3f;
    s->slot_port[slot] = (u8)port;
    if (!context_write(xhci, context_at(xhci, slot, 0), &context)) {
        return CODE_TRB;
    }
    endpoint_start(xhci, slot, XHCI_ENDPOINT_CONTROL, input + 2 * XHCI_CONTEXT_BYTES);
    u8 address = (u8)(no_address ? 0 : slot + 1);
    xhci_hid(xhci, port)->saved.address = address;
    slot_set(xhci, slot, no_address ? SLOT_DEFAULT : SLOT_ADDRESSED, address);
    return CODE_SUCCESS;
}

static void configure_undo(struct xhci *xhci, unsigned slot)
{
    endpoints_end(xhci, slot, XHCI_ENDPOINT_CONTROL + 1);
    slot_set_entries(xhci, slot, XHCI_ENDPOINT_CONTROL);
    slot_set(xhci, slot, SLOT_ADDRESSED, (u8)(slot + 1));
}

enum xhci_code xhci_slot_configure(struct xhci *xhci, unsigned slot, gpa_t input, bool undo)
{
    struct xhci_saved *s = &xhci->saved;
    struct context control;
    if (s->slot_state[slot] < SLOT_ADDRESSED) {
        return CODE_CONTEXT_STATE;
    }
    if (undo) {
        configure_undo(xhci, slot);
        return CODE_SUCCESS;
    }
    if (!context_read(xhci, input, &control)) {
        return CODE_TRB;
    }
    u32 drop = control.words[0], add = control.words[1], last = XHCI_ENDPOINT_CONTROL;
    if ((drop & 3) != 0 || (add & ADD_CONTROL) != 0) {
        return CODE_PARAMETER;
    }
    for (unsigned i = XHCI_ENDPOINT_CONTROL + 1; i < XHCI_ENDPOINTS; i++) {
        if ((drop >> i & 1) != 0) {
            endpoint_end(xhci, slot, i);
        }
        if ((add >> i & 1) != 0) {
            endpoint_end(xhci, slot, i);
            endpoint_start(xhci, slot, i, input + ((u64)i + 1) * XHCI_CONTEXT_BYTES);
        }
        last = s->ring_state[xhci_ring(slot, i)] != ENDPOINT_DISABLED ? i : last;
    }
    slot_set_entries(xhci, slot, last);
    slot_set(xhci, slot, last > XHCI_ENDPOINT_CONTROL ? SLOT_CONFIGURED : SLOT_ADDRESSED,
             (u8)(slot + 1));
    return CODE_SUCCESS;
}

/* Latency and interrupter of the slot, packet size of endpoint 0: noted, nothing follows. */
enum xhci_code xhci_slot_evaluate(struct xhci *xhci, unsigned slot, gpa_t input)
{
    struct context control, from, to;
    gpa_t gpa;
    if (xhci->saved.slot_state[slot] < SLOT_DEFAULT) {
        return CODE_CONTEXT_STATE;
    }
    if (!context_read(xhci, input, &control)) {
        return CODE_TRB;
    }
    if ((control.words[1] & ADD_SLOT) != 0) {
        gpa = context_at(xhci, slot, 0);
        if (!context_read(xhci, input + XHCI_CONTEXT_BYTES, &from) ||
            !context_read(xhci, gpa, &to)) {
            return CODE_TRB;
        }
        to.words[1] = (to.words[1] & ~(u32)0xffff) | (from.words[1] & 0xffff);
        to.words[2] = (to.words[2] & 0x3fffff) | (from.words[2] & ~(u32)0x3fffff);
        context_write(xhci, gpa, &to);
    }
    if ((control.words[1] & ADD_CONTROL) != 0) {
        gpa = context_at(xhci, slot, XHCI_ENDPOINT_CONTROL);
        if (!context_read(xhci, input + 2 * XHCI_CONTEXT_BYTES, &from) ||
            !context_read(xhci, gpa, &to)) {
            return CODE_TRB;
        }
        to.words[1] = (to.words[1] & 0xffff) | (from.words[1] & ~(u32)0xffff);
        context_write(xhci, gpa, &to);
    }
    return CODE_SUCCESS;
}

/* After a reset of its port: the device is where it was, without an address. */
enum xhci_code xhci_slot_reset(struct xhci *xhci, unsigned slot)
{
    if (xhci->saved.slot_state[slot] < SLOT_ADDRESSED) {
        return CODE_CONTEXT_STATE;
    }
    endpoints_end(xhci, slot, XHCI_ENDPOINT_CONTROL + 1);
    slot_set_entries(xhci, slot, XHCI_ENDPOINT_CONTROL);
    slot_set(xhci, slot, SLOT_DEFAULT, 0);
    return CODE_SUCCESS;
}
