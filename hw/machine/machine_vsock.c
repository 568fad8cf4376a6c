/* The machine's sockets to programs of the host. */
#include "hw/machine/machine.h"

#include "hw/vsock/vsock_unix.h"

bool machine_make_vsock(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    if (options->vsock_path == NULL) {
        return true;
    }
    u32 cid = options->vsock_cid != 0 ? options->vsock_cid : VSOCK_DEFAULT_CID;
    vsock_port_init(&machine->vsock, machine->journal, cid);
    machine->vsock_config.port = &machine->vsock;
    if (journal_is_replay(machine->journal)) {
        return true; /* the recording has what came */
    }
    machine->vsock.backend =
        vsock_unix_new(&machine->vsock, options->vsock_path, machine->loop, error);
    if (machine->vsock.backend == NULL) {
        return false;
    }
    machine_say(machine, "vsock: the guest is %u; CONNECT at %s, and its port P leads to %s_P", cid,
                options->vsock_path, options->vsock_path);
    return true;
}

void machine_detach_vsock(struct metic_machine *machine)
{
    if (machine->vsock_config.port != NULL) {
        vsock_port_detach(&machine->vsock);
    }
}

void machine_free_vsock(struct metic_machine *machine)
{
    if (machine->vsock_config.port != NULL) {
        vsock_port_fini(&machine->vsock);
    }
}
