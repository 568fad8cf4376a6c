/* Runs a riscv_program on a bare machine: one hart in M-mode, code and data in RAM, no devices. */
#ifndef METIC_TESTS_SUPPORT_RISCV_RUN_H
#define METIC_TESTS_SUPPORT_RISCV_RUN_H

#include "tests/support/riscv_program.h"
#include "translate/engine.h"

/* Takes the program's data afterwards. False when it trapped before its end (says where). */
bool riscv_run_metic(const struct riscv_program *p, enum engine_kind kind, u8 *data);

#endif
