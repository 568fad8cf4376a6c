/* See monitor_call.h. */
#include "ui/monitor/monitor_call.h"

struct call {
    const struct monitor *with;
    const char *line;
    struct monitor_answer *answer;
};

static void run_line(metic_machine *machine, void *opaque)
{
    struct call *call = opaque;
    struct monitor_answer *answer = call->answer;
    size_t count = 0;
    struct monitor monitor = *call->with;
    monitor.machine = machine;
    monitor.to = open_memstream(&answer->text, &count);
    if (monitor.to != NULL) {
        monitor_command(&monitor, call->line);
        fclose(monitor.to);
        answer->failed = monitor.failed;
        answer->quit = monitor.quit;
    }
}

bool monitor_call(const struct monitor *with, const char *line, struct monitor_answer *answer)
{
    struct call call = {.with = with, .line = line, .answer = answer};
    *answer = (struct monitor_answer){0};
    bool done = metic_call(with->machine, run_line, &call);
    if (done && answer->quit) {
        metic_stop(with->machine);
    }
    return done;
}
