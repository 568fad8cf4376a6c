/* The library in forty lines: two machines in one process, a bare-metal program in each, run by
 * turns. Usage: two_machines PROGRAM.elf
 * Build with: cc two_machines.c $(pkg-config --cflags --libs metic) */
#include <hw/metic.h>
#include <inttypes.h>
#include <stdio.h>

static metic_machine *machine_with(const char *program, struct metic_error *error)
{
    struct metic_options options;
    metic_options_init(&options);
    options.clock = METIC_CLOCK_VIRTUAL;
    options.console = METIC_CONSOLE_MEMORY;
    options.ram_bytes = 16 << 20;
    metic_machine *machine = metic_new(&options, error);
    if (machine != NULL && !metic_load(machine, program, error)) {
        metic_free(machine);
        return NULL;
    }
    return machine;
}

int main(int argc, char **argv)
{
    struct metic_error error = {.what = "usage: two_machines PROGRAM.elf"};
    metic_machine *first = argc == 2 ? machine_with(argv[1], &error) : NULL;
    metic_machine *second = first != NULL ? machine_with(argv[1], &error) : NULL;
    if (second == NULL) {
        fprintf(stderr, "%s\n", error.what);
        return 1;
    }
    metic_set_register(second, 0, "s0", 1000);
    for (int turn = 0; turn < 3; turn++) {
        struct metic_result result;
        uint64_t value[2] = {0, 0};
        metic_run_for(first, 1000, &result);
        metic_run_for(second, 2000, &result);
        metic_get_register(first, 0, "s0", &value[0]);
        metic_get_register(second, 0, "s0", &value[1]);
        printf("turn %d: first %" PRIu64 ", second %" PRIu64 "\n", turn, value[0], value[1]);
    }
    metic_free(first);
    metic_free(second);
    return 0;
}
