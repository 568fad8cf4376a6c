/* Preloaded into a program that uses SDL, in the guest: once a second says on standard error how
 * many frames it has shown since the last time. */
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

void SDL_RenderPresent(void *renderer);

void SDL_RenderPresent(void *renderer)
{
    static void (*present)(void *);
    static struct timespec since;
    static unsigned frames;
    struct timespec now;
    if (present == NULL) {
        *(void **)(&present) = dlsym(RTLD_NEXT, "SDL_RenderPresent");
        clock_gettime(CLOCK_MONOTONIC, &since);
    }
    present(renderer);
    frames++;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)(now.tv_sec - since.tv_sec) +
                     (double)(now.tv_nsec - since.tv_nsec) / 1e9;
    if (seconds >= 1) {
        fprintf(stderr, "frames a second: %.1f\n", frames / seconds);
        since = now;
        frames = 0;
    }
}
