/* The seam between a machine and its devices.
 *
 * A device is a constant descriptor, `struct device_class`, and any number of instances. It knows
 * its registers as offsets from the start of a region, its interrupt outputs as numbered lines, and
 * the services in `struct device_env`. It knows neither its address, nor a hart, nor another
 * device; the board (hw/board.h) places and wires it.
 *
 * Threads: each device has its own mutex and no lock is shared between devices. This layer holds it
 * around every region access, input line, reset, save and load, so that a device's functions read
 * as if they were alone; a region marked DEVICE_REGION_UNLOCKED is called without it, for registers
 * that are polled hard. A device's own callbacks (timer, backend, worker thread) take it themselves
 * with device_lock(). Interrupt lines are set with the lock held.
 *
 * Adding one: docs/adding-a-device.md. */
#ifndef METIC_HW_DEVICE_H
#define METIC_HW_DEVICE_H

#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "cpu/base/types.h"
#include "cpu/memory.h"
#include "cpu/state.h"
#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/journal/journal.h"
#include "hw/loop.h"
#include <pthread.h>

struct device;
struct fdt_build;

/* What the guest asked of the machine as a whole. */
enum device_request {
    DEVICE_REQUEST_POWEROFF, /* code is the guest's exit status */
    DEVICE_REQUEST_RESET,    /* the whole machine, as by its reset button */
    DEVICE_REQUEST_STOP,     /* the host failed a device that was told to stop the machine then */
};

/* What a machine offers its devices. All pointers outlive the devices. */
enum device_io { DEVICE_IO_DISK = 1, DEVICE_IO_NET = 2, DEVICE_IO_CONSOLE = 3 };

struct device_env {
    struct memory *memory;   /* for DMA: memory_dma_read, memory_dma_write */
    struct clock *clock;
    struct loop *loop;       /* NULL in unit tests of devices that need none */
    struct journal *journal;
    struct log *log;
    /* Called on a hart's thread, maybe with a device's lock held: must only take note. */
    void (*request)(void *opaque, enum device_request request, unsigned code);
    void *request_opaque;
    /* A message-signalled interrupt: `data` is written to `gpa`, where an interrupt controller may
     * take it. Any thread, maybe with a device's lock held. NULL: the machine has none. */
    void (*message)(void *opaque, gpa_t gpa, u32 data);
    void *message_opaque;
    /* Tells a trace of a request: of a disk (type, sector, bytes | disk << 48), a network frame
     * (1 when the guest sends, bytes) or console output (first 8 bytes, bytes). Any thread. NULL:
     * nobody listens. */
    void (*io)(void *opaque, enum device_io io, u64 a, u64 b, u64 c);
    void *io_opaque;
    /* The host failed a request of a device's: "disk0 write report". Any thread, maybe with the
     * device's lock held: must only take note. NULL: nobody listens. */
    void (*failed)(void *opaque, const char *what);
    void *failed_opaque;
};

enum {
    DEVICE_REGION_UNLOCKED = 1, /* read and write are called without the device's lock */
};

/* One block of registers. Accesses reach read/write with a size between min and max: wider ones
 * are split, lowest offset first; narrower reads are cut out of a read of min_bytes, and narrower
 * writes are dropped with a log line. Offsets are naturally aligned to the size unless the guest
 * chose otherwise; a device must bear any offset < size_bytes. */
struct device_region {
    const char *name; /* suffix in the memory map, or NULL when there is only one region */
    u64 size_bytes;   /* 0: the instance decides, through device_spec.region_bytes */
    enum memory_kind kind; /* MEMORY_MMIO, or MEMORY_ROMD for flash */
    unsigned flags;        /* DEVICE_REGION_* */
    u8 min_bytes, max_bytes; /* 1, 2, 4 or 8 */
    u64 (*read)(struct device *device, u64 offset, unsigned size_bytes);
    void (*write)(struct device *device, u64 offset, u64 value, unsigned size_bytes);
};

enum { DEVICE_MAX_REGIONS = 4, DEVICE_MAX_OUTPUTS = 256 };

/* Where the board put an instance; only the fdt writer sees it. */
struct device_place {
    gpa_t gpa[DEVICE_MAX_REGIONS];
    unsigned irq;       /* the controller's input that output 0 is wired to; 0: none */
    u32 irq_phandle;    /* of that controller */
    bool irq_has_type;  /* its cells are the input and how that is triggered, not the input alone */
    u32 msi_phandle;    /* of the controller that takes messages; 0: none */
    u32 phandle;        /* of this node when others refer to it; 0: none */
    const u32 *cpu_irq_phandles; /* one per hart: the hart's own interrupt-controller node */
    unsigned hart_count;
};

/* A declared part of an instance's state. */
struct device_saved {
    const struct state_list *list;
    size_t offset;
};

struct device_class {
    const char *name;    /* "ns16550a" */
    const char *summary; /* one line for `metic list devices` */
    size_t state_bytes;  /* size of the instance's state; zeroed before init */
    const struct device_region *regions;
    unsigned region_count;

