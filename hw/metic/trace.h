/* Recording what the guest does: traces, coverage, profiles, and the code that was made of it. */
#ifndef METIC_TRACE_H
#define METIC_TRACE_H

#include "hw/metic/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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
    METIC_EVENT_SYNC,      /* of several harts on the virtual clock: the time when a turn began */
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

/* With keeps_paths, most of what ran comes as paths: several units one after the other, in one
 * page, that share words. From METIC_TRACE_PATH on a word's number is such a path's; its page is
 * the first unit's, and as many words follow as the path has. A word METIC_TRACE_LEFT + n before it
 * says that only its first n instructions ran, the last units not at all; then words that only
 * these need are noise. */
#define METIC_TRACE_PATH 0x8000000u
#define METIC_TRACE_LEFT 0xffe0000u

struct metic_trace_chunk {
    const uint64_t *words;
    size_t count;
    unsigned stream;
    uint64_t sequence;    /* of this stream, from 0 */
    uint64_t start_insns, start_ns, satp;
    uint64_t turn_ns;     /* when the turn began in which it starts; 0: there are none */
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

/* A slot's word: one of the path's, or METIC_TRACE_NODE and the number of a node, plus `add`; or
 * `add` alone. Addresses never follow from nodes. */
#define METIC_TRACE_NO_WORD 0xffffu
#define METIC_TRACE_NODE 0x8000u
struct metic_trace_recipe {
    uint64_t add;
    uint16_t word;
};

/* A value that follows from words, or from nodes with lower numbers. */
struct metic_trace_node {
    uint8_t op, sub;      /* metic_trace_node_value knows them */
    bool wide;
    uint16_t operands[4]; /* words, or METIC_TRACE_NODE and a number */
    uint64_t imm;
};

struct metic_trace_path {
    uint16_t part_count, slot_count, word_count, node_count;
    const uint32_t *parts;                    /* units, in order, */
    const struct metic_trace_recipe *recipes; /*   and of all their slots */
    const struct metic_trace_node *nodes;
};

/* How many operands an operation has; ~0: there is none of that number. Any thread. */
unsigned metic_trace_node_operands(unsigned op);
/* Of each operand; what is above is noise. */
unsigned metic_trace_node_operand_bytes(const struct metic_trace_node *node);
uint64_t metic_trace_node_value(const struct metic_trace_node *node, const uint64_t operands[4]);

/* Called on a hart's thread while it stands between two instructions; its registers and memory can
 * be read (metic_get_register, metic_read_virtual). Any may be NULL. */
struct metic_trace_hooks {
    void (*unit)(void *opaque, unsigned hart, uint64_t pc, uint32_t unit);
    void (*insn)(void *opaque, unsigned hart, uint64_t pc, uint32_t unit, unsigned insn);
    void (*memory)(void *opaque, unsigned hart, uint64_t pc, uint64_t address, uint64_t value,
                   unsigned size_bytes, bool write);
    void (*event)(void *opaque, unsigned hart, uint64_t pc, enum metic_trace_event event,
                  uint64_t a, uint64_t b, uint64_t c);
    uint64_t events; /* bit mask by enum metic_trace_event: what `event` is called for, at least */
};

/* For the memory hook, on the hart's thread: the physical address of an access. False: none. */
bool metic_trace_physical(metic_machine *machine, unsigned hart, uint64_t address, bool write,
                          uint64_t *physical);

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
    bool switches;         /* begins with metic_trace_switch, and not before */
    uint64_t start_at, stop_at; /* begin when a hart comes to this address, end at that one */
    struct metic_trace_trigger {
        enum metic_trace_event event; /* METIC_EVENT_SYNC: none */
        bool has_value;
        uint64_t value;       /* of the event's first word; of a CSR its number */
        char text[16];        /* of METIC_EVENT_TASK: a name */
    } start_on, stop_on;      /* begin soon after such an event, end soon after such a one */
    uint64_t every;        /* of so many blocks one; 0: all */
    bool keeps_paths;      /* `consume` knows paths */
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
/* What a recording met of what its options ask for, so that one that has nothing can be explained.
 * While no hart runs, before metic_trace_stop; all zero without a recording. */
enum { METIC_SEEN_MAX = 24, METIC_SEEN_TASKS = 512 };
struct metic_trace_seen {
    bool task, satp, function, start; /* these options were met at some time */
    /* With the option of that name: what there was, the first ones. */
    char tasks[METIC_SEEN_TASKS][17];
    unsigned task_count;
    uint64_t satps[METIC_SEEN_MAX];
    unsigned satp_count;
};
void metic_trace_seen(metic_machine *machine, struct metic_trace_seen *seen);
/* Hands over the rest. While no hart runs; units go with it. */
void metic_trace_stop(metic_machine *machine);
/* Turns recording on or off, for all harts, soon. Any thread. False: there is none that
 * `switches`. */
bool metic_trace_switch(metic_machine *machine, bool on);
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
/* METIC_TRACE_COUNT, while no hart runs: units are all there, and their counts complete. Before,
 * those of a hart may lack what it has run of new code since its last event. */
void metic_trace_settle(metic_machine *machine);
uint32_t metic_trace_unit_count(metic_machine *machine);
/* The same for a path, by its word's number less METIC_TRACE_PATH. */
bool metic_trace_get_path(metic_machine *machine, uint32_t number, struct metic_trace_path *path);
/* The name of a slot's register, as "a0"; "" when there is none. */
const char *metic_trace_register(unsigned reg);
/* The name of a CSR, as "sstatus", in `text`. */
void metic_csr_name(unsigned number, char *text, size_t text_bytes);
/* Length in bytes of the instruction that begins with these two. No machine is needed. */
unsigned metic_insn_bytes(const uint8_t *bytes);
/* Text of the instruction at `bytes`; its length in bytes. No machine is needed. */
unsigned metic_disassemble(uint64_t address, const uint8_t *bytes, size_t available_bytes,
                           char *text, size_t text_bytes);

/* --- a profile: where harts are, now and then --- */

enum { METIC_SAMPLE_DEPTH = 128 };

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
    unsigned user_from; /* where in the stack the program begins whose entry into the kernel this
                           is: its pc, then return addresses by frame pointers; depth: nowhere */
    uint64_t user_regs[32]; /* there: its pc, then x1 to x31 */
};

