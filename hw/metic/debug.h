/* Debugging: a machine that does not run, unless stated otherwise. Addresses are virtual and
 * count in every address space. */
#ifndef METIC_DEBUG_H
#define METIC_DEBUG_H

#include "hw/metic/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Makes metic_run end with METIC_BREAK soon. Any thread; async-signal-safe. */
void metic_break(metic_machine *machine);

/* Breakpoints: a hart stops before the instruction there. `owner` (0 to 7) tells users apart: the
 * breakpoint stays until each has removed it. Adding what is there and removing what is not there
 * changes nothing. There may be any number; the guest's memory is not touched, and code without
 * any runs as fast as ever. */
void metic_add_breakpoint(metic_machine *machine, uint64_t address, unsigned owner);
void metic_remove_breakpoint(metic_machine *machine, uint64_t address, unsigned owner);

/* Which of its `owners` (bit n for owner n) a breakpoint stops for. Called each time a hart comes
 * to it, on that hart's thread while others run; 0 lets the hart pass. It may read that hart's
 * registers and memory with the functions below, and change nothing. NULL: all owners, always. */
typedef unsigned metic_break_filter(void *opaque, unsigned hart, uint64_t address, unsigned owners);
void metic_set_break_filter(metic_machine *machine, metic_break_filter *filter, void *opaque);

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
    METIC_STOP_BEGIN, /* metic_run_back: the history begins here */
    METIC_STOP_END,   /* with a history: what a recording has ends here */
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
    int dwarf;           /* its number in debug information; -1: none */
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
/* The piece around an address that is mapped alike, or not at all: as far as one page table entry
 * goes; where addresses are physical, one region, or the gap between two. */
struct metic_mapping {
    uint64_t first, last; /* addresses */
    uint64_t physical;    /* of `first`, where it is mapped */
    const char *name;     /* of a region; "" where addresses are translated */
    bool translated, mapped, readable, writable, executable, user;
};
/* False: there is no such hart. */
bool metic_get_mapping(metic_machine *machine, unsigned hart, uint64_t address,
                       struct metic_mapping *mapping);
/* The same, with what lies behind it as long as that continues it; `pieces` at most. */
bool metic_get_mapping_run(metic_machine *machine, unsigned hart, uint64_t address, unsigned pieces,
                           struct metic_mapping *mapping);
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

/* Prints one block's stages (any of "decode,ir,opt,host", comma-separated) for the code at a guest
 * virtual address of hart 0. */
bool metic_show(metic_machine *machine, uint64_t address, const char *stages, FILE *to,
                struct metic_error *error);

/* Opens what metic_show needs of the host: for a process that may open no file later. */
void metic_prepare_show(metic_machine *machine);

/* The value of a symbol of the image that was loaded, or of the firmware given: a guest virtual
 * address. False when there is none, or the image has no symbols. */
bool metic_find_symbol(metic_machine *machine, const char *name, uint64_t *address);

#endif
