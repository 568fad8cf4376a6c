/* One access to guest memory, as the files that emit accesses share it. */
#ifndef METIC_TRANSLATE_TO_X86_64_ACCESS_H
#define METIC_TRANSLATE_TO_X86_64_ACCESS_H

#include "translate/to_x86_64/compile.h"

struct access {
    unsigned address; /* register that holds the guest's address, less disp */
    s32 disp;         /* 0 unless `again` or at a site */
    unsigned entry;   /* the TLB entry */
    unsigned tag;     /* scratch; at the end address + tag is the host address */
    unsigned table;   /* when not NO_REG, `entry` is an offset from this register */
    bool again;       /* `entry` was left by an earlier access */
    unsigned site;    /* of a loop: page and addend are in the frame; no `entry` then */
    u32 slow;         /* jump field of the slow path */
    u32 resume;       /* offset of what follows the compare */
    s32 tag_offset;   /* which tag of the entry is compared */
    s32 tag_mask;
};

static inline struct asm_mem access_entry_at(const struct access *m, s32 member_offset)
{
    return m->table == NO_REG ? asm_at(m->entry, member_offset)
                              : asm_at_index(m->table, m->entry, 0, member_offset);
}

/* The current guest instruction's part of an enum host_desc word, joined to `low`. */
static inline u32 access_desc(const struct compile *c, unsigned low)
{
    return low | c->insn_offset % (u32)PAGE_BYTES << HOST_DESC_PC_SHIFT |
           c->insn_index << HOST_DESC_INDEX_SHIFT;
}

/* Registers for an access at `address`: an entry that an earlier access left, or new ones. With
 * `spare`, a third register may be taken to save a cycle. */
struct access access_claim(struct compile *c, ir_ref address, bool spare);
/* Leaves the host address in address + tag (+ disp), or goes to the slow path; a misaligned address
 * does that too with `align`. */
void access_lookup(struct compile *c, struct access *m, unsigned size_bytes, bool write,
                   bool align);
/* Emits the computation of the entry from the address. */
void access_index(struct compile *c, const struct access *m);
/* From the first entry of the address's page to its other one. */
void access_other_entry(struct compile *c, unsigned entry, unsigned address, unsigned temp);

/* access_slow.c: adds the slow path. The caller sets `back` and, where there are such, reg[2]
 * (result) and reg[3] (stored value) or imm. */
struct stub *access_slow_path(struct compile *c, enum mem_kind kind, const struct access *m,
                              u32 desc);

#endif
