/* The monitor's socket: QEMU's machine protocol (QMP) on a Unix socket that is the user's alone.
 *
 * A client is greeted, says qmp_capabilities, and may then send commands, one JSON object each, and
 * is told of events. What a command does is in the monitor's table (monitor.def); queries with
 * structured answers are here: query-commands, query-status, query-version, query-name,
 * query-cpus-fast, query-block, query-chardev. human-monitor-command runs any line of the
 * monitor's; metic-monitor-command does, too, and answers {"text", "failed"}; snapshot-save,
 * snapshot-load and snapshot-delete take a "tag" (a name or a file) and answer when it is done.
 *
 * A thread serves up to QMP_MAX_CLIENTS clients. Commands run while the harts stand still
 * (metic_call). */
#ifndef METIC_UI_QMP_H
#define METIC_UI_QMP_H

#include "cpu/base/error.h"
#include "hw/metic.h"

struct event_log;
struct qmp;

struct qmp_options {
    const char *path;        /* of the socket */
    const char *name;        /* of the machine */
    const char *description; /* struct monitor's */
    const char *confined;    /* struct monitor's */
    struct event_log *events; /* or NULL */
    const struct keymap *keymap; /* struct monitor's */
    const char *const *disks;
    unsigned disk_count;
};

/* Before the machine runs; listens, but serves nobody yet. NULL with a reason. The options' strings
 * are kept by pointer. */
struct qmp *qmp_new(metic_machine *machine, const struct qmp_options *options,
                    struct metic_error *error);
/* Serves who comes, and came; with a path only. False with a reason. */
bool qmp_start(struct qmp *qmp, struct metic_error *error);
/* After the machine's end and metic_end_calls: tells clients of the end. NULL allowed. */
void qmp_free(struct qmp *qmp);
bool qmp_is_built(void);

/* One client's bytes and answers, without a socket; for the fuzzer. */
struct qmp_client;
struct qmp_client *qmp_client_new(struct qmp *qmp, void (*send)(void *opaque, const char *text),
                                  void *opaque);
/* False: it should be dropped. */
bool qmp_client_input(struct qmp_client *client, const char *bytes, size_t count);
void qmp_client_free(struct qmp_client *client);

#endif
