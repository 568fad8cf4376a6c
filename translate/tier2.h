/* The second tier: hot loops that span several blocks become one block, a *trace*.
 *
 * Finding them costs hot code nothing. Every SAMPLE_INSNS instructions a hart's deadline makes it
 * leave at its next poll, and polls stand where control could go round: the pc it leaves with is
 * the head of a loop. A pc met often enough is hot. Then the interpreter runs on from there for a
 * while and the blocks it goes through are written down (tier2_note). If they go in a circle, the
 * circle is a trace: lowered by the front end like any block, along the path instead of along
 * addresses, with a side exit wherever control could go another way, and several times in a row
 * when it is short. If not, or if the circle begins where a trace is already, the path as far as it
 * is the usual one is a trace, too, an *open* one, which ends like a block, or before a helper;
 * unless it is a circle with further ways (region.h), whose branches seldom leave the trace. A
 * trace takes the place of the block at its head; nothing else knows the difference. Its key, its
 * links, its removal when bytes change are those of a block. Where it goes on in another page, it
 * asks whether that is mapped as it was (IR_EXIT_PAGE).
 *
 * Each hart's thread has its own struct; the engine's lock is held only while a trace is made. */
#ifndef METIC_TRANSLATE_TIER2_H
#define METIC_TRANSLATE_TIER2_H

#include "translate/host.h"

enum {
    TIER2_PATH_RUNS = 64,    /* blocks written down of a hot path */
    TIER2_PATH_INSNS = 1024, /* ... and instructions */
    TIER2_HEADS = 64,
    TIER2_HAMMOCKS = 8,
    TIER2_WAYS = 8,
    TIER2_REGISTERS = 32,    /* more than a guest pins */
    TIER2_SPLIT_PLACES = 64,
    TIER2_STRAY_PLACES = 256,
    TIER2_SPLIT_MAX = 16,    /* instructions of a trace whose groups of accesses are split */
    TIER2_STRAY_MAX = 32,    /* ... that go to another page each time */
    TRACE_MAX_INSNS = 256,   /* of a circle */
    TRACE_COPIES_INSNS = 64, /* of all copies of a shorter one */
    TRACE_MAX_COPIES = 8,
    TRACE_MAX_PAGES = 8,     /* that a trace has code of */
    TRACE_LONG_ROUNDS = 24,
    TRACE_TAIL_INSNS = 64,   /* of what follows an open path */
    TRACE_LONGEST_INSNS = TRACE_MAX_INSNS + TRACE_TAIL_INSNS,
};

/* A straight run of instructions, from its first until control went elsewhere. */
struct tier2_run {
    gva_t pc;
    u32 insns;
};

/* A page that the runs of a path lie in. */
struct tier2_page {
    gva_t page;
    gpa_t gpa_page; /* these are the trace's, when it is made: where its code was found, */
    u32 guard;      /*   what proves that it is still there (block.h); none of the first page, */
    u8 asks;        /*   and the page whose guard asks for this one, too; 0: none does */
};

/* Branches of a path, by their pc, that go both ways but only pass over a few instructions that
 * compute (hammock.h). */
struct tier2_hammocks {
    unsigned count;
    gva_t at[TIER2_HAMMOCKS];
};

/* A further way of a circle (region.h), from where its first run begins to `next`. */
struct tier2_way {
    u16 first, count; /* its runs: circle->runs[first..first + count) */
    u16 insns;
    gva_t next;       /* the circle's head, another way's start, or outside */
};

/* A way through code that leads back to its start, or, when it is open, goes on for a while. */
struct tier2_circle {
    bool open;
    struct tier2_run runs[TIER2_PATH_RUNS]; /* its own `count`, then those of its ways */
    unsigned count;
    unsigned insns;  /* in its own runs */
    unsigned rounds; /* that mostly follow each other */
    struct tier2_page pages[TRACE_MAX_PAGES]; /* in the order in which the path comes to them */
    unsigned page_count;
    struct tier2_hammocks hammocks;
    struct tier2_way ways[TIER2_WAYS];
    unsigned way_count;
    u64 head[TIER2_REGISTERS]; /* what the guest's `pinned` registers held where it began */
    struct host_split split[TIER2_SPLIT_MAX]; /* from the circle's first page, the newest last */
    unsigned split_count;       /* TIER2_SPLIT_MAX + 1: too many to tell them apart */
    bool no_guess;              /* it guessed pages wrong */
    s64 strays[TIER2_STRAY_MAX]; /* from there, too: accesses to many pages */
    unsigned stray_count;       /* TIER2_STRAY_MAX + 1: too many to tell them apart */
};

