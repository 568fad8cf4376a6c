/* One access to guest memory, as the files that emit accesses share it. */
#ifndef METIC_TRANSLATE_TO_X86_64_ACCESS_H
#define METIC_TRANSLATE_TO_X86_64_ACCESS_H

#include "translate/to_x86_64/compile.h"

/* How an access comes to its host address. */
enum access_way {
    ACCESS_ALONE, /* looks up its page */
    ACCESS_FIRST, /* looks up the page of all accesses of its group (access.c) */
    ACCESS_KEPT,  /* has the addend that the first of its group left */
    ACCESS_SITE,  /* page and addend are in the frame (loop.c) */
};

/* What is known of an address. */
enum access_page {
    ACCESS_PAGE_ANY,
    ACCESS_PAGE_OF_CODE, /* how far it is from the page of the block's code */
    ACCESS_PAGE_KNOWN,   /* all of it */
};

struct access {
    enum access_way way;
    unsigned size_bytes;
    bool write;
    bool align;       /* a misaligned address takes the slow path */
    unsigned address; /* register that holds the guest's address, less disp */
    s32 disp;
    unsigned entry;   /* the TLB entry, or of a group its addend; NO_REG at a site
                         unless it guesses */
    unsigned tag;     /* scratch; NO_REG when kept */
    unsigned table;   /* when not NO_REG, `entry` is an offset from this register */
    unsigned site;
    u32 slot;         /* alone or first: the trace's slot that remembers its page, or 0 (slot.c) */
    enum access_page page;
    s64 page_disp;    /* of these pages: how far `address` is from the code's page, or from 0 */
    bool guess;       /* the page at the site may well be wrong (loop.c); also of a group's first */
    bool span;        /* alone or first: compares with the TLB's span; `entry` is scratch then */
    s32 group_disp;   /* the group's first byte, from `address` */
    unsigned group_bytes;
    bool group_write; /* what the group's look-up asks for */
    const struct kept *kept; /* the group */
    bool sure;        /* its addend is good, or the trace was left; of the first, or kept */
    bool chained;     /* kept, and no test: the slow path of the access before goes on with it */
    bool tag_is_saved; /* the slow path's `tag` is not its to use: the frame has its contents */
    u32 fix_first, fix_count; /* what leaving the trace here must make good (sink.c) */
    u32 slow;         /* jump field of the slow path */
    u32 resume;       /* offset of what follows the compare; with `span`, of the access */
    u32 ready;        /* at a site: of what follows the load of its addend */
};

enum mem_kind { MEM_LOAD, MEM_STORE, MEM_AMO, MEM_CHECK };

struct access_call;
/* Emits the load or store itself. */
typedef void access_emit_fn(struct asm_buf *a, const struct ir_insn *insn,
                            const struct access_call *call, struct asm_mem mem);

/* What C does in the end when the fast path cannot. */
struct access_call {
    access_emit_fn *emit; /* NULL when the access is never of a group */
    enum mem_kind kind;
    u32 desc;      /* enum host_desc */
    unsigned reg;  /* general or XMM: a load's result, operand of the others; NO_REG: none */
    bool is_const; /* a store of `value` instead */
    bool keep_xmm; /* XMM registers hold something */
    s32 value;
};

/* How a slow stub tells its thunk about the access: these bytes behind the call and the jump back
 * to the fast path (access_slow.c). */
enum {
    SITE_DESC = 0,     /* u32, enum host_desc */
    SITE_ADDRESS = 4,  /* register | kind << SITE_KIND_SHIFT | SITE_KEEP_XMM | SITE_CONST */
    SITE_KIND_SHIFT = 4,
    SITE_KEEP_XMM = 1 << 6,
    SITE_CONST = 1 << 7,
    SITE_REG = 5,
    SITE_BACK = 6,     /* from the place after the compare to the end of the access */
    SITE_SIZE = 7,     /* size in bytes - 1 | 16 * (site of a loop, or bits that must be 0) */
    SITE_POISON = 8,   /* addends kept that C may make wrong: bits by number in access_temps; or */
    SITE_LEAVE = 1 << 7, /* C must not run here (hoist.c): go on behind the description */
    SITE_PATH = 1 << 6,  /* behind the value: u32 path, u16 how many of its instructions are done */
    SITE_PATH_BYTES = 6,
    SITE_FAR = 1 << 5,   /* the instruction is in another page than the block's start: */
    SITE_VALUE = 9,    /* s32 with SITE_CONST; then, with SITE_FAR, the page's distance, s64 */
    SITE_JUMP_BYTES = 5,
    SITE_HEAD = 1,       /* of THUNK_SPLIT, in place of the jump: u32, the trace's first offset */
    GROUP_BYTES = -6,  /* of a group, less 1; from the return address of its thunk */
};

/* What THUNK_SPLIT is called for. */
enum access_told {
    TOLD_SPLIT,   /* the trace's group is split, and it will be left */
    TOLD_GUESSED, /* it guessed wrong */
    TOLD_STRAYED, /* its slot had another page */
};

static inline struct asm_mem access_entry_at(const struct access *m, s32 member_offset)
{
    return m->table == NO_REG ? asm_at(m->entry, member_offset)
                              : asm_at_index(m->table, m->entry, 0, member_offset);
}

