/* The machine's virtio devices: which there are, in the order in which the guest finds them. */
#include "hw/machine/machine.h"

#include "hw/virtio/virtio_rng.h"

#include <unistd.h>

bool machine_add_virtio(struct metic_machine *machine, const struct virtio_type *type,
                        const void *config, const char *name, int number,
                        struct metic_error *error)
{
    if (machine->virtio_count == BOARD_MAX_VIRTIO) {
        return error_set(error, "leave some out",
                         "a machine cannot have more than %d virtio devices", BOARD_MAX_VIRTIO);
    }
    struct board_virtio *virtio = &machine->virtio[machine->virtio_count++];
    virtio->type = type;
    virtio->config = config;
    if (number < 0) {
        snprintf(virtio->name, sizeof(virtio->name), "%s", name);
    } else {
        snprintf(virtio->name, sizeof(virtio->name), "%s%d", name, number);
    }
    return true;
}

static u64 overlay_memory_bytes(const struct metic_options *options)
{
    const u64 least_bytes = (u64)64 << 20, most_bytes = (u64)1 << 30;
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    u64 share_bytes = pages > 0 && page_bytes > 0 ? (u64)pages * (u64)page_bytes / 16 : 0;
    share_bytes = share_bytes > least_bytes ? share_bytes : least_bytes;
    return options->overlay_memory_bytes != 0 ? options->overlay_memory_bytes
           : share_bytes < most_bytes         ? share_bytes
                                              : most_bytes;
}

static bool add_disks(struct metic_machine *machine, struct metic_error *error)
{
    static const char *const modes[] = {
        [BLK_OVERLAY] = "what the guest writes stays in memory",
        [BLK_WRITE_BACK] = "what the guest writes goes to the file",
        [BLK_READ_ONLY] = "read-only",
    };
    static const enum blk_format formats[] = {
        [METIC_DISK_AUTO] = BLK_FORMAT_AUTO,
        [METIC_DISK_RAW] = BLK_FORMAT_RAW,
        [METIC_DISK_QCOW2] = BLK_FORMAT_QCOW2,
    };
    const struct metic_options *options = &machine->options;
    for (unsigned i = 0; i < options->disk_count; i++) {
        const struct metic_disk *disk = &options->disks[i];
        struct virtio_blk_config *config = &machine->disks[i];
        config->disk.path = disk->path;
        config->disk.overlay_path = disk->overlay;
        config->disk.format = formats[disk->format];
        config->disk.spill_folder = options->scratch_folder;
        config->disk.overlay_memory_bytes = overlay_memory_bytes(options);
        config->stop_on_error = disk->stop_on_error;
        config->queue_count = machine->options.harts < VIRTIO_BLK_MAX_QUEUES
                                  ? machine->options.harts : VIRTIO_BLK_MAX_QUEUES;
        config->disk.mode = disk->read_only    ? BLK_READ_ONLY
                            : disk->write_back ? BLK_WRITE_BACK
                                               : BLK_OVERLAY;
        snprintf(config->serial, sizeof(config->serial), "disk%u", i);
        if (!machine_add_virtio(machine, &virtio_blk_type, config, "disk", (int)i, error)) {
            return false;
        }
        if (disk->overlay != NULL) {
            machine_say(machine, "disk: %s: what the guest writes goes to the overlay %s",
                        disk->path, disk->overlay);
        } else {
            machine_say(machine, "disk: %s: %s", disk->path, modes[config->disk.mode]);
        }
    }
    return true;
}

static bool add_ports(struct metic_machine *machine, struct metic_error *error)
{
    return machine_add_virtio(machine, &virtio_ports_type, &machine->ports_config, "ports", 0,
                              error);
}

/* Disks first: small systems look for theirs in the first slot. A clipboard last: it does without
 * one. */
bool machine_make_virtio(struct metic_machine *machine, struct metic_error *error)
{
    return add_disks(machine, error) && machine_make_shares(machine, error) &&
           (machine->net == NULL || machine_add_virtio(machine, &virtio_net_type,
                                                       &machine->net_config, "net", 0, error)) &&
           (machine->hvc == NULL || machine_add_virtio(machine, &virtio_console_type,
                                                       &machine->hvc_config, "hvc", 0, error)) &&
           (machine->options.port_count == 0 || add_ports(machine, error)) &&
           (machine->vsock_config.port == NULL ||
            machine_add_virtio(machine, &virtio_vsock_type, &machine->vsock_config, "vsock", 0,
                               error)) &&
           machine_add_virtio(machine, &virtio_rng_type, NULL, "rng", 0, error) &&
           machine_add_screen(machine, error) && machine_add_sound(machine, error) &&
           machine_add_balloon(machine, error) &&
           (machine->options.port_count > 0 || machine->clipboard.agent == NULL ||
            add_ports(machine, error));
}

/* With the real clock most types work on threads of their own; a network device does not before
 * something is attached to it (machine_net.c). */
bool machine_memory_is_private(const struct metic_machine *machine)
{
    bool threads = false;
    for (unsigned i = 0; i < machine->virtio_count; i++) {
        const struct virtio_type *type = machine->virtio[i].type;
        threads |= !type->on_hart_only &&
                   (type != &virtio_net_type || machine->options.net != METIC_NET_AUTO);
    }
    return machine->options.harts == 1 &&
           (machine->options.clock == METIC_CLOCK_VIRTUAL || !threads);
}
