/* The one door for everything that is not a function of guest state: console bytes, packets,
 * entropy, the host's wall clock, the moment an I/O completes.
 *
 * Two ways through it:
 *   pushed  journal_input(): bytes arrive from outside. With the real clock they are handed to the
 *           source's `deliver` at once, on the caller's thread. With the virtual clock they are
 *           queued, and the machine delivers them at a slice boundary with journal_deliver(),
 *           which stamps them with the instruction count.
 *   pulled  journal_entropy(), journal_wall_ns(): the guest asks. With the virtual clock the answer
 *           is a function of the seed and of guest time; otherwise it is the host's.
 * A recording holds every delivery and every answer. A replay delivers the recorded bytes at the
 * recorded counts, gives the recorded answers, and ignores live input. Recording is exact with the
 * virtual clock; with the real clock it is a log of what went in, which cannot be replayed.
 *
 * File format (little-endian): "METICJN1", u32 version, u32 flags, u64 seed, u64 wall_start_ns;
 * then records { u8 kind, u8 source, u16 zero, u32 size_bytes, u64 stamp_insns, payload }. Nothing
 * in a file is trusted: sizes are bounded by JOURNAL_MAX_RECORD_BYTES and by what is left. */
#ifndef METIC_HW_JOURNAL_H
#define METIC_HW_JOURNAL_H

#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "cpu/base/types.h"
#include "cpu/state.h"
#include "hw/clock.h"

struct journal;

enum { JOURNAL_MAX_SOURCES = 64, JOURNAL_MAX_RECORD_BYTES = 1 << 20 };

struct journal_options {
    const char *record_path; /* or NULL */
    const char *replay_path; /* or NULL; not both */
    u64 seed;                /* virtual clock: what entropy comes from */
    u64 wall_start_ns;       /* virtual clock: Unix time in ns at guest time 0 */
};

/* One kind of pushed input; the owner keeps it in place until the journal is freed or it is
 * removed. */
struct journal_source {
    const char *name; /* such as "uart0.rx", for messages */
    /* The bytes of one journal_input call, whole. Real clock: on the thread that pushed them;
     * virtual clock: on the machine's thread, between two slices. */
    void (*deliver)(void *opaque, const u8 *bytes, size_t size_bytes);
    void *opaque;
    unsigned id; /* filled by journal_add_source */
};

/* `clock` says which mode the machine is in and must outlive the journal. Opens the files given;
 * NULL with a reason when that fails or a replay file is damaged at its head. */
struct journal *journal_new(struct clock *clock, struct log *log,
                            const struct journal_options *options, struct metic_error *error);
void journal_free(struct journal *journal);

/* Before harts start, in the same order in every run of the same machine. */
void journal_add_source(struct journal *journal, struct journal_source *source);
void journal_remove_source(struct journal *journal, struct journal_source *source);

/* Input from outside; copied. Any thread that holds no device's lock when the clock is real (the
 * source's `deliver` will take its own). At most JOURNAL_MAX_RECORD_BYTES. */
void journal_input(struct journal *journal, struct journal_source *source, const void *bytes,
                   size_t size_bytes);

/* Virtual clock: true when delivery is by journal_deliver and answers come from the seed. Devices
 * that complete I/O on a thread must then complete it synchronously or at a guest deadline. */
bool journal_is_deterministic(const struct journal *journal);
bool journal_is_replay(const struct journal *journal);

/* Virtual clock, the machine's thread, at a slice boundary: hands over what is due. `now_insns` is
 * the machine's total instruction count. Returns false when a replay ended or diverged. */
bool journal_deliver(struct journal *journal, u64 now_insns);

/* Replay: the count at which the next delivery is due, or UINT64_MAX; turns end where those
 * of the recorded run did, so there too. Live: now when something is queued, else UINT64_MAX. */
u64 journal_next_insns(struct journal *journal);

/* Real or virtual: called, on the pushing thread, when input was queued, so that a machine asleep
 * in wfi wakes. May be NULL. */
void journal_set_wake(struct journal *journal, void (*wake)(void *opaque), void *opaque);

/* Answers; any thread. In a multi-hart real-time machine their order is what happened. */
void journal_entropy(struct journal *journal, void *buffer, size_t size_bytes);
u64 journal_wall_ns(struct journal *journal); /* Unix time in ns */

/* What the machine is as it starts, as a number that is not 0: a recording keeps it, and a replay
 * of another machine's recording has diverged. Before the first instruction. */
void journal_begin(struct journal *journal, u32 machine);

/* Where the journal stands: the generator, what is queued, and the place in a recording or replay.
 * While no hart runs. Loading where the machine had been before cuts a recording off there; a
 * recording that is begun elsewhere, and a replay of another file, cannot be loaded. */
void journal_save(struct journal *journal, struct state_writer *writer);
bool journal_load(struct journal *journal, struct state_reader *reader, struct metic_error *error);

/* An answer of the host's that is made elsewhere, of any size: whether answers are to be put down;
 * putting one down; and, in a replay, taking the next, on the heap, of at most `limit_bytes` (an
 * empty one when the replay has diverged). Virtual clock only. */
bool journal_is_recording(const struct journal *journal);
void journal_put_answer(struct journal *journal, const void *bytes, size_t size_bytes);
u8 *journal_take_answer(struct journal *journal, size_t limit_bytes, size_t *size_bytes);

/* No hart could run, and at guest time `now_ns` the machine did not go to the next timer at once:
 * it waited for input, and went round once. Instructions do not tell that from going there. The
 * recording notes it; in a replay, whether that is what was done now. Virtual clock, the machine's
 * thread. */
void journal_put_waited(struct journal *journal, u64 now_ns);
bool journal_take_waited(struct journal *journal, u64 now_ns);

/* A history: what comes in is also kept in memory (a replay has it already), so that the machine
 * can be put back (by loading what it was then) and find the same again. Behind the place where it
 * was last, in the *past*, deliveries and answers come from there, live input waits in the queue,
 * and nothing is recorded. Virtual clock, while no hart runs; begin: false when there is no
 * memory. */
struct journal_mark {
    u64 random_state, now_insns, at;
};
bool journal_begin_history(struct journal *journal);
void journal_end_history(struct journal *journal);
u64 journal_history_bytes(struct journal *journal);
bool journal_is_past(const struct journal *journal);
void journal_mark(struct journal *journal, struct journal_mark *mark);
/* `live_insns`: how far the machine has come, if this is where it leaves the present. */
bool journal_go_back(struct journal *journal, const struct journal_mark *mark, u64 live_insns);
/* From here on things go otherwise than they went: what came later has not come, and a recording is
 * cut off here. False: it could not be. */
bool journal_forget_future(struct journal *journal, u64 now_insns);

/* True once a replay found something else than what was recorded (wrong answer size, file cut). */
bool journal_diverged(struct journal *journal);
/* True once a replay has used up a recording that was cut off: what comes then is not what was. */
bool journal_is_cut(struct journal *journal);

#endif
