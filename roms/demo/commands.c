/* The commands of the demo; the table at the end is also what help prints. */
#include "roms/common/mem.h"
#include "roms/common/sbi_defs.h"
#include "roms/demo/demo.h"

#define PRIMES_DEFAULT 1000000u
#define PRIMES_LIMIT 16000000u
#define NAME_COLUMN 22u

static uint64_t parse_number(const char *text, uint64_t otherwise)
{
    uint64_t number = 0;

    if (*text < '0' || *text > '9') {
        return otherwise;
    }
    for (; *text >= '0' && *text <= '9' && number < PRIMES_LIMIT; text++) {
        number = number * 10 + (uint64_t)(*text - '0');
    }
    return number;
}

static void put_padded(const char *text, size_t column)
{
    put_text(text);
    for (size_t n = text_length(text); n < column; n++) {
        console_put(' ');
    }
}

/* Ticks as seconds with three digits. */
static void put_duration(const struct machine *m, uint64_t ticks)
{
    uint64_t hz = m->timebase_hz != 0 ? m->timebase_hz : 10000000;
    uint64_t ms = ticks * 1000 / hz;

    put_decimal(ms / 1000);
    console_put('.');
    console_put((char)('0' + ms / 100 % 10));
    console_put((char)('0' + ms / 10 % 10));
    console_put((char)('0' + ms % 10));
    put_text(" s");
}

static void run_help(const struct machine *m, const char *arg)
{
    (void)m;
    (void)arg;
    for (size_t i = 0; i < command_count; i++) {
        put_text("  ");
        put_padded(commands[i].usage, NAME_COLUMN);
        put_text(commands[i].help);
        console_put('\n');
    }
}

static void put_row(const char *name, const char *value)
{
    put_text("  ");
    put_padded(name, 12);
    put_text(value != NULL ? value : "unknown");
    console_put('\n');
}

static void put_sbi(void)
{
    struct sbi_result spec = sbi_call(SBI_EXT_BASE, SBI_BASE_SPEC_VERSION, 0, 0, 0);
    struct sbi_result id = sbi_call(SBI_EXT_BASE, SBI_BASE_IMPL_ID, 0, 0, 0);

    put_text("  firmware    SBI ");
    put_decimal(spec.value >> 24);
    console_put('.');
    put_decimal(spec.value & 0xffffff);
    put_text(", implementation ");
    put_hex(id.value);
    put_text(id.value == 0x6d65746963 ? " (metic)\n" : "\n");
}

static void run_cpuinfo(const struct machine *m, const char *arg)
{
    (void)arg;
    put_row("machine", m->model);
    put_row("isa", m->isa);
    put_text("  harts       ");
    put_decimal(m->hart_count);
    put_text(", running on hart ");
    put_decimal(m->boot_hart);
    put_text("\n  memory      ");
    put_decimal(m->ram_bytes >> 20);
    put_text(" MiB\n  time base   ");
    put_decimal(m->timebase_hz);
    put_text(" Hz\n");
    put_sbi();
}

static void run_uptime(const struct machine *m, const char *arg)
{
    (void)arg;
    put_text("  ");
    put_duration(m, machine_ticks());
    put_text(" since the clock began\n");
}

/* Not cleared at the start: that would be most of what the demo does before its prompt. */
__attribute__((section(".noinit"))) static uint8_t composite[PRIMES_LIMIT / 2];

/* Sieve of Eratosthenes over the odd numbers. */
static void run_primes(const struct machine *m, const char *arg)
{
    uint64_t limit = parse_number(arg, PRIMES_DEFAULT);
    uint64_t begin = machine_ticks();
    uint64_t count = limit > 2 ? 1 : 0;
    uint64_t last = count != 0 ? 2 : 0;

    if (limit > PRIMES_LIMIT) {
        limit = PRIMES_LIMIT;
    }
    memset(composite, 0, limit / 2);
    for (uint64_t n = 3; n < limit; n += 2) {
        if (composite[n / 2] != 0) {
            continue;
        }
        count++;
        last = n;
        for (uint64_t k = n * n; k < limit; k += 2 * n) {
            composite[k / 2] = 1;
        }
    }
    put_text("  ");
    put_decimal(count);
    put_text(" primes below ");
    put_decimal(limit);
    put_text(", the last ");
    put_decimal(last);
    put_text(", in ");
    put_duration(m, machine_ticks() - begin);
    console_put('\n');
}

static void run_echo(const struct machine *m, const char *arg)
{
    (void)m;
    put_text(arg);
    console_put('\n');
}

static void run_clear(const struct machine *m, const char *arg)
{
    (void)m;
    (void)arg;
    put_text("\033[H\033[2J");
}

static void run_poweroff(const struct machine *m, const char *arg)
{
    (void)arg;
    machine_power_off(m);
}

static void run_reboot(const struct machine *m, const char *arg)
{
    (void)arg;
    machine_reboot(m);
}

const struct command commands[] = {
    {"help", "help", "this list", run_help},
    {"cpuinfo", "cpuinfo", "what the device tree and the firmware say", run_cpuinfo},
    {"mandelbrot", "mandelbrot [int]", "the set in text, in double or integer arithmetic",
     mandelbrot_run},
    {"primes", "primes [LIMIT]", "count the primes below a limit", run_primes},
    {"uptime", "uptime", "the time on the machine's clock", run_uptime},
    {"echo", "echo TEXT", "print the text", run_echo},
    {"clear", "clear", "clear the screen", run_clear},
    {"reboot", "reboot", "start again", run_reboot},
    {"poweroff", "poweroff", "end the machine", run_poweroff},
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);
