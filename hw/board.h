/* A board: a memory map, devices with their wires, a device tree and a way to start.
 *
 * A board is one constant `struct board_class` listed in hw/boards.def; hw/machine/machine.c makes
 * one instance per machine, loads images through the memory it passed in, asks for the boot data
 * (board_prepare_boot) and starts harts at the reset vector. A board knows no vcpu: interrupts
 * reach harts through the callback in board_env. Adding one: docs/adding-a-board.md. */
#ifndef METIC_HW_BOARD_H
#define METIC_HW_BOARD_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/char/backend_char.h"
#include "hw/device.h"

struct virtio_type;
struct xhci_config;

enum { BOARD_MAX_VIRTIO = 32, BOARD_MAX_DEVICES = 96, BOARD_MAX_HARTS = 64, BOARD_FLASH_BANKS = 2 };

/* Which hart input a line ends in: the bit number in mip (privileged manual, 3.1.9). */
enum board_hart_irq {
    BOARD_IRQ_SSI = 1, /* edge: only `level` true is ever sent, and sets mip.SSIP */
    BOARD_IRQ_MSI = 3,
    BOARD_IRQ_MTI = 7,
    BOARD_IRQ_SEI = 9,
    BOARD_IRQ_MEI = 11,
};

/* The machine's side. Kept by value; what it points to outlives the board. */
struct board_env {
    struct device_env devices;
    unsigned hart_count; /* 1..BOARD_MAX_HARTS */
    /* Any thread, a device's lock held: takes note and kicks the hart, no more. */
    void (*hart_irq)(void *opaque, unsigned hart, unsigned irq_number, bool level);
    /* The same for a message to one of the hart's interrupt files: 0 machine, 1 supervisor. NULL:
     * the harts have none. */
    void (*hart_message)(void *opaque, unsigned hart, unsigned file, u32 number);
    void *hart_opaque;
};

/* How device interrupts reach harts, where a board lets one choose. */
enum board_aia {
    BOARD_AIA_NONE,        /* the plain controller */
    BOARD_AIA_APLIC,       /* the advanced one, on lines */
    BOARD_AIA_APLIC_IMSIC, /* the advanced one, by messages, which devices may send, too */
};

/* A virtio device that the board is to have. How the guest reaches it is the board's matter. */
struct board_virtio {
    const struct virtio_type *type;
    const void *config; /* the type's; kept */
    char name[32];      /* of the device, unique in the machine: "disk0" */
};

struct board_options {
    u64 ram_bytes;
    struct char_port *uart; /* NULL: output dropped */
    const struct board_virtio *virtio; /* in the order in which the guest is to find them; kept */
    unsigned virtio_count;             /* at most BOARD_MAX_VIRTIO */
    enum board_aia aia;
    bool virtio_pci; /* they sit on PCI; otherwise those for which there is no other place */
    const struct xhci_config *usb; /* a USB controller with keyboard and tablet, or NULL; kept */
    bool virtio_ports; /* those on PCI are each behind a root port of its own */
    const char *flash_paths[BOARD_FLASH_BANKS]; /* initial contents, or NULL: erased */
    bool flash_write[BOARD_FLASH_BANKS];        /* changes go to the file at once */
    /* Where firmware puts what it writes to etc/ramfb (hw/display/ramfb.h); NULL: no such file. */
    void (*ramfb)(void *opaque, const u8 *bytes, u32 size_bytes);
    void *ramfb_opaque;
    /* A framebuffer in the device tree, XRGB8888 without gaps; 0: none. */
    u32 framebuffer_width, framebuffer_height;
    /* What the processor is, for the device tree. Kept by pointer. */
    const char *isa;                   /* "rv64imafdc_zicsr_..." */
    const char *const *isa_extensions; /* "i", "m", ... */
    unsigned isa_extension_count;
    const char *mmu_type; /* "riscv,sv57" */
    /* Programmable counters (bits 3 to 31) that count cycles and instructions when mhpmevent is 1
     * or 2; 0: no pmu node. */
    u32 pmu_counters;
};

