/* The host's side of the kernels: an ordinary program. */
#include "kernels.h"
#include "run.h"

#include <stdio.h>
#include <time.h>

uint8_t arena[ARENA_BYTES] __attribute__((aligned(65536)));

uint64_t run_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void run_print(const char *text)
{
    fputs(text, stdout);
}

int main(int argc, char **argv)
{
    run_all(argc > 1 ? argv[1] : "");
    return 0;
}
