/* How results are printed, and which parts of a program are wanted. */
#include "run.h"

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

void run_line(const char *kind, const char *name, const char *class, uint64_t number,
              uint64_t result)
{
    run_print(kind);
    run_print(" ");
    run_print(name);
    run_print(" ");
    run_print(class);
    run_print(" ");
    put_number(number, 10);
    run_print(" ");
    put_number(result, 16);
    run_print("\n");
}

int run_is_wanted(const char *wanted, const char *name)
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
