/* Whose instructions a question to a trace is about: a Linux task's, an address space's, those at
 * some privileges. Known of each instruction by the events before it, and of a section's first ones
 * by its index. */
#ifndef METIC_UI_TRACE_WHO_H
#define METIC_UI_TRACE_WHO_H

#include "ui/trace/trace_file.h"

struct trace_who {
    const char *task; /* its name, as far as Linux keeps it; NULL: any */
    u64 satp;         /* 0: any */
    u32 privileges;   /* bit mask, by their numbers; 0: all */
};

/* Linux keeps so many bytes of a name. */
enum { TRACE_TASK_BYTES = 15 };

static inline bool trace_who_narrows(const struct trace_who *who)
{
    return who->task != NULL || who->satp != 0 || who->privileges != 0;
}
/* Whether what runs in this context is asked for; `name` has up to 16 bytes. */
bool trace_who_is(const struct trace_who *who, u32 privilege, u64 satp, const char *name);
/* Whether any of it may be in the section, by its index. */
bool trace_who_may_run(const struct trace_who *who, struct trace_file *file,
                       const struct trace_section *section);
/* What the section begins in: zeros where it is not known. Any thread, of an open file. */
void trace_who_first(const struct trace_file *file, const struct trace_section *section,
                     struct trace_context *context);
/* The name of the task that the section begins in: 16 bytes, of zeros when it is not known. Any
 * thread, of an open file. */
void trace_who_begins(const struct trace_file *file, const struct trace_section *section,
                      char name[16]);

/* As satp is printed: a mode in its highest bits, mostly without 0x. */
bool trace_who_parse_satp(const char *text, u64 *satp);
/* Letters of U, S and M; adds to the bit mask. */
bool trace_who_parse_privileges(const char *text, u32 *privileges);

#endif
