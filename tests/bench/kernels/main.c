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
#include "kernels.def"
#undef KERNEL
};

static void put_number(uint64_t number, unsigned base)
{
    char digits[24];
    char *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    run_print(at);
}

static void run_kernel(const struct kernel *kernel)
{
    kernel->setup();
    uint64_t start_ns = run_now_ns();
    uint64_t result = kernel->run();
    uint64_t took_ns = run_now_ns() - start_ns;
    run_print("kernel ");
    run_print(kernel->name);
    run_print(" ");
    run_print(kernel->class);
    run_print(" ");
    put_number(took_ns, 10);
    run_print(" ");
    put_number(result, 16);
    run_print("\n");
}

/* Whether the list WANTED, with commas between its names, has NAME; an empty list has all. */
static int is_wanted(const char *wanted, const char *name)
{
    if (*wanted == 0) {
        return 1;
    }
    while (*wanted != 0) {
        const char *n = name;
        while (*n != 0 && *wanted == *n) {
            wanted++;
            n++;
        }
        if (*n == 0 && (*wanted == 0 || *wanted == ',')) {
            return 1;
        }
        while (*wanted != 0 && *wanted++ != ',') {
        }
    }
    return 0;
}

void run_all(const char *wanted)
{
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (is_wanted(wanted, kernels[i].name)) {
            run_kernel(&kernels[i]);
        }
    }
}
