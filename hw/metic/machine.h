/* Making a machine, loading it, running it, and looking at it. */
#ifndef METIC_MACHINE_H
#define METIC_MACHINE_H

#include "hw/metic/base.h"
#include "hw/metic/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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
/* Has the next metic_run or metic_run_for call `running` once, on the thread that called it, when
 * the harts are on their way (with the virtual clock: just before): for what nobody need wait for
 * before the guest's first instruction. */
void metic_when_running(metic_machine *machine, void (*running)(void *opaque), void *opaque);
/* Makes metic_run return soon. Any thread; async-signal-safe. */
void metic_stop(metic_machine *machine);

/* It replays a recording. */
bool metic_is_replay(const metic_machine *machine);

/* Looking at a machine that does not run. Register names are the guest's ("pc", "a0", "mstatus");
 * false when there is no such register or hart. */
bool metic_get_register(metic_machine *machine, unsigned hart, const char *name, uint64_t *value);
bool metic_set_register(metic_machine *machine, unsigned hart, const char *name, uint64_t value);
/* Guest physical memory; false when part of it is not RAM or ROM. */
bool metic_read_memory(metic_machine *machine, uint64_t address, void *buffer, size_t size_bytes);
bool metic_write_memory(metic_machine *machine, uint64_t address, const void *buffer,
                        size_t size_bytes);
/* False only when these are whole pages of RAM that nobody has written, so that they read as zeros.
 * Takes none of the host's memory for them, which reading them may. */
bool metic_memory_is_touched(metic_machine *machine, uint64_t address, uint64_t size_bytes);
uint64_t metic_instructions(metic_machine *machine, unsigned hart);
uint64_t metic_digest(metic_machine *machine); /* of the whole state */

/* Power-on state, images placed again. False with a reason: a file could not be. */
bool metic_reset(metic_machine *machine, struct metic_error *error);
/* metic_stop was called, or Ctrl-A X typed: the next metic_run will end at once. */
bool metic_is_stopping(metic_machine *machine);

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

#endif
