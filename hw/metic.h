/* metic's public interface: make machines, load images into them, run and look at them.
 *
 * A machine is one emulated computer. A process may hold any number of them; they share nothing.
 * Unless a function says otherwise, one thread at a time may use a machine. Addresses and register
 * values are the guest's; sizes are bytes.
 *
 *     struct metic_options options;
 *     metic_options_init(&options);
 *     struct metic_error error;
 *     metic_machine *machine = metic_new(&options, &error);
 *     metic_load(machine, "program.elf", &error);
 *     struct metic_result result;
 *     metic_run(machine, &result);
 *     metic_free(machine);
 */
#ifndef METIC_H
#define METIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define METIC_VERSION "0.1.0"

/* What went wrong, in words. Functions that take one fill it when they return false or NULL; it
 * may be NULL. */
#ifndef METIC_ERROR_DEFINED
#define METIC_ERROR_DEFINED
struct metic_error {
    char what[512]; /* one sentence without a final newline; empty when there is no error */
    char next[256]; /* what the user can do, or empty */
};
#endif

typedef struct metic_machine metic_machine;

enum metic_engine { METIC_ENGINE_JIT, METIC_ENGINE_INTERP, METIC_ENGINE_BOTH };

/* Real: guest time is host time, harts run in parallel. Virtual: guest time is the instruction
 * count, harts take turns on one thread, every run is the same. */
enum metic_clock { METIC_CLOCK_REAL, METIC_CLOCK_VIRTUAL };

enum metic_console {
    METIC_CONSOLE_NONE,     /* output dropped */
    METIC_CONSOLE_STDIO,    /* stdin and stdout; raw with Ctrl-A escapes when they are a terminal */
    METIC_CONSOLE_FILE,     /* output to console_path */
    METIC_CONSOLE_PTY,
    METIC_CONSOLE_SOCKET,   /* Unix socket at console_path */
    METIC_CONSOLE_MEMORY,   /* metic_console_output / metic_console_feed */
};

enum metic_net {
    METIC_NET_NONE,   /* no device */
    METIC_NET_AUTO,   /* a Linux kernel, and what boots from disk or flash, gets METIC_NET_USER on
                       * the real clock; restricted if there are steps */
    METIC_NET_USER,   /* a router and a DHCP server in this process, through libslirp */
    METIC_NET_SOCKET, /* a link to another guest: a Unix socket at net_path */
};

enum {
    METIC_MAX_SCREENS = 4,
    METIC_MAX_DISKS = 6,
    METIC_MAX_STEPS = 64,
    METIC_MAX_HARTS = 64,
    METIC_MAX_FORWARDS = 16,
    METIC_MAX_SHARES = 8,
    METIC_MAX_PORTS = 16,
};

#define METIC_DEFAULT_RAM_BYTES ((uint64_t)512 << 20)
#define METIC_DISK_RAM_BYTES ((uint64_t)1 << 30) /* for a disk that boots */

enum metic_disk_format { METIC_DISK_AUTO, METIC_DISK_RAW, METIC_DISK_QCOW2 };

struct metic_disk {
    const char *path;
    bool read_only;  /* the guest may not write */
    bool write_back; /* writes go to the file; otherwise to an overlay in memory */
    enum metic_disk_format format; /* of the file; AUTO: what it looks like */
    const char *overlay; /* writes go to this qcow2 file, which is made if need be; or NULL */
    bool stop_on_error;  /* when the host fails, stop the machine; otherwise the guest sees it */
};

/* A port of the host's that leads to one of the guest's; the next free one when it is taken. */
struct metic_forward {
    uint32_t host_ip4; /* where to listen: 0x7f000001 is 127.0.0.1, 0 all addresses */
    uint16_t host_port, guest_port;
    bool udp;
};

/* How much of a shared folder the guest keeps in its memory. */
enum metic_share_cache {
    METIC_SHARE_CACHE_AUTO,   /* names and attributes for a second, contents until they change */
    METIC_SHARE_CACHE_ALWAYS, /* everything, writes are delayed: nobody else changes the folder */
    METIC_SHARE_CACHE_NONE,   /* names and attributes are asked for each time */
};

/* A byte stream with a name, /dev/virtio-ports/NAME in Linux. */
struct metic_port {
    const char *name;
    enum metic_console where; /* none, a pty, a file or a socket */
    const char *path;
};

/* How the guest reaches a shared folder. */
enum metic_share_protocol {
    METIC_SHARE_VIRTIOFS,
    METIC_SHARE_9P, /* 9P2000.L, for a guest without virtio-fs; its mount says what is cached */
};

/* A folder of the host's that the guest can mount. */
struct metic_share {
    const char *path;
    const char *tag;   /* its name in the guest; NULL: the folder's own */
    bool read_only;
    bool keep_owners;  /* the guest's owners and modes, in attributes user.virtfs.* */
    enum metic_share_cache cache;
    enum metic_share_protocol protocol;
};

/* Expect and send: wait for `expect` in the console's output, then feed `send`. */
struct metic_step {
    const char *expect;
    const char *send;
};

struct metic_options {
    size_t struct_bytes;     /* set by metic_options_init */
    const char *machine;     /* board: "riscv-virt" */
    bool virtio_pci;         /* virtio devices sit on PCI; otherwise in mmio slots while there are
                              * free ones */
    bool virtio_ports;       /* on PCI, each behind a root port of its own */
    const char *cpu;         /* processor and its properties: "rv64,v=on"; NULL: "rv64" */
    unsigned harts;          /* 1..64 */
    uint64_t ram_bytes;      /* 0: the default */
    enum metic_engine engine;
    enum metic_clock clock;
    uint64_t seed;           /* virtual clock: what the guest's entropy comes from */

    /* What is loaded besides the main image; NULL: nothing (firmware: chosen by the image). */
    const char *firmware;    /* path, "none", "builtin", or NULL: the built-in SBI when one is
                              * needed; metic_plan_boot takes names of others */
    const char *initrd;
    const char *bootargs;
    const char *dtb;
    const char *flash[2];
    bool flash_write[2];     /* changes go back to the file */
    const char *boot_overlay; /* metic_plan_boot: they go to this overlay over the image; or NULL */
    bool boot_write;         /* metic_plan_boot: the guest's writes go to the image */

