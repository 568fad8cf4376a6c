/* The machine's memory balloon: what is wanted of it comes through the journal, as all input. */
#include "hw/machine/machine.h"

#include <string.h>

enum { BALLOON_PAGE_BYTES = 4096 };

static void on_wish(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct metic_machine *machine = opaque;
    if (size_bytes == sizeof(u32)) {
        virtio_balloon_ask(&machine->balloon.config, ld_le32(bytes));
    }
}

bool machine_add_balloon(struct metic_machine *machine, struct metic_error *error)
{
    if (!machine->options.balloon) {
        return true;
    }
    machine->balloon.wishes = (struct journal_source){
        .name = "balloon", .deliver = on_wish, .opaque = machine};
    journal_add_source(machine->journal, &machine->balloon.wishes);
    return machine_add_virtio(machine, &virtio_balloon_type, &machine->balloon.config, "balloon",
                              0, error);
}

void machine_free_balloon(struct metic_machine *machine)
{
    if (machine->journal != NULL && machine->balloon.wishes.deliver != NULL) {
        journal_remove_source(machine->journal, &machine->balloon.wishes);
    }
}

static bool wish(struct metic_machine *machine, u32 pages)
{
    u8 bytes[4];
    if (machine->balloon.config.virtio == NULL) {
        return false;
    }
    st_le32(bytes, pages);
    journal_input(machine->journal, &machine->balloon.wishes, bytes, sizeof(bytes));
    return true;
}

bool metic_balloon(metic_machine *machine, uint64_t guest_bytes)
{
    u64 ram_bytes = machine->options.ram_bytes;
    u64 taken_bytes = guest_bytes < ram_bytes ? ram_bytes - guest_bytes : 0;
    return wish(machine, (u32)(taken_bytes / BALLOON_PAGE_BYTES));
}

bool metic_get_balloon(metic_machine *machine, struct metic_balloon_status *status)
{
    struct virtio_balloon_status now;
    if (machine->balloon.config.virtio == NULL) {
        return false;
    }
    virtio_balloon_look(&machine->balloon.config, &now);
    *status = (struct metic_balloon_status){
        .guest_bytes = machine->options.ram_bytes - (u64)now.actual_pages * BALLOON_PAGE_BYTES,
        .wanted_bytes = machine->options.ram_bytes - (u64)now.wanted_pages * BALLOON_PAGE_BYTES,
        .reported_bytes = now.reported_bytes,
    };
    for (unsigned i = 0; i < VIRTIO_BALLOON_STATS; i++) {
        if (now.stats_valid >> i & 1) {
            status->counts[status->count_count].name = virtio_balloon_stat_name(i);
            status->counts[status->count_count++].value = now.stats[i];
        }
    }
    wish(machine, now.wanted_pages); /* newer counts, for the next time */
    return true;
}
