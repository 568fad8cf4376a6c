/* One PCI function: its configuration space, base address registers, INTx pin and MSI-X.
 *
 * A device that sits on PCI is a struct device whose regions are the memory behind its BARs. It has
 * a struct pci_function in its state (device_class.pci_offset says where), makes it in init with
 * the calls below, resets it in its own reset, and saves it with PCI_SAVED. hw/pci/pci_host.c finds
 * functions and brings accesses to them; the board says in which slot one sits.
 *
 *   configuration space  256 bytes; which bits the guest may write is a table made at init
 *   BARs                 32- and 64-bit memory, I/O; sized and moved by the guest at any time
 *   INTx                 output 0 of the device, a level; the host bridge does the swizzling
 *   MSI-X                a message is a write of four bytes, through device_env.message
 *
 * Where a BAR lies is one atomic word, so that an access finds it without a lock while another hart
 * moves it. The memory map of the machine never changes: the bridge's windows are fixed.
 *
 * Left out: MSI (MSI-X does all it does), power management, extended configuration (it reads as
 * zeros, which says: no extended capability), expansion ROMs.
 *
 * Threads: everything is called with the device's lock held, but init and pci_find_bar. Section
 * numbers are those of the PCI Local Bus Specification 3.0; PCIe ones are of PCI Express 4.0. */
#ifndef METIC_HW_PCI_PCI_H
#define METIC_HW_PCI_PCI_H

#include "hw/device.h"

enum {
    PCI_CONFIG_BYTES = 256,
    PCI_BARS = 6,
    PCI_MSIX_VECTORS = 128, /* the most a function may have */
    PCI_MSIX_PBA = 0x800,   /* where the pending bits lie in the MSI-X region, behind the table */
    PCI_MSIX_REGION_BYTES = 0x1000,
};
#define PCI_NOWHERE UINT64_MAX

enum { /* 6.1 */
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_SECONDARY_BUS = 0x19, /* bridges */
    PCI_SUBORDINATE_BUS = 0x1a,
    PCI_IO_BASE = 0x1c,
    PCI_MEMORY_BASE = 0x20,
    PCI_PREFETCH_BASE = 0x24,
    PCI_PREFETCH_BASE_HIGH = 0x28,
    PCI_IO_BASE_HIGH = 0x30,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
    PCI_BRIDGE_CONTROL = 0x3e,
    PCI_BRIDGE_RESET = 0x40, /* in it: resets what is behind */

    PCI_COMMAND_IO = 1,
    PCI_COMMAND_MEMORY = 2,
    PCI_COMMAND_MASTER = 4,
    PCI_COMMAND_NO_INTX = 0x400,
    PCI_STATUS_INTX = 8,
    PCI_STATUS_CAPABILITIES = 0x10,

    PCI_CAP_VENDOR = 0x09,
    PCI_CAP_EXPRESS = 0x10,
    PCI_CAP_MSIX = 0x11,
};

enum pci_bar_kind { PCI_BAR_MEMORY32, PCI_BAR_MEMORY64, PCI_BAR_IO };

/* What a function is, for the header. */
struct pci_identity {
    u16 vendor, device, subsystem_vendor, subsystem;
    u8 revision;
    u32 class_code; /* 24 bits: 0x020000 is Ethernet */
    u8 pin;         /* 1 to 4: INTA to INTD; 0: none */
    bool bridge;    /* to another bus: the header of type 1, which has no subsystem */
};

struct pci_saved {
    u8 config[PCI_CONFIG_BYTES];
    u32 msix_table[PCI_MSIX_VECTORS * 4]; /* address low, high, data, control */
    u32 msix_pending[PCI_MSIX_VECTORS / 32];
    bool intx; /* the level the device wants */
    u8 unused[3]; /* padding, spelled out */
};

/* Each device that saves it makes the state_list. */
#define PCI_SAVED(FIELD, T) \
    FIELD(T, config) FIELD(T, msix_table) FIELD(T, msix_pending) FIELD(T, intx) FIELD(T, unused)

struct pci_bar {
    u64 size_bytes; /* a power of two; 0: there is no such BAR */
    u8 kind;        /* enum pci_bar_kind */
    u8 region;      /* of the device */
    _Atomic u64 base; /* where it is decoded, on the bus; PCI_NOWHERE */
};

/* Addresses that a bridge passes on, first and last; none: first is above last. */
struct pci_window {
    _Atomic u64 first, last;
};

