/* An engine with harts and RAM but without a board, for tests of the translate layer. */
#ifndef METIC_TESTS_SUPPORT_ENGINE_RIG_H
#define METIC_TESTS_SUPPORT_ENGINE_RIG_H

#include "tests/support/rv_asm.h"
#include "translate/engine.h"

enum { ENGINE_RIG_RAM_BYTES = 4 << 20 };
#define ENGINE_RIG_DEVICE 0x10000000u /* one page; a register of 8 bytes, everywhere the same */
#define ENGINE_RIG_MUTE 0x10002000u   /* a device region of 4 bytes */

struct engine_rig {
    struct log log;
    struct memory memory;
    struct engine *engine;
    u64 device; /* the device's register */
    unsigned device_reads, device_writes;
};

/* Fails the test when it cannot be made. All harts start at RV_BASE in M-mode. */
struct engine_rig *engine_rig_new(unsigned harts, const struct engine_options *options);
void engine_rig_free(struct engine_rig *rig);
void engine_rig_load(struct engine_rig *rig, const struct rv_program *program);

#endif
