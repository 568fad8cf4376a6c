/* Between the files of translate/probe. */
#ifndef METIC_TRANSLATE_PROBE_PRIVATE_H
#define METIC_TRANSLATE_PROBE_PRIVATE_H

#include "cpu/base/arena.h"
#include "cpu/base/zeros.h"
#include "cpu/guest.h"
#include "translate/engine_private.h"
#include "translate/probe/probe.h"
#include "translate/probe/probe_ways.h"

enum {
    PROBE_SLACK_WORDS = 1024,  /* room behind probe_end: the largest path, */
    PROBE_EVENT_SLACK = 8, /* then this part of a chunk for events inside of the path, since these
                              must not change the chunk */
    PROBE_UNIT_PAGE = 32 << 10,
    PROBE_UNIT_PAGE_BYTES = PROBE_UNIT_PAGE * 64, /* a huge page */
    PROBE_UNIT_BUCKETS = 1 << 18,
    PROBE_MAX_UNROLLED = 1 << 19, /* words of a chunk */
    PROBE_MAX_SLOTS = PROBE_SLACK_WORDS - 64, /* of a path */
    PROBE_MAX_NODES = 1024, /* of a path */
    PROBE_PAGE_BUCKETS = 1 << 12,
    PROBE_MAX_HOOKS = 4096,
    PROBE_STATE_WORDS = 512,
    PROBE_MAX_PINS = 64,
    PROBE_PIECE_WORDS = 16 << 10, /* of tier 0's pieces, until they are counted */
};

struct probe_page {
    gpa_t gpa_page;
    bool watched, has_hooks;
    u32 hooks[PAGE_BYTES / 2 / 32]; /* bit n: at byte 2 * n */
    struct probe_page *next;
};

struct probe_hook {
    gva_t gva;
    probe_hook_fn *fn;
    void *opaque;
};

/* A hart's words on their way to the consumer (probe_path.c). */
struct probe_unroll {
    bool known;
    u64 next_sequence, out_sequence;
    u64 insns;       /* before what is pending: */
    unsigned pending; /* so many instructions, if nothing says otherwise */
    u64 ns, ns_insns; /* guest time that was told last, and the count then */
    u64 turn_ns, address_space;
    u64 units;       /* of a range, for config.every */
    bool gap;        /* what came last was left out */
    u32 privilege;
    const struct probe_path *path; /* not yet unrolled to its end: the next part, */
    unsigned part, slot, begun;    /*   its first slot and the instructions before it */
    u64 page;                      /* bits of its words' heads */
    const u64 *words;
    u64 kept[PROBE_MAX_SLOTS];
    unsigned nodes_done;           /* of its nodes, the values: */
    u64 nodes[PROBE_MAX_NODES];
};

/* What a hart wrote last (probe_chunk.c). */
struct probe_ring {
    struct probe_chunk *chunks, *spare;
    struct probe_chunk *first, *last; /* full ones, oldest first */
    u64 *words;         /* words_bytes, of which the host was asked for those before */
    const u64 *asked;
    size_t words_bytes;
    size_t size_words, longest; /* so many are kept, or one chunk's capacity less; of a chunk */
};

struct probe_stream {
    unsigned number;
    struct probe_chunk *now;
    u64 sequence;
    struct probe_ring ring; /* config.keep_last */
    u64 turn_ns;
    u64 address_space;
    u32 privilege;
    bool wanted;       /* config.wanted's last answer */
    bool untold;       /* of privilege and address space, the event is yet to come */
    u64 event_insns, event_ns; /* of its last event */
    _Atomic bool on;
    gva_t hooked_pc;   /* hooks that ran already although the instruction did not */
    u64 hooked_insns;
    struct probe_unroll unroll; /* the consumer's thread */
    u64 *pieces; /* PROBE_COUNTERS: what tier 0 ran and nobody has counted */
    unsigned piece_words;
    u64 *sums;   /* PROBE_COUNTERS: what counters had before they began anew */
    bool summed; /* some have */
    struct probe_edges {        /* PROBE_EDGES: those without a place in the hart's table */
        struct probe_far_edge {
            gva_t target;
            u64 way, count; /* count 0: free */
        } *list;
        size_t size, used;      /* size: a power of two */
    } edges;
};

