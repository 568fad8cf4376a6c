/* What a guest did that hardware would answer but a person should know of: an unmapped access, a
 * bad descriptor. Each site logs through a sink the machine owns, so that two machines in one
 * process do not mix, and repeats are counted rather than printed. */
#ifndef METIC_CPU_BASE_LOG_H
#define METIC_CPU_BASE_LOG_H

#include "cpu/base/types.h"
#include <pthread.h>
#include <stdarg.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_GUEST, LOG_INFO, LOG_DEBUG };

/* Any thread may log. `write` gets one line without a newline; NULL prints to stderr. */
struct log {
    enum log_level level; /* lines above it are dropped; set before threads start */
    void (*write)(void *opaque, enum log_level level, const char *line);
    void *opaque;
    pthread_mutex_t lock;
    u64 seen[64]; /* hashes of the LOG_GUEST formats already printed; under lock */
    unsigned seen_count;
};

void log_init(struct log *log, enum log_level level);
void log_fini(struct log *log);

/* Logs one line. A LOG_GUEST line is printed once per format string, so that a guest cannot flood
 * the host's terminal. `log` may be NULL (then nothing is printed). */
void log_print(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_vprint(struct log *log, enum log_level level, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
