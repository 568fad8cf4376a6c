/* A whole machine and random instructions: the input is code that the hart runs in M-mode at the
 * start of RAM, by translator and interpreter in lock-step, which exits where they differ. A trap
 * goes on two bytes further. Each input gets a machine of its own, so a run depends on it alone. */
#include "hw/metic.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define RAM_GPA 0x80000000u
enum { RAM_BYTES = 16 << 20, HANDLER_OFFSET = 0x4000, RUN_INSNS = 2000 };

static const u32 prologue[] = {
    0x00004297, /* auipc t0,4: the handler */
    0x30529073, /* csrw mtvec,t0 */
    0x00006337, /* lui t1,6 */
    0x30032073, /* csrs mstatus,t1: FS dirty */
    0x00100117, /* auipc sp,0x100 */
    0x00100517, /* auipc a0,0x100 */
};

static const u32 handler[] = {
    0x340f9ff3, /* csrrw t6,mscratch,t6 */
    0x34102ff3, /* csrr t6,mepc */
    0x002f8f93, /* addi t6,t6,2 */
    0x341f9073, /* csrw mepc,t6 */
    0x340f9ff3, /* csrrw t6,mscratch,t6 */
    0x30200073, /* mret */
};

static void ignore(void *opaque, const char *line)
{
    (void)opaque, (void)line;
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct metic_options options;
    struct metic_error error;
    struct metic_result result;
    metic_options_init(&options);
    options.ram_bytes = RAM_BYTES;
    options.engine = METIC_ENGINE_BOTH;
    options.clock = METIC_CLOCK_VIRTUAL;
    options.console = METIC_CONSOLE_MEMORY;
    options.verify_ir = true;
    options.limit_ns = 1000000; /* wfi and traps without end */
    options.code_bytes = 1 << 20;
    options.log = ignore;
    metic_machine *machine = metic_new(&options, &error);
    if (machine == NULL || !metic_load_demo(machine, &error) ||
        !metic_write_memory(machine, RAM_GPA, prologue, sizeof(prologue)) ||
        !metic_write_memory(machine, RAM_GPA + sizeof(prologue), bytes, size_bytes) ||
        !metic_write_memory(machine, RAM_GPA + HANDLER_OFFSET, handler, sizeof(handler))) {
        abort();
    }
    metic_run_for(machine, RUN_INSNS, &result);
    metic_free(machine);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const u32 funct3_steps[] = {0x00a50000, 0x00b51000, 0x01052000, 0x02a53000, 0x20c54000,
                                       0x40d55000, 0x60056000, 0x3000f000};
    u8 code[4 * 32];
    for (unsigned opcode = 3; opcode < 128; opcode += 4) {
        for (unsigned i = 0; i < 32; i++) {
            u32 step = funct3_steps[i % ARRAY_LEN(funct3_steps)];
            st_le32(code + 4 * i, opcode | step | (i % 16) << 7);
        }
        add(code, sizeof(code));
    }
}
