/* National Semiconductor 16550A UART (data sheet PC16550D, 1995), registers one byte apart.
 *
 *   0  RBR read / THR write     receive buffer, transmit holding; DLL while LCR.DLAB
 *   1  IER                      interrupt enables; DLM while LCR.DLAB
 *   2  IIR read / FCR write     interrupt identification, FIFO control
 *   3  LCR                      line format and DLAB
 *   4  MCR                      modem outputs, loopback
 *   5  LSR                      line status
 *   6  MSR                      modem inputs and their changes
 *   7  SCR                      scratch
 *
 * Four interrupt causes share one line; IIR names the highest: line status (overrun, break), data
 * available (FIFO at its trigger level) or character timeout (data below the level for four
 * character times), transmitter empty, modem status. Reading IIR when it names the transmitter
 * clears that cause, as does writing THR; it returns when the transmitter runs empty or IER.ETBEI
 * is switched on while it is empty.
 *
 * The receiver holds 16 bytes in FIFO mode, one otherwise. The transmitter here takes no time:
 * LSR.THRE and TEMT stay set, and every write to THR raises the cause anew. Input never overruns
 * from outside, since the byte stream waits for room; in loopback it can. In loopback, what is
 * written to THR arrives in the receiver, and the modem outputs show as the modem inputs. Outside
 * it the modem inputs say that somebody is connected and ready (DCD, DSR, CTS).
 *
 * A break from outside arrives as a zero byte that carries LSR.BI: the bit shows when that byte is
 * at the head of the FIFO, and reading LSR clears it. One break at a time is remembered.
 *
 * LSR is polled hard by firmware, so it is kept in one atomic byte and read without the lock.
 *
 * Left out: baud-rate timing (but the character timeout follows the divisor), parity and framing
 * errors, breaks that the guest sends, DMA mode bits (RXRDY, TXRDY pins), auto flow control. */
#include "hw/char/ns16550a.h"

#include "hw/fdt_build.h"
#include <string.h>

enum {
    UART_FIFO_BYTES = 16,
    UART_REGION_BYTES = 0x100,

    IER_RX = 1,
    IER_TX = 2,
    IER_LINE = 4,
    IER_MODEM = 8,

    IIR_NONE = 1,
    IIR_MODEM = 0,
    IIR_TX = 2,
    IIR_RX = 4,
    IIR_LINE = 6,
    IIR_TIMEOUT = 12,
    IIR_FIFO = 0xc0,

    FCR_ENABLE = 1,
    FCR_CLEAR_RX = 2,
    FCR_TRIGGER_SHIFT = 6,

    LCR_DLAB = 0x80,

    MCR_LOOP = 0x10,

    LSR_READY = 1,
    LSR_OVERRUN = 2,
    LSR_BREAK = 0x10,
    LSR_ERRORS = 0x1e,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,

    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,

    NO_BREAK = 0xff,
};

struct uart_saved {
    u16 divisor;
    u8 ier, fcr, lcr, mcr, lsr, msr, scr;
    bool tx_pending;  /* the transmitter-empty cause */
    bool rx_timeout;  /* the character-timeout cause */
    u8 fifo_count;
    u8 break_at; /* index in the FIFO of the byte that carries a break, or NO_BREAK */
    bool was_read; /* the receiver, since reset */
    u8 fifo[UART_FIFO_BYTES]; /* oldest first */
};

#define UART_SAVED(FIELD, T) \
    FIELD(T, divisor) FIELD(T, ier) FIELD(T, fcr) FIELD(T, lcr) FIELD(T, mcr) FIELD(T, lsr) \
    FIELD(T, msr) FIELD(T, scr) FIELD(T, tx_pending) FIELD(T, rx_timeout) \
    FIELD(T, fifo_count) FIELD(T, break_at) FIELD(T, was_read) FIELD(T, fifo)
STATE_LIST(uart_saved, struct uart_saved, UART_SAVED);

struct uart {
    struct uart_saved saved;
    struct timer timeout;
};

static struct char_port *uart_port(const struct device *device)
{
    const struct ns16550a_config *config = device->config;
    return config->port;
}

static unsigned uart_fifo_limit(const struct uart *uart)
{
    return (uart->saved.fcr & FCR_ENABLE) != 0 ? UART_FIFO_BYTES : 1;
}

