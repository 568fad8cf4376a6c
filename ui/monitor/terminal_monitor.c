/* See terminal_monitor.h. */
#include "ui/monitor/terminal_monitor.h"

#include "cpu/base/bits.h"
#include "ui/event_log.h"
#include "ui/monitor/line_edit.h"
#include "ui/monitor/monitor_call.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_BYTES = 4096 };

struct terminal_monitor {
    struct monitor with;
    struct line_edit edit;
    FILE *to;
    pthread_t thread;
    u64 next_event;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open, ending;
    bool told; /* an event */
    u8 keys[KEYS_BYTES]; /* typed; more than fits at once is lost */
    size_t key_count;
};

/* --- what the machine's threads tell --- */

static void on_opened(void *opaque)
{
    struct terminal_monitor *terminal = opaque;
    pthread_mutex_lock(&terminal->lock);
    terminal->open = true;
    terminal->key_count = 0;
    pthread_cond_signal(&terminal->changed);
    pthread_mutex_unlock(&terminal->lock);
}

static void on_closed(void *opaque)
{
    struct terminal_monitor *terminal = opaque;
    pthread_mutex_lock(&terminal->lock);
    terminal->open = false;
    pthread_cond_signal(&terminal->changed);
    pthread_mutex_unlock(&terminal->lock);
}

static void on_keys(void *opaque, const uint8_t *bytes, size_t count)
{
    struct terminal_monitor *terminal = opaque;
    pthread_mutex_lock(&terminal->lock);
    size_t room = KEYS_BYTES - terminal->key_count;
    count = count < room ? count : room;
    memcpy(terminal->keys + terminal->key_count, bytes, count);
    terminal->key_count += count;
    pthread_cond_signal(&terminal->changed);
    pthread_mutex_unlock(&terminal->lock);
}

static void on_event(void *opaque)
{
    struct terminal_monitor *terminal = opaque;
    pthread_mutex_lock(&terminal->lock);
    terminal->told = true;
    pthread_cond_signal(&terminal->changed);
    pthread_mutex_unlock(&terminal->lock);
}

/* --- the prompt --- */

static const char *complete(const char *beginning, unsigned number)
{
    const char *words, *arguments, *doc;
    for (unsigned i = 0; monitor_describe(i, &words, &arguments, &doc); i++) {
        if (strncmp(words, beginning, strlen(beginning)) == 0 && number-- == 0) {
            return words;
        }
    }
    return strncmp("exit", beginning, strlen(beginning)) == 0 && number == 0 ? "exit" : NULL;
}

static void leave(struct terminal_monitor *terminal)
{
    on_closed(terminal);
    metic_close_console_monitor(terminal->with.machine);
    fputs("\rback to the guest\n", terminal->to);
    fflush(terminal->to);
}

static void run_line(struct terminal_monitor *terminal)
{
    struct monitor_answer answer;
    const char *line = terminal->edit.line;
    line += strspn(line, " ");
    if (strcmp(line, "exit") == 0) {
        leave(terminal);
        return;
    }
    if (*line != '\0') {
        bool done = monitor_call(&terminal->with, line, &answer);
        fputs(!done                 ? "the machine has ended\n"
              : answer.text != NULL ? answer.text
                                    : "the host has no memory for an answer\n", terminal->to);
        free(answer.text);
        if (strcmp(line, "help") == 0) {
            fprintf(terminal->to, "%-24s %s\n", "exit", "back to the guest, as Ctrl-A C");
        }
    }
    line_edit_begin(&terminal->edit, terminal->to);
}

static void tell_events(struct terminal_monitor *terminal, bool open)
{
    struct event_entry entry;
    while (terminal->with.events != NULL &&
           event_log_take(terminal->with.events, &terminal->next_event, &entry)) {
        if (open) {
            fprintf(terminal->to, "\r\033[Kevent: %s%s%s\n", event_log_name(entry.event),
                    entry.detail[0] != '\0' ? " " : "", entry.detail);
            line_edit_show(&terminal->edit, terminal->to);
        }
    }
}

static bool is_open(struct terminal_monitor *terminal)
{
    pthread_mutex_lock(&terminal->lock);
    bool open = terminal->open;
    pthread_mutex_unlock(&terminal->lock);
    return open;
}

/* What was typed behind the line that leaves is dropped. */
static void take_keys(struct terminal_monitor *terminal, const u8 *keys, size_t count)
{
    for (size_t i = 0; i < count && is_open(terminal); i++) {
        enum line_edit_result result = line_edit_key(&terminal->edit, keys[i], terminal->to);
        if (result == LINE_EDIT_LINE) {
            run_line(terminal);
        } else if (result == LINE_EDIT_END) {
            leave(terminal);
        }
    }
}

static void *terminal_main(void *opaque)
{
    struct terminal_monitor *terminal = opaque;
    u8 keys[KEYS_BYTES];
    bool shown = false;
    pthread_mutex_lock(&terminal->lock);
    while (!terminal->ending) {
        if (shown == terminal->open && terminal->key_count == 0 && !terminal->told) {
            pthread_cond_wait(&terminal->changed, &terminal->lock);
            continue;
        }
        bool open = terminal->open;
        size_t count = open ? terminal->key_count : 0;
        memcpy(keys, terminal->keys, count);
        terminal->key_count = 0;
        terminal->told = false;
        pthread_mutex_unlock(&terminal->lock);
        tell_events(terminal, open && shown);
        if (open && !shown) {
            fputs("\nmetic's monitor: help lists the commands, Ctrl-A C goes back to the guest\n",
                  terminal->to);
            line_edit_begin(&terminal->edit, terminal->to);
        } else if (!open && shown) {
            fputc('\n', terminal->to);
            fflush(terminal->to);
        }
        take_keys(terminal, keys, count);
        pthread_mutex_lock(&terminal->lock);
        shown = open && terminal->open;
    }
    pthread_mutex_unlock(&terminal->lock);
    return NULL;
}

struct terminal_monitor *terminal_monitor_new(const struct monitor *with)
{
    struct terminal_monitor *terminal = calloc(1, sizeof(*terminal));
    if (terminal == NULL) {
        return NULL;
    }
    terminal->with = *with;
    terminal->to = stdout;
    terminal->edit.prompt = "(metic) ";
    terminal->edit.complete = complete;
    pthread_mutex_init(&terminal->lock, NULL);
    pthread_cond_init(&terminal->changed, NULL);
    if (pthread_create(&terminal->thread, NULL, terminal_main, terminal) != 0) {
        pthread_cond_destroy(&terminal->changed);
        pthread_mutex_destroy(&terminal->lock);
        free(terminal);
        return NULL;
    }
    if (with->events != NULL) {
        event_log_listen(with->events, on_event, terminal);
    }
    const struct metic_console_monitor monitor = {
        .opened = on_opened, .keys = on_keys, .closed = on_closed, .opaque = terminal};
    metic_set_console_monitor(with->machine, &monitor);
    return terminal;
}

void terminal_monitor_free(struct terminal_monitor *terminal)
{
    if (terminal == NULL) {
        return;
    }
    metic_set_console_monitor(terminal->with.machine, NULL);
    if (terminal->with.events != NULL) {
        event_log_listen(terminal->with.events, NULL, terminal);
    }
    pthread_mutex_lock(&terminal->lock);
    terminal->ending = true;
    pthread_cond_signal(&terminal->changed);
    pthread_mutex_unlock(&terminal->lock);
    pthread_join(terminal->thread, NULL);
    pthread_cond_destroy(&terminal->changed);
    pthread_mutex_destroy(&terminal->lock);
    free(terminal);
}
