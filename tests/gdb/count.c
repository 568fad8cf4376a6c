/* Runs in the guest, for tests/gdb/check_gdb.sh: a variable that grows by two, in a function that
 * a debugger can stop in. It stays on the hart it starts on: a thread is a hart to GDB, and
 * `finish` waits for the return on the thread that was in the function. */
#include <sched.h>
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
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(sched_getcpu(), &here);
    sched_setaffinity(0, sizeof(here), &here);
    for (;;) {
        add(counter, 2);
        usleep(20000);
    }
}
