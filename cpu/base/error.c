/* See error.h. */
#include "cpu/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool error_set(struct metic_error *error, const char *next, const char *format, ...)
{
    if (error == NULL) {
        return false;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(error->what, sizeof(error->what), format, args);
    va_end(args);
    snprintf(error->next, sizeof(error->next), "%s", next != NULL ? next : "");
    return false;
}

_Noreturn void error_no_memory(size_t size_bytes)
{
    fprintf(stderr,
            "metic: the host has no memory for %zu more bytes; end other programs there, or give "
            "the guest less RAM (--ram)\n", size_bytes);
    exit(125);
}

_Noreturn void error_check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "metic: internal error: %s does not hold (%s:%d)\n", expression, file, line);
    abort();
}