    enum metic_console console;
    const char *console_path;
    enum metic_console virtio_console; /* a second one, hvc0; METIC_CONSOLE_NONE: no device */
    const char *virtio_console_path;
    struct metic_port ports[METIC_MAX_PORTS];
    unsigned port_count;
    const char *vsock_path;  /* the guest's AF_VSOCK leads to Unix sockets from here on; or NULL */
    uint32_t vsock_cid;      /* the guest's address there; 0: 3 */
    struct metic_disk disks[METIC_MAX_DISKS];
    unsigned disk_count;
    struct metic_share shares[METIC_MAX_SHARES];
    unsigned share_count;
    enum metic_net net;
    const char *tftp;        /* user: a folder the guest may read by TFTP, from 10.0.2.2; or NULL */
    const char *bootfile;    /* user: what DHCP says to boot, a file there; or NULL */
    bool net_restrict;       /* user: the guest reaches nothing outside; forwards lead to it */
    bool mac_given;          /* otherwise 52:54:00:12:34:56, or :57 at the second end of a link */
    uint8_t mac[6];
    const char *net_path;
    struct metic_forward forwards[METIC_MAX_FORWARDS];
    unsigned forward_count;
    unsigned screens;        /* of a virtio GPU, with input devices; 0: none */
    bool screen_simple;      /* no GPU but a framebuffer in the device tree; one screen */
    uint32_t screen_width, screen_height; /* what they prefer; 0: 1280 by 800 */
    bool sound;              /* a sound card; heard by players, and: */
    const char *sound_out;   /* a WAV file of what is played, or NULL */
    const char *sound_in;    /* a WAV file that is recorded from, or NULL: silence, or: */
    bool sound_microphone;   /* what metic_feed_sound brings */
    bool balloon;            /* a virtio balloon, by which the guest gives memory back */
    const char *pcap_path;   /* packets are written to this file (pcapng), or NULL */
    struct metic_step steps[METIC_MAX_STEPS];
    unsigned step_count;
    const char *record_path;
    const char *replay_path;

    uint64_t limit_insns;    /* per hart; 0: none. Traps in a row without any between count, too */
    uint64_t limit_ns;       /* guest time; 0: none */
    uint64_t digest_every;   /* instructions; 0: never. Needs the virtual clock */
    const char *trace_path;  /* Spike commit log to this file ("-": standard error), or NULL */

    size_t code_bytes;       /* code cache; 0: default */
    unsigned block_insns;    /* longest translated block; 0: default */
    uint32_t host_features;  /* 0: all; otherwise a mask (tests force a plain x86-64) */
    bool no_links;           /* tests */
    bool one_entry_tlb;      /* tests */
    bool no_tier2;           /* tests: no traces of hot loops */
    bool eager_tier2;        /* tests: traces of what is hardly hot */
    bool verify_ir;
    bool stats;              /* times what harts do, for metic_print_stats */

    /* Lines about what was recognised and chosen; NULL: silent. Called on the caller's thread. */
    void (*say)(void *opaque, const char *line);
    void *say_opaque;
    /* Lines about guest nonsense and warnings, from any thread; NULL: to standard error. */
    void (*log)(void *opaque, const char *line);
    void *log_opaque;
};

void metic_options_init(struct metic_options *options);

/* A machine with nothing loaded; the options and strings are copied where they are needed later,
 * except callbacks. NULL with a reason. */
metic_machine *metic_new(const struct metic_options *options, struct metic_error *error);
void metic_free(metic_machine *machine); /* NULL allowed */

/* What starts a disk, as a plan: metic_plan_boot looks at what is at `path`. A disk image (raw, or
 * qcow2, with a system on it) becomes the first disk of the options, which also get memory and the
 * firmware that this host has for it, the one named in options->firmware ("edk2", "u-boot",
 * "opensbi", "none", "builtin", a path, or two of them as in "opensbi+u-boot") or else the usual
 * one, and metic_plan_thing is what metic_load must be given then. Anything else stays as it is,
 * but for firmware named so. `path` NULL: what is in the flash banks.
 *
 * Firmware is looked for where Debian's packages put it, first below `firmware_root` (NULL: only in
 * the system). The flash variables of each image persist below `state_dir` (NULL: they do not).
 * What is chosen is said by options->say. The plan holds strings and a lock: it must outlive the
 * machine, and the arguments must outlive it. NULL with a reason. */
struct metic_boot_plan;
struct metic_boot_plan *metic_plan_boot(struct metic_options *options, const char *path,
                                        const char *firmware_root, const char *state_dir,
                                        struct metic_error *error);
const char *metic_plan_thing(const struct metic_boot_plan *plan);
void metic_plan_free(struct metic_boot_plan *plan); /* NULL allowed */

/* The firmware there is a use for: its name, or NULL when there are no more. `path` gets where it
 * is, or "". */
struct metic_firmware {
    const char *package; /* Debian's */
    unsigned since;      /* the first Debian that has it */
    bool there;
};
const char *metic_find_firmware(unsigned index, const char *firmware_root, char *path,
                                size_t path_bytes, struct metic_firmware *firmware);

/* Recognises and places the image at `path` (NULL: there is one in flash) (kernel, firmware,
 * bare-metal program; ELF, Image, compressed Image, EFI stub, binary) together with firmware,
 * initrd and arguments from the options, and prepares the boot. Once per machine. */
bool metic_load(metic_machine *machine, const char *path, struct metic_error *error);
/* The same for the demo that is built in. */
bool metic_load_demo(metic_machine *machine, struct metic_error *error);

enum metic_reason {
    METIC_POWEROFF,     /* the guest ended itself; status is its own */
    METIC_PANIC,        /* the guest kernel panicked */
    METIC_IDLE,         /* every hart waits for an interrupt that cannot come */
    METIC_LIMIT,        /* limit_insns or limit_ns */
    METIC_STOPPED,      /* metic_stop, Ctrl-A X, or the terminal was closed */
    METIC_TURN_OVER,    /* metic_run_for used up its instructions */
    METIC_DIVERGED,     /* the replay did not fit */
    METIC_BREAK,        /* a breakpoint, watchpoint or step, or metic_break; see metic_get_stop */
};

