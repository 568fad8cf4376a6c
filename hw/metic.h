/* metic's public interface: make machines, load images into them, run and look at them.
 *
 * A machine is one emulated computer. A process may hold any number of them; they share nothing.
 * Unless a function says otherwise, one thread at a time may use a machine. Addresses and register
 * values are the guest's; sizes are bytes.
 *
 *     struct metic_options options;
 *     metic_options_init(&options);
 *     struct metic_error error;
 *     metic_machine *machine = metic_new(&options, &error);
 *     metic_load(machine, "program.elf", &error);
 *     struct metic_result result;
 *     metic_run(machine, &result);
 *     metic_free(machine);
 *
 * This file is what users of the library include; the parts are below hw/metic/.
 */
#ifndef METIC_H
#define METIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define METIC_VERSION "0.1.0"

#include "hw/metic/base.h"
#include "hw/metic/options.h"
#include "hw/metic/machine.h"
#include "hw/metic/debug.h"
#include "hw/metic/snapshot.h"
#include "hw/metic/history.h"
#include "hw/metic/control.h"
#include "hw/metic/screen.h"
#include "hw/metic/sound.h"
#include "hw/metic/trace.h"
#include "hw/metic/kernel.h"
#include "hw/metic/disk.h"

#ifdef __cplusplus
}
#endif

#endif
