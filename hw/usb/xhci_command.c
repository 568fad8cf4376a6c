/* The command ring (4.6, 4.9.3); see xhci_private.h. A command is done when its event is there. */
#include "hw/usb/xhci_private.h"

static enum xhci_code command_enable_slot(struct xhci *xhci, unsigned *slot)
{
    for (unsigned i = 0; i < XHCI_SLOTS && i < (xhci->saved.config & 0xff); i++) {
        if (xhci->saved.slot_state[i] == SLOT_FREE) {
            xhci->saved.slot_state[i] = SLOT_ENABLED;
            *slot = i;
            return CODE_SUCCESS;
        }
    }
    return CODE_NO_SLOTS;
}

/* 4.6.8 to 4.6.10: what is done to one endpoint and its ring. */
static enum xhci_code command_endpoint(struct xhci *xhci, unsigned slot,
                                       const struct xhci_trb *trb)
{
    struct xhci_saved *s = &xhci->saved;
    unsigned endpoint = trb->control >> TRB_ENDPOINT & 0x1f;
    unsigned ring = xhci_ring(slot, endpoint);
    enum xhci_endpoint_state state = s->ring_state[ring];
    if (endpoint == 0) {
        return CODE_TRB;
    }
    if (state == ENDPOINT_DISABLED) {
        return CODE_NO_ENDPOINT;
    }
    switch (trb_type(trb)) {
    case TRB_RESET_ENDPOINT:
        if (state != ENDPOINT_HALTED) {
            return CODE_CONTEXT_STATE;
        }
        break;
    case TRB_STOP_ENDPOINT:
        if (state != ENDPOINT_RUNNING) {
            return CODE_CONTEXT_STATE;
        }
        xhci_transfer_stopped(xhci, slot, endpoint);
        break;
    default: /* set the dequeue pointer */
        if (state != ENDPOINT_STOPPED && state != ENDPOINT_ERROR) {
            return CODE_CONTEXT_STATE;
        }
        s->ring_gpa[ring] = trb->parameter & ~(u64)0xf;
        s->ring_flags[ring] = (trb->parameter & 1) != 0 ? RING_CYCLE : 0;
        s->ring_bytes[ring] = 0;
        break;
    }
    xhci_endpoint_set(xhci, slot, endpoint, ENDPOINT_STOPPED);
    return CODE_SUCCESS;
}

static enum xhci_code command_slot(struct xhci *xhci, unsigned slot, const struct xhci_trb *trb)
{
    gpa_t input = trb->parameter & ~(u64)0xf;
    if (slot >= XHCI_SLOTS || xhci->saved.slot_state[slot] == SLOT_FREE) {
        return CODE_NO_SLOT;
    }
    switch (trb_type(trb)) {
    case TRB_DISABLE_SLOT: return xhci_slot_disable(xhci, slot);
    case TRB_ADDRESS_DEVICE:
        return xhci_slot_address(xhci, slot, input, (trb->control & TRB_NO_ADDRESS) != 0);
    case TRB_CONFIGURE_ENDPOINT:
        return xhci_slot_configure(xhci, slot, input, (trb->control & TRB_DECONFIGURE) != 0);
    case TRB_EVALUATE_CONTEXT: return xhci_slot_evaluate(xhci, slot, input);
    case TRB_RESET_DEVICE: return xhci_slot_reset(xhci, slot);
    default: return command_endpoint(xhci, slot, trb);
    }
}

static void command_do(struct xhci *xhci, const struct xhci_trb *trb)
{
    unsigned slot = (trb->control >> TRB_SLOT) - 1u; /* its number is from 1 */
    enum xhci_code code = CODE_TRB;
    unsigned type = trb_type(trb);
    if (type == TRB_NO_OP_COMMAND) {
        code = CODE_SUCCESS;
        slot = UINT32_MAX;
    } else if (type == TRB_ENABLE_SLOT) {
        slot = UINT32_MAX;
        code = command_enable_slot(xhci, &slot);
    } else if (type >= TRB_DISABLE_SLOT && type <= TRB_RESET_DEVICE) {
        code = command_slot(xhci, slot, trb);
    }
    xhci_post(xhci, xhci->saved.command_gpa, (u32)code << 24,
              (u32)TRB_COMMAND_EVENT << TRB_TYPE | (slot + 1u) << TRB_SLOT, false);
}

/* A command makes two events at most. */
bool xhci_command_serve(struct xhci *xhci)
{
    struct xhci_saved *s = &xhci->saved;
    while (s->command_running && (s->usbcmd & XHCI_CMD_RUN) != 0) {
        struct xhci_trb trb;
        if (!xhci_has_room(xhci, 2)) {
            return false;
        }
        if (!xhci_ring_peek(xhci, &s->command_gpa, &s->command_cycle, &trb)) {
            return xhci->budget > 0;
        }
        command_do(xhci, &trb);
        s->command_gpa += XHCI_TRB_BYTES;
    }
    return true;
}

/* 4.6.1.2: what was running is done, so that nothing is aborted. */
void xhci_command_stop(struct xhci *xhci)
{
    struct xhci_saved *s = &xhci->saved;
    s->command_running = false;
    if (xhci_has_room(xhci, 1)) {
        xhci_post(xhci, s->command_gpa, (u32)CODE_COMMAND_STOPPED << 24,
                  (u32)TRB_COMMAND_EVENT << TRB_TYPE, false);
    }
}
