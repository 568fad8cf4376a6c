/* A PCI Express root port (PCI Express 4.0, 7.5.1.3; QEMU's pcie-root-port): a bridge on bus 0 with
 * one slot behind it, number 0 of a bus that the guest numbers.
 *
 * It passes on what lies in its three windows and configuration accesses to its secondary bus; both
 * are found in the host bridge (pci_host.c). Setting the reset bit of bridge control resets what is
 * behind. It has no interrupt of its own. Left out: hot plug, power management events, error
 * reporting, and holding back the device behind it while its own bus mastering is off. */
#include "hw/pci/pcie_port.h"

#include "hw/pci/pci.h"

struct pcie_port {
    u64 unused; /* pci_offset is not 0 then */
    struct pci_function pci;
};
STATE_LIST(pci_saved, struct pci_saved, PCI_SAVED);

/* The wire is a level while the bit is set; the device resets itself when it rises. */
static void port_config_written(struct device *device, unsigned offset, unsigned size_bytes)
{
    struct pcie_port *port = device->state;
    if (offset <= PCI_BRIDGE_CONTROL && PCI_BRIDGE_CONTROL < offset + size_bytes) {
        u8 control = port->pci.saved.config[PCI_BRIDGE_CONTROL];
        device_set_output(device, 0, (control & PCI_BRIDGE_RESET) != 0);
    }
}

static const struct pci_ops port_ops = {.config_written = port_config_written};

static bool port_init(struct device *device, struct metic_error *error)
{
    static const struct pci_identity identity = {
        .vendor = 0x1b36, .device = 0x000c, .class_code = 0x060400, .bridge = true};
    struct pcie_port *port = device->state;
    (void)error;
    CHECK(device->output_count == 1);
    pci_init(&port->pci, device, &identity, &port_ops);
    pci_add_express(&port->pci, PCI_PORT_ROOT);
    return true;
}

static void port_reset(struct device *device)
{
    struct pcie_port *port = device->state;
    pci_reset(&port->pci);
    device_set_output(device, 0, false);
}

static bool port_restored(struct device *device, struct metic_error *error)
{
    struct pcie_port *port = device->state;
    return pci_restored(&port->pci, error);
}

const struct device_class pcie_port_class = {
    .name = "pcie-root-port",
    .summary = "PCI Express root port: a bridge with one slot behind it",
    .state_bytes = sizeof(struct pcie_port),
    .init = port_init,
    .reset = port_reset,
    .saved = &pci_saved,
    .saved_offset = offsetof(struct pcie_port, pci.saved),
    .restored = port_restored,
    .pci_offset = offsetof(struct pcie_port, pci),
};
