/* See log.h. */
#include "cpu/base/log.h"

#include <stdio.h>
#include <string.h>

void log_init(struct log *log, enum log_level level)
{
    memset(log, 0, sizeof(*log));
    log->level = level;
    pthread_mutex_init(&log->lock, NULL);
}

void log_fini(struct log *log)
{
    pthread_mutex_destroy(&log->lock);
}

/* True when this format was not seen before and there is room to remember it. */
static bool log_first_time(struct log *log, const char *format)
{
    u64 hash = 0xcbf29ce484222325u;
    for (const char *p = format; *p != '\0'; p++) {
        hash = (hash ^ (u8)*p) * 0x100000001b3u;
    }
    for (unsigned i = 0; i < log->seen_count; i++) {
        if (log->seen[i] == hash) {
            return false;
        }
    }
    if (log->seen_count == ARRAY_LEN(log->seen)) {
        return false;
    }
    log->seen[log->seen_count++] = hash;
    return true;
}

void log_print(struct log *log, enum log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_vprint(log, level, format, args);
    va_end(args);
}

void log_vprint(struct log *log, enum log_level level, const char *format, va_list args)
{
    if (log == NULL || level > log->level) {
        return;
    }
    pthread_mutex_lock(&log->lock);
    if (level != LOG_GUEST || log_first_time(log, format)) {
        char line[512];
        vsnprintf(line, sizeof(line), format, args);
        if (log->write != NULL) {
            log->write(log->opaque, level, line);
        } else {
            fprintf(stderr, "metic: %s%s\n", level == LOG_GUEST ? "guest: " : "", line);
        }
    }
    pthread_mutex_unlock(&log->lock);
}
