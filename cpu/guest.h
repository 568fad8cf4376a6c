/* What the generic code must know of a guest architecture: one constant descriptor each, listed in
 * guests.def. Generic code never names a particular guest. */
#ifndef METIC_CPU_GUEST_H
#define METIC_CPU_GUEST_H

#include "cpu/base/error.h"
#include "cpu/vcpu.h"

struct state_list;

/* A C function that IR can call. Rows are in each guest's helpers.def; verifier, interpreter
 * (through libffi) and register allocator all read them. Signature is always
 *     u64 fn(struct vcpu *, u64...)      with arg_count arguments after the vcpu
 * (a helper without a result returns 0). */
enum helper_flags {
    HELPER_READS_STATE = 1,  /* looks at guest registers: pinned ones are stored before the call */
    HELPER_WRITES_STATE = 2, /* changes guest registers: pinned ones are loaded after it */
    HELPER_MAY_RAISE = 4,    /* may leave an exception pending: checked after the call; the
                                faulting pc and instruction count are exact in vcpu before it */
    HELPER_NEEDS_PC = 8,     /* vcpu->pc and ->insns are exact before the call */
    HELPER_FPU = 16,         /* reads or changes vcpu->fpu_flags / fpu_round */
    HELPER_PURE = 32,        /* result depends on arguments alone, no side effect */
    HELPER_MEMORY = 64,      /* reads or writes guest memory */
    HELPER_KEEPS_PINNED = 128, /* with READS_STATE or WRITES_STATE: not the registers that the
                                descriptor's `pinned` names; those stay where they are */
    HELPER_ZEROES = 256,       /* writes zeros to the 64-byte block that holds argument 0, and no
                                more, when argument 2 is not 0 and plain stores to that block's
                                page are served by the TLB: a host may do so in place */
};

enum { HELPER_ZEROES_BYTES = 64 };

struct helper {
    const char *name;
    u64 (*fn)(void); /* cast to the row's signature */
    u8 arg_count;    /* 0..4, without the vcpu */
    bool has_result;
    u16 flags;
};

/* Where vector state is, as offsets from the vcpu, for code that does vector operations in place.
 * The key is a u32 that says how vectors are configured now. */
struct guest_vector {
    u32 file;                  /* the registers, one behind the other */
    u32 key;                   /* enum guest_vector_key */
    u32 count;                 /* u64: how many elements are operated on */
    u32 state_first, state_end; /* around all of it but the key */
    u32 saturated;             /* u8: becomes 1 when a result of fixed point did not fit */
    u32 fixed_round;           /* u8: how fixed point rounds; 0: to nearest, and up */
};

enum guest_vector_key {
    GUEST_VECTOR_TYPE = 0xff,       /* the guest's own: width and number of elements, policies */
    GUEST_VECTOR_FULL = 1 << 8,     /* count is as large as a group */
    GUEST_VECTOR_ILLEGAL = 1 << 9,  /* there is no legal type */
    GUEST_VECTOR_STARTED = 1 << 10, /* the next instruction begins behind element 0 */
};

/* A register as people and debuggers see it. */
enum guest_reg_class { GUEST_REG_INT, GUEST_REG_FLOAT, GUEST_REG_CSR };

struct guest_reg {
    const char *name;
    u32 offset; /* from the vcpu */
    u8 size_bytes;
    u8 klass;
};

/* The same for a debugger, with GDB's vocabulary. */
struct guest_debug_reg {
    char name[24];
    const char *feature, *type, *group;
    const char *role; /* "pc", "sp", "fp", "ra", or NULL */
    s16 dwarf;        /* its number in debug information; -1: none */
    u8 size_bytes;
};

/* One retired instruction, for the commit log; or one that a fault of its memory access ended. */
struct guest_commit {
    gva_t pc;
    u8 bytes[4];         /* of the instruction; a shorter one is followed by anything */
    unsigned privilege;  /* it ran in */
    u64 status;          /* guest's own: what commit_begin needs to see a change */
    u64 before[8];       /* guest's own, too */
    u32 fpu_flags_raised;
    u8 saturated;
    bool hides_fpu_flags; /* commit_begin: let it start from no flags, to see which it raises */
    bool hides_saturated; /* the same of guest_vector's `saturated` */
    bool retired;
    unsigned access_count;
    struct guest_commit_access {
        gva_t gva;
        u64 value;            /* written */
        const u8 *late_host;  /* an atomic's: the value is read here when it has retired */
        u8 size_bytes;
        bool write;
    } accesses[256]; /* those that succeeded; as many as a vector instruction has at most */
};

/* A piece of an address space, for a debugger. */
struct guest_mapping {
    gva_t first, last;
    gpa_t gpa; /* of `first` */
    bool mapped, readable, writable, executable, user, accessed;
};

