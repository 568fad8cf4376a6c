/* The commit log's view of a RISC-V hart; see commit_log.c and struct guest. */
#ifndef METIC_CPU_RISCV64_COMMIT_LOG_H
#define METIC_CPU_RISCV64_COMMIT_LOG_H

#include "cpu/guest.h"
#include "cpu/riscv64/state.h"

void riscv64_commit_begin(struct vcpu *vcpu, struct guest_commit *commit);
size_t riscv64_commit_line(struct vcpu *vcpu, const struct guest_commit *commit, char *text,
                           size_t text_bytes);

#endif
