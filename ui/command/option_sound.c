/* The values of --sound and --sound-in. */
#include "ui/command/args.h"

#include <string.h>

OPTION_PARSER(sound)
{
    struct metic_options *options = member;
    static const char wav_prefix[] = "wav:";
    bool wav = strncmp(value, wav_prefix, sizeof(wav_prefix) - 1) == 0 &&
               value[sizeof(wav_prefix) - 1] != '\0';
    args->loudspeaker = strcmp(value, "sdl") == 0;
    options->sound = strcmp(value, "off") != 0;
    options->sound_out = wav ? value + sizeof(wav_prefix) - 1 : NULL;
    args->sound_given = true;
    return wav || args->loudspeaker || !options->sound || strcmp(value, "none") == 0 ||
           error_set(error, NULL, "%s: '%s' is none of: sdl wav:FILE none off", name, value);
}

OPTION_PARSER(sound_in)
{
    struct metic_options *options = member;
    (void)args;
    (void)name;
    (void)error;
    options->sound_microphone = strcmp(value, "mic") == 0;
    options->sound_in = options->sound_microphone ? NULL : value;
    return true;
}

bool args_choose_sound(struct run_args *args, struct metic_error *error)
{
    struct metic_options *options = &args->options;
    bool records = options->sound_microphone || options->sound_in != NULL;
    if (!args->sound_given && options->screens > 0) {
        options->sound = true;
        args->loudspeaker = args->window;
    }
    if (!args->sound_given && records) {
        options->sound = true;
    }
    return options->sound || !records ||
           error_set(error, "Leave --sound off or --sound-in out.",
                     "without a sound card nothing can be recorded");
}
