/* What a program may ask of the host by semihosting: the console, time, its command line, its end,
 * and, when a folder was given, files in it.
 *
 * A call is an operation and a parameter, mostly the address of a block of 64-bit words in the
 * caller's memory. How a call comes here is translate/host_call.h's.
 *
 * Not served: files outside the folder, links that lead out of it, SYS_SYSTEM. Those fail with an
 * errno (newlib's numbers) and, once, a line in the log that says how they could be had. Whatever a
 * block says, a call moves at most SEMIHOST_MOST_BYTES; reads and writes tell how much is left.
 *
 * At the end of all input SYS_READ says so; SYS_READC, which cannot, waits.
 *
 * With a recording the folder's answers are put down, and a replay has them from there.
 *
 * Source: Arm, Semihosting for AArch32 and AArch64, release 2.0 (operations, blocks of AArch64);
 * RISC-V Semihosting, version 0.4. Of the older SYS_EXIT, both forms are taken: a reason, or the
 * address of a reason and a status. */
#ifndef METIC_HW_SEMIHOST_SEMIHOST_H
#define METIC_HW_SEMIHOST_SEMIHOST_H

#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "cpu/state.h"
#include "hw/journal/journal.h"

enum { SEMIHOST_MOST_BYTES = 16 << 20, SEMIHOST_HANDLES = 64 };

/* What it needs of the machine. `caller` is who calls, as semihost_call was given it. */
struct semihost_env {
    void *opaque;
    struct journal *journal; /* or NULL: nothing is recorded */
    struct log *log;
    /* The caller's memory, as the caller itself may read and write it; false: not all of it. */
    bool (*read)(void *opaque, void *caller, u64 address, void *bytes, size_t size_bytes);
    bool (*write)(void *opaque, void *caller, u64 address, const void *bytes, size_t size_bytes);
    void (*print)(void *opaque, const void *bytes, size_t size_bytes);
    /* What was typed and not read yet; 0: nothing now. And whether more may come. */
    size_t (*typed)(void *opaque, void *bytes, size_t capacity_bytes);
    bool (*hears_more)(void *opaque);
    u64 (*elapsed_ns)(void *opaque, void *caller); /* guest time since the machine began */
    /* The program has ended. The call returns all the same; nobody should be there to see it. */
    void (*end)(void *opaque, unsigned status);
    u64 stack_top; /* SYS_HEAPINFO; 0: not known */
};

struct semihost_options {
    const char *folder; /* NULL: no files */
    bool read_only;
    const char *command_line; /* copied; NULL: empty */
};

struct semihost;

/* NULL with a reason: the folder cannot be opened. `env` is copied; what it points to outlives
 * this. */
struct semihost *semihost_new(const struct semihost_options *options,
                              const struct semihost_env *env, struct metic_error *error);
void semihost_free(struct semihost *semihost); /* NULL allowed */

/* Before the first call: what the program hears SYS_GET_CMDLINE say. Copied. */
void semihost_set_command_line(struct semihost *semihost, const char *command_line);

/* As after its making: nothing is open. While nobody calls. */
void semihost_reset(struct semihost *semihost);

/* False: the call waits for what somebody types, and nothing was done; it is to be made again. Any
 * thread; calls come one after the other. */
bool semihost_call(struct semihost *semihost, void *caller, u64 operation, u64 parameter,
                   u64 *answer);

/* What is open, and the last error. Files of the folder are closed where that is loaded: who goes
 * on with one gets EBADF. While nobody calls. */
void semihost_save(struct semihost *semihost, struct state_writer *writer);
bool semihost_load(struct semihost *semihost, struct state_reader *reader,
                   struct metic_error *error);

#endif
