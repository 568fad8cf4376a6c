/* See trace_who.h. */
#include "ui/trace/trace_who.h"

#include <stdlib.h>
#include <string.h>

bool trace_who_is(const struct trace_who *who, u32 privilege, u64 satp, const char *name)
{
    return (who->task == NULL || strncmp(name, who->task, TRACE_TASK_BYTES) == 0) &&
           (who->satp == 0 || satp == who->satp) &&
           (who->privileges == 0 || (privilege < 32 && who->privileges >> privilege & 1));
}

struct asked {
    const struct trace_who *who;
    bool may;
};

/* One that is not known stands for all that had no place in the index. */
static void look_for(void *opaque, const struct trace_context *context)
{
    struct asked *asked = opaque;
    asked->may = asked->may || context->privilege == TRACE_NONE ||
                 trace_who_is(asked->who, context->privilege, context->satp, context->name);
}

bool trace_who_may_run(const struct trace_who *who, struct trace_file *file,
                       const struct trace_section *section)
{
    struct asked asked = {who, false};
    return !trace_who_narrows(who) || !trace_file_contexts(file, section, look_for, &asked) ||
           asked.may;
}

struct first {
    struct trace_context *context;
    bool known;
};

/* The first context is that of the section's first instructions. */
static void take_first(void *opaque, const struct trace_context *context)
{
    struct first *first = opaque;
    if (!first->known) {
        *first->context = *context;
        first->known = true;
    }
}

void trace_who_first(const struct trace_file *file, const struct trace_section *section,
                     struct trace_context *context)
{
    struct first first = {context, false};
    struct trace_section own = *section;
    own.group = TRACE_NONE; /* its own index, not the one of an INDEX that is to be unpacked */
    *context = (struct trace_context){0};
    (void)trace_file_contexts((struct trace_file *)(uintptr_t)file, &own, take_first, &first);
}

void trace_who_begins(const struct trace_file *file, const struct trace_section *section,
                      char name[16])
{
    struct trace_context first;
    trace_who_first(file, section, &first);
    memcpy(name, first.name, sizeof(first.name));
}

bool trace_who_parse_satp(const char *text, u64 *satp)
{
    char *rest;
    *satp = strtoull(text, &rest, 0);
    if (*rest != '\0' || *satp >> 60 == 0) {
        *satp = strtoull(text, &rest, 16);
    }
    return rest != text && *rest == '\0' && *satp >> 60 != 0;
}

bool trace_who_parse_privileges(const char *text, u32 *privileges)
{
    static const char letters[] = "US-M";
    for (const char *at = text; *at != '\0'; at++) {
        const char *letter = strchr(letters, *at);
        if (letter == NULL || *at == '-') {
            return false;
        }
        *privileges |= (u32)1 << (letter - letters);
    }
    return text[0] != '\0';
}
