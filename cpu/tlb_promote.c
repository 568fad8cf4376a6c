/* Moving pages between the entries of a TLB, see tlb.h. Generated code calls this with its vector
 * registers in use, so this file is compiled to use none (Makefile.in) and calls no function. */
#include "cpu/tlb_insert.h"

struct tlb_entry *tlb_promote(struct vcpu *vcpu, struct tlb_entry *entry)
{
    const struct tlb_entry moved = *entry;
    u64 tag = moved.read_tag != TLB_TAG_NONE ? moved.read_tag : moved.write_tag;
    struct tlb_entry *first = &vcpu->tlb[tlb_index(tag)];
    if (first == entry) { /* of a few regions, both entries are the same */
        return first;
    }
    entry_clear(entry);
    struct tlb_space *space = vcpu->tlb_state->data_now;
    if (has_many(space) && !entry_empty(first)) {
        struct tlb_entry *refuge = entry_alternative(space, first);
        *refuge = *first;
        space_note_put(space, refuge);
    }
    *first = moved;
    space_note_put(space, first);
    return first;
}
