/* GDB's side of following a Linux kernel: a Python program that metic debug has GDB run. */
#ifndef METIC_UI_DEBUGGER_KERNEL_H
#define METIC_UI_DEBUGGER_KERNEL_H

#include "ui/command/args.h"

/* Writes it to `to`. `symbols`: where GDB may have the kernel's own symbols written to; `main`:
 * what GDB's `file` was, or NULL. */
void debugger_write_kernel(FILE *to, const struct run_args *args, const char *main,
                           const char *symbols);

/* Only what goes through a kernel's frames: for a core. */
void debugger_write_frames(FILE *to);

/* A kernel module's file, or a folder of them: nothing that GDB could load before the module. */
bool debugger_is_module(const char *path);

#endif
