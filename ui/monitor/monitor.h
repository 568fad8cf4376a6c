/* Commands about a machine that stands still, typed by people (monitor.def). */
#ifndef METIC_UI_MONITOR_H
#define METIC_UI_MONITOR_H

#include "cpu/base/error.h"
#include "hw/metic.h"

struct event_log;

struct monitor {
    metic_machine *machine;
    unsigned hart; /* whom commands without a hart mean */
    bool physical; /* changed by a command */
    bool quit;     /* set by a command */
    bool failed;   /* the last command's answer says what was wrong */
    bool debugger; /* the machine is a debugger's and does not run: buttons act at once */
    const char *description; /* what a snapshot keeps of the command line, or NULL */
    const char *confined;    /* what of the process is (run_confine.h), NULL or empty */
    struct event_log *events; /* or NULL */
    const struct keymap *keymap; /* of the guest, or NULL: US */
    FILE *to;      /* answers go here */
};

/* Says of an error that a file may not be opened what has to do with it. */
void monitor_explain(const char *confined, struct metic_error *error);
/* Answers with what is wrong and what to do next; the command has failed. */
void monitor_refuse(struct monitor *monitor, struct metic_error *error);

/* Runs one line; what is wrong with it is an answer, too. */
void monitor_command(struct monitor *monitor, const char *line);

/* The command that a QMP name stands for, or NULL; and all of them. */
const char *monitor_qmp_words(const char *qmp);
const char *monitor_qmp_at(unsigned index); /* NULL: no more */
/* The table, for help and the manual page; false: no more. */
bool monitor_describe(unsigned index, const char **words, const char **arguments,
                      const char **doc);

/* monitor_snapshot.c: the folder of snapshots kept by name, which is made; false: there can be
 * none. */
bool monitor_snapshot_folder(char *path); /* XDG_PATH_BYTES */
/* Where a snapshot of that name is, or the file itself. False with a reason. */
bool monitor_snapshot_path(const char *name, char *path, size_t path_bytes,
                           struct metic_error *error);

#endif