    /* Called once, unlocked. Reads its class's config struct from device->config (kept by the
     * caller while the device lives). NULL: nothing to do. */
    bool (*init)(struct device *device, struct metic_error *error);
    void (*fini)(struct device *device); /* also after a failed init */

    /* Called by device_map; for parts whose contents lie in memory's region (flash). */
    bool (*mapped)(struct device *device, unsigned region, struct metic_error *error);

    /* Power-on state; also leaves every output line at its reset level. */
    void (*reset)(struct device *device);

    /* Interrupt inputs and such. NULL: none. */
    void (*input)(struct device *device, unsigned index, bool level);

    /* Saved state: `saved` describes the struct at `saved_offset` in the state. The optional
     * hooks carry what has no fixed size (flash contents). `restored` re-derives lines and timers
     * after a load; it may refuse values no real part could hold. */
    const struct state_list *saved;
    size_t saved_offset;
    const struct device_saved *more_saved; /* more such structs, saved behind it; NULL: none */
    unsigned more_saved_count;
    /* Lock held: returns when no thread of the device's works without it. NULL: none ever does. */
    void (*quiesce)(struct device *device);
    void (*save_more)(struct device *device, struct state_writer *writer);
    bool (*load_more)(struct device *device, struct state_reader *reader,
                      struct metic_error *error);
    bool (*restored)(struct device *device, struct metic_error *error);

    /* PCI functions: where their struct pci_function is in the state (hw/pci/pci.h); 0: none. */
    size_t pci_offset;

    /* Writes the instance's device-tree node(s) under the open parent node. NULL: none. */
    void (*fdt)(const struct device *device, const struct device_place *place,
                struct fdt_build *fdt);
};

/* One instance. Devices use the fields; nothing outside this layer writes them. */
struct device {
    const struct device_class *class;
    char name[32];        /* unique in the machine: "uart0" */
    void *state;          /* class->state_bytes */
    const void *config;   /* the class's config struct, or NULL */
    const struct device_env *env;
    struct irq_line *outputs;
    unsigned output_count;
    u64 region_bytes[DEVICE_MAX_REGIONS];
    struct device_slot {
        struct device *device;
        const struct device_region *region;
    } slots[DEVICE_MAX_REGIONS]; /* what memory hands back to us */
    pthread_mutex_t lock;
    _Atomic uintptr_t owner; /* device_lock's: which thread holds it, 0: none */
    unsigned depth;          /* and how many times more */
};

struct device_spec {
    const struct device_class *class;
    const char *name;
    const void *config;
    unsigned output_count;
    u64 region_bytes[DEVICE_MAX_REGIONS]; /* for regions whose class says 0 */
};

/* Makes an instance and resets it; NULL with a reason when init refuses. */
struct device *device_new(const struct device_spec *spec, const struct device_env *env,
                          struct metic_error *error);
void device_free(struct device *device); /* NULL allowed; before memory_fini */

/* Puts region `region` at `gpa` of env->memory. Before harts start. */
bool device_map(struct device *device, unsigned region, gpa_t gpa, struct metic_error *error);

/* Memory's record of a mapped region (its host bytes, for flash), or NULL. */
struct memory_region *device_memory_region(const struct device *device, unsigned region);

/* Wires output `output`. The device's present level is not sent; reset sends it. */
void device_connect(struct device *device, unsigned output, struct irq_line line);

/* A line that ends in input `index` of this device. */
struct irq_line device_input_line(struct device *device, unsigned index);

static inline void device_set_output(struct device *device, unsigned output, bool level)
{
    irq_line_set(&device->outputs[output], level);
}

void device_reset(struct device *device);
/* The same thread may take it again. device_wait() waits for `cond` as pthread_cond_wait() does, by
 * who took it once. */
void device_lock(struct device *device);
void device_unlock(struct device *device);
void device_wait(struct device *device, pthread_cond_t *cond);

/* An access as a hart makes it; also the door for unit tests. */
u64 device_read(struct device *device, unsigned region, u64 offset, unsigned size_bytes);
void device_write(struct device *device, unsigned region, u64 offset, u64 value,
                  unsigned size_bytes);

/* Stops a device: its lock is held, by the calling thread, and no thread of its own is at work. In
 * between it may be saved and loaded, by that thread. Locks nest, so who holds several begins with
 * those whose lines end in others. */
void device_hold(struct device *device);
void device_release(struct device *device);

void device_save(struct device *device, struct state_writer *writer);
bool device_load(struct device *device, struct state_reader *reader, struct metic_error *error);
u64 device_digest(struct device *device); /* of the declared state, for --digest-every */

/* One log line about guest nonsense, prefixed with the device's name. `format` must be a literal;
 * a given literal is printed once. */
void device_guest_error(const struct device *device, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For device-tree nodes: the cells that name the controller's input `irq` (how many is returned, at
 * most 2), and the properties of a node with that one interrupt. */
unsigned device_place_irq(const struct device_place *place, unsigned irq, u32 *cells);
void device_place_fdt_irq(const struct device_place *place, struct fdt_build *fdt);

/* Every class listed in hw/devices.def. */
unsigned device_class_count(void);
const struct device_class *device_class_at(unsigned index);
const struct device_class *device_class_find(const char *name); /* NULL when unknown */

#endif
