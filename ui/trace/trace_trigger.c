/* See trace_trigger.h. */
#include "ui/trace/trace_trigger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CSR_NUMBERS = 4096, INTERRUPT_SHIFT = 63 };

static bool csr_number(const char *name, u64 *number)
{
    for (unsigned n = 0; n < CSR_NUMBERS; n++) {
        char text[32];
        metic_csr_name(n, text, sizeof(text));
        if (strcmp(text, name) == 0) {
            *number = n;
            return true;
        }
    }
    return false;
}

static bool io_number(const char *name, u64 *number)
{
    static const char *const names[] = {"disk", "network", "console"};
    for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
        if (strcmp(names[n], name) == 0) {
            *number = n + 1;
            return true;
        }
    }
    return false;
}

static bool plain_number(const char *text, u64 *number)
{
    char *rest;
    *number = strtoull(text, &rest, 0);
    return rest != text && *rest == '\0';
}

/* What is behind the colon. */
static bool parse_value(const char *name, const char *value, struct metic_trace_trigger *trigger)
{
    trigger->has_value = true;
    if (trigger->event == METIC_EVENT_TASK) {
        trigger->has_value = false;
        snprintf(trigger->text, sizeof(trigger->text), "%s", value);
        return value[0] != '\0';
    }
    if (trigger->event == METIC_EVENT_CSR && csr_number(value, &trigger->value)) {
        return true;
    }
    if (trigger->event == METIC_EVENT_IO && io_number(value, &trigger->value)) {
        return true;
    }
    bool good = plain_number(value, &trigger->value);
    if (strcmp(name, "interrupt") == 0) {
        trigger->value |= (u64)1 << INTERRUPT_SHIFT;
    }
    return good;
}

bool trace_trigger_parse(const char *text, struct metic_trace_trigger *trigger,
                         struct metic_error *error)
{
    static const struct {
        const char *name;
        enum metic_trace_event event;
        bool needs_value;
    } kinds[] = {
        {"trap", METIC_EVENT_TRAP, false},     {"interrupt", METIC_EVENT_TRAP, true},
        {"return", METIC_EVENT_RETURN, false}, {"device", METIC_EVENT_DEVICE, false},
        {"io", METIC_EVENT_IO, false},         {"task", METIC_EVENT_TASK, false},
        {"csr", METIC_EVENT_CSR, false},       {"wait", METIC_EVENT_WAIT, false},
        {"tlb-fill", METIC_EVENT_TLB_FILL, false}, {"tlb-flush", METIC_EVENT_TLB_FLUSH, false},
    };
    size_t length = strcspn(text, ":");
    unsigned n = 0;
    while (n < ARRAY_LEN(kinds) && (strlen(kinds[n].name) != length ||
                                    memcmp(kinds[n].name, text, length) != 0)) {
        n++;
    }
    if (n == ARRAY_LEN(kinds)) {
        return error_set(error, "trap interrupt return device io task csr wait tlb-fill tlb-flush",
                         "--trace-filter: there is no event '%.*s'", (int)length, text);
    }
    *trigger = (struct metic_trace_trigger){.event = kinds[n].event};
    bool good = text[length] == ':' ? parse_value(kinds[n].name, text + length + 1, trigger)
                                    : !kinds[n].needs_value;
    return good || error_set(error, "As in @trap:8, @interrupt:5, @csr:satp, @io:disk, @task:sh.",
                             "--trace-filter: '%s' has no value that fits", text);
}
