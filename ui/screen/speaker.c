/* See speaker.h. SDL calls from threads of its own, one for each device; what it wants then is
 * there or is silence, so nothing waits. */
#include "config.h"
#include "ui/screen/speaker.h"

#include "cpu/base/error.h"

#if HAVE_SDL2
#include "ui/screen/sdl_api.h"

#include <stdlib.h>

enum { RATE_HZ = 48000, PERIOD_FRAMES = 512, CHANNELS = 2 };

struct speaker {
    metic_machine *machine;
    struct sdl_api sdl;
    bool started;
    metic_player *player;
    SDL_AudioDeviceID out, in; /* 0: none */
};

static void on_play(void *opaque, Uint8 *bytes, int size_bytes)
{
    struct speaker *s = opaque;
    metic_player_take(s->player, (float *)(void *)bytes,
                      (size_t)size_bytes / (CHANNELS * sizeof(float)));
}

static void on_record(void *opaque, Uint8 *bytes, int size_bytes)
{
    struct speaker *s = opaque;
    metic_feed_sound(s->machine, RATE_HZ, (const float *)(const void *)bytes,
                     (size_t)size_bytes / (CHANNELS * sizeof(float)));
}

static bool fail(struct speaker *s, const char *what, struct metic_error *error)
{
    return error_set(error, "give --sound wav:FILE, none or off", "no sound: %s: %s", what,
                     s->sdl.GetError());
}

/* SDL converts where the host has another format. */
static SDL_AudioDeviceID open_device(struct speaker *s, bool record, SDL_AudioCallback callback)
{
    SDL_AudioSpec wanted = {
        .freq = RATE_HZ,
        .format = AUDIO_F32SYS,
        .channels = CHANNELS,
        .samples = PERIOD_FRAMES,
        .callback = callback,
        .userdata = s,
    };
    SDL_AudioSpec got;
    return s->sdl.OpenAudioDevice(NULL, record, &wanted, &got, 0);
}

static bool start(struct speaker *s, bool play, bool record, struct metic_error *error)
{
    s->sdl.SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    if (s->sdl.InitSubSystem(SDL_INIT_AUDIO) != 0) {
        return fail(s, "SDL finds no audio on this host", error);
    }
    s->started = true;
    if (play) {
        s->player = metic_player_new(s->machine, RATE_HZ, PERIOD_FRAMES, error);
        if (s->player == NULL) {
            return false;
        }
        s->out = open_device(s, false, on_play);
        if (s->out == 0) {
            return fail(s, "the loudspeaker cannot be opened", error);
        }
        s->sdl.PauseAudioDevice(s->out, 0);
    }
    if (record) {
        s->in = open_device(s, true, on_record);
        if (s->in == 0) {
            return fail(s, "the microphone cannot be opened", error);
        }
        s->sdl.PauseAudioDevice(s->in, 0);
    }
    return true;
}

struct speaker *speaker_open(metic_machine *machine, bool play, bool record,
                             struct metic_error *error)
{
    struct speaker *s = calloc(1, sizeof(*s));
    if (s == NULL || !sdl_api_load(&s->sdl, error)) {
        free(s);
        return NULL;
    }
    s->machine = machine;
    if (!start(s, play, record, error)) {
        speaker_close(s);
        return NULL;
    }
    return s;
}

void speaker_close(struct speaker *s)
{
    if (s == NULL) {
        return;
    }
    if (s->out != 0) {
        s->sdl.CloseAudioDevice(s->out); /* returns when its thread has gone */
    }
    if (s->in != 0) {
        s->sdl.CloseAudioDevice(s->in);
    }
    metic_player_free(s->player);
    if (s->started) {
        s->sdl.QuitSubSystem(SDL_INIT_AUDIO);
    }
    sdl_api_unload(&s->sdl);
    free(s);
}

#else

struct speaker *speaker_open(metic_machine *machine, bool play, bool record,
                             struct metic_error *error)
{
    (void)machine;
    (void)play;
    (void)record;
    error_set(error, "build it with libsdl2-dev installed, or give --sound wav:FILE, none or off",
              "this metic was built without sound on this host");
    return NULL;
}

void speaker_close(struct speaker *speaker)
{
    (void)speaker;
}

#endif
