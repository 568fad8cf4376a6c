/* GDB's agent expressions: bytecode that a debugger sends to have a breakpoint's condition
 * evaluated here, or something printed. GDB manual, appendix F, "The GDB Agent Expression
 * Mechanism". What comes in is not trusted.
 *
 * All that conditions and commands are made of is here; what only tracepoints use (trace, state
 * variables) and floating point, which GDB does not send, is refused. */
#ifndef METIC_UI_GDB_AGENT_H
#define METIC_UI_GDB_AGENT_H

#include "cpu/base/types.h"

enum {
    GDB_AGENT_BYTES = 4096,  /* longest expression */
    GDB_AGENT_STEPS = 16384, /* most instructions that one evaluation executes; what prints counts
                                more */
};

/* Whose registers and memory it reads; false: there is no such thing. */
struct gdb_agent_guest {
    bool (*read_register)(void *opaque, unsigned number, u64 *value);
    bool (*read_memory)(void *opaque, u64 address, void *to, size_t size_bytes);
    void *opaque;
    void (*print)(void *opaque, const char *text); /* NULL: nothing can be printed */
};

/* Evaluates an expression; any thread. False when it has no value: it is damaged, too long, does
 * not end, divides by zero, or reads what is not there. */
bool gdb_agent_evaluate(const u8 *code, size_t code_bytes, const struct gdb_agent_guest *guest,
                        u64 *value);
/* The same for what it does: it may end without a value. */
bool gdb_agent_run(const u8 *code, size_t code_bytes, const struct gdb_agent_guest *guest);

#endif
