/* The machine's console ports with names: where they lead. */
#include "hw/machine/machine.h"

#include <ctype.h>
#include <string.h>

/* What a file in /dev can be called. */
static bool name_is_ok(const char *name)
{
    size_t size_bytes = strlen(name);
    for (size_t i = 0; i < size_bytes; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL) {
            return false;
        }
    }
    return size_bytes > 0 && size_bytes < MACHINE_PORT_NAME_BYTES && name[0] != '.';
}

static bool check_name(const struct metic_machine *machine, const char *name,
                       struct metic_error *error)
{
    if (!name_is_ok(name)) {
        return error_set(error, "As in --port org.example.agent=socket:PATH.",
                         "a port's name has 1 to %d letters, digits, dots and dashes, not '%s'",
                         MACHINE_PORT_NAME_BYTES - 1, name);
    }
    for (unsigned i = 0; i < machine->ports_config.count; i++) {
        if (strcmp(machine->ports[i].name, name) == 0) {
            return error_set(error, "Give each its own.", "two ports are called %s", name);
        }
    }
    return true;
}

static bool make_port(struct metic_machine *machine, const struct metic_port *wanted,
                      struct metic_error *error)
{
    unsigned index = machine->ports_config.count;
    struct machine_port *port = &machine->ports[index];
    if (!check_name(machine, wanted->name, error)) {
        return false;
    }
    strcpy(port->name, wanted->name);
    port->backend = machine_make_backend(machine, wanted->where, wanted->path, port->name,
                                         wanted->where == METIC_CONSOLE_SOCKET, error);
    if (port->backend == NULL) {
        return false;
    }
    port->port =
        char_port_new(port->name, machine->loop, port->backend, machine->journal, error);
    if (port->port == NULL) {
        return false;
    }
    machine->ports_config.ports[index].name = port->name;
    machine->ports_config.ports[index].port = port->port;
    machine->ports_config.count++;
    return true;
}

bool machine_make_ports(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    if (options->port_count > METIC_MAX_PORTS) {
        return error_set(error, "leave some out", "a machine cannot have more than %d ports",
                         METIC_MAX_PORTS);
    }
    for (unsigned i = 0; i < options->port_count; i++) {
        if (!make_port(machine, &options->ports[i], error)) {
            return false;
        }
    }
    return machine_make_clipboard(machine, error);
}

void machine_stop_ports(struct metic_machine *machine)
{
    for (unsigned i = 0; i < METIC_MAX_PORTS; i++) {
        if (machine->ports[i].backend != NULL) {
            char_backend_stop_waiting(machine->ports[i].backend);
        }
    }
}

void machine_free_ports(struct metic_machine *machine)
{
    machine_free_clipboard(machine);
    for (unsigned i = 0; i < METIC_MAX_PORTS; i++) {
        char_port_free(machine->ports[i].port);
        char_backend_free(machine->ports[i].backend);
    }
}

void machine_save_ports(struct metic_machine *machine, struct state_writer *writer)
{
    state_write_u32(writer, machine->ports_config.count);
    for (unsigned i = 0; i < machine->ports_config.count; i++) {
        char_port_save(machine->ports_config.ports[i].port, writer);
    }
    if (machine->clipboard.agent != NULL) {
        spice_agent_save(machine->clipboard.agent, writer);
    }
}

bool machine_load_ports(struct metic_machine *machine, struct state_reader *reader,
                        struct metic_error *error)
{
    u32 count = 0;
    bool ok = (state_read_u32(reader, &count) && count == machine->ports_config.count) ||
              error_set(error, NULL, "the saved input of the ports is damaged");
    for (unsigned i = 0; ok && i < count; i++) {
        ok = char_port_load(machine->ports_config.ports[i].port, reader, error);
    }
    return ok && (machine->clipboard.agent == NULL ||
                  spice_agent_load(machine->clipboard.agent, reader, error));
}
