/* Profiles during a run: samples become a tree of calls, and in the end a page or a file. */
#ifndef METIC_UI_PROFILE_H
#define METIC_UI_PROFILE_H

#include "ui/command/args.h"
#include "ui/guest_files.h"
#include "ui/symbols/symbols.h"
#include "ui/trace/profile_hot.h"

struct profile_node {
    const char *name;  /* a symbol's, or interned */
    u64 self, total;
    struct profile_node *child, *next;
};

enum profile_state { PROFILE_USER, PROFILE_KERNEL, PROFILE_MACHINE, PROFILE_WAITS,
                     PROFILE_STATES };

/* Where a hart was. */
struct profile_point {
    u64 ns;
    u8 hart, state;
};

struct profile_mnemonic {
    char text[24];
    u64 count;
};

struct profile {
    metic_machine *machine;
    const char *path;
    struct symbols symbols;
    u64 unnamed; /* samples of kernels in functions without names */
    struct demangler *demangler; /* or NULL */
    struct guest_files *files; /* for call stacks and names of programs; or NULL */
    struct profile_node root;
    struct profile_point *points;
    size_t point_count, point_capacity;
    struct profile_point *traps;   /* state: 1 an interrupt */
    size_t trap_count, trap_capacity;
    struct profile_mnemonic mnemonics[512];
    unsigned mnemonic_count;
    bool shows_code;     /* a page, */
    struct profile_hots hots; /* with hot code */
    u64 nameless;  /* samples in functions without names */
    u64 samples, waits;
    unsigned harts;
    char what[64];  /* "a sample every 1 ms" */
    char **interned;
    unsigned interned_count;
    bool traces; /* traps are recorded as well */
};

/* *out is NULL when no profile is wanted. False with a reason. */
bool profile_start(const struct run_args *args, metic_machine *machine, struct profile **out,
                   struct metic_error *error);
/* Writes what was asked for, and frees. NULL is allowed. */
bool profile_end(struct profile *profile, struct metic_error *error);

/* profile_page.c: a page for a browser, with everything in it. */
void profile_write_page(struct profile *profile, FILE *to);

#endif