struct metic_result {
    enum metic_reason reason;
    unsigned status;       /* METIC_POWEROFF: the guest's exit status */
    uint64_t insns;        /* of all harts */
    int exit_status;       /* what the command line would exit with (see the manual page) */
    char text[512];        /* one line on why, for people */
};

/* Runs until something ends it. */
void metic_run(metic_machine *machine, struct metic_result *result);
/* Runs until a hart has retired `insns` more instructions (or a little more; exactly as many with
 * the virtual clock), or something ends it. */
void metic_run_for(metic_machine *machine, uint64_t insns, struct metic_result *result);
/* For a process that gives up opening files before it runs a machine: opens what the machine would
 * otherwise open only when it is saved. */
void metic_open_late(metic_machine *machine);
/* Makes metic_run return soon. Any thread; async-signal-safe. */
void metic_stop(metic_machine *machine);

/* Looking at a machine that does not run. Register names are the guest's ("pc", "a0", "mstatus");
 * false when there is no such register or hart. */
bool metic_get_register(metic_machine *machine, unsigned hart, const char *name, uint64_t *value);
bool metic_set_register(metic_machine *machine, unsigned hart, const char *name, uint64_t value);
/* Guest physical memory; false when part of it is not RAM or ROM. */
bool metic_read_memory(metic_machine *machine, uint64_t address, void *buffer, size_t size_bytes);
bool metic_write_memory(metic_machine *machine, uint64_t address, const void *buffer,
                        size_t size_bytes);
uint64_t metic_instructions(metic_machine *machine, unsigned hart);
uint64_t metic_digest(metic_machine *machine); /* of the whole state */

/* --- debugging: a machine that does not run, unless stated otherwise. Addresses are virtual and
 * count in every address space. --- */

/* Makes metic_run end with METIC_BREAK soon. Any thread; async-signal-safe. */
void metic_break(metic_machine *machine);

/* Breakpoints: a hart stops before the instruction there. `owner` (0 to 7) tells users apart: the
 * breakpoint stays until each has removed it. Adding what is there and removing what is not there
 * changes nothing. There may be any number; the guest's memory is not touched, and code without
 * any runs as fast as ever. */
void metic_add_breakpoint(metic_machine *machine, uint64_t address, unsigned owner);
void metic_remove_breakpoint(metic_machine *machine, uint64_t address, unsigned owner);

/* Watchpoints: a hart stops after the instruction that accessed any of the bytes; or, when so set,
 * before it, as RISC-V's own triggers do, and metic_run then goes past it. */
void metic_set_watch_before(metic_machine *machine, bool before);
enum metic_watch { METIC_WATCH_WRITE = 1, METIC_WATCH_READ = 2, METIC_WATCH_ACCESS = 3 };
/* False when there are no such bytes. */
bool metic_add_watchpoint(metic_machine *machine, uint64_t address, uint64_t size_bytes,
                          enum metic_watch watch);
bool metic_remove_watchpoint(metic_machine *machine, uint64_t address, uint64_t size_bytes,
                             enum metic_watch watch);
void metic_clear_breakpoints(metic_machine *machine); /* and watchpoints */

/* What a hart does in the next metic_run; afterwards all are to run again. A step is one
 * instruction, or one taken trap, and goes on while pc is in [first, last] (first > last: a single
 * one); the end of the step ends metic_run. */
enum metic_action { METIC_RUN, METIC_HOLD, METIC_STEP };
void metic_set_action(metic_machine *machine, unsigned hart, enum metic_action action,
                      uint64_t first, uint64_t last);
/* Whether a stepping hart takes interrupts; at first it does not. */
void metic_set_step_interrupts(metic_machine *machine, bool taken);

enum metic_stop_kind {
    METIC_STOP_OUTSIDE,    /* metic_break */
    METIC_STOP_BREAKPOINT, /* at `address`; metic_run goes past it */
    METIC_STOP_WATCHPOINT, /* the first watched byte that was accessed is at `address` */
    METIC_STOP_STEP,
};

struct metic_stop {
    enum metic_stop_kind kind;
    unsigned hart;
    uint64_t address;
    enum metic_watch watch; /* of the watchpoint */
    unsigned owners;        /* of the breakpoint: bit n for owner n */
};

/* Why the last metic_run ended with METIC_BREAK. */
void metic_get_stop(metic_machine *machine, struct metic_stop *stop);

/* A register as debuggers know it, by GDB's number: integers, pc, floats, CSRs, privilege, and
 * vectors where there are any. */
struct metic_register {
    char name[24];
    const char *feature; /* of GDB's target descriptions: "org.gnu.gdb.riscv.cpu" */
    const char *type;    /* "int", "code_ptr", "data_ptr", "ieee_double", "riscv_vector" */
    const char *group;   /* "general", "float", "csr", "vector" */
    const char *role;    /* "pc", "sp", "fp", "ra", or NULL */
    unsigned size_bytes;
};
/* Numbers are below this. */
unsigned metic_register_limit(metic_machine *machine);
/* False when no register has this number. */
bool metic_describe_register(metic_machine *machine, unsigned number,
                             struct metic_register *description);
/* Reads have no effect. Writes have the effects an instruction's write would have in the highest
 * privilege. False: no such hart or register, or it cannot be written. */
bool metic_read_register(metic_machine *machine, unsigned hart, unsigned number, uint64_t *value);
bool metic_write_register(metic_machine *machine, unsigned hart, unsigned number, uint64_t value);
/* The same, little-endian, of registers of any size, up to METIC_REGISTER_BYTES. One that is longer
 * than 8 bytes is written as a whole; the functions above read its first 8 and do not write it. */
enum { METIC_REGISTER_BYTES = 64 };
bool metic_read_register_bytes(metic_machine *machine, unsigned hart, unsigned number, void *to,
                               size_t size_bytes);
bool metic_write_register_bytes(metic_machine *machine, unsigned hart, unsigned number,
                                const void *from, size_t size_bytes);

/* Where a virtual address of the hart lies now; false: nowhere. */
bool metic_translate(metic_machine *machine, unsigned hart, uint64_t address, uint64_t *physical);
/* Memory as the hart sees it now; false when part of it is not mapped to RAM or ROM (to RAM, when
 * writing); what comes before that part may have been written. */
