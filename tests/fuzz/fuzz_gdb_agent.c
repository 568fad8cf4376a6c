/* Conditions of breakpoints: bytecode that a debugger sent. It ends, whatever it is, reads nothing
 * behind its end, and has the same value each time. */
#include "tests/fuzz/fuzz.h"
#include "ui/gdb/gdb_agent.h"
#include "ui/gdb/gdb_print.h"

#include <stdlib.h>
#include <string.h>

static bool read_register(void *opaque, unsigned number, u64 *value)
{
    unsigned *reads = opaque;
    ++*reads;
    *value = number * 0x100000001u;
    return number < 0x1000;
}

/* Whatever it asks for fits what it is put into. */
static bool read_memory(void *opaque, u64 address, void *to, size_t size_bytes)
{
    unsigned *reads = opaque;
    ++*reads;
    if (size_bytes == 0 || size_bytes > 8) {
        abort();
    }
    memset(to, (int)(address & 0xff), size_bytes);
    return (address >> 32) == 0;
}

/* Fits, and ends. */
static void print(void *opaque, const char *text)
{
    (void)opaque;
    if (strlen(text) >= GDB_PRINT_BYTES) {
        abort();
    }
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    unsigned reads = 0;
    u64 first = 0, second = 0;
    const struct gdb_agent_guest guest = {read_register, read_memory, &reads, NULL};
    bool has_first = gdb_agent_evaluate(bytes, size_bytes, &guest, &first);
    bool has_second = gdb_agent_evaluate(bytes, size_bytes, &guest, &second);
    if (has_first != has_second || (has_first && first != second) ||
        reads > 2 * GDB_AGENT_STEPS) {
        abort();
    }
    const struct gdb_agent_guest prints = {read_register, read_memory, &reads, print};
    reads = 0;
    (void)gdb_agent_run(bytes, size_bytes, &prints);
    if (reads > 64 * (GDB_PRINT_BYTES + 64) + GDB_AGENT_STEPS) {
        abort();
    }
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const u8 loop[] = {
        0x22, 10, 0x22, 1, 3, 0x28, 0x0e, 0x20, 0, 14, 0x21, 0, 2, 0x28, 0x27,
    };
    static const u8 reads[] = {0x26, 0, 8, 0x23, 1, 2, 2, 0x17, 0x16, 8, 0x22, 5, 0x14, 0x27};
    static const u8 every[] = {
        0x24, 1, 2, 3, 4, 0x25, 1, 2, 3, 4, 5, 6, 7, 8, 0x2b, 5, 0x32, 0, 0x33, 0x29, 0x12, 0x2a,
        16, 0x1a, 0x19, 0x18, 9, 0x0a, 0x0b, 4, 6, 7, 8, 0x0f, 0x10, 0x11, 0x13, 0x15, 0x27,
    };
    add(loop, sizeof(loop));
    add(reads, sizeof(reads));
    add(every, sizeof(every));
    static const u8 prints[] = {
        0x22, 5, 0x23, 1, 2, 0x26, 0, 8, 0x22, 0, 0x22, 0, 0x34, 3, 0, 20, '%', 'd', ' ', '%', '-',
        '8', '.', '3', 's', '\\', 'n', '%', '0', '4', 'l', 'x', '%', 'c', '\\', 0, 0x27,
    };
    add(prints, sizeof(prints));
}
