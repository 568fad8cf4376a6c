/* MSI-X of a PCI function (PCI 3.0, 6.8.2).
 *
 *   table, 16 bytes a vector: le64 address, le32 data, le32 control (bit 0: masked)
 *   pending bits, one a vector, at PCI_MSIX_PBA
 *   capability: le16 control (15 enable, 14 mask all, 10:0 count - 1), le32 table, le32 pending
 *
 * A message whose vector is masked becomes a pending bit, and is sent when the mask goes. */
#include "hw/pci/pci.h"

enum {
    MSIX_CAP_BYTES = 12,
    MSIX_CONTROL = 2,
    MSIX_ENABLE = 0x8000,
    MSIX_MASK_ALL = 0x4000,
    VECTOR_BYTES = 16,
    VECTOR_CONTROL = 3, /* word of an entry */
    VECTOR_MASKED = 1,
};

void pci_add_msix(struct pci_function *function, unsigned bar, unsigned count)
{
    u8 cap[MSIX_CAP_BYTES] = {0};
    CHECK(count >= 1 && count <= PCI_MSIX_VECTORS);
    st_le16(cap + MSIX_CONTROL, (u16)(count - 1));
    st_le32(cap + 4, bar);
    st_le32(cap + 8, PCI_MSIX_PBA | bar);
    function->msix_count = count;
    function->msix_cap =
        pci_add_capability(function, PCI_CAP_MSIX, cap + MSIX_CONTROL, sizeof(cap));
    pci_allow_writes(function, function->msix_cap + MSIX_CONTROL, MSIX_ENABLE | MSIX_MASK_ALL, 2);
}

static u16 msix_control(const struct pci_function *function)
{
    return function->msix_cap != 0
               ? ld_le16(function->saved.config + function->msix_cap + MSIX_CONTROL)
               : 0;
}

bool pci_msix_is_enabled(const struct pci_function *function)
{
    return (msix_control(function) & MSIX_ENABLE) != 0;
}

static bool msix_is_masked(const struct pci_function *function, unsigned vector)
{
    u32 control = function->saved.msix_table[4 * vector + VECTOR_CONTROL];
    return (msix_control(function) & MSIX_MASK_ALL) != 0 || (control & VECTOR_MASKED) != 0;
}

/* The message is a write to memory, so it needs leave to be bus master. */
static void msix_send(struct pci_function *function, unsigned vector)
{
    const u32 *entry = &function->saved.msix_table[4 * vector];
    const struct device_env *env = function->device->env;
    u16 command = ld_le16(function->saved.config + PCI_COMMAND);
    if ((command & PCI_COMMAND_MASTER) != 0 && env->message != NULL) {
        env->message(env->message_opaque, entry[0] | (u64)entry[1] << 32, entry[2]);
    }
}

void pci_msix_notify(struct pci_function *function, unsigned vector)
{
    if (vector >= function->msix_count || !pci_msix_is_enabled(function)) {
        return;
    }
    if (msix_is_masked(function, vector)) {
        function->saved.msix_pending[vector / 32] |= 1u << vector % 32;
    } else {
        msix_send(function, vector);
    }
}

static void msix_send_pending(struct pci_function *function, unsigned vector)
{
    u32 bit = 1u << vector % 32;
    u32 *pending = &function->saved.msix_pending[vector / 32];
    if ((*pending & bit) != 0 && pci_msix_is_enabled(function) &&
        !msix_is_masked(function, vector)) {
        *pending &= ~bit;
        msix_send(function, vector);
    }
}

void pci_msix_control_written(struct pci_function *function)
{
    for (unsigned i = 0; i < function->msix_count; i++) {
        msix_send_pending(function, i);
    }
}

/* Aligned words and double words; a double word is split by the region's largest size. */
u64 pci_msix_read(struct pci_function *function, u64 offset, unsigned size_bytes)
{
    u64 word = offset / 4;
    if (size_bytes != 4 || offset % 4 != 0) {
        device_guest_error(function->device, "read of an MSI-X table by anything but a word");
        return 0;
    }
    if (offset < function->msix_count * VECTOR_BYTES) {
        return function->saved.msix_table[word];
    }
    u64 pending = (offset - PCI_MSIX_PBA) / 4;
    return offset >= PCI_MSIX_PBA && pending < ARRAY_LEN(function->saved.msix_pending)
               ? function->saved.msix_pending[pending]
               : 0;
}

void pci_msix_write(struct pci_function *function, u64 offset, u64 value, unsigned size_bytes)
{
    unsigned vector = (unsigned)(offset / VECTOR_BYTES);
    unsigned word = (unsigned)(offset / 4 % 4);
    if (size_bytes != 4 || offset % 4 != 0 || vector >= function->msix_count) {
        device_guest_error(function->device, "write to an MSI-X table by anything but a word, or "
                                             "beyond its end");
        return;
    }
    static const u32 writable[] = {~(u32)3, UINT32_MAX, UINT32_MAX, VECTOR_MASKED};
    function->saved.msix_table[4 * vector + word] = (u32)value & writable[word];
    msix_send_pending(function, vector);
}
