/* What a breakpoint's commands print (GDB's dprintf with `set dprintf-style agent`): C's formats,
 * by values of a guest. Formats come from outside and are not trusted. */
#ifndef METIC_UI_GDB_PRINT_H
#define METIC_UI_GDB_PRINT_H

#include "ui/gdb/gdb_agent.h"

#include <stddef.h>

enum { GDB_PRINT_BYTES = 2048, GDB_PRINT_STRING_BYTES = 512 };

/* `format` as it stands in C's source, escape sequences not undone. At most GDB_PRINT_BYTES with
 * the zero behind them, of a string in the guest GDB_PRINT_STRING_BYTES. What is missing or cannot
 * be printed (floating point, wide characters, memory that is not there) is a question mark. */
void gdb_print(const char *format, const u64 *values, unsigned value_count,
               const struct gdb_agent_guest *guest, char text[GDB_PRINT_BYTES]);

#endif