/* What an address translation found; filled by guest->translate. */
struct guest_translation {
    gpa_t gpa;          /* of the accessed byte */
    u64 span_bytes;     /* size of the leaf mapping, >= PAGE_BYTES */
    bool readable;      /* further accesses the same mapping permits now, so that one walk */
    bool writable;      /*   serves both (writable only if the D bit is already set) */
    bool global;
    bool page_uniform;  /* physical protection is the same for the whole 4 KiB page */
    bool uncached_io;   /* informational (Svpbmt) */
    /* Addresses around the accessed one at which the same holds, as far as they are RAM: same
     * distance to the physical address, same permissions. Empty (last 0) when that was not found
     * out. */
    gva_t linear_first, linear_last;
};

enum { GUEST_MAX_EXTENSIONS = 64 };

/* A processor's instruction set. */
struct guest_isa {
    char text[512]; /* "rv64imafdc_zicsr_..." */
    const char *extensions[GUEST_MAX_EXTENSIONS]; /* "i", "m", ... */
    unsigned extension_count;
    const char *mmu_type; /* the largest address space: "riscv,sv57" */
};

/* What a program asks of the host (semihosting): a number and, mostly, an address. */
struct guest_host_call {
    u64 operation, parameter;
    bool user; /* it runs with the least privilege */
};
/* Code around a breakpoint that tells whether it is one: so much before it, and in all. */
enum { GUEST_HOST_CALL_BEFORE_BYTES = 4, GUEST_HOST_CALL_BYTES = 12 };

enum guest_refill {
    GUEST_REFILL_NOT,   /* nothing was done: translate decides */
    GUEST_REFILL_DONE,  /* the page's first entry permits the access now */
    GUEST_REFILL_FAULT, /* the page tables permit the access to nobody: its fault is
                           raise_page_fault's, unless a misaligned address has another one;
                           vcpu->exception_value is the address, and nothing else was done */
};

struct guest {
    const char *name;      /* "riscv64" */
    size_t vcpu_bytes;     /* size of the guest's state struct (struct vcpu first) */
    size_t state_end;      /* offset in it where architectural state ends and caches begin */
    const struct guest_reg *regs;
    unsigned reg_count;
    const u32 *pinned;     /* state offsets (8-byte integer registers), most valuable first */
    unsigned pinned_count; /* a host pins as many as it has registers for */
    unsigned fetch_align_bytes; /* 2 or 4 */
    const struct guest_vector *vector; /* NULL: there are no vectors */

    /* The features (vcpu->features) of a processor that the user describes: "rv64,v=on". False
     * with a reason. */
    bool (*parse_cpu)(const char *text, u64 *features, struct metic_error *error);

    /* What a device tree says of the processor. messages: the board sends interrupts as
     * messages. */
    void (*isa)(u64 features, bool messages, struct guest_isa *isa);
    u32 pmu_counters;                  /* bit mask of programmable counters, for the pmu node */
    u64 boot_pc;                       /* where harts start after reset */

    void (*init)(struct vcpu *vcpu);  /* once, after allocation */
    void (*fini)(struct vcpu *vcpu);
    void (*reset)(struct vcpu *vcpu); /* architectural reset values */

    /* Translates gva for `access` with the privilege that applies to it now. On failure raises
     * the guest's fault (cause, tval) and returns false. Updates A/D bits as the guest's rules
     * ask. size_bytes is the access width, for physical protection inside a page. */
    bool (*translate)(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, enum vcpu_access access,
                      struct guest_translation *out);
    /* translate's common cases: a page of RAM that this access and all its like may use, found
     * without changing anything, and accesses that nothing permits. Fills in *fill and returns the
     * page's flags (cpu/memory.h); NULL with the fault raised that translate would raise; or NULL
     * without one when anything is unusual, and translate decides. May be NULL. */
    _Atomic u8 *(*find_plain)(struct vcpu *vcpu, gva_t gva, bool write, struct tlb_fill *fill);
    /* Right after it: the same for the page behind, where that takes next to nothing; a read may
     * use it. *fill is what either found last. NULL with find_plain. */
    _Atomic u8 *(*find_plain_next)(struct vcpu *vcpu, struct tlb_fill *fill);
    /* The TLB has no entry for an access whose bytes are in one page: puts the page in, if it is
     * RAM and nothing about it or the hart is unusual; enum guest_refill. Uses no vector register,
     * raises nothing, tells nobody. May be NULL. */
    unsigned (*refill)(struct vcpu *vcpu, gva_t gva, bool write);
    /* True when code in the present mode reads mostly where translate finds such addresses. A
     * hint, for the translator. */
    bool (*reads_linear)(const struct vcpu *vcpu);
    /* As translate for a debugger: no A/D update, no exception, supervisor view. */
    bool (*translate_debug)(struct vcpu *vcpu, gva_t gva, gpa_t *gpa);
    /* The same by the page tables that there are, whatever privilege the hart has now. False also
     * when there are none. */
    bool (*translate_kernel)(struct vcpu *vcpu, gva_t gva, gpa_t *gpa);
    /* The piece of the address space around gva that one table entry maps or leaves unmapped, in
     * the same view. False: addresses are physical now. */
    bool (*map_debug)(struct vcpu *vcpu, gva_t gva, struct guest_mapping *mapping);
    /* Raises the guest's page fault / access fault / misaligned fault for an access. */
    void (*raise_page_fault)(struct vcpu *vcpu, gva_t gva, enum vcpu_access access);
    void (*raise_access_fault)(struct vcpu *vcpu, gva_t gva, enum vcpu_access access);
    void (*raise_misaligned)(struct vcpu *vcpu, gva_t gva, enum vcpu_access access);

