/* riscv-virt's own: what its files share. The board itself is described in riscv_virt.c.
 *
 *   riscv_virt.c      RAM, ROM and most devices; reset vector and boot
 *   riscv_virt_irq.c  interrupt controllers and wires
 *   riscv_virt_bus.c  virtio slots and PCI
 *   riscv_virt_fdt.c  the device tree */
#ifndef METIC_HW_BOARDS_RISCV_VIRT_H
#define METIC_HW_BOARDS_RISCV_VIRT_H

#include "hw/block/cfi_flash.h"
#include "hw/board.h"
#include "hw/char/ns16550a.h"
#include "hw/intc/aclint.h"
#include "hw/intc/aplic.h"
#include "hw/intc/imsic.h"
#include "hw/intc/plic.h"
#include "hw/pci/pci_host.h"
#include "hw/pci/pcie_port.h"
#include "hw/usb/xhci.h"
#include "hw/virtio/virtio_mmio.h"
#include "hw/virtio/virtio_pci.h"

#define VIRT_MROM_GPA 0x1000u
#define VIRT_MROM_BYTES 0xf000u
#define VIRT_TEST_GPA 0x100000u
#define VIRT_RTC_GPA 0x101000u
#define VIRT_CLINT_GPA 0x2000000u
#define VIRT_SSWI_GPA 0x2f00000u
#define VIRT_PLIC_GPA 0xc000000u
#define VIRT_APLIC_M_GPA 0xc000000u
#define VIRT_APLIC_S_GPA 0xd000000u
#define VIRT_UART_GPA 0x10000000u
#define VIRT_VIRTIO_GPA 0x10001000u
#define VIRT_VIRTIO_STRIDE 0x1000u
#define VIRT_FW_CFG_GPA 0x10100000u
#define VIRT_IMSIC_M_GPA 0x24000000u
#define VIRT_IMSIC_S_GPA 0x28000000u
#define VIRT_FLASH_GPA 0x20000000u
#define VIRT_FLASH_BYTES 0x2000000u
#define VIRT_PCI_IO_GPA 0x3000000u
#define VIRT_PCI_ECAM_GPA 0x30000000u
#define VIRT_PCI_MEMORY32_GPA 0x40000000u
#define VIRT_PCI_MEMORY32_BYTES 0x40000000u
#define VIRT_PCI_MEMORY64_BYTES ((u64)16 << 30)
#define VIRT_FRAMEBUFFER_GPA 0x4000000u
#define VIRT_FRAMEBUFFER_MAX_BYTES 0x2000000u
#define VIRT_RAM_GPA 0x80000000u
#define VIRT_KERNEL_GPA 0x80200000u
#define VIRT_FDT_CEILING 0xc0000000u /* the tree lies below 3 GiB, as 32-bit firmware wants */

enum {
    VIRT_PLIC_SOURCES = 95,
    VIRT_APLIC_SOURCES = 96,
    VIRT_VIRTIO_SLOTS = 8,
    VIRT_USB_SLOT = PCI_HOST_SLOTS - 1,
    VIRT_IRQ_VIRTIO = 1,
    VIRT_IRQ_UART = 10,
    VIRT_IRQ_RTC = 11,
    VIRT_IRQ_POWER = 12, /* not QEMU's: it has no power button */
    VIRT_IRQ_PCI = 32, /* to 35: INTA to INTD */
    VIRT_UART_CLOCK_HZ = 3686400,

    VIRT_MODE_S = 1, /* fw_dynamic's next_mode */

    VIRT_FDT_ALIGN = 2 << 20,
    VIRT_FDT_ROOM = 64 << 10, /* firmware grows the tree in place */
    VIRT_MIN_RAM = 4 << 20,

    VIRT_PHANDLE_IRQ = 1, /* the controller that devices' wires end in */
    VIRT_PHANDLE_TEST = 2,
    VIRT_PHANDLE_CPU = 3, /* two per hart: the cpu, its interrupt controller */
};

struct virt_placed {
    struct device *device;
    struct device_place place;
};

struct riscv_virt {
    struct plic_config plic;
    struct aplic_config aplic;
    struct imsic_config imsic[2]; /* IMSIC_M, IMSIC_S */
    struct device *imsic_device[2];
    u32 msi_phandle; /* of the controller that takes devices' messages, or 0 */
    struct aclint_config aclint;
    struct ns16550a_config uart;
    struct cfi_flash_config flash[BOARD_FLASH_BANKS];
    struct virtio_mmio_config virtio[VIRT_VIRTIO_SLOTS];
    struct virtio_pci_config virtio_pci[PCI_HOST_SLOTS];
    struct pci_host_config pci;
    struct device *pci_host;
    u32 cpu_irq_phandles[BOARD_MAX_HARTS];
    struct device *irq_device; /* PLIC or APLIC */
    struct device *fw_cfg;
    struct virt_placed placed[BOARD_MAX_DEVICES]; /* devices that write their own node */
    unsigned placed_count;
};

/* Adds a device whose regions lie at `gpas`; its outputs go to interrupt sources from `irq` on,
 * unless that is 0. NULL with a reason. */
struct device *virt_add_at(struct board *board, const struct device_spec *spec, const gpa_t *gpas,
                           unsigned gpa_count, unsigned irq, u32 phandle,
                           struct metic_error *error);
/* The same with one region. */
struct device *virt_add(struct board *board, const struct device_spec *spec, gpa_t gpa,
                        unsigned irq, u32 phandle, struct metic_error *error);

bool virt_add_interrupts(struct board *board, struct metic_error *error);
bool virt_add_pci(struct board *board, struct metic_error *error);
bool virt_add_usb(struct board *board, struct metic_error *error);
bool virt_add_virtio(struct board *board, struct metic_error *error);

/* The tree for `boot`, on the heap. */
bool virt_build_fdt(const struct board *board, const struct board_boot *boot, void **blob,
                    u32 *size_bytes, struct metic_error *error);

#endif
