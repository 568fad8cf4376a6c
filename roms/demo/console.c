/*
 * The serial line. Input is announced by the PLIC, so that an idle prompt costs nothing; without
 * a PLIC, a timer looks for it 50 times a second. Interrupts are never taken, only waited for:
 * sstatus.SIE stays off and wfi returns when one is pending.
 */
#include "roms/common/mem.h"
#include "roms/common/sbi_defs.h"
#include "roms/demo/demo.h"

enum { UART_DATA = 0, UART_IER = 1, UART_LSR = 5 };

#define IER_RECEIVED 0x01
#define LSR_DATA_READY 0x01
#define LSR_THR_EMPTY 0x20

#define PLIC_PRIORITY 0x0u
#define PLIC_ENABLE 0x2000u
#define PLIC_ENABLE_STRIDE 0x80u
#define PLIC_CONTEXT 0x200000u
#define PLIC_CONTEXT_STRIDE 0x1000u
#define PLIC_CLAIM 4u

#define SIE_TIMER (1ul << 5)
#define SIE_EXTERNAL (1ul << 9)

#define POLLS_PER_SECOND 50u

static const struct machine *machine;

static volatile uint8_t *uart(uint32_t index)
{
    return (volatile uint8_t *)(machine->uart_base + index);
}

static volatile uint32_t *plic(uint64_t offset)
{
    return (volatile uint32_t *)(machine->plic_base + offset);
}

static volatile uint32_t *plic_context(uint64_t offset)
{
    return plic(PLIC_CONTEXT + PLIC_CONTEXT_STRIDE * (uint64_t)machine->plic_context + offset);
}

static bool has_interrupt(void)
{
    return machine->uart_base != 0 && machine->uart_irq != 0 && machine->plic_base != 0;
}

void console_init(const struct machine *m)
{
    uint32_t irq = m->uart_irq;

    machine = m;
    if (has_interrupt()) {
        *plic(PLIC_PRIORITY + 4 * irq) = 1;
        *plic(PLIC_ENABLE + PLIC_ENABLE_STRIDE * (uint64_t)m->plic_context + 4 * (irq / 32)) =
            1u << irq % 32;
        *plic_context(0) = 0;
        *uart(UART_IER) = IER_RECEIVED;
        __asm__ volatile("csrs sie, %0" : : "r"(SIE_EXTERNAL));
    } else {
        __asm__ volatile("csrs sie, %0" : : "r"(SIE_TIMER));
    }
}

static void put_byte(char c)
{
    if (machine->uart_base == 0) {
        sbi_call(SBI_LEGACY_PUTCHAR, 0, (uint64_t)(uint8_t)c, 0, 0);
        return;
    }
    while ((*uart(UART_LSR) & LSR_THR_EMPTY) == 0) {
    }
    *uart(UART_DATA) = (uint8_t)c;
}

void console_put(char c)
{
    if (c == '\n') {
        put_byte('\r');
    }
    put_byte(c);
}

void put_text(const char *text)
{
    while (*text != '\0') {
        console_put(*text++);
    }
}

static void put_number(uint64_t number, uint32_t radix)
{
    char digits[24];
    uint32_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % radix];
        number /= radix;
    } while (number != 0);
    put_text(digits + at);
}

void put_decimal(uint64_t number)
{
    put_number(number, 10);
}

void put_hex(uint64_t number)
{
    put_text("0x");
    put_number(number, 16);
}

int console_poll(void)
{
    if (machine->uart_base == 0) {
        return (int)sbi_call(SBI_LEGACY_GETCHAR, 0, 0, 0, 0).error;
    }
    return (*uart(UART_LSR) & LSR_DATA_READY) != 0 ? *uart(UART_DATA) : -1;
}

/* A claim gives back the interrupt's number and must be completed by writing it back. */
static void wait_for_input(void)
{
    if (!has_interrupt()) {
        uint64_t tick_hz = machine->timebase_hz != 0 ? machine->timebase_hz : 10000000;
        sbi_call(SBI_EXT_TIME, 0, machine_ticks() + tick_hz / POLLS_PER_SECOND, 0, 0);
        __asm__ volatile("wfi" : : : "memory");
        return;
    }
    __asm__ volatile("wfi" : : : "memory");
    uint32_t irq = *plic_context(PLIC_CLAIM);
    if (irq != 0) {
        *plic_context(PLIC_CLAIM) = irq;
    }
}

char console_get(void)
{
    int c;

    while ((c = console_poll()) < 0) {
        wait_for_input();
    }
    return (char)c;
}
