/* The machine's network: which there is, and what is said about it. */
#include "hw/machine/machine.h"

#include "hw/net/net_socket.h"
#include "hw/net/net_user.h"

#include <string.h>

/* QEMU's first address; the second end of a link has the next one. */
static const u8 machine_net_mac[NET_MAC_BYTES] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static void on_net_say(void *opaque, const char *line)
{
    machine_say(opaque, "%s", line);
}

static void on_forward_opened(void *opaque, unsigned index, u16 host_port)
{
    struct metic_machine *machine = opaque;
    machine->options.forwards[index].host_port = host_port;
    machine->forwards_open = true;
}

/* A run on the virtual clock is the same every time, and a network is not: it must be asked for.
 * So it must where a script drives the guest, as tests do, to reach other computers. */
static void resolve_auto(struct metic_machine *machine)
{
    struct metic_options *options = &machine->options;
    if (options->net != METIC_NET_AUTO) {
        return;
    }
    bool asked = options->forward_count > 0 || options->pcap_path != NULL;
    options->net_restrict = options->net_restrict || options->step_count > 0;
    if (asked) {
        options->net = METIC_NET_USER;
    } else if (options->clock == METIC_CLOCK_VIRTUAL || !net_user_is_built()) {
        options->net = METIC_NET_NONE;
    }
}

static bool check_net(const struct metic_options *options, struct metic_error *error)
{
    if (options->forward_count > METIC_MAX_FORWARDS) {
        return error_set(error, "leave some out", "a machine cannot have more than %d forwards",
                         METIC_MAX_FORWARDS);
    }
    if (options->net != METIC_NET_USER && options->forward_count > 0) {
        return error_set(error, "Give --net user, or leave --forward out.",
                         "--forward needs the user network");
    }
    if (options->net == METIC_NET_NONE && options->pcap_path != NULL) {
        return error_set(error, "Leave --net none or --pcap out.",
                         "without a network there are no packets to capture");
    }
    if (options->net == METIC_NET_SOCKET && options->clock == METIC_CLOCK_VIRTUAL &&
        !options->mac_given) {
        return error_set(error, "Give each end its own, as in --mac 52:54:00:12:34:57.",
                         "with the virtual clock the guest's address may not depend on which end "
                         "of the link came first");
    }
    return true;
}

static bool attach_user(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    struct net_forward forwards[METIC_MAX_FORWARDS];
    for (unsigned i = 0; i < options->forward_count; i++) {
        const struct metic_forward *forward = &options->forwards[i];
        forwards[i] = (struct net_forward){forward->host_ip4, forward->host_port,
                                           forward->guest_port, forward->udp};
    }
    struct net_user_options user = {
        .restricted = options->net_restrict,
        .tftp = options->tftp,
        .bootfile = options->bootfile,
        .forwards = forwards,
        .forward_count = options->forward_count,
        .say = on_net_say,
        .opened = on_forward_opened,
        .opaque = machine,
    };
    struct net_backend *backend = net_user_new(machine->net, &user, error);
    if (backend == NULL) {
        return false;
    }
    machine_say(machine, options->net_restrict
                             ? "network: user, the guest cannot connect to the outside (with "
                               "--net user it can)"
                             : "network: user, this host is 10.0.2.2 for the guest");
    net_port_attach(machine->net, backend);
    return true;
}

static bool attach_socket(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    bool second = false;
    struct net_backend *backend =
        net_socket_new(machine->net, options->net_path, machine->loop, &second, error);
    if (backend == NULL) {
        return false;
    }
    if (second && !options->mac_given) {
        u8 mac[NET_MAC_BYTES];
        memcpy(mac, machine_net_mac, sizeof(mac));
        mac[NET_MAC_BYTES - 1]++;
        net_port_set_mac(machine->net, mac);
    }
    machine_say(machine, "network: a link at %s, %s", options->net_path,
                second ? "to the guest that waited there" : "where another guest can come");
    net_port_attach(machine->net, backend);
    return true;
}

static bool attach(struct metic_machine *machine, struct metic_error *error)
{
    if (machine->engine != NULL && machine->options.clock == METIC_CLOCK_REAL) {
        machine->engine->options.private_memory = false; /* the backend's thread serves queues */
    }
    if (journal_is_replay(machine->journal)) {
        net_port_set_carrier(machine->net); /* the recording has what came */
        return true;
    }
    return machine->options.net == METIC_NET_SOCKET ? attach_socket(machine, error)
                                                    : attach_user(machine, error);
}

bool machine_make_net(struct metic_machine *machine, struct metic_error *error)
{
    struct metic_options *options = &machine->options;
    resolve_auto(machine);
    if (!check_net(options, error)) {
        return false;
    }
    if (options->net == METIC_NET_NONE) {
        return true;
    }
    struct net_port_options port = {
        .tap = machine_trace_net,
        .tap_opaque = machine,
        .name = "net0",
        .clock = &machine->clock,
        .journal = machine->journal,
        .log = &machine->log,
        .abilities = options->net == METIC_NET_SOCKET ? net_socket_class.abilities
                                                      : net_user_class.abilities,
        .pcap_path = options->pcap_path,
    };
    memcpy(port.mac, options->mac_given ? options->mac : machine_net_mac, NET_MAC_BYTES);
    machine->net = net_port_new(&port, error);
    machine->net_config.port = machine->net;
    return machine->net != NULL && (options->net == METIC_NET_AUTO || attach(machine, error));
}

/* A kernel, or what starts one from a disk. */
bool machine_start_net(struct metic_machine *machine, struct metic_error *error)
{
    const struct image *image = machine->boot.main;
    bool system = image == NULL || image->kind == IMAGE_LINUX || machine->options.disk_count > 0 ||
                  (image->kind == IMAGE_ELF && image->mode == IMAGE_MODE_SUPERVISOR &&
                   image->relocatable);
    return machine->options.net != METIC_NET_AUTO || !system || attach(machine, error);
}

bool machine_resume_net(struct metic_machine *machine, bool attached, struct metic_error *error)
{
    return machine->net == NULL || !attached || net_port_has_carrier(machine->net) ||
           attach(machine, error);
}

bool metic_get_forward(metic_machine *machine, uint16_t guest_port, uint32_t *host_ip4,
                       uint16_t *host_port)
{
    const struct metic_options *options = &machine->options;
    for (unsigned i = 0; machine->forwards_open && i < options->forward_count; i++) {
        const struct metic_forward *forward = &options->forwards[i];
        if (!forward->udp && forward->guest_port == guest_port) {
            *host_ip4 = forward->host_ip4;
            *host_port = forward->host_port;
            return true;
        }
    }
    return false;
}

bool metic_reaches_network(const metic_machine *machine)
{
    const struct metic_options *options = &machine->options;
    return (options->net == METIC_NET_USER || options->net == METIC_NET_AUTO) &&
           !journal_is_replay(machine->journal) &&
           (!options->net_restrict || options->forward_count > 0);
}

bool metic_has_user_network(void)
{
    return net_user_is_built();
}

bool machine_has_connections(const struct metic_machine *machine)
{
    return (machine->net != NULL && net_port_may_receive(machine->net)) ||
           (machine->vsock.backend != NULL && machine->vsock.stream_count > 0);
}

bool machine_may_hear(const struct metic_machine *machine)
{
    return !atomic_load(&machine->input_ended) || atomic_load(&machine->may_type) ||
           machine_has_connections(machine) || machine->hvc != NULL ||
           machine->options.port_count > 0 || machine->vsock.backend != NULL;
}
