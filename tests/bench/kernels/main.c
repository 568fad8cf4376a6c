/* Runs the kernels one after the other and prints a line for each:
 *     kernel NAME CLASS NANOSECONDS RESULT
 * What differs between guest and host is in run_guest.c and run_host.c. */
#include "kernels.h"
#include "run.h"

struct kernel {
    const char *name;
    const char *class;
    void (*setup)(void);
    uint64_t (*run)(void);
};

static const struct kernel kernels[] = {
#define KERNEL(name, class) {#name, #class, setup_##name, kernel_##name},
#include KERNELS_DEF
#undef KERNEL
};

static void run_kernel(const struct kernel *kernel)
{
    kernel->setup();
    uint64_t start_ns = run_now_ns();
    uint64_t result = kernel->run();
    uint64_t took_ns = run_now_ns() - start_ns;
    run_line("kernel", kernel->name, kernel->class, took_ns, result);
}

void run_all(const char *wanted)
{
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (run_is_wanted(wanted, kernels[i].name)) {
            run_kernel(&kernels[i]);
        }
    }
}
