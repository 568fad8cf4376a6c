/* SDL2, loaded at run time. Nobody but the files of window and loudspeaker includes this. */
#ifndef METIC_UI_SDL_API_H
#define METIC_UI_SDL_API_H

#include "config.h"
#include "cpu/base/error.h"

#if HAVE_SDL2
#include <SDL.h>
#undef main

/* The functions of sdl_api.def: sdl->Init is SDL_Init. */
struct sdl_api {
    void *library;
#define SDL_CALL(result, name, parameters) result(*name) parameters;
#include "ui/screen/sdl_api.def"
#undef SDL_CALL
};

/* False with a reason: there is no SDL2 here, or an older one. */
bool sdl_api_load(struct sdl_api *sdl, struct metic_error *error);
void sdl_api_unload(struct sdl_api *sdl);

#endif
#endif