static unsigned uart_trigger(const struct uart *uart)
{
    static const u8 levels[4] = {1, 4, 8, 14};
    return (uart->saved.fcr & FCR_ENABLE) != 0 ? levels[uart->saved.fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The cause that IIR names. */
static u8 uart_cause(const struct uart *uart)
{
    const struct uart_saved *s = &uart->saved;
    if ((s->ier & IER_LINE) != 0 && (s->lsr & LSR_ERRORS) != 0) {
        return IIR_LINE;
    }
    if ((s->ier & IER_RX) != 0 && s->fifo_count >= uart_trigger(uart)) {
        return IIR_RX;
    }
    if ((s->ier & IER_RX) != 0 && s->rx_timeout) {
        return IIR_TIMEOUT;
    }
    if ((s->ier & IER_TX) != 0 && s->tx_pending) {
        return IIR_TX;
    }
    if ((s->ier & IER_MODEM) != 0 && (s->msr & 0xf) != 0) {
        return IIR_MODEM;
    }
    return IIR_NONE;
}

static void uart_store_lsr(struct uart *uart, u8 lsr)
{
    __atomic_store_n(&uart->saved.lsr, lsr, __ATOMIC_RELEASE);
}

static void uart_update(struct device *device)
{
    struct uart *uart = device->state;
    u8 lsr = uart->saved.lsr & LSR_ERRORS;
    lsr |= LSR_THRE | LSR_TEMT;
    if (uart->saved.break_at == 0) {
        lsr |= LSR_BREAK;
        uart->saved.break_at = NO_BREAK; /* the bit stays until LSR is read */
    }
    lsr |= uart->saved.fifo_count > 0 ? LSR_READY : 0;
    uart_store_lsr(uart, lsr);
    device_set_output(device, 0, uart_cause(uart) != IIR_NONE);
}

/* Four characters of ten bits; the divisor's unit is 16 clock periods. */
static u64 uart_timeout_ns(const struct device *device)
{
    const struct ns16550a_config *config = device->config;
    const struct uart *uart = device->state;
    u64 divisor = uart->saved.divisor != 0 ? uart->saved.divisor : 1;
    return (u64)4 * 10 * 16 * 1000000000 / config->clock_hz * divisor;
}

/* Data sits below the trigger level: the timeout starts again with each change. */
static void uart_arm_timeout(struct device *device)
{
    struct uart *uart = device->state;
    u8 count = uart->saved.fifo_count;
    bool wanted = count > 0 && count < uart_trigger(uart) && !uart->saved.rx_timeout;
    timer_arm_at_ns(&uart->timeout, wanted ? clock_now_ns(device->env->clock) +
                                                 uart_timeout_ns(device)
                                           : CLOCK_NEVER_NS);
}

static void uart_timeout(void *opaque)
{
    struct device *device = opaque;
    struct uart *uart = device->state;
    device_lock(device);
    if (uart->saved.fifo_count > 0 && uart->saved.fifo_count < uart_trigger(uart)) {
        uart->saved.rx_timeout = true;
        uart_update(device);
    }
    device_unlock(device);
}

static void uart_receive(struct uart *uart, u8 byte)
{
    if (uart->saved.fifo_count < uart_fifo_limit(uart)) {
        uart->saved.fifo[uart->saved.fifo_count++] = byte;
    } else {
        uart_store_lsr(uart, uart->saved.lsr | LSR_OVERRUN);
    }
}

/* Takes from the byte stream what the FIFO has room for. */
static void uart_fill(struct device *device)
{
    struct uart *uart = device->state;
    struct char_port *port = uart_port(device);
    u8 bytes[UART_FIFO_BYTES];
    size_t got = 0;
    if (port != NULL && (uart->saved.mcr & MCR_LOOP) == 0 &&
        uart->saved.fifo_count < uart_fifo_limit(uart)) {
        got = char_port_read(port, bytes, uart_fifo_limit(uart) - uart->saved.fifo_count);
    }
    for (size_t i = 0; i < got; i++) {
        uart_receive(uart, bytes[i]);
    }
    uart_arm_timeout(device);
    uart_update(device);
}

/* Somebody else is to read what came. */
static size_t uart_unread(void *opaque, void *buffer, size_t capacity_bytes)
{
    struct device *device = opaque;
    struct uart *uart = device->state;
    device_lock(device);
    size_t count = uart->saved.was_read ? 0 : uart->saved.fifo_count;
    count = count < capacity_bytes ? count : capacity_bytes;
    memcpy(buffer, uart->saved.fifo, count);
    if (count > 0) {
        uart->saved.fifo_count = 0;
        uart->saved.break_at = NO_BREAK;
        uart->saved.rx_timeout = false;
        uart_arm_timeout(device);
        uart_update(device);
    }
    device_unlock(device);
    return count;
}

static void uart_ready(void *opaque)
{
    struct device *device = opaque;
    device_lock(device);
    uart_fill(device);
    device_unlock(device);
}

static void uart_broken(void *opaque)
{
    struct device *device = opaque;
    struct uart *uart = device->state;
    device_lock(device);
    if (uart->saved.fifo_count < uart_fifo_limit(uart) && uart->saved.break_at == NO_BREAK) {
        uart->saved.break_at = uart->saved.fifo_count;
        uart_receive(uart, 0);
        uart_arm_timeout(device);
        uart_update(device);
    }
    device_unlock(device);
}

static u8 uart_read_rbr(struct device *device)
{
    struct uart *uart = device->state;
    uart->saved.was_read = true;
    if (uart->saved.fifo_count == 0) {
        return 0;
    }
    u8 byte = uart->saved.fifo[0];
    uart->saved.fifo_count--;
    if (uart->saved.break_at != NO_BREAK) {
        uart->saved.break_at--;
    }
    memmove(uart->saved.fifo, uart->saved.fifo + 1, uart->saved.fifo_count);
    uart->saved.rx_timeout = false;
    uart_fill(device);
    return byte;
}

static u8 uart_read_iir(struct device *device)
{
    struct uart *uart = device->state;
    u8 cause = uart_cause(uart);
    if (cause == IIR_TX) {
        uart->saved.tx_pending = false;
        uart_update(device);
    }
    return cause | ((uart->saved.fcr & FCR_ENABLE) != 0 ? IIR_FIFO : 0);
}

/* The modem inputs; in loopback they are MCR's outputs: RTS-CTS, DTR-DSR, OUT1-RI, OUT2-DCD. */
static u8 uart_modem_inputs(const struct uart *uart)
{
    u8 mcr = uart->saved.mcr;
    if ((mcr & MCR_LOOP) == 0) {
        return MSR_CTS | MSR_DSR | MSR_DCD;
    }
    return (u8)((mcr & 2 ? MSR_CTS : 0) | (mcr & 1 ? MSR_DSR : 0) | (mcr & 4 ? MSR_RI : 0) |
                (mcr & 8 ? MSR_DCD : 0));
}

/* New modem inputs, with the change bits that they set; RI's tells only of its falling. */
static void uart_set_modem(struct uart *uart)
{
    u8 inputs = uart_modem_inputs(uart);
    u8 changed = (u8)((uart->saved.msr ^ inputs) >> 4);
    if ((inputs & MSR_RI) != 0) {
        changed &= (u8) ~(MSR_RI >> 4);
    }
    uart->saved.msr = (u8)((uart->saved.msr & 0xf) | changed | inputs);
}

static u8 uart_read_locked(struct device *device, u64 offset)
{
    struct uart *uart = device->state;
    struct uart_saved *s = &uart->saved;
    bool dlab = (s->lcr & LCR_DLAB) != 0;
    u8 value;
    switch (offset) {
    case 0: return dlab ? (u8)s->divisor : uart_read_rbr(device);
    case 1: return dlab ? (u8)(s->divisor >> 8) : s->ier;
    case 2: return uart_read_iir(device);
    case 3: return s->lcr;
    case 4: return s->mcr;
    case 5:
        value = s->lsr;
        uart_store_lsr(uart, value & (u8)~LSR_ERRORS);
        uart_update(device);
        return value;
    case 6:
        value = s->msr;
        s->msr &= 0xf0;
        uart_update(device);
        return value;
    case 7: return s->scr;
    default: device_guest_error(device, "read of a register that does not exist"); return 0;
    }
}

static u64 uart_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct uart *uart = device->state;
    (void)size_bytes;
    if (offset == 5) {
        u8 lsr = __atomic_load_n(&uart->saved.lsr, __ATOMIC_ACQUIRE);
        if (LIKELY((lsr & LSR_ERRORS) == 0)) {
            return lsr; /* nothing that reading would clear */
        }
    }
    device_lock(device);
    u8 value = uart_read_locked(device, offset);
    device_unlock(device);
    return value;
}

static void uart_write_thr(struct device *device, u8 byte)
{
    struct uart *uart = device->state;
    if ((uart->saved.mcr & MCR_LOOP) != 0) {
        uart_receive(uart, byte);
        uart_arm_timeout(device);
    } else if (uart_port(device) != NULL) {
        char_port_write(uart_port(device), &byte, 1);
    }
    uart->saved.tx_pending = true;
    uart_update(device);
}

/* A driver that begins clears the receiver, and what was typed before would be lost, but for this:
 * until somebody reads, it may as well come a moment later. */
static bool uart_keeps_input(const struct uart *uart)
{
    return !uart->saved.was_read && (uart->saved.mcr & MCR_LOOP) == 0 &&
           uart->saved.break_at == NO_BREAK;
}

static void uart_write_fcr(struct device *device, u8 value)
{
    struct uart *uart = device->state;
    bool switched = ((uart->saved.fcr ^ value) & FCR_ENABLE) != 0;
    if ((switched || (value & FCR_CLEAR_RX) != 0) && !uart_keeps_input(uart)) {
        uart->saved.fifo_count = 0;
        uart->saved.break_at = NO_BREAK;
        uart->saved.rx_timeout = false;
    }
    /* The other bits can be set only together with the enable. */
    uart->saved.fcr = (value & FCR_ENABLE) != 0 ? value & 0xc9 : 0;
    uart_fill(device);
}

static void uart_write_locked(struct device *device, u64 offset, u8 value)
{
    struct uart *uart = device->state;
    struct uart_saved *s = &uart->saved;
    bool dlab = (s->lcr & LCR_DLAB) != 0;
    switch (offset) {
    case 0:
        if (dlab) {
            s->divisor = (u16)((s->divisor & 0xff00) | value);
        } else {
            uart_write_thr(device, value);
        }
        break;
    case 1:
        if (dlab) {
            s->divisor = (u16)((s->divisor & 0xff) | value << 8);
        } else {
            s->tx_pending |= (value & IER_TX) != 0 && (s->ier & IER_TX) == 0;
            s->ier = value & 0xf;
            uart_update(device);
        }
        break;
    case 2: uart_write_fcr(device, value); break;
    case 3: s->lcr = value; break;
    case 4:
        s->mcr = value & 0x1f;
        uart_set_modem(uart);
        uart_fill(device);
        break;
    case 7: s->scr = value; break;
    default: device_guest_error(device, "write to a register that cannot be written"); break;
    }
}

static void uart_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    (void)size_bytes;
    device_lock(device);
    uart_write_locked(device, offset, (u8)value);
    device_unlock(device);
}

