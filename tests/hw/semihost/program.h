/* A program that makes semihosting calls, for tests: 64 KiB of memory from 0x10000 on, what it
 * prints counted, a line of input. */
#ifndef METIC_TESTS_HW_SEMIHOST_PROGRAM_H
#define METIC_TESTS_HW_SEMIHOST_PROGRAM_H

#include "cpu/base/bits.h"
#include "hw/semihost/semihost.h"

#include <string.h>

enum { PROGRAM_AT = 0x10000, PROGRAM_BYTES = 0x10000 };

struct program {
    u8 memory[PROGRAM_BYTES];
    char printed[256]; /* the first of it */
    size_t printed_bytes;
    const char *typed;
    bool more; /* may be typed */
    unsigned ends, status;
    u64 moved_bytes; /* by calls, from and to the memory */
};

static inline bool program_has(u64 address, size_t size_bytes)
{
    return address >= PROGRAM_AT && size_bytes <= PROGRAM_BYTES &&
           address - PROGRAM_AT <= PROGRAM_BYTES - size_bytes;
}

static inline bool program_read(void *opaque, void *caller, u64 address, void *bytes,
                                size_t size_bytes)
{
    struct program *program = opaque;
    (void)caller;
    bool has = program_has(address, size_bytes);
    if (has) {
        memcpy(bytes, program->memory + (address - PROGRAM_AT), size_bytes);
        program->moved_bytes += size_bytes;
    }
    return has;
}

static inline bool program_write(void *opaque, void *caller, u64 address, const void *bytes,
                                 size_t size_bytes)
{
    struct program *program = opaque;
    (void)caller;
    bool has = program_has(address, size_bytes);
    if (has) {
        memcpy(program->memory + (address - PROGRAM_AT), bytes, size_bytes);
        program->moved_bytes += size_bytes;
    }
    return has;
}

static inline void program_print(void *opaque, const void *bytes, size_t size_bytes)
{
    struct program *program = opaque;
    size_t room = sizeof(program->printed) - 1;
    size_t kept = program->printed_bytes < room ? room - program->printed_bytes : 0;
    kept = size_bytes < kept ? size_bytes : kept;
    if (kept > 0) {
        memcpy(program->printed + program->printed_bytes, bytes, kept);
    }
    program->printed_bytes += size_bytes;
}

static inline size_t program_typed(void *opaque, void *bytes, size_t capacity_bytes)
{
    struct program *program = opaque;
    size_t got = strlen(program->typed);
    got = got < capacity_bytes ? got : capacity_bytes;
    memcpy(bytes, program->typed, got);
    program->typed += got;
    return got;
}

static inline bool program_hears_more(void *opaque)
{
    return ((struct program *)opaque)->more;
}

static inline u64 program_elapsed_ns(void *opaque, void *caller)
{
    (void)opaque, (void)caller;
    return 1234567890;
}

static inline void program_end(void *opaque, unsigned status)
{
    struct program *program = opaque;
    program->ends++;
    program->status = status;
}

static inline struct semihost_env program_env(struct program *program)
{
    return (struct semihost_env){
        .opaque = program, .read = program_read, .write = program_write, .print = program_print,
        .typed = program_typed, .hears_more = program_hears_more,
        .elapsed_ns = program_elapsed_ns, .end = program_end, .stack_top = 0x20000};
}

#endif