bool metic_read_virtual(metic_machine *machine, unsigned hart, uint64_t address, void *buffer,
                        size_t size_bytes);
bool metic_write_virtual(metic_machine *machine, unsigned hart, uint64_t address,
                         const void *buffer, size_t size_bytes);

/* Regions of the physical address space, in order; false when there are no more. */
struct metic_region {
    const char *name;
    uint64_t address, size_bytes;
    const char *kind; /* "ram", "rom", "flash" or "device" */
};
bool metic_get_region(metic_machine *machine, unsigned index, struct metic_region *region);

unsigned metic_hart_count(metic_machine *machine);
/* One line on what the hart is doing: privilege, pending interrupts, last trap. */
void metic_describe_hart(metic_machine *machine, unsigned hart, char *text, size_t text_bytes);
/* "riscv:rv64", as GDB calls the architecture. */
const char *metic_architecture(metic_machine *machine);
/* The hart sleeps in a wait-for-interrupt instruction. */
bool metic_hart_waits(metic_machine *machine, unsigned hart);
/* Power-on state, images placed again. False with a reason: a file could not be. */
bool metic_reset(metic_machine *machine, struct metic_error *error);
/* metic_stop was called, or Ctrl-A X typed: the next metic_run will end at once. */
bool metic_is_stopping(metic_machine *machine);

/* --- snapshots: a machine that does not run (or in metic_call). All of it is saved: harts, RAM,
 * devices, overlays of disks, flash, consoles' queues, clock, journal. --- */

typedef struct metic_snapshot metic_snapshot;

struct metic_save {
    const char *description; /* kept with it, for whoever loads it; NULL: none */
    bool compress;           /* smaller, but loading takes time for each MiB */
};

/* To a file, which takes the place of another when it is complete; `how` may be NULL. */
bool metic_snapshot_save(metic_machine *machine, const char *path, const struct metic_save *how,
                         struct metic_error *error);
/* In memory. */
metic_snapshot *metic_snapshot_take(metic_machine *machine, struct metic_error *error);
/* From a file. NULL with a reason: it is no snapshot, damaged, or of another version. */
metic_snapshot *metic_snapshot_open(const char *path, struct metic_error *error);
/* Machines that loaded it may live on. NULL allowed. */
void metic_snapshot_free(metic_snapshot *snapshot);

/* Puts the machine into the saved state: one that was made with the same options and is still
 * empty, or one that has run. Any number of machines may load the same snapshot; they share its
 * memory until they write. Connections of a user network are not part of it: those there are end.
 * Refused, and nothing changed, when the machine is another or a disk's file was changed since.
 * After any other failure the machine is of no more use, and metic_run says so. */
struct metic_load {
    bool other_steps;   /* the machine's own steps begin with the first, whatever was saved */
};
bool metic_snapshot_load(metic_machine *machine, const metic_snapshot *snapshot,
                         const struct metic_load *how, struct metic_error *error);

struct metic_snapshot_info {
    const char *version, *board;
    const char *image; /* path of what was loaded, or "built-in demo"; "": what is in flash */
    unsigned harts;
    uint64_t ram_bytes, insns, clock_ns;
    uint64_t created_s; /* Unix time */
    bool compressed;
};
void metic_snapshot_info(const metic_snapshot *snapshot, struct metic_snapshot_info *info);
const char *metic_snapshot_description(const metic_snapshot *snapshot);
/* Compares all its memory with what was saved. Loading does not, since it would read everything.
 * Any thread. */
bool metic_snapshot_check(metic_snapshot *snapshot, struct metic_error *error);

/* --- control while it runs --- */

/* Has `call` run while all harts stand still, on the thread that is in metic_run (or metic_serve),
 * and waits for it. Any other thread. False when it never will: metic_end_calls was called. */
bool metic_call(metic_machine *machine, void (*call)(metic_machine *machine, void *opaque),
                void *opaque);
/* Runs what metic_call waits for, while metic_run does not run. */
void metic_serve(metic_machine *machine);
/* The machine will not run again: who waits in metic_call, or comes later, is told so. */
void metic_end_calls(metic_machine *machine);

/* Has `call` run as metic_call does, once, when all harts together have executed so many
 * instructions: with the virtual clock at the first turn's end after that, always the same one,
 * with the real clock soon after. Replaces what was asked before; call NULL: nothing. Not while the
 * machine runs, but in a call. */
void metic_call_at(metic_machine *machine, uint64_t insns,
                   void (*call)(metic_machine *machine, void *opaque), void *opaque);

/* Holds all harts where they are, and lets them go on, while guest time goes on with the real
 * clock: for a host that has other work. In pairs, by one thread, and not for long: calls, stops
 * and pauses wait meanwhile. Any thread but those that run the machine. */
void metic_hold(metic_machine *machine);
void metic_let_go(metic_machine *machine);

/* Lets the machine stand still inside metic_run, guest time too; and go on. Any thread. False: it
 * was so already. */
bool metic_pause(metic_machine *machine);
bool metic_resume(metic_machine *machine);
bool metic_is_paused(metic_machine *machine);

/* The reset button, and the power button (which the guest's system may take for a wish to shut
 * down). Inputs, and recorded like them. Any thread. */
void metic_press_reset(metic_machine *machine);
void metic_press_power(metic_machine *machine);

/* The memory balloon (options.balloon). A guest gives free memory back by itself; it can also be
 * asked to do with so many bytes of its RAM, and does so when and as far as its driver likes.
 * False: there is no balloon. An input, and recorded like one. Any thread. */
bool metic_balloon(metic_machine *machine, uint64_t guest_bytes);

struct metic_balloon_status {
    uint64_t guest_bytes;    /* RAM without what is in the balloon */
    uint64_t wanted_bytes;   /* what was asked for */
    uint64_t reported_bytes; /* given back while it was free, in all */
    struct {
        const char *name;    /* "free-memory" (bytes), "major-faults", ... */
        uint64_t value;
    } counts[10];            /* the guest's, as of the last time this was asked, or before */
    unsigned count_count;
};
bool metic_get_balloon(metic_machine *machine, struct metic_balloon_status *status);

