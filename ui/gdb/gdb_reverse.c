/* Running, forward and back: the packets bs and bc (GDB manual, appendix E, "Packets"), which
 * reverse-stepi, reverse-continue and their like are made of, and what is said of a stop where
 * history ends. A debugger that attaches to a machine whose runs repeat gives it a history
 * (hw/metic/history.h); for any other, going back is refused with the reason. */
#include "ui/gdb/gdb_session.h"

#include <string.h>

void gdb_reverse_init(struct gdb_session *session)
{
    struct metic_error error;
    session->no_history[0] = '\0';
    if (!metic_history_begin(session->machine, 0, &error)) {
        snprintf(session->no_history, sizeof(session->no_history), "%s", error.what);
    }
}

static bool go_back(struct gdb_session *session, enum metic_back how, struct gdb_text text,
                    struct gdb_output *output)
{
    if (text.at != text.end) {
        return false;
    }
    if (session->no_history[0] != '\0') {
        gdb_putf(output, "E.%s", session->no_history);
        return true;
    }
    session->goes_back = true;
    session->back = how;
    return true;
}

bool gdb_reverse_step(struct gdb_session *session, struct gdb_text text, struct gdb_output *output)
{
    return go_back(session, METIC_BACK_STEP, text, output);
}

bool gdb_reverse_continue(struct gdb_session *session, struct gdb_text text,
                          struct gdb_output *output)
{
    return go_back(session, METIC_BACK_RUN, text, output);
}

/* A line for whoever sits before the debugger. */
static void say(struct gdb_session *session, const char *line)
{
    struct gdb_output packet = {.length_bytes = 0};
    if (session->send != NULL) {
        gdb_putf(&packet, "O");
        gdb_put_hex(&packet, line, strlen(line));
        gdb_put_hex(&packet, "\n", 1);
        session->send(session->send_opaque, &packet);
    }
}

void gdb_session_run(struct gdb_session *session, struct metic_result *result)
{
    if (session->goes_back) {
        metic_run_back(session->machine, session->step_hart, session->back, result);
    } else {
        metic_run(session->machine, result);
    }
    const char *news = metic_history_news(session->machine);
    if (news != NULL) {
        say(session, news);
    }
}

bool gdb_reverse_ends(struct gdb_session *session, const struct metic_result *result)
{
    struct metic_history_info info;
    bool over = result->reason == METIC_POWEROFF || result->reason == METIC_IDLE ||
                result->reason == METIC_LIMIT || result->reason == METIC_DIVERGED;
    session->at_end = over && metic_is_replay(session->machine) &&
                      metic_get_history(session->machine, &info);
    return session->at_end;
}
