/* See commit_log.h. */
#include "translate/commit_log.h"

#include "cpu/base/bits.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct commit_log {
    FILE *file;
    pthread_mutex_t lock; /* the file */
    bool is_stderr;
    unsigned hart_count;
    struct hart_commit {
        struct guest_commit commit;
        u32 fpu_flags_before;
        u8 saturated_before;
        bool open;
    } harts[];
};

struct commit_log *commit_log_new(const char *path, unsigned hart_count, struct metic_error *error)
{
    size_t harts_bytes = hart_count * sizeof(struct hart_commit);
    struct commit_log *log = calloc(1, sizeof(*log) + harts_bytes);
    if (log == NULL) {
        error_set(error, NULL, "the host has no memory for the trace");
        return NULL;
    }
    log->hart_count = hart_count;
    log->is_stderr = strcmp(path, "-") == 0;
    log->file = log->is_stderr ? stderr : fopen(path, "we");
    if (log->file == NULL) {
        error_set(error, "give a file or pipe that can be written", "the trace %s: %s", path,
                  strerror(errno));
        free(log);
        return NULL;
    }
    setvbuf(log->file, NULL, _IOFBF, 1 << 16);
    pthread_mutex_init(&log->lock, NULL);
    return log;
}

void commit_log_free(struct commit_log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->is_stderr) {
        fflush(log->file);
    } else {
        fclose(log->file);
    }
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static u8 *saturated_of(struct vcpu *vcpu)
{
    return (u8 *)vcpu + vcpu->guest->vector->saturated;
}

/* The flags an instruction raises are seen by letting it start from none; end() puts the
 * earlier ones back. An instruction that reads or writes the flags as a register must not start so:
 * those do not raise any, and are told by the guest through `status`. */
static void begin(struct commit_log *log, struct vcpu *vcpu, const u8 *bytes,
                  unsigned available_bytes)
{
    struct hart_commit *hart = &log->harts[vcpu->index];
    memset(hart->commit.bytes, 0, sizeof(hart->commit.bytes));
    memcpy(hart->commit.bytes, bytes, available_bytes < 4 ? available_bytes : 4);
    hart->commit.fpu_flags_raised = 0;
    hart->commit.saturated = 0;
    hart->commit.hides_fpu_flags = hart->commit.hides_saturated = false;
    vcpu->guest->commit_begin(vcpu, &hart->commit);
    if (hart->commit.hides_fpu_flags) {
        hart->fpu_flags_before = vcpu->fpu_flags;
        vcpu->fpu_flags = 0;
    }
    if (hart->commit.hides_saturated) {
        hart->saturated_before = *saturated_of(vcpu);
        *saturated_of(vcpu) = 0;
    }
    hart->open = true;
}

static void end(struct commit_log *log, struct vcpu *vcpu, bool retired)
{
    struct hart_commit *hart = &log->harts[vcpu->index];
    if (!hart->open) {
        return;
    }
    hart->open = false;
    if (hart->commit.hides_fpu_flags) {
        hart->commit.fpu_flags_raised = vcpu->fpu_flags;
        vcpu->fpu_flags |= hart->fpu_flags_before;
    }
    if (hart->commit.hides_saturated) {
        hart->commit.saturated = *saturated_of(vcpu);
        *saturated_of(vcpu) |= hart->saturated_before;
    }
    hart->commit.retired = retired;
    if (!retired && !vcpu->exception_pending) {
        return;
    }
    for (unsigned i = 0; i < hart->commit.access_count; i++) {
        struct guest_commit_access *access = &hart->commit.accesses[i];
        if (access->late_host != NULL) {
            access->value = ld_le(access->late_host, access->size_bytes);
        }
    }
    char text[12 << 10]; /* a vector store: 256 bytes told one by one */
    size_t length = vcpu->guest->commit_line(vcpu, &hart->commit, text, sizeof(text));
    if (length == 0) {
        return;
    }
    pthread_mutex_lock(&log->lock);
    fwrite(text, 1, length, log->file);
    pthread_mutex_unlock(&log->lock);
}

int commit_log_step(struct commit_log *log, struct vcpu *vcpu, const u8 *bytes,
                    unsigned available_bytes, commit_step_fn *step, void *what)
{
    if (LIKELY(log == NULL)) {
        return step(vcpu, what);
    }
    u64 insns = vcpu->insns;
    begin(log, vcpu, bytes, available_bytes);
    int exit = step(vcpu, what);
    end(log, vcpu, vcpu->insns != insns);
    return exit;
}

static void add_access(struct commit_log *log, const struct vcpu *vcpu,
                       struct guest_commit_access access)
{
    if (LIKELY(log == NULL) || !log->harts[vcpu->index].open) {
        return;
    }
    struct guest_commit *commit = &log->harts[vcpu->index].commit;
    if (commit->access_count < ARRAY_LEN(commit->accesses)) {
        commit->accesses[commit->access_count++] = access;
    }
}

void commit_log_access(struct commit_log *log, const struct vcpu *vcpu, gva_t gva,
                       unsigned size_bytes, bool write, u64 value)
{
    struct guest_commit_access access = {
        .gva = gva, .size_bytes = (u8)size_bytes, .write = write, .value = value
    };
    add_access(log, vcpu, access);
}

void commit_log_atomic(struct commit_log *log, const struct vcpu *vcpu, gva_t gva,
                       unsigned size_bytes, const u8 *host)
{
    struct guest_commit_access access = { .gva = gva, .size_bytes = (u8)size_bytes };
    add_access(log, vcpu, access);
    access.write = true;
    access.late_host = host;
    add_access(log, vcpu, access);
}