enum metic_event {
    METIC_EVENT_STOP,      /* paused */
    METIC_EVENT_RESUME,
    METIC_EVENT_RESET,
    METIC_EVENT_POWERDOWN, /* the power button was pressed */
    METIC_EVENT_SHUTDOWN,  /* the machine ended; the result says why */
    METIC_EVENT_PANIC,
    METIC_EVENT_LOADED,    /* a snapshot */
    METIC_EVENT_DISK_ERROR, /* the host failed a disk; detail: "NAME read|write|flush
                               report|stop", for the guest's request and what became of it */
};
/* Called for each, on the thread that is in metic_run, except POWERDOWN and DISK_ERROR; must be
 * quick. `detail` is "" unless the event's comment says more. Before the machine runs. */
void metic_set_events(metic_machine *machine,
                      void (*event)(void *opaque, enum metic_event event, const char *detail),
                      void *opaque);

/* Who gets the terminal that is the guest's console (METIC_CONSOLE_STDIO) between two Ctrl-A C:
 * what the guest prints waits meanwhile. All are called on a thread of the machine's and must only
 * take note. */
struct metic_console_monitor {
    void (*opened)(void *opaque);
    void (*keys)(void *opaque, const uint8_t *bytes, size_t count);
    void (*closed)(void *opaque); /* by Ctrl-A C; or the machine has stopped running */
    void *opaque;
};
/* Before the machine runs; copied. NULL: there is none, and Ctrl-A C means nothing. */
void metic_set_console_monitor(metic_machine *machine,
                               const struct metic_console_monitor *monitor);
/* Gives the terminal back to the guest, without `closed`. Any thread. */
void metic_close_console_monitor(metic_machine *machine);

/* Calls `output` with what the guest prints on its console, as it does: on a hart's thread, a byte
 * or some, and must be quick. NULL ends it for that `opaque`. While the machine does not run. */
void metic_set_console_output(metic_machine *machine,
                              void (*output)(void *opaque, const uint8_t *bytes, size_t count),
                              void *opaque);

/* Lists the devices; or one device's registers, false when there is none of that name. */
void metic_print_devices(metic_machine *machine, FILE *to);
bool metic_print_device(metic_machine *machine, const char *name, FILE *to);

/* METIC_CONSOLE_MEMORY. Returns the length of all output so far, copies at most capacity_bytes. */
size_t metic_console_output(metic_machine *machine, size_t from_byte, void *buffer,
                            size_t capacity_bytes);
void metic_console_feed(metic_machine *machine, const void *bytes, size_t size_bytes);

/* ---- Screens, keyboard and pointer. Any thread, also while the machine runs. ---- */

struct metic_rect {
    uint32_t x, y, width, height;
};

/* What a viewer has of a screen. Pixels are 0x00RRGGBB, without gaps; a cursor's 0xAARRGGBB. */
struct metic_frame {
    uint32_t width, height; /* 0: the screen shows nothing */
    const uint32_t *pixels; /* the viewer's own copy; valid until its next take */
    bool resized, cursor_moved, cursor_reshaped; /* since the take before */
    const struct metic_rect *rects; /* what changed */
    unsigned rect_count;
    bool cursor_visible;
    int32_t cursor_x, cursor_y; /* of the hot spot, on the screen */
    uint32_t cursor_hot_x, cursor_hot_y, cursor_width, cursor_height;
    const uint32_t *cursor_pixels;
};

typedef struct metic_viewer metic_viewer;

/* Looks at a screen (0 to METIC_MAX_SCREENS - 1, also one that shows nothing yet). `changed` is
 * called once when there is something new to take, on any thread, and must only take note; may be
 * NULL. NULL with a reason. A viewer is used by one thread, and closed before the machine is
 * freed. */
metic_viewer *metic_viewer_new(metic_machine *machine, unsigned screen,
                               void (*changed)(void *opaque), void *opaque,
                               struct metic_error *error);
void metic_viewer_free(metic_viewer *viewer); /* NULL allowed */
/* Brings the viewer's copy up to date; false when nothing changed. *frame is filled in any case. */
bool metic_viewer_take(metic_viewer *viewer, struct metic_frame *frame);
/* The screen as a picture, without the cursor, into a file or to where `to` stands. False with a
 * reason: it shows nothing, or the file cannot be written. Any thread. */
enum metic_picture { METIC_PNG, METIC_PPM };
bool metic_screenshot(metic_machine *machine, unsigned screen, enum metic_picture format,
                      const char *path, struct metic_error *error);
bool metic_draw_screen(metic_machine *machine, unsigned screen, enum metic_picture format,
                       FILE *to, struct metic_error *error);
/* What it shows now; false: nothing. Any thread. */
bool metic_get_screen_size(metic_machine *machine, unsigned screen, uint32_t *width,
                           uint32_t *height);
/* What a screen shows, as a film in guest time (hw/display/video.h). */
struct metic_video {
    const char *path;
    bool is_series; /* a folder of PNG files; else a YUV4MPEG2 file */
    unsigned fps;   /* 0: METIC_DEFAULT_FPS */
    unsigned screen;
};
enum { METIC_DEFAULT_FPS = 25, METIC_MAX_FPS = 240 };
/* Before the machine runs, and after; one at a time. False with a reason; the end's: not all of it
 * could be written. */
bool metic_start_video(metic_machine *machine, const struct metic_video *video,
                       struct metic_error *error);
bool metic_end_video(metic_machine *machine, struct metic_error *error); /* also if none began */

/* Asks the guest for a size, as a user who drags a window's edge does; it may not listen. */
void metic_request_size(metic_machine *machine, unsigned screen, uint32_t width,
                        uint32_t height);

/* Somebody is there who may type: then a machine that waits for ever is not at its end. */
void metic_await_input(metic_machine *machine, bool awaited);
/* Whether there is a keyboard and a pointer; otherwise the rest has no effect. */
bool metic_has_input(const metic_machine *machine);
/* Linux's key and button codes (KEY_*, BTN_LEFT to BTN_EXTRA). What is down already, or up, stays
 * so. */
void metic_key(metic_machine *machine, unsigned code, bool down);
/* The pointer's place, 0 to 32767 over the screen's width and height, METIC_POINTER_KEEP: as it is;
 * or by how far it moved. */
