/* The machine's sound card, and metic.h's way to it. */
#include "hw/machine/machine.h"

bool machine_make_sound(struct metic_machine *machine, struct metic_error *error)
{
    const struct metic_options *options = &machine->options;
    if (!options->sound) {
        return options->sound_out == NULL && options->sound_in == NULL
                   ? true
                   : error_set(error, "let it have one",
                               "a machine without a sound card can neither play nor record");
    }
    struct sound_options sound = {
        .out_path = options->sound_out,
        .in_path = options->sound_in,
        .microphone = options->sound_microphone,
    };
    machine->sound = sound_new(&sound, machine->journal, &machine->log, error);
    return machine->sound != NULL;
}

bool machine_add_sound(struct metic_machine *machine, struct metic_error *error)
{
    if (machine->sound == NULL) {
        return true;
    }
    machine->snd_config = (struct virtio_snd_config){machine->sound};
    return machine_add_virtio(machine, &virtio_snd_type, &machine->snd_config, "sound", 0, error);
}

metic_player *metic_player_new(metic_machine *machine, unsigned rate_hz, unsigned period_frames,
                               struct metic_error *error)
{
    if (machine->sound == NULL) {
        error_set(error, "give it one", "the machine has no sound card");
        return NULL;
    }
    if (rate_hz < SOUND_MIN_RATE_HZ || rate_hz > SOUND_MAX_RATE_HZ) {
        error_set(error, "give 4000 to 384000", "there is no sound of %u frames a second",
                  rate_hz);
        return NULL;
    }
    metic_player *player = sound_player_new(machine->sound, rate_hz, period_frames);
    if (player == NULL) {
        error_set(error, NULL, "the host has no memory for sound");
    }
    return player;
}

void metic_player_free(metic_player *player)
{
    sound_player_free(player);
}

void metic_player_take(metic_player *player, float *stereo, size_t frames)
{
    sound_player_take(player, stereo, frames);
}

void metic_feed_sound(metic_machine *machine, unsigned rate_hz, const float *stereo,
                      size_t frames)
{
    if (machine->sound != NULL && rate_hz >= SOUND_MIN_RATE_HZ && rate_hz <= SOUND_MAX_RATE_HZ) {
        sound_feed(machine->sound, rate_hz, stereo, frames);
    }
}