struct metic_profile_options {
    uint64_t every_insns; /* one sample in each so many of a hart, not always at the same place of
                             them, but in each run; or */
    uint64_t every_ns;    /* so much time of the host's (real clock): of an instruction chosen
                             among the next 8192, since harts look up at few places */
    /* On a hart's thread, or one of the profile's; never twice at once. */
    void (*sample)(void *opaque, const struct metic_sample *sample);
    void *opaque;
};

/* While no hart runs. */
bool metic_profile_start(metic_machine *machine, const struct metic_profile_options *options,
                         struct metic_error *error);
void metic_profile_stop(metic_machine *machine);

/* The translated code that has the instruction at a sample's pc. */
struct metic_running {
    uint64_t head; /* address of its first instruction */
    bool trace;    /* of a hot path; else a block */
};
/* In a sample's callback, of its hart, with metic_prepare_show before the run: which code it is,
 * and as text its guest instructions ("decode" among `stages`) and what they became ("host"). `to`
 * may be NULL without stages (""). False when nothing is translated there. */
bool metic_show_running(metic_machine *machine, unsigned hart, const char *stages, FILE *to,
                        struct metic_running *running);

/* Where the host code of a guest instruction begins: from the piece's first byte on. Its guest
 * virtual address is page + guest_offset. */
struct metic_code_place {
    uint32_t host_offset;
    int64_t guest_offset; /* of a trace, also into other pages than its first */
};
/* A piece of host code that the translator made. */
struct metic_code {
    uint64_t pc;     /* guest virtual address of the guest code, where it was first run */
    uint64_t gpa;    /* and physical */
    unsigned hart;   /* that runs it first, */
    uint32_t privilege; /* and how: 0 U, 1 S, 3 M */
    unsigned insns;  /* guest instructions */
    bool trace;      /* of a hot path; pc and gpa are of its first page */
    bool common;     /* entry, ways out and slow paths, which all other code shares; pc is 0 */
    const void *host;
    size_t host_bytes;
    const void *cold; /* what runs seldom of it; cold_bytes may be 0 */
    size_t cold_bytes;
    const struct metic_code_place *places; /* by host_offset; an instruction may have several */
    unsigned place_count;
};
/* Calls `made` for what is there already (common) and then for each piece of code as it is made;
 * NULL ends it. On a hart's thread that holds a lock: of the machine it may only read that hart's
 * registers and memory. One call at a time. While the machine does not run. */
void metic_set_code_listener(metic_machine *machine,
                             void (*made)(void *opaque, const struct metic_code *code),
                             void *opaque);

#endif
