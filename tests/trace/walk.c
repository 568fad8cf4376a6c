/* A bare-metal program of hot loops that become traces, whose accesses the TLB often cannot serve:
 * they walk through more pages than it has room for. Side exits are taken now and then, and some
 * accesses go to a device. */
typedef unsigned long u64;
enum { PAGES = 1500, WORDS = PAGES * 512 };

static u64 *const field = (u64 *)0x81000000;
static volatile unsigned char *const uart_scratch = (volatile unsigned char *)0x10000007;

static u64 next(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Every page once, three words of each. */
static u64 walk(u64 sum)
{
    for (int i = 0; i < WORDS; i += 512) {
        field[i + 1] = sum;
        sum += field[i] + field[i + 7];
        __asm__ volatile("li t0, 7" ::: "t0"); /* is told although it changes nothing */
        if (sum % 97 == 0) {
            field[i + 2]++;
        }
    }
    return sum;
}

static u64 jump_about(u64 sum)
{
    u64 state = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        u64 at = next(&state) % (WORDS - 8);
        sum += field[at];
        field[at + 3] = sum ^ field[at + 5];
        if ((state & 1023) == 5) {
            *uart_scratch = (unsigned char)sum;
            sum += *uart_scratch;
        }
    }
    return sum;
}

static double scale(double by)
{
    double *numbers = (double *)field, sum = 0;
    for (int i = 0; i < 64 * 600; i += 64) {
        numbers[i] = i * by;
        sum += numbers[i] * numbers[i + 64];
    }
    return sum;
}

static u64 count_atomically(u64 sum)
{
    for (int i = 0; i < 3000; i++) {
        sum += __atomic_fetch_add(&field[(i * 64) % WORDS], 1, __ATOMIC_RELAXED);
    }
    return sum;
}

u64 work(void);
u64 work(void)
{
    u64 sum = 1;
    for (int i = 0; i < 4; i++) {
        sum = walk(sum);
        sum = jump_about(sum);
        sum = count_atomically(sum);
        sum += (u64)scale(0.5);
    }
    return sum;
}

__asm__(".globl _start\n"
        "_start: li sp, 0x80800000\n"
        "    li t0, 0x6000\n"
        "    csrs mstatus, t0\n"
        "    call work\n"
        "    li t0, 0x100000\n"
        "    li t1, 0x5555\n"
        "    sw t1, 0(t0)\n"
        "1:  j 1b\n");
