/* QMP's dump-guest-memory as a line of the monitor's; needs jansson. Nobody but qmp.c includes
 * this. */
#ifndef METIC_UI_QMP_DUMP_H
#define METIC_UI_QMP_DUMP_H

#include <jansson.h>
#include <stddef.h>

/* From the command's arguments: NULL and the line, or what is wrong with them. "paging" changes
 * nothing, since a core has both kinds of addresses; parts of memory and other kinds of files are
 * not offered. */
const char *qmp_dump_line(const json_t *arguments, char *line, size_t line_bytes);

#endif