static bool uart_init(struct device *device, struct metic_error *error)
{
    struct uart *uart = device->state;
    (void)error;
    CHECK(device->output_count >= 1);
    timer_init(&uart->timeout, device->env->clock, uart_timeout, device);
    if (uart_port(device) != NULL) {
        char_port_set_ready(uart_port(device), uart_ready, device);
        char_port_set_broken(uart_port(device), uart_broken, device);
        char_port_set_unread(uart_port(device), uart_unread, device);
    }
    return true;
}

static void uart_fini(struct device *device)
{
    struct uart *uart = device->state;
    if (uart_port(device) != NULL) {
        char_port_set_ready(uart_port(device), NULL, NULL);
        char_port_set_broken(uart_port(device), NULL, NULL);
        char_port_set_unread(uart_port(device), NULL, NULL);
    }
    timer_fini(&uart->timeout);
}

static void uart_reset(struct device *device)
{
    struct uart *uart = device->state;
    uart->saved = (struct uart_saved){
        .divisor = 12, .lsr = LSR_THRE | LSR_TEMT, .break_at = NO_BREAK};
    uart->saved.msr = uart_modem_inputs(uart);
    uart_fill(device);
}

static bool uart_restored(struct device *device, struct metic_error *error)
{
    struct uart *uart = device->state;
    bool break_ok =
        uart->saved.break_at == NO_BREAK || uart->saved.break_at < uart->saved.fifo_count;
    if (uart->saved.fifo_count > UART_FIFO_BYTES || !break_ok) {
        return error_set(error, NULL, "the saved state of %s holds an impossible FIFO",
                         device->name);
    }
    uart_arm_timeout(device);
    uart_update(device);
    return true;
}

