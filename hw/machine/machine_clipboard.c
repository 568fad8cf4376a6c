/* The clipboard that a machine shares with those who look at it, and metic.h's way to it. */
#include "hw/machine/machine.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)METIC_CLIPBOARD_MAX_BYTES == (int)SPICE_AGENT_TEXT_BYTES, "one limit");
_Static_assert((int)VIRTIO_MAX_PORTS > (int)METIC_MAX_PORTS, "there is a port for the clipboard");

struct metic_clipboard {
    struct spice_agent *agent;
    struct spice_client client;
};

/* The user may have led the port somewhere else. */
static bool is_taken(const struct metic_machine *machine)
{
    for (unsigned i = 0; i < machine->ports_config.count; i++) {
        if (strcmp(machine->ports_config.ports[i].name, SPICE_AGENT_PORT_NAME) == 0) {
            return true;
        }
    }
    return false;
}

bool machine_make_clipboard(struct metic_machine *machine, struct metic_error *error)
{
    if (!machine->options.clipboard || is_taken(machine)) {
        return true;
    }
    machine->clipboard.port = char_port_new(SPICE_AGENT_PORT_NAME, machine->loop, NULL,
                                            machine->journal, error);
    if (machine->clipboard.port == NULL) {
        return false;
    }
    machine->clipboard.agent = spice_agent_new(machine->clipboard.port, &machine->log);
    if (machine->clipboard.agent == NULL) {
        return error_set(error, NULL, "the host has no memory for a clipboard");
    }
    unsigned index = machine->ports_config.count++;
    machine->ports_config.ports[index].name = SPICE_AGENT_PORT_NAME;
    machine->ports_config.ports[index].port = machine->clipboard.port;
    return true;
}

void machine_free_clipboard(struct metic_machine *machine)
{
    spice_agent_free(machine->clipboard.agent);
    char_port_free(machine->clipboard.port);
}

metic_clipboard *metic_clipboard_new(metic_machine *machine, void (*changed)(void *opaque),
                                     void *opaque, struct metic_error *error)
{
    if (machine->clipboard.agent == NULL) {
        error_set(error, "give it one", "the machine shares no clipboard");
        return NULL;
    }
    metic_clipboard *clipboard = calloc(1, sizeof(*clipboard));
    if (clipboard == NULL) {
        error_set(error, NULL, "the host has no memory for a clipboard");
        return NULL;
    }
    clipboard->agent = machine->clipboard.agent;
    clipboard->client.changed = changed;
    clipboard->client.opaque = opaque;
    spice_agent_add_client(clipboard->agent, &clipboard->client);
    return clipboard;
}

void metic_clipboard_free(metic_clipboard *clipboard)
{
    if (clipboard != NULL) {
        spice_agent_remove_client(clipboard->agent, &clipboard->client);
        free(clipboard);
    }
}

char *metic_clipboard_take(metic_clipboard *clipboard)
{
    return spice_agent_take(clipboard->agent, &clipboard->client);
}

bool metic_clipboard_offer(metic_clipboard *clipboard, const char *text, size_t size_bytes)
{
    return spice_agent_offer(clipboard->agent, text, size_bytes);
}
