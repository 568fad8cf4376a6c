/* Runs in the guest, for tests/gdb/check_gdb.sh: a variable that grows by two, in a function that
 * a debugger can stop in. */
#include <unistd.h>

volatile int counter = 40;
volatile double half = 0.5;

__attribute__((noinline)) int add(int a, int b)
{
    int sum = a + b;
    counter = sum;
    half = half * 2;
    return sum;
}

int main(void)
{
    for (;;) {
        add(counter, 2);
        usleep(20000);
    }
}
