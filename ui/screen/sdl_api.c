/* See sdl_api.h. */
#include "config.h"

#if HAVE_SDL2
#include "cpu/base/library.h"
#include "ui/screen/sdl_api.h"

bool sdl_api_load(struct sdl_api *sdl, struct metic_error *error)
{
    sdl->library = library_open("libSDL2-2.0.so.0");
    if (sdl->library == NULL) {
        return error_set(error,
                         "install it (Debian: libsdl2-2.0-0), or do without window and loudspeaker",
                         "SDL2 is not on this host");
    }
    const char *missing = NULL;
#define SDL_CALL(result, name, parameters)                                            \
    if (!library_find(sdl->library, "SDL_" #name, (void *)&sdl->name, sizeof(sdl->name))) { \
        missing = "SDL_" #name;                                                       \
    }
#include "ui/screen/sdl_api.def"
#undef SDL_CALL
    if (missing != NULL) {
        sdl_api_unload(sdl);
        return error_set(error, "bring SDL up to date", "the SDL2 of this host has no %s", missing);
    }
    return true;
}

void sdl_api_unload(struct sdl_api *sdl)
{
    library_close(sdl->library);
    sdl->library = NULL;
}
#endif
