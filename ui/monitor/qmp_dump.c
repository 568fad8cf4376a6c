/* See qmp_dump.h. */
#include "config.h"

#if HAVE_JANSSON
#include "ui/monitor/qmp_dump.h"

#include <stdio.h>
#include <string.h>

const char *qmp_dump_line(const json_t *arguments, char *line, size_t line_bytes)
{
    const char *where = json_string_value(json_object_get(arguments, "protocol"));
    const char *format = json_string_value(json_object_get(arguments, "format"));
    if (where == NULL || strncmp(where, "file:", 5) != 0 || where[5] == '\0' ||
        strpbrk(where, "\r\n") != NULL ||
        snprintf(line, line_bytes, "dump %s", where + 5) >= (int)line_bytes) {
        return "Parameter 'protocol' expects file: and a path";
    }
    if (format != NULL && strcmp(format, "elf") != 0) {
        return "Parameter 'format' expects elf";
    }
    if (json_object_get(arguments, "begin") != NULL ||
        json_object_get(arguments, "length") != NULL) {
        return "Parameters 'begin' and 'length' are not supported";
    }
    return NULL;
}

#endif
