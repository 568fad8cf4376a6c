/*
 * NS16550A, polled: THR/RBR at 0, IER 1, FCR 2, LCR 3, LSR 5, with a register stride of
 * 1 << reg-shift bytes. Left out: modem control, access widths other than a byte.
 */
#include "roms/sbi/console.h"

#include <stdatomic.h>

#include "roms/common/mem.h"
#include "roms/sbi/platform.h"
#include "roms/sbi/csr.h"

enum { UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5 };

#define FCR_ENABLE_AND_CLEAR 0x07
#define LCR_8N1 0x03
#define LCR_DIVISOR 0x80
#define LSR_DATA_READY 0x01
#define LSR_THR_EMPTY 0x20

#define BAUD 115200u
#define BUSY_POLLS_MAX 1000000u

static atomic_flag console_lock = ATOMIC_FLAG_INIT;

static volatile uint8_t *reg(uint32_t index)
{
    return (volatile uint8_t *)(platform.uart_base +
                                ((uint64_t)index << platform.uart_reg_shift));
}

/* The holder waits for nobody but the UART, so waiting here cannot deadlock with fences. */
static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&console_lock, memory_order_acquire)) {
        pause_hint();
    }
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&console_lock, memory_order_release);
}

bool console_present(void)
{
    return platform.uart_base != 0;
}

void console_init(void)
{
    uint32_t divisor = (platform.uart_clock_hz + 8 * BAUD) / (16 * BAUD);

    if (!console_present()) {
        return;
    }
    *reg(UART_IER) = 0;
    if (divisor != 0) {
        *reg(UART_LCR) = LCR_DIVISOR;
        *reg(UART_DATA) = (uint8_t)divisor;
        *reg(UART_IER) = (uint8_t)(divisor >> 8);
    }
    *reg(UART_LCR) = LCR_8N1;
    *reg(UART_FCR) = FCR_ENABLE_AND_CLEAR;
    *reg(UART_MCR) = 0;
}

static bool put_byte(uint8_t byte)
{
    for (uint32_t i = 0; i < BUSY_POLLS_MAX; i++) {
        if ((*reg(UART_LSR) & LSR_THR_EMPTY) != 0) {
            *reg(UART_DATA) = byte;
            return true;
        }
    }
    return false;
}

size_t console_write(const uint8_t *bytes, size_t count)
{
    size_t done = 0;

    if (!console_present()) {
        return 0;
    }
    lock();
    while (done < count && put_byte(bytes[done])) {
        done++;
    }
    unlock();
    return done;
}

size_t console_read(uint8_t *bytes, size_t count)
{
    size_t done = 0;

    if (!console_present()) {
        return 0;
    }
    lock();
    while (done < count && (*reg(UART_LSR) & LSR_DATA_READY) != 0) {
        bytes[done++] = *reg(UART_DATA);
    }
    unlock();
    return done;
}

void console_text(const char *text)
{
    console_write((const uint8_t *)text, text_length(text));
}

static void console_number(uint64_t number, uint32_t radix)
{
    char digits[24];
    uint32_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % radix];
        number /= radix;
    } while (number != 0);
    console_text(digits + at);
}

void console_hex(uint64_t number)
{
    console_text("0x");
    console_number(number, 16);
}

void console_decimal(uint64_t number)
{
    console_number(number, 10);
}
