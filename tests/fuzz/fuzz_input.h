/* A user at keyboard and pointer in the midst of a fuzzing input: the input's first byte says how
 * many keys there are, the second where in the rest they come. */
#ifndef METIC_TESTS_FUZZ_FUZZ_INPUT_H
#define METIC_TESTS_FUZZ_FUZZ_INPUT_H

#include "hw/display/input.h"
#include "tests/fuzz/fuzz_device.h"

static inline void fuzz_input_press(struct input *input, struct fuzz_rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        input_key(input, 1 + i * 7 % (INPUT_KEYS + 3), i % 3 != 2);
        input_move_to(input, i * 1000, 65535 - i);
        input_wheel(input, (s32)i - 3, (s32)i);
    }
    journal_deliver(rig->journal, 0);
}

/* Runs an input of two bytes or more on the rig's device, which `input` leads to, and ends all
 * three. */
static inline void fuzz_input_run(struct fuzz_rig *rig, struct input *input, const u8 *bytes,
                                  size_t size_bytes)
{
    size_t middle = (size_bytes - 2) * bytes[1] / 255;
    fuzz_rig_run(rig, bytes + 2, middle);
    fuzz_input_press(input, rig, bytes[0]);
    fuzz_rig_run(rig, bytes + 2 + middle, size_bytes - 2 - middle);
    input_release_all(input);
    journal_deliver(rig->journal, 0);
    device_free(rig->device);
    rig->device = NULL;
    input_free(input);
    fuzz_rig_fini(rig);
}

#endif