enum { PCI_WINDOW_IO, PCI_WINDOW_MEMORY, PCI_WINDOW_PREFETCH, PCI_WINDOWS };

enum pci_port { PCI_PORT_ENDPOINT = 0, PCI_PORT_ROOT = 4, PCI_PORT_INTEGRATED_ENDPOINT = 9 };

struct pci_function {
    struct pci_saved saved;
    struct device *device;
    u8 writable[PCI_CONFIG_BYTES]; /* bits the guest may change */
    u8 power_on[PCI_CONFIG_BYTES];
    struct pci_bar bars[PCI_BARS];
    struct pci_window windows[PCI_WINDOWS]; /* of a bridge */
    _Atomic u32 buses; /* behind a bridge: first | last << 8; 0 while there are none */
    unsigned next_cap;    /* where the next capability will lie */
    unsigned last_link;   /* the offset that points to it */
    unsigned msix_cap;    /* offset of each; 0: none */
    unsigned express_cap;
    unsigned msix_count;
    bool master;          /* the guest lets it reach memory */
    const struct pci_ops *ops;
};

/* What a device does on top of the common behaviour. All may be NULL. */
struct pci_ops {
    /* Bytes of a capability are about to be read; were written. */
    void (*config_read)(struct device *device, unsigned offset, unsigned size_bytes);
    void (*config_written)(struct device *device, unsigned offset, unsigned size_bytes);
    /* The guest allowed or forbade the function to reach memory. */
    void (*master_changed)(struct device *device, bool allowed);
    /* Function-level or hot reset: the device's class->reset. */
    void (*reset)(struct device *device);
};


/* ---- Making one; at the device's init ---- */

void pci_init(struct pci_function *function, struct device *device,
              const struct pci_identity *identity, const struct pci_ops *ops);
/* BAR `bar` (and bar + 1 when 64 bits wide) decodes the device's region. */
void pci_add_bar(struct pci_function *function, unsigned bar, enum pci_bar_kind kind,
                 unsigned region, u64 size_bytes);
/* A capability of `size_bytes` whose bytes after the two of its header are `body`, read only;
 * returns its offset. */
unsigned pci_add_capability(struct pci_function *function, u8 id, const void *body,
                            unsigned size_bytes);
void pci_allow_writes(struct pci_function *function, unsigned offset, u32 mask,
                      unsigned size_bytes);
/* MSI-X with its table and pending bits in a BAR of PCI_MSIX_REGION_BYTES. */
void pci_add_msix(struct pci_function *function, unsigned bar, unsigned count);
/* The PCI Express capability; endpoints have function-level reset. */
void pci_add_express(struct pci_function *function, enum pci_port port);

/* ---- While it lives ---- */

void pci_reset(struct pci_function *function);
/* After a load: false when no function could be in such a state. Does not call master_changed. */
bool pci_restored(struct pci_function *function, struct metic_error *error);

u32 pci_config_read(struct pci_function *function, unsigned offset, unsigned size_bytes);
void pci_config_write(struct pci_function *function, unsigned offset, u32 value,
                      unsigned size_bytes);

/* For the region behind the MSI-X BAR. */
u64 pci_msix_read(struct pci_function *function, u64 offset, unsigned size_bytes);
void pci_msix_write(struct pci_function *function, u64 offset, u64 value, unsigned size_bytes);

/* The capability's control word may have changed: sends what is no longer masked. */
void pci_msix_control_written(struct pci_function *function);

void pci_set_intx(struct pci_function *function, bool level);
bool pci_msix_is_enabled(const struct pci_function *function);
/* Sends vector's message, or notes it as pending while that is masked. No such vector: nothing. */
void pci_msix_notify(struct pci_function *function, unsigned vector);

/* The BAR that decodes bus address `address` of an I/O or memory access, and where it begins;
 * PCI_BARS when none does. Any thread, no lock. */
unsigned pci_find_bar(const struct pci_function *function, u64 address, bool io, u64 *base);

/* Whether a bridge passes an access on to the bus behind it, by address or by bus number (0: it is
 * no bridge, or the guest has not set it up). Any thread, no lock. */
bool pci_bridge_passes(const struct pci_function *bridge, u64 address, bool io);
bool pci_bridge_leads_to(const struct pci_function *bridge, unsigned bus);

/* The function in a device, or NULL when it is none. */
struct pci_function *pci_function_of(const struct device *device);

#endif