enum { METIC_POINTER_KEEP = 0xffff };
void metic_pointer_to(metic_machine *machine, uint32_t x, uint32_t y);
void metic_pointer_by(metic_machine *machine, int32_t dx, int32_t dy);
void metic_wheel(metic_machine *machine, int32_t vertical, int32_t horizontal);
/* Everything that is down goes up: who gave input has lost the keyboard. */
void metic_release_keys(metic_machine *machine);

/* A key or button goes down or up, then nothing happens for so long, in host time. */
struct metic_key_step {
    unsigned code; /* as metic_key's; 0: the rest alone */
    bool down;
    unsigned then_ms;
};
enum { METIC_MAX_KEY_STEPS = 4096 };
/* Presses keys as fingers do, behind those of calls before, and does not wait for it. Any thread.
 * False: there is no keyboard, or too much waits already; then nothing is pressed. */
bool metic_press_keys(metic_machine *machine, const struct metic_key_step *steps, unsigned count);

/* --- sound: a machine with options.sound --- */

typedef struct sound_player metic_player;

/* Listens to what the guest plays, at a rate (4000 to 384000) of the listener's own clock, which
 * takes about `period_frames` at a time: the two clocks are kept together by bending the sound a
 * little. NULL with a reason. Closed before the machine is freed. */
metic_player *metic_player_new(metic_machine *machine, unsigned rate_hz, unsigned period_frames,
                               struct metic_error *error);
void metic_player_free(metic_player *player); /* NULL allowed */
/* The next frames, stereo between -1 and 1; silence when the guest plays nothing. Any thread, one
 * at a time; never waits for the guest. */
void metic_player_take(metic_player *player, float *stereo, size_t frames);
/* What a microphone hears, always at the same rate; any thread. */
void metic_feed_sound(metic_machine *machine, unsigned rate_hz, const float *stereo,
                      size_t frames);

/* What the machine has done so far; any thread, also while it runs (then a little behind). */
struct metic_activity {
    uint64_t insns;        /* retired, all harts */
    uint64_t translations; /* of guest instructions */
    uint64_t tlb_fills, engine_exits;
    unsigned harts_awake;  /* now, not in a wait-for-interrupt instruction */
};
void metic_get_activity(metic_machine *machine, struct metic_activity *activity);

/* Prints statistics of the engine. */
void metic_print_stats(metic_machine *machine, FILE *to);
/* Prints one block's stages (any of "decode,ir,opt,host", comma-separated) for the code at a guest
 * virtual address of hart 0. */
bool metic_show(metic_machine *machine, uint64_t address, const char *stages, FILE *to,
                struct metic_error *error);

/* --- recording what the guest does --- */

/* What is recorded of code that is watched. Blocks: each straight piece of code that ran. */
enum metic_trace_what {
    METIC_TRACE_BLOCKS = 1,
    METIC_TRACE_MEMORY = 2,    /* addresses and values of accesses */
    METIC_TRACE_REGISTERS = 4, /* values written to registers, CSRs included */
    /* Not recorded: */
    METIC_TRACE_COUNT = 8,       /* how often each unit began: metic_trace_unit.count */
    METIC_TRACE_CALL_UNIT = 16,  /* metic_trace_hooks.unit and so on are called */
    METIC_TRACE_CALL_INSN = 32,
    METIC_TRACE_CALL_MEMORY = 64,
    METIC_TRACE_EDGES = 256, /* alone: what metic_trace_coverage tells is counted */
};

/* What else happens; up to three words say more. All have the hart's exact instruction count. */
enum metic_trace_event {
    METIC_EVENT_SYNC,
    METIC_EVENT_CONTEXT,   /* privilege (0 U, 1 S, 3 M), satp */
    METIC_EVENT_TRAP,      /* cause (bit 63: interrupt), value, pc it was taken at */
    METIC_EVENT_RETURN,    /* from a trap: pc, privilege */
    METIC_EVENT_TLB_FILL,  /* virtual page, physical page, flags */
    METIC_EVENT_TLB_FLUSH, /* address or ~0, ASID or ~0 */
    METIC_EVENT_TRANSLATE, /* physical address, mode, instructions << 32 | host bytes */
    METIC_EVENT_DEVICE,    /* physical address, value, bytes | write << 8 */
    METIC_EVENT_MEMORY,    /* an access not made by a load or store instruction: address, value,
                              bytes | write << 8 */
    METIC_EVENT_WAIT,      /* 1: begins waiting for an interrupt, 0: ends */
    METIC_EVENT_CALL,      /* of a watched function: its address, return address, stack pointer,
                              a0 to a5 */
    METIC_EVENT_CALL_END,  /* its address, stack pointer, a0, a1, a0 at the call */
    METIC_EVENT_IO,        /* 1 disk: type, sector, bytes; 2 network: 1 sent, bytes;
                              3 console: up to 8 characters, bytes. Stream: behind the harts' */
    METIC_EVENT_TASK,      /* Linux: address of the task, 16 bytes of name */
    METIC_EVENT_CSR,       /* an access to a CSR: number | 1 << 16 when read | 1 << 17 when
                              written, its value before, what is written to it */
    METIC_EVENT_COUNT,
};

/* The recorded words of one hart, or (`stream` is the number of harts) of what happened outside of
 * them. A word below METIC_TRACE_EVENT, after masking with METIC_TRACE_NUMBER, begins a unit of
 * that number: the page it ran at is bits 12 to 47 of its address, in the bits above; as many words
 * follow as the unit has slots. Otherwise it begins an event: bits 8 to 15 its kind, bits 0 to 7
 * the number of words that follow: instruction count, guest time in ns, then what is said above. A
 * unit that an exception ended early has all its words; the next event's count tells how far it
 * came. */
#define METIC_TRACE_NUMBER 0xfffffffu
#define METIC_TRACE_EVENT 0xfff0000u

struct metic_trace_chunk {
    const uint64_t *words;
    size_t count;
    unsigned stream;
    uint64_t sequence;    /* of this stream, from 0 */
    uint64_t start_insns, start_ns, satp;
    uint32_t privilege;   /* ~0: not known */
};