/* Whether it went round without fail while it was recorded, by whatever way. */
static inline bool tier2_is_steady(const struct tier2_circle *circle)
{
    return !circle->open && (circle->rounds >= TRACE_MAX_COPIES || circle->way_count != 0);
}

/* Whether it went round so often in a row that the end of the loop hardly counts. */
static inline bool tier2_is_long(const struct tier2_circle *circle)
{
    return !circle->open && circle->rounds >= TRACE_LONG_ROUNDS;
}

/* What one hart knows. */
struct tier2 {
    u64 sample_insns;      /* between two samples; 0: tier 2 is off */
    unsigned hot_samples;
    u64 next_sample_insns;
    bool hot;              /* the hart stands at a hot pc, hot_pc */
    gva_t hot_pc;
    struct {
        gva_t pc;
        u32 mode;
        u32 samples;
    } heads[TIER2_HEADS];
    u64 head[TIER2_REGISTERS];   /* what the guest's `pinned` registers held at hot_pc */
    bool split;                  /* the trace at split_head is to be made anew */
    gva_t split_head;
    struct tier2_split {
        gva_t pc, head;          /* of the instruction (odd: all that guess), of its trace */
        u32 mode, count;
        u64 first_insns;         /* of the hart, at the first one that counts */
        u16 low;                 /* struct host_split's, of the last one */
    } splits[TIER2_SPLIT_PLACES], strays[TIER2_STRAY_PLACES];
    u64 sampled, recorded, made; /* statistics */
};

/* With `eager`, nearly everything is hot at once (a test mode). */
void tier2_init(struct tier2 *tier2, bool eager);
/* The hart looks up: a sample, when one is due. */
bool tier2_sample(struct tier2 *tier2, const struct vcpu *vcpu);
/* A trace was left as struct host_slow's `split` says. True when that is so often at vcpu->pc that
 * the trace had better be made anew, for which the hart then looks up. */
bool tier2_note_split(struct tier2 *tier2, const struct vcpu *vcpu, gva_t head, gva_t gva);
/* The same of struct host_slow's `strayed`. */
bool tier2_note_stray(struct tier2 *tier2, const struct vcpu *vcpu, gva_t head);
/* And of its `guessed`, whatever vcpu->pc. */
bool tier2_note_guesses(struct tier2 *tier2, const struct vcpu *vcpu, gva_t head);
/* Adds to the circle what was noted of the trace at tier2->split_head, and forgets that. */
void tier2_join_splits(struct tier2 *tier2, u32 mode, struct tier2_circle *circle);
/* `deadline`, or the next sample if that is earlier. */
u64 tier2_deadline(const struct tier2 *tier2, u64 deadline);
/* Finds the circle that a recorded path goes round: one exactly repeated, or else the usual way
 * from its first run back to it. False when there is none that a trace of code in `max_pages` pages
 * can hold. */
bool tier2_find_circle(const struct tier2_run *runs, unsigned count, unsigned max_pages,
                       struct tier2_circle *circle);
/* The usual way from the path's first run on, as far as there is one in so many pages: an open
 * circle. False when the path is empty. */
bool tier2_find_way(const struct tier2_run *runs, unsigned count, unsigned max_pages,
                    struct tier2_circle *circle);
/* Which of the circle's pages `pc` is in; page_count when it is in none. */
unsigned tier2_page_of(const struct tier2_circle *circle, gva_t pc);
/* Makes the page of `pc` one of the circle's; false when there are too many. */
bool tier2_join_page(struct tier2_circle *circle, gva_t pc, unsigned max_pages);

#endif
