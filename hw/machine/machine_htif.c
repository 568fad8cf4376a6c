/* The host-target interface of Berkeley's tests and benchmarks: doublewords `tohost` and `fromhost`
 * of the guest's memory, found by their symbols.
 *
 * A message in tohost is a device (bits 63 to 56), a command (55 to 48) and a payload:
 *   device 0, payload odd   the program ends, with payload >> 1 (0: passed)
 *   device 0, payload even  the address of eight doublewords, a system call and its arguments; its
 *                           result takes the first one's place, and fromhost becomes 1
 *   device 1, command 1     the payload's low byte goes to the console
 * Of system calls there are those that a program without an operating system needs to speak and to
 * end: write to standard output and standard error, and exit. Others fail with ENOSYS: none
 * reaches the host's files. Reading the console (device 1, command 0) waits for ever, as it does in
 * Spike while nobody types.
 *
 * A store to tohost is like any other, so the machine has to look; while messages come it looks
 * all the time, since a program that prints sends one for each character.
 *
 * Source: riscv-isa-sim, fesvr (htif.cc, device.cc, syscall.cc) for what is sent and answered. */
#include "hw/machine/machine_run.h"

#include "cpu/base/host_clock.h"

#include <errno.h>

enum { CALL_WORDS = 8, CALL_WRITE = 64, CALL_EXIT = 93 };
enum { BUSY_NS = 200000, WRITE_MOST_BYTES = 65536 };

static void end(struct metic_result *result, u64 status)
{
    result->status = (unsigned)status;
    machine_finish(result, METIC_POWEROFF, (int)(result->status & 0xff),
                   result->status == 0 ? "the program passed" : "the program failed");
}

/* How many bytes went to the console, or why none did. More than WRITE_MOST_BYTES are for the next
 * call, as write() may have it. */
static u64 write_console(struct metic_machine *machine, u64 file, gpa_t from, u64 bytes)
{
    u8 piece[256];
    u64 most = bytes < WRITE_MOST_BYTES ? bytes : WRITE_MOST_BYTES;
    u64 done = 0;
    if (file != 1 && file != 2) {
        return (u64)-EBADF;
    }
    while (done < most) {
        u64 next = most - done < sizeof(piece) ? most - done : sizeof(piece);
        if (!memory_dma_read(&machine->memory, from + done, piece, next)) {
            return done != 0 ? done : (u64)-EFAULT;
        }
        char_port_write(machine->uart, piece, next);
        done += next;
    }
    return done;
}

/* True when it ends the program. What is not in memory is no call, and gets no result. */
static bool call(struct metic_machine *machine, gpa_t at, struct metic_result *result)
{
    u64 words[CALL_WORDS];
    if (!memory_dma_read(&machine->memory, at, words, sizeof(words))) {
        return false;
    }
    if (words[0] == CALL_EXIT) {
        end(result, words[1]);
        return true;
    }
    u64 answer = words[0] == CALL_WRITE ? write_console(machine, words[1], words[2], words[3])
                                        : (u64)-ENOSYS;
    memory_dma_write(&machine->memory, at, &answer, sizeof(answer));
    return false;
}

bool machine_htif_serve(struct metic_machine *machine, struct metic_result *result)
{
    u64 address = machine->boot.htif_tohost, zero = 0, one = 1, message = 0;
    if (address == 0 || !memory_dma_read(&machine->memory, address, &message, sizeof(message)) ||
        message == 0) {
        return false;
    }
    u64 device = message >> 56, command = message >> 48 & 0xff, payload = message << 16 >> 16;
    machine->htif_busy_ns = host_clock_ns() + BUSY_NS;
    if (device == 0 && (message & 1) != 0) {
        end(result, message >> 1);
        return true;
    }
    if (device == 0 && command == 0 && call(machine, payload, result)) {
        return true;
    }
    if (device == 1 && command == 1) {
        u8 byte = (u8)payload;
        char_port_write(machine->uart, &byte, 1);
    }
    /* Read before answered: a program may send the next message as soon as it has the answer. */
    memory_dma_write(&machine->memory, address, &zero, sizeof(zero));
    if (device == 0 && machine->boot.htif_fromhost != 0) {
        memory_dma_write(&machine->memory, machine->boot.htif_fromhost, &one, sizeof(one));
    }
    return false;
}

bool machine_htif_is_busy(const struct metic_machine *machine)
{
    return host_clock_ns() < machine->htif_busy_ns;
}