enum metic_trace_slot_kind {
    METIC_SLOT_LOAD_ADDRESS, METIC_SLOT_LOAD_VALUE, METIC_SLOT_STORE_ADDRESS,
    METIC_SLOT_STORE_VALUE, METIC_SLOT_AMO_ADDRESS, METIC_SLOT_AMO_OLD, METIC_SLOT_AMO_OPERAND,
    METIC_SLOT_AMO_EXPECTED, METIC_SLOT_REGISTER,
};

struct metic_trace_slot {
    uint8_t kind;
    uint8_t size_bytes; /* of the word's low bytes that count */
    uint8_t amo;        /* 0 swap, add, and, or, xor, min, max, minu, maxu; 15: compare and swap */
    uint8_t insn;       /* number of the instruction in the unit */
    uint16_t reg;       /* METIC_SLOT_REGISTER: for metic_trace_register */
};

struct metic_trace_unit {
    uint64_t physical, address; /* address: where it was when it was translated */
    uint32_t mode;
    uint16_t insn_count, bytes, slot_count;
    const uint8_t *code;
    const struct metic_trace_slot *slots;
    uint64_t count;      /* METIC_TRACE_COUNT, so far */
};

/* Called on a hart's thread while it stands between two instructions; its registers and memory can
 * be read (metic_get_register, metic_read_virtual). Any may be NULL. */
struct metic_trace_hooks {
    void (*unit)(void *opaque, unsigned hart, uint64_t pc, uint32_t unit);
    void (*insn)(void *opaque, unsigned hart, uint64_t pc, uint32_t unit, unsigned insn);
    void (*memory)(void *opaque, unsigned hart, uint64_t pc, uint64_t address, uint64_t value,
                   unsigned size_bytes, bool write);
    void (*event)(void *opaque, unsigned hart, uint64_t pc, enum metic_trace_event event,
                  uint64_t a, uint64_t b, uint64_t c);
};

struct metic_trace_range { uint64_t first, end; };

struct metic_trace_options {
    unsigned what;         /* enum metic_trace_what */
    uint64_t events;       /* bit mask by enum metic_trace_event */
    bool keep_last;        /* keep the last ring_bytes of each hart, and hand over at the end */
    size_t ring_bytes;
    /* What is watched; 0 or NULL: everything. */
    unsigned privileges;   /* bit mask */
    uint64_t harts;        /* bit mask */
    uint64_t satp;
    const char *task;      /* Linux: only while this task runs, its kernel side included */
    struct metic_trace_range ranges[16]; /* instructions at any of these virtual addresses */
    unsigned range_count;
    uint64_t functions[16]; /* from a call of any of these to its return, callees included */
    unsigned function_count;
    uint64_t start_at, stop_at; /* begin when a hart comes to this address, end at that one */
    struct metic_trace_trigger {
        enum metic_trace_event event; /* METIC_EVENT_SYNC: none */
        bool has_value;
        uint64_t value;       /* of the event's first word; of a CSR its number */
        char text[16];        /* of METIC_EVENT_TASK: a name */
    } start_on, stop_on;      /* begin soon after such an event, end soon after such a one */
    uint64_t every;        /* of so many blocks one; 0: all */
    uint64_t calls[64];    /* calls of these functions become events */
    unsigned call_count;
    /* Gets what was recorded, on a thread of its own (with keep_last: in metic_trace_stop). */
    void (*consume)(void *opaque, const struct metic_trace_chunk *chunk);
    struct metic_trace_hooks hooks;
    void *opaque;
};

/* While no hart runs. False with a reason. */
bool metic_trace_start(metic_machine *machine, const struct metic_trace_options *options,
                       struct metic_error *error);
/* Hands over the rest. While no hart runs; units go with it. */
void metic_trace_stop(metic_machine *machine);
/* Turns recording on or off, for all harts, soon. Any thread. */
void metic_trace_switch(metic_machine *machine, bool on);
/* METIC_TRACE_EDGES, while no hart runs: straight pieces of code that ran, and ways from the start
 * of one to the start of another; both may come several times. Code mapped at several addresses is
 * told at the one where it was met first. False: the host has no memory. */
bool metic_trace_coverage(metic_machine *machine,
                          void (*block)(void *opaque, uint64_t address, unsigned bytes,
                                        unsigned insns, uint64_t count),
                          void (*edge)(void *opaque, uint64_t from, uint64_t to, uint64_t count),
                          void *opaque);
/* Any thread; false when there is no such unit. What it points to lives as long as the trace. */
bool metic_trace_get_unit(metic_machine *machine, uint32_t number, struct metic_trace_unit *unit);
uint32_t metic_trace_unit_count(metic_machine *machine);
/* The name of a slot's register, as "a0"; "" when there is none. */
const char *metic_trace_register(unsigned reg);
/* The name of a CSR, as "sstatus", in `text`. */
void metic_csr_name(unsigned number, char *text, size_t text_bytes);
/* Text of the instruction at `bytes`; its length in bytes. No machine is needed. */
unsigned metic_disassemble(uint64_t address, const uint8_t *bytes, size_t available_bytes,
                           char *text, size_t text_bytes);
/* --- a profile: where harts are, now and then --- */

enum { METIC_SAMPLE_DEPTH = 48 };

struct metic_sample {
    unsigned hart;
    uint64_t insns, ns;  /* of this hart; guest time */
    uint32_t privilege;  /* 0 U, 1 S, 3 M */
    bool waits;          /* for an interrupt */
    uint8_t code[4];     /* of the instruction at pc; zeros when it cannot be read */
    char task[16];       /* Linux: its name, maybe without a final zero; or empty */
    unsigned depth;
    uint64_t stack[METIC_SAMPLE_DEPTH]; /* pc; the return address register, which is a caller only
                                           of a function without a frame; then return addresses
                                           by frame pointers */
};

struct metic_profile_options {
    uint64_t every_insns; /* exactly so many, on each hart; or */
    uint64_t every_ns;    /* so much time of the host's (real clock) */
    /* On a hart's thread, or one of the profile's; never twice at once. */
    void (*sample)(void *opaque, const struct metic_sample *sample);
    void *opaque;
};

/* While no hart runs. */
bool metic_profile_start(metic_machine *machine, const struct metic_profile_options *options,
                         struct metic_error *error);