static void uart_fdt(const struct device *device, const struct device_place *place,
                     struct fdt_build *fdt)
{
    const struct ns16550a_config *config = device->config;
    fdt_build_begin_at(fdt, "serial", place->gpa[0]);
    device_place_fdt_irq(place, fdt);
    fdt_build_u32(fdt, "clock-frequency", config->clock_hz);
    fdt_build_reg(fdt, place->gpa[0], UART_REGION_BYTES);
    fdt_build_string(fdt, "compatible", "ns16550a");
    fdt_build_end(fdt);
}

static const struct device_region uart_regions[] = {{
    .size_bytes = UART_REGION_BYTES,
    .kind = MEMORY_MMIO,
    .flags = DEVICE_REGION_UNLOCKED,
    .min_bytes = 1,
    .max_bytes = 1,
    .read = uart_read,
    .write = uart_write,
}};

const struct device_class ns16550a_class = {
    .name = "ns16550a",
    .summary = "16550A serial port",
    .state_bytes = sizeof(struct uart),
    .regions = uart_regions,
    .region_count = ARRAY_LEN(uart_regions),
    .init = uart_init,
    .fini = uart_fini,
    .reset = uart_reset,
    .saved = &uart_saved,
    .saved_offset = offsetof(struct uart, saved),
    .restored = uart_restored,
    .fdt = uart_fdt,
};
