/* How guests of riscv-virt reach virtio devices: eight mmio slots, and PCI. */
#include "hw/boards/riscv_virt.h"

#include <stdio.h>

static bool virt_add_virtio_mmio(struct board *board, unsigned slot,
                                 const struct board_virtio *wanted, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    char name[32];
    snprintf(name, sizeof(name), "virtio%u", slot);
    if (wanted != NULL) {
        snprintf(name, sizeof(name), "%s", wanted->name);
        virt->virtio[slot] = (struct virtio_mmio_config){wanted->type, wanted->config};
    }
    struct device_spec spec = {&virtio_mmio_class, name, &virt->virtio[slot], 1, {0}};
    return virt_add(board, &spec, VIRT_VIRTIO_GPA + slot * VIRT_VIRTIO_STRIDE,
                    VIRT_IRQ_VIRTIO + slot, 0, error) != NULL;
}

/* In a slot of the root bus, or behind a root port there. */
static bool virt_add_virtio_pci(struct board *board, unsigned slot,
                                const struct board_virtio *wanted, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    struct virtio_pci_config *config = &virt->virtio_pci[slot];
    bool behind_port = board->options.virtio_ports;
    *config = (struct virtio_pci_config){wanted->type, wanted->config,
                                         board->env.devices.message != NULL, behind_port};
    char name[16];
    snprintf(name, sizeof(name), "port%u", slot);
    struct device_spec port_spec = {&pcie_port_class, name, NULL, 1, {0}};
    struct device_spec spec = {&virtio_pci_class, wanted->name, config, 1, {0}};
    struct device *port = behind_port ? board_add_device(board, &port_spec, NULL, 0, error) : NULL;
    struct device *device = behind_port && port == NULL
                                ? NULL
                                : board_add_device(board, &spec, NULL, 0, error);
    if (device == NULL) {
        return false;
    }
    if (behind_port) {
        pci_host_attach(virt->pci_host, slot, port);
        pci_host_attach_behind(virt->pci_host, slot, device);
    } else {
        pci_host_attach(virt->pci_host, slot, device);
    }
    return true;
}

/* Devices take the mmio slots from the lowest up, or those of PCI; who finds no place there goes to
 * the other. mmio slots left over are there and empty, as QEMU's. */
bool virt_add_virtio(struct board *board, struct metic_error *error)
{
    const struct board_options *options = &board->options;
    unsigned mmio = 0;
    unsigned slot = 1; /* the host bridge has slot 0 */
    unsigned slots = options->usb != NULL ? VIRT_USB_SLOT : PCI_HOST_SLOTS;
    for (unsigned i = 0; i < options->virtio_count; i++) {
        const struct board_virtio *wanted = &options->virtio[i];
        bool on_pci = mmio == VIRT_VIRTIO_SLOTS || (options->virtio_pci && slot < slots);
        if (on_pci ? !virt_add_virtio_pci(board, slot++, wanted, error)
                   : !virt_add_virtio_mmio(board, mmio++, wanted, error)) {
            return false;
        }
    }
    while (mmio < VIRT_VIRTIO_SLOTS) {
        if (!virt_add_virtio_mmio(board, mmio++, NULL, error)) {
            return false;
        }
    }
    return true;
}

/* In the last slot, so that what it is there for moves no other device. */
bool virt_add_usb(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    struct device_spec spec = {&xhci_class, "usb", board->options.usb, 1, {0}};
    if (board->options.usb == NULL) {
        return true;
    }
    struct device *device = board_add_device(board, &spec, NULL, 0, error);
    if (device != NULL) {
        pci_host_attach(virt->pci_host, VIRT_USB_SLOT, device);
    }
    return device != NULL;
}

/* The 64-bit window lies behind RAM, aligned to its size. */
bool virt_add_pci(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    u64 ram_end = VIRT_RAM_GPA + board->options.ram_bytes;
    virt->pci = (struct pci_host_config){
        VIRT_PCI_MEMORY32_GPA, VIRT_PCI_MEMORY32_BYTES,
        bits_align_up(ram_end, VIRT_PCI_MEMORY64_BYTES), VIRT_PCI_MEMORY64_BYTES};
    struct device_spec spec = {&pci_host_class, "pci", &virt->pci, PCI_HOST_LINES,
                               {[PCI_HOST_MEMORY32] = virt->pci.memory32_bytes,
                                [PCI_HOST_MEMORY64] = virt->pci.memory64_bytes}};
    const gpa_t gpas[PCI_HOST_REGIONS] = {
        [PCI_HOST_ECAM] = VIRT_PCI_ECAM_GPA, [PCI_HOST_IO] = VIRT_PCI_IO_GPA,
        [PCI_HOST_MEMORY32] = virt->pci.memory32_gpa,
        [PCI_HOST_MEMORY64] = virt->pci.memory64_gpa};
    virt->pci_host = virt_add_at(board, &spec, gpas, PCI_HOST_REGIONS, VIRT_IRQ_PCI, 0, error);
    return virt->pci_host != NULL;
}
