/* The text on the clipboard, between the guest and whoever looks at its screen. The guest's end is
 * SPICE's agent (Debian: spice-vdagent), unchanged; this is the host's; see spice_agent.c. */
#ifndef METIC_HW_CHAR_SPICE_AGENT_H
#define METIC_HW_CHAR_SPICE_AGENT_H

#include "hw/char/backend_char.h"

/* What the agent looks for in /dev/virtio-ports. */
#define SPICE_AGENT_PORT_NAME "com.redhat.spice.0"

enum { SPICE_AGENT_TEXT_BYTES = 512 << 10 }; /* the longest text, either way */

struct spice_agent;

/* A clipboard that takes part: a desktop's, a viewer's. The owner keeps it in place. */
struct spice_client {
    /* The guest has a new text to take. Any thread, the agent's lock held: must only take note. */
    void (*changed)(void *opaque);
    void *opaque;
    struct spice_client *next; /* the rest is the agent's */
    bool has_new;
};

/* On a port without a backend, whose other end this is from now on, until it is freed. The log
 * outlives both. NULL: no memory. */
struct spice_agent *spice_agent_new(struct char_port *port, struct log *log);
void spice_agent_free(struct spice_agent *agent); /* before the port; NULL allowed */

void spice_agent_add_client(struct spice_agent *agent, struct spice_client *client);
void spice_agent_remove_client(struct spice_agent *agent, struct spice_client *client);

/* What was copied in the guest since this client's last call, valid UTF-8 and the caller's to free;
 * NULL: nothing. Any thread. */
char *spice_agent_take(struct spice_agent *agent, struct spice_client *client);
/* There is a text on a client's clipboard, which the guest may paste from now on; NULL or empty:
 * there is none any more. False: it is too long, and nothing changed. Any thread. */
bool spice_agent_offer(struct spice_agent *agent, const char *text, size_t size_bytes);

/* What the guest was in the middle of saying. The host's text is not the machine's and is not
 * saved: after a load clients offer theirs. While no hart runs. */
void spice_agent_save(struct spice_agent *agent, struct state_writer *writer);
bool spice_agent_load(struct spice_agent *agent, struct state_reader *reader,
                      struct metic_error *error);

#endif