/* What is started and what it is told. */
struct board_boot {
    gpa_t entry;           /* where the reset vector jumps; 0: the board's default firmware place */
    gpa_t kernel_gpa;      /* fw_dynamic: where the firmware goes on; 0: in flash if that has
                            * contents, otherwise nowhere */
    u64 kernel_bytes;      /* of memory the kernel takes from kernel_gpa on, bss included */
    unsigned kernel_mode;  /* fw_dynamic next_mode: 1 S, 3 M */
    gpa_t initrd_gpa;      /* 0: none */
    u64 initrd_bytes;
    const char *bootargs;  /* NULL: none */
    bool rng_seed;         /* put 32 bytes of journal entropy into /chosen */
    const void *fdt;       /* a tree given by the user instead of ours, or NULL */
    u64 fdt_bytes;
};

struct board {
    const struct board_class *class;
    struct board_env env;
    struct board_options options;
    struct device *devices[BOARD_MAX_DEVICES]; /* in creation order; reset and save go this way */
    unsigned device_count;
    gpa_t framebuffer_gpa; /* after create: of the one in the options */
    struct device *timer;  /* the device that owns mtime */
    gpa_t fdt_limit_gpa;   /* the tree will lie above; images below (set by create) */
    gpa_t fdt_gpa;         /* after board_prepare_boot: where the tree is */
    u64 fdt_bytes;
    void *private;         /* the class's own */
};

struct board_class {
    const char *name;    /* "riscv-virt" */
    const char *alias;   /* another name that is understood, or NULL */
    const char *summary;
    gpa_t reset_gpa;     /* where harts start */
    gpa_t ram_gpa;
    gpa_t firmware_gpa;  /* where an SBI firmware is loaded and default entry */
    gpa_t kernel_gpa;    /* where a flat Image behind a firmware goes */
    gpa_t flash_gpa[BOARD_FLASH_BANKS];
    u64 flash_bytes;
    u64 timebase_hz;
    bool (*create)(struct board *board, struct metic_error *error);
    void (*destroy)(struct board *board); /* its private data; devices are freed by this layer */
    bool (*prepare_boot)(struct board *board, const struct board_boot *boot,
                         struct metic_error *error);
    /* The value of the time CSR now, in ticks of timebase_hz. Lock-free, any hart's thread. */
    u64 (*time_ticks)(const struct board *board);
    /* Guest time in ns at which time_ticks reaches `ticks`; CLOCK_NEVER_NS when it will not. */
    u64 (*time_to_ns)(const struct board *board, u64 ticks);
};

/* Adds the board's RAM, ROM and devices to env->devices.memory. NULL with a reason. */
struct board *board_new(const struct board_class *class, const struct board_env *env,
                        const struct board_options *options, struct metic_error *error);
void board_free(struct board *board); /* NULL allowed; before memory_fini */

/* After images are loaded, before harts start: writes the device tree (near the top of RAM, below
 * 3 GiB, clear of kernel and initrd) and the reset vector. False when something does not fit. */
bool board_prepare_boot(struct board *board, const struct board_boot *boot,
                        struct metic_error *error);

/* Every device back to power-on state; the machine reloads images and prepares the boot again. */
void board_reset(struct board *board);

/* Presses the power button, if the board has one. Any thread that holds no device's lock. */
void board_press_power(struct board *board);

/* Where an initrd of `size_bytes` behind a kernel that ends at `kernel_end` goes (2 MiB-aligned);
 * 0 when it does not fit below the device tree. */
gpa_t board_initrd_gpa(const struct board *board, gpa_t kernel_end, u64 size_bytes);

struct device *board_find_device(const struct board *board, const char *name); /* or NULL */

u64 board_time_ticks(const struct board *board);
u64 board_time_to_ns(const struct board *board, u64 ticks);

/* For board code: make, remember and map a device; NULL with a reason. */
struct device *board_add_device(struct board *board, const struct device_spec *spec,
                                const gpa_t *gpas, unsigned gpa_count,
                                struct metic_error *error);

/* For board code: the line that ends in a hart's interrupt input. */
struct irq_line board_hart_line(struct board *board, unsigned hart, enum board_hart_irq irq);

unsigned board_class_count(void);
const struct board_class *board_class_at(unsigned index);
const struct board_class *board_class_find(const char *name); /* NULL when unknown */

/* A machine as users name it, a board and what is to be different: "riscv-virt,aia=aplic". Fills in
 * those members of *options. NULL with a reason. */
const struct board_class *board_parse(const char *text, struct board_options *options,
                                      struct metic_error *error);

#endif