static inline s32 access_tag_offset(bool write)
{
    return write ? offsetof(struct tlb_entry, write_tag) : offsetof(struct tlb_entry, read_tag);
}

/* The current guest instruction's part of an enum host_desc word, joined to `low`. */
static inline u32 access_desc(const struct compile *c, unsigned low)
{
    return low | ((u32)c->insn_offset & (u32)PAGE_OFFSET_MASK) << HOST_DESC_PC_SHIFT |
           uncounted(c) << HOST_DESC_INDEX_SHIFT;
}

/* How far its page is from the block's first one. */
static inline s64 access_page(const struct compile *c)
{
    return c->insn_offset & ~(s64)PAGE_OFFSET_MASK;
}

enum access_flag {
    ACCESS_WRITE = 1,
    ACCESS_ALIGN = 2,
    ACCESS_GROUP = 4, /* may be one of a group */
    ACCESS_SPARE = 8, /* a third register may be taken to save a cycle */
};

/* Registers for an access at `address`, to *m, whatever that is. */
void access_claim(struct compile *c, struct access *m, ir_ref address, unsigned size_bytes,
                  unsigned flags);
/* Leaves the host address in what access_host_at says, or goes to the slow path. All registers of
 * the instruction have been claimed. */
void access_lookup(struct compile *c, struct access *m);

/* A member of the span that generated code compares with before it reads or writes. */
#define ACCESS_SPAN_AT(write, member) \
    ((write) ? VCPU_AT(write_span.member) : VCPU_AT(span.member))

static inline struct asm_mem access_host_at(const struct access *m)
{
    bool grouped = m->way == ACCESS_FIRST || m->way == ACCESS_KEPT;
    return asm_at_index(m->address, grouped ? m->entry : m->tag, 0, m->disp);
}

/* The address plus `disp` to m->tag. */
static ALWAYS_INLINE void access_address(struct asm_buf *a, const struct access *m, s32 disp)
{
    if (disp == 0) {
        asm_mov(a, ASM_64, m->tag, m->address);
    } else {
        asm_lea(a, ASM_64, m->tag, asm_at(m->address, disp));
    }
}

/* Emits the computation of the first entry from the address to m->entry. */
void access_index(struct asm_buf *a, u32 features, const struct access *m, unsigned address);
/* In cold code, of an access or a group's first: m->entry is its page's first entry and m->tag the
 * page, if all of it is in that. Returns the short jump, to be bound, for where it is not. */
u32 access_first_entry(struct compile *c, const struct access *m);
/* The same of the other entry of its page, a pointer; uses `temp`. */
void access_other_entry(struct asm_buf *a, unsigned entry, unsigned address, unsigned temp);

/* The look-up of an access claimed alone, without the ways out of a trace. */
void access_look_up_alone(struct compile *c, struct access *m);

/* slot.c: a slot for the access claimed, if it should have one; its look-up; and what its slow path
 * does first, which goes on with the fast one where the page's first entry has it. */
void slot_claim(struct compile *c, struct access *m);
void slot_look_up(struct compile *c, struct access *m);
void slot_look_again(struct compile *c, const struct access *m);
/* Makes the slots of the trace that the hart is in forget. */
void slot_forget(struct vcpu *vcpu);

/* access_slow.c: of SITE_POISON, the addends that are kept and SITE_FAR; and whether the current
 * instruction must leave the trace instead of calling C. */
unsigned access_poison(const struct compile *c);
bool access_must_leave(const struct compile *c);
/* access_slow.c: emits the slow path of an access that has just been emitted. */
void access_slow_path(struct compile *c, const struct access *m, const struct access_call *call);
/* Thunks of the slow path. Registers are temporaries. */
unsigned access_look_up_thunk(unsigned entry, unsigned tag, bool has_table, bool write);
unsigned access_group_thunk(unsigned entry, unsigned tag, bool write);
unsigned access_once_thunk(unsigned entry, unsigned tag, bool write);
unsigned access_site_thunk(unsigned tag, bool write);
extern const u8 access_temps[5];

static inline unsigned access_temp_number(unsigned reg)
{
    return reg < RBX ? reg : reg - RSI + 3;
}

/* Of what a thunk is for. */
static inline unsigned access_pair_number(unsigned entry, unsigned tag, bool write)
{
    return (access_temp_number(entry) * 5 + access_temp_number(tag)) * 2 + write;
}

/* access_call.c: after C, before which vcpu->data_epoch was `epoch`, what the block remembers of
 * pages may be stale. */
void access_forget_pages(struct vcpu *vcpu, u8 *frame, unsigned poison, u64 epoch);
/* What THUNK_ACCESS calls. `frame` is the generated code's, with all registers in
 * FRAME_REGS and, where the stub says so, FRAME_XMM; `stub` points behind its call. Returns where
 * to go on; NULL when an exception was raised. */
/* Raises the page fault of an access of which guest->refill said so. */
void access_fault(struct vcpu *vcpu, u64 insns, const u8 *stub);
const u8 *access_call(struct vcpu *vcpu, u8 *frame, const u8 *stub, const struct host_slow *slow);
/* The same of THUNK_SPLIT: a trace is to be left before the access, or guessed wrong. */
const u8 *access_split(struct vcpu *vcpu, u8 *frame, const u8 *stub, const struct host_slow *slow);

#endif
