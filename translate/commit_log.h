/* The commit log of a whole machine: one line per retired instruction, of any engine.
 *
 * While it is on, blocks are one instruction long and every data access takes the soft-MMU's slow
 * path, which reports it here; nothing is compiled into metic or into blocks for it, and it costs
 * nothing when off. Lines of several harts are whole and in the order in which they were
 * written. */
#ifndef METIC_TRANSLATE_COMMIT_LOG_H
#define METIC_TRANSLATE_COMMIT_LOG_H

#include "cpu/base/error.h"
#include "cpu/guest.h"

struct commit_log;
struct engine;

/* Opens the file or pipe at `path` ("-": standard error). NULL with a reason. */
struct commit_log *commit_log_new(const char *path, unsigned hart_count,
                                  struct metic_error *error);
void commit_log_free(struct commit_log *log); /* NULL allowed; writes out what is buffered */

/* Runs one instruction of a hart, on its thread, by `step`, whose answer it gives; when it retired
 * (or, as the guest has it, faulted), its line is written. `bytes` is the instruction at vcpu->pc;
 * `log` may be NULL. */
typedef int commit_step_fn(struct vcpu *vcpu, void *what);
int commit_log_step(struct commit_log *log, struct vcpu *vcpu, const u8 *bytes,
                    unsigned available_bytes, commit_step_fn *step, void *what);

/* A data access of the current instruction, which succeeded; `log` may be NULL. */
void commit_log_access(struct commit_log *log, const struct vcpu *vcpu, gva_t gva,
                       unsigned size_bytes, bool write, u64 value);

/* An atomic read-modify-write at gva, whose bytes are at `host`. */
void commit_log_atomic(struct commit_log *log, const struct vcpu *vcpu, gva_t gva,
                       unsigned size_bytes, const u8 *host);

#endif