struct probe {
    struct probe_config config;
    struct engine *engine;
    /* What the host's translator gets in place of the guest while there is a stream: probe_at is
     * among the registers that it keeps. */
    struct guest guest;
    u32 pinned[PROBE_MAX_PINS];
    u64 events; /* bit mask of enum vcpu_event */

    pthread_mutex_t lock; /* the queue */
    pthread_cond_t full_cond, spare_cond;
    struct probe_chunk *full_first, *full_last, *spare;
    bool ending, consuming;
    u64 waits; /* how often a hart waited for the consumer */
    pthread_t thread;
    pthread_mutex_t outside_lock; /* the last stream */

    /* the engine's lock */
    struct arena *arena;
    struct probe_unit **units;
    _Atomic u32 unit_count;
    u32 *unit_buckets; /* and behind them path_buckets */
    struct probe_path **paths; /* pages of PROBE_UNIT_PAGE; the first is none */
    _Atomic u32 path_count;
    u32 *path_buckets;
    struct probe_paths ways;   /* PROBE_EDGES; */
    struct probe_jumps *jumps; /*   else NULL */
    struct probe_chunk *unrolled; /* the consumer's thread: what it is given, */
    size_t unrolled_words;        /*   with its paths unrolled */
    struct probe_page *pages[PROBE_PAGE_BUCKETS];
    struct probe_hook hooks[PROBE_MAX_HOOKS]; /* sorted */
    _Atomic unsigned hook_count; /* written under the lock */
    u16 reg_at[PROBE_STATE_WORDS]; /* number + 1 of the register at a word of state */
    struct probe_scratch {
        struct ir_insn insns[IR_MAX_INSNS];
        ir_ref map[IR_MAX_INSNS];
        u16 word_of[IR_MAX_INSNS]; /* by value: the word + 1 that tells it, */
        u64 delta_of[IR_MAX_INSNS]; /*   plus so much; */
        u16 node_of[IR_MAX_INSNS]; /* the node + 1 that is it */
    } *scratch;

    unsigned stream_count;
    struct probe_stream streams[]; /* harts', then the one outside of them */
};

static inline struct probe_stream *probe_stream_of(const struct vcpu *vcpu)
{
    return &vcpu->engine->probe->streams[vcpu->index];
}

/* probe_chunk.c: all chunks that there will be; false: no memory. The streams have begun no more
 * than that. */
bool probe_chunks_new(struct probe *probe);
void probe_chunks_free(struct probe *probe);
/* The stream, of that hart or (NULL) of none, goes on in this chunk. */
void probe_stream_begin(struct probe *probe, struct probe_stream *stream,
                        struct probe_chunk *chunk, struct vcpu *vcpu);
/* Its chunk, whose count is set, is full: it goes on in another one, for which the hart may have to
 * wait. */
void probe_stream_turn(struct probe *probe, struct probe_stream *stream, struct vcpu *vcpu);
/* Keep_last, the present chunk's count is set: what it has overwritten, and what is more than the
 * ring's size, is gone. */
void probe_ring_settle(struct probe_stream *stream);
/* Gives chunks to the consumer until the recording is `ending`; opaque is the probe. */
void *probe_consumer_thread(void *opaque);
/* probe_event.c: vcpu_ops of harts that are recorded: the mode bits that a hart must run with now,
 * an event of its own, */
