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

enum { METIC_MAX_DISKS = 6, METIC_MAX_STEPS = 64, METIC_MAX_HARTS = 64 };

struct metic_disk {
    const char *path;
    bool read_only;  /* the guest may not write */
    bool write_back; /* writes go to the file; otherwise to an overlay in memory */
};

/* Expect and send: wait for `expect` in the console's output, then feed `send`. */
struct metic_step {
    const char *expect;
    const char *send;
};

struct metic_options {
    size_t struct_bytes;     /* set by metic_options_init */
    const char *machine;     /* board: "riscv-virt" */
    unsigned harts;          /* 1..64 */
    uint64_t ram_bytes;
    enum metic_engine engine;
    enum metic_clock clock;
    uint64_t seed;           /* virtual clock: what the guest's entropy comes from */

    /* What is loaded besides the main image; NULL: nothing (firmware: chosen by the image). */
    const char *firmware;    /* path, "none", or NULL for the built-in SBI when one is needed */
    const char *initrd;
    const char *bootargs;
    const char *dtb;
    const char *flash[2];
    bool flash_write;

    enum metic_console console;
    const char *console_path;
    enum metic_console virtio_console; /* a second one, hvc0; METIC_CONSOLE_NONE: no device */
    const char *virtio_console_path;
    struct metic_disk disks[METIC_MAX_DISKS];
    unsigned disk_count;
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
    bool verify_ir;
    bool perf_map;           /* write /tmp/perf-PID.map for the host's perf */

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

/* Recognises and places the image at `path` (kernel, firmware, bare-metal program; ELF, Image,
 * compressed Image, EFI stub, binary) together with firmware, initrd and arguments from the
 * options, and prepares the boot. Once per machine. */
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

/* METIC_CONSOLE_MEMORY. Returns the length of all output so far, copies at most capacity_bytes. */
size_t metic_console_output(metic_machine *machine, size_t from_byte, void *buffer,
                            size_t capacity_bytes);
void metic_console_feed(metic_machine *machine, const void *bytes, size_t size_bytes);

/* Prints statistics of the engine. */
void metic_print_stats(metic_machine *machine, FILE *to);
/* Prints one block's stages (any of "decode,ir,opt,host", comma-separated) for the code at a guest
 * virtual address of hart 0. */
bool metic_show(metic_machine *machine, uint64_t address, const char *stages, FILE *to,
                struct metic_error *error);

/* The value of a symbol of the image that was loaded, or of the firmware given: a guest virtual
 * address. False when there is none, or the image has no symbols. */
bool metic_find_symbol(metic_machine *machine, const char *name, uint64_t *address);

/* Says what the file is, to people, on `to`; false when it cannot be read. */
bool metic_inspect(const char *path, FILE *to, struct metic_error *error);
/* Lists "machines", "devices", "insns", "csrs" or "ir"; false when there is no such list. */
bool metic_list(const char *what, FILE *to);
/* Bytes in `text` as people write them: 4GB, 4G, 4GiB, 512M, 4096. */
bool metic_parse_size(const char *text, uint64_t *size_bytes);

#ifdef __cplusplus
}
#endif

#endif