void metic_profile_stop(metic_machine *machine);

/* A piece of host code that the translator made. */
struct metic_code {
    uint64_t pc;     /* guest virtual address of the guest code, where it was first run */
    uint64_t gpa;    /* and physical */
    unsigned insns;  /* guest instructions */
    bool trace;      /* of a hot path */
    const void *host;
    size_t host_bytes;
};
/* Calls `made` for each piece of code as it is made; NULL ends it. On a hart's thread that holds a
 * lock: it must not call the machine. One call at a time. While the machine does not run. */
void metic_set_code_listener(metic_machine *machine,
                             void (*made)(void *opaque, const struct metic_code *code),
                             void *opaque);

/* Symbols of a Linux kernel in guest memory, from its own table (kallsyms); the number found.
 * `each` is called in order of addresses. */
size_t metic_kernel_symbols(metic_machine *machine,
                            void (*each)(void *opaque, uint64_t address, char type,
                                         const char *name), void *opaque);

/* A Linux kernel that runs in the guest, from 6.4 on and with BTF, as distributions build it. While
 * the machine stands still; what is found holds until it runs again. NULL: there is none, or none
 * that is mapped in any hart's address space now. */
struct metic_kernel;
struct metic_kernel *metic_kernel_find(metic_machine *machine);
void metic_kernel_free(struct metic_kernel *kernel); /* NULL allowed */
/* Where it begins, a virtual address: more than its file says when it has moved itself (KASLR). */
uint64_t metic_kernel_text(const struct metic_kernel *kernel);

struct metic_kernel_section {
    char name[64];
    uint64_t address;
};
struct metic_kernel_module {
    char name[64];
    uint64_t address, size_bytes; /* of its text */
    const struct metic_kernel_section *sections; /* as in its file; none: not known */
    unsigned section_count;
    uint64_t handle; /* for metic_kernel_module_symbols */
};
/* The newest first; the number found. */
unsigned metic_kernel_modules(struct metic_kernel *kernel,
                              void (*each)(void *opaque, const struct metic_kernel_module *module),
                              void *opaque);
/* Its symbols, as the kernel keeps them; the number found. Size 0: up to the next. */
size_t metic_kernel_module_symbols(struct metic_kernel *kernel,
                                   const struct metic_kernel_module *module,
                                   void (*each)(void *opaque, uint64_t address,
                                                uint64_t size_bytes, const char *name),
                                   void *opaque);

/* The value of a symbol of the image that was loaded, or of the firmware given: a guest virtual
 * address. False when there is none, or the image has no symbols. */
bool metic_find_symbol(metic_machine *machine, const char *name, uint64_t *address);

/* Says what the file is, to people, on `to`; false when it cannot be read. */
bool metic_inspect(const char *path, FILE *to, struct metic_error *error);
/* Where a TCP port of the guest's is reached from this host; false: not at all. */
bool metic_get_forward(metic_machine *machine, uint16_t guest_port, uint32_t *host_ip4,
                       uint16_t *host_port);
/* Whether the machine may open connections of this host's for its guest, now or after a snapshot
 * was loaded: METIC_NET_USER, unless it is restricted and has no forwards. */
bool metic_reaches_network(const metic_machine *machine);
/* Whether METIC_NET_USER is built in. */
bool metic_has_user_network(void);
/* Lists "machines", "devices", "insns", "csrs" or "ir"; false when there is no such list. */
bool metic_list(const char *what, FILE *to);
/* Bytes in `text` as people write them: 4GB, 4G, 4GiB, 512M, 4096. */
bool metic_parse_size(const char *text, uint64_t *size_bytes);

/* --- disk images, apart from machines; each function is a `metic disk` command --- */

struct metic_disk_create {
    enum metic_disk_format format; /* AUTO: qcow2 */
    uint64_t size_bytes;           /* 0: as large as the backing image */
    const char *backing;           /* what shows where nothing was written; a path, or NULL */
    enum metic_disk_format backing_format;
    uint64_t cluster_bytes;        /* qcow2: 0 is 64 KiB */
    unsigned version;              /* qcow2: 2 or 3; 0 is 3 */
    unsigned refcount_bits;        /* qcow2: 0 is 16 */
    bool zstd;                     /* qcow2: how clusters are compressed; otherwise zlib */
    bool lazy_refcounts;
    bool replace;                  /* an existing file is written over */
};
bool metic_disk_create(const char *path, const struct metic_disk_create *how,
                       struct metic_error *error);

/* What an image is, in lines or as one JSON object; also while others write to it. */
bool metic_disk_info(const char *path, enum metic_disk_format format, bool json, FILE *to,
                     struct metic_error *error);

enum metic_disk_repair { METIC_DISK_LOOK, METIC_DISK_REPAIR_LEAKS, METIC_DISK_REPAIR_ALL };
/* Prints what is wrong. *clean: nothing was, or nothing is any more. */
bool metic_disk_check(const char *path, enum metic_disk_repair repair, bool json, FILE *to,
                      bool *clean, struct metic_error *error);

/* Copies what a guest would read from `from` into a new image. */
bool metic_disk_convert(const char *from, enum metic_disk_format from_format, const char *to,
                        const struct metic_disk_create *how, bool compress,
                        struct metic_error *error);
/* Shrinking loses what lies behind the new end, so it must be asked for. */
bool metic_disk_resize(const char *path, enum metic_disk_format format, uint64_t size_bytes,
                       bool shrink, struct metic_error *error);
bool metic_disk_size(const char *path, enum metic_disk_format format, uint64_t *size_bytes,
                     struct metic_error *error);
/* Writes an overlay's contents into the image under it; the overlay is empty then. */
bool metic_disk_commit(const char *path, struct metic_error *error);
/* Puts another image under an overlay (NULL: none), whose contents stay the same; with `unsafe`
 * only its name changes. */
bool metic_disk_rebase(const char *path, const char *backing,
                       enum metic_disk_format backing_format, bool unsafe,
                       struct metic_error *error);
/* Compares what guests would read. *same_bytes: how far they are the same; UINT64_MAX: wholly. */
bool metic_disk_compare(const char *first, const char *second, uint64_t *same_bytes,
                        struct metic_error *error);

#ifdef __cplusplus
}
#endif

#endif
