/* Which translated code samples were in, with the code as it was then: programs are gone when a run
 * has ended, and so is what the guest's address space was. */
#ifndef METIC_UI_PROFILE_HOT_H
#define METIC_UI_PROFILE_HOT_H

#include "hw/metic.h"

#include "cpu/base/types.h"

struct profile_hot_insn {
    u64 pc, count;
};

/* A block or trace. */
struct profile_hot {
    u64 head;
    bool trace;
    const char *task; /* of code in a program's address space; "" elsewhere. The caller's */
    const char *name; /* of the function it begins in; the caller's */
    u64 count;        /* samples; 0: the place in the table is free */
    struct profile_hot_insn *insns;
    unsigned insn_count, insn_room;
    char *guest, *host; /* listings, or NULL */
};

struct profile_hots {
    struct profile_hot *list; /* a hash table; NULL before the first sample */
    unsigned used;
    u64 elsewhere; /* samples in code that was not translated, or for which there was no place */
};

void profile_hots_fini(struct profile_hots *hots);
/* In a sample's callback; its hart is in the code that `running` tells of. A new entry has no name
 * yet; NULL when there is no room. */
struct profile_hot *profile_hot_count(struct profile_hots *hots, metic_machine *machine,
                                      const struct metic_sample *sample,
                                      const struct metic_running *running, const char *task);
/* The `count` with most samples, in that order; fewer, when there are not so many with listings. */
unsigned profile_hot_most(struct profile_hots *hots, struct profile_hot **most, unsigned count);
/* Writes an entry's two listings, the guest's with the samples of each instruction. */
void profile_hot_write(struct profile_hot *hot, FILE *to);

#endif
