/* See trace_kinds.h. */
#include "ui/trace/trace_kinds.h"

#include "hw/metic.h"

#include <string.h>

struct kind {
    const char *name;
    unsigned what;
    u64 events;
};

#define EVENT(name) ((u64)1 << METIC_EVENT_##name)

static const struct kind kinds[] = {
    {"blocks", METIC_TRACE_BLOCKS, 0},
    {"memory", METIC_TRACE_BLOCKS | METIC_TRACE_MEMORY, EVENT(MEMORY)},
    {"registers", METIC_TRACE_BLOCKS | METIC_TRACE_REGISTERS, 0},
    {"traps", 0, EVENT(TRAP) | EVENT(RETURN) | EVENT(WAIT) | EVENT(TASK)},
    {"tasks", 0, EVENT(TASK)},
    {"tlb", 0, EVENT(TLB_FILL) | EVENT(TLB_FLUSH)},
    {"translation", 0, EVENT(TRANSLATE)},
    {"devices", 0, EVENT(DEVICE)},
    {"io", 0, EVENT(IO)},
    {"csrs", 0, EVENT(CSR)},
    {"branches", METIC_TRACE_BLOCKS, EVENT(TRAP)},
    {"all", METIC_TRACE_BLOCKS | METIC_TRACE_MEMORY | METIC_TRACE_REGISTERS, ~(u64)0},
};

bool trace_kinds_add(const char *list, unsigned *what, u64 *events, struct metic_error *error)
{
    while (*list != '\0') {
        size_t length = strcspn(list, ",");
        unsigned n = 0;
        while (n < ARRAY_LEN(kinds) && (strlen(kinds[n].name) != length ||
                                        memcmp(kinds[n].name, list, length) != 0)) {
            n++;
        }
        if (n == ARRAY_LEN(kinds)) {
            return error_set(error, "blocks branches memory registers csrs traps tasks tlb "
                             "translation devices io all",
                             "--trace-events: '%.*s' is none of them", (int)length, list);
        }
        *what |= kinds[n].what;
        *events |= kinds[n].events;
        list += length + (list[length] == ',');
    }
    return true;
}

/* Whether the kinds of `list` ask for all that kind n does, without it. */
static bool others_have(unsigned list, unsigned n)
{
    unsigned what = kinds[n].what;
    u64 events = kinds[n].events;
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        if (i != n && (list & 1u << i)) {
            what &= ~kinds[i].what;
            events &= ~kinds[i].events;
        }
    }
    return what == 0 && events == 0;
}

void trace_kinds_print(FILE *to, unsigned what, u64 events)
{
    const char *between = "";
    unsigned list = 0;
    for (unsigned n = 0; n < ARRAY_LEN(kinds); n++) {
        bool there = (kinds[n].what & ~what) == 0 && (kinds[n].events & ~events) == 0;
        list |= there ? 1u << n : 0;
    }
    for (unsigned n = ARRAY_LEN(kinds); n-- > 0;) { /* the later are made of others */
        list &= others_have(list, n) ? ~(1u << n) : ~0u;
    }
    for (unsigned n = 0; n < ARRAY_LEN(kinds); n++) {
        if (list & 1u << n) {
            fprintf(to, "%s%s", between, kinds[n].name);
            between = ",";
        }
    }
    if ((events & EVENT(CALL)) && events != ~(u64)0) {
        fprintf(to, "%scalls", between); /* --trace-calls */
    }
}