u32 probe_op_context(struct vcpu *vcpu, unsigned privilege, u64 address_space);
void probe_op_event(struct vcpu *vcpu, enum vcpu_event kind, u64 a, u64 b, u64 c);
/*   and what events that is for. */
u64 probe_events_wanted(const struct probe_config *config);
static inline u64 probe_now_ns(const struct probe *probe, struct vcpu *vcpu)
{
    return probe->config.time_ns != NULL ? probe->config.time_ns(probe->config.opaque, vcpu) : 0;
}
_Static_assert(sizeof(struct probe_unit) <= 64 && sizeof(struct probe_path) <= 64, "it has room");
/* Tables of units and paths: where neither will be told, there is number 0 alone, for which a huge
 * page would be much. */
static inline void *probe_table_new(const struct probe *probe, size_t size_bytes)
{
    bool tells = probe->config.what & ~(unsigned)PROBE_EDGES;
    return tells ? zeros_new_dense(size_bytes) : zeros_new(size_bytes);
}
/* A page of units or paths, all zeros; the process ends when there is no memory. */
static inline void *probe_page_new(const struct probe *probe)
{
    void *page = probe_table_new(probe, PROBE_UNIT_PAGE_BYTES);
    if (page == NULL) {
        error_no_memory(PROBE_UNIT_PAGE_BYTES);
    }
    return page;
}
/* Lock held. The number of a unit like this, which is copied if there is none yet. */
u32 probe_unit_add(struct probe *probe, const struct probe_unit *unit);
/* Lock held. Such a unit, of which gpa, gva and mode are known, will be added soon. */
void probe_unit_expect(const struct probe *probe, const struct probe_unit *unit);
struct probe_unit *probe_unit_at(const struct probe *probe, u32 number);
/* Lock held. The same for a path; 0: there is no room. */
u32 probe_path_add(struct probe *probe, const struct probe_path *path);
/* Gives a chunk to the consumer, its paths unrolled. The consumer's thread. */
void probe_unroll_chunk(struct probe *probe, const struct probe_chunk *chunk);
/* PROBE_COUNT: the counter of a unit; there are so many units with one of their own. */
static inline u32 probe_unit_counter(u32 unit)
{
    return unit < PROBE_MAX_DIRECTS ? unit : 0;
}
/* probe_cover.c: counters of all harts. */
bool probe_cover_init(struct engine *engine, struct probe *probe);
void probe_cover_fini(struct engine *engine, struct probe *probe);
/* What all harts have counted there. The engine's lock is held. */
u64 probe_counter(const struct engine *engine, u32 counter);
struct probe_path *probe_path_at(const struct probe *probe, u32 number);
/* That way led to `target`, or (PROBE_CUT and a path) it ended after so many instructions. */
void probe_edge_count(struct vcpu *vcpu, u32 way, u64 target);
/* The hart's count is exact, and the path it is in ends here. */
void probe_cover_cut(struct vcpu *vcpu);
/* A way of number vcpu->probe_way led to vcpu->probe_target. */
void probe_cover_edge(struct vcpu *vcpu);
bool probe_page_wanted(const struct probe *probe, gpa_t gpa_page);
/* Without a range, or in one of them. */
bool probe_address_wanted(const struct probe_config *config, gva_t gva);
bool probe_hook_at(const struct probe *probe, gpa_t gpa);
/* Of the instruction that INSN begins: whether it is watched, in a watched page, as far as that can
 * be known while it is translated; whether it has a hook. */
bool probe_source_wanted(const struct probe *probe, const struct probe_source *source,
                         const struct ir_insn *insn);
bool probe_source_hooked(const struct probe *probe, const struct probe_source *source,
                         const struct ir_insn *insn);
bool probe_range_edge(const struct probe_config *config, gva_t gva); /* one begins or ends there */
/* The helper that hooks are called by. */
extern const struct helper probe_hook_helper;
u64 probe_run_hooks(struct vcpu *vcpu);
/* probe_call.c: nothing, but registers are in place; a unit begins; an instruction is next; an
 * access was made. */
extern const struct helper probe_call_exact, probe_call_unit, probe_call_insn, probe_call_memory;
/* probe_place.c: probes of units without slots, into the places left in engine->ir. */
void probe_place(struct engine *engine, const struct probe_source *source);

#endif