    /* Enters the handler of the pending exception; vcpu->pc is the faulting instruction. */
    void (*take_exception)(struct vcpu *vcpu);
    /* The cause of a breakpoint instruction's exception; and whether one, before it has been taken,
     * is a call of the host: by the code around it, GUEST_HOST_CALL_BYTES of one page. Where its
     * result goes, the front end knows (struct lower, answer). */
    u64 host_call_cause;
    bool (*host_call)(const struct vcpu *vcpu, const u8 *code, struct guest_host_call *call);
    /* True when an interrupt is pending, enabled and deliverable now. */
    bool (*interrupt_ready)(struct vcpu *vcpu);
    /* True when wfi should end (pending and locally enabled, whatever the global enable says). */
    bool (*wake_ready)(struct vcpu *vcpu);
    void (*take_interrupt)(struct vcpu *vcpu);
    /* The timer armed by ops->timer_arm may have passed: re-evaluate the timer's pending bit. */
    void (*timer_check)(struct vcpu *vcpu);
    /* Message-signalled interrupts: the hart is to have what takes them (before it first runs); and
     * message `number` comes to its interrupt file `file` (any thread). */
    void (*enable_messages)(struct vcpu *vcpu);
    void (*message)(struct vcpu *vcpu, unsigned file, u32 number);
    /* The instruction count at which interrupt_ready must be asked although no request came (a
     * counter overflow); ~0: none. Changes only by what ends a block with "look at interrupts". */
    u64 (*next_event_insns)(const struct vcpu *vcpu);
    /* The state digest: hashes everything architectural into an FNV-like accumulator. */
    u64 (*digest)(const struct vcpu *vcpu, u64 seed);
    /* What is saved of a hart, offsets from the vcpu; and, after it was loaded from bytes that are
     * not trusted: brings everything else in line. The board's clock and the RAM are loaded before,
     * interrupt lines after. */
    const struct state_list *saved;
    void (*loaded)(struct vcpu *vcpu);
    /* One line for "no progress" and crash reports: privilege, last trap. */
    void (*describe)(const struct vcpu *vcpu, char *buffer, size_t buffer_bytes);
    /* Works out vcpu->mode anew. */
    void (*mode_changed)(struct vcpu *vcpu);
    /* Privilege level number for traces (RISC-V: 0, 1, 3). */
    unsigned (*privilege)(const struct vcpu *vcpu);
    /* The commit log: notes what the next instruction starts from; and writes its line, with a
     * newline, after it retired or raised an exception, which is pending still. Returns the line's
     * length in bytes; 0: none. */
    void (*commit_begin)(struct vcpu *vcpu, struct guest_commit *commit);
    size_t (*commit_line)(struct vcpu *vcpu, const struct guest_commit *commit, char *text,
                          size_t text_bytes);
    /* Machine boot contract: argument registers at reset (a0 = hart id, a1 = device tree, …). */
    void (*set_boot)(struct vcpu *vcpu, u64 pc, const u64 *args, unsigned arg_count);
    /* Registers under GDB's numbers, all below debug_reg_limit; false: no such register, or it
     * cannot be written. A write has the effects of an instruction's; pc must be able to be one. */
    bool (*debug_reg)(u32 number, struct guest_debug_reg *reg);
    bool (*debug_read)(struct vcpu *vcpu, u32 number, u64 *value);
    bool (*debug_write)(struct vcpu *vcpu, u32 number, u64 value);
    u32 debug_reg_limit;
    /* Registers longer than a u64, under numbers of their own below the limit: what the hart has
     * under that number, whose bytes may be read and written there. NULL: nothing. May be NULL. */
    u8 *(*debug_wide)(struct vcpu *vcpu, u32 number, struct guest_debug_reg *reg);
    const char *debug_architecture; /* GDB's name */
    /* Length of the instruction that begins with these bytes, of which there are two. */
    unsigned (*insn_bytes)(const u8 *bytes);
    /* Text of one instruction; returns its length in bytes (never 0). */
    unsigned (*disassemble)(gva_t pc, const u8 *bytes, unsigned available_bytes, char *text,
                            size_t text_bytes);
};

const struct guest *guest_find(const char *name);
extern const struct guest *const guest_list[];
extern const unsigned guest_count;

#endif
