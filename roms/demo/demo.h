/*
 * The built-in demo: what metic boots when there is nothing else. A prompt on the serial line with
 * a few commands that show the machine at work; between keys it sleeps in wfi.
 */
#ifndef ROMS_DEMO_DEMO_H
#define ROMS_DEMO_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roms/common/dtb.h"

/* What the device tree says; absent devices are 0. */
struct machine {
    bool has_tree;
    struct dtb tree;
    uint64_t boot_hart;
    uint64_t uart_base;
    uint32_t uart_irq;
    uint64_t plic_base;
    uint32_t plic_context;
    uint64_t finisher_base;
    uint32_t timebase_hz;
    uint32_t hart_count;
    uint64_t ram_bytes;
    const char *model;
    const char *isa;
    const char *run;          /* run=a,b,c of the boot arguments: commands instead of a prompt */
};

/* machine.c */
void machine_read(struct machine *m, uint64_t hart_id, void *tree_blob);
_Noreturn void machine_power_off(const struct machine *m);
_Noreturn void machine_reboot(const struct machine *m);
uint64_t machine_ticks(void);

struct sbi_result {
    int64_t error;
    uint64_t value;
};
struct sbi_result sbi_call(uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1,
                           uint64_t a2);

/* console.c: the UART, directly, or SBI's console where the tree names none. */
void console_init(const struct machine *m);
void console_put(char c);
void put_text(const char *text);
void put_decimal(uint64_t number);
void put_hex(uint64_t number);

/* Sleeps until a byte arrives. */
char console_get(void);

/* A byte if there is one, else -1. */
int console_poll(void);

/* shell.c: never returns. */
_Noreturn void shell_run(const struct machine *m);

/* One command of the prompt; `arg` is the rest of the line without leading blanks. */
struct command {
    const char *name;
    const char *usage;
    const char *help;
    void (*run)(const struct machine *m, const char *arg);
};
extern const struct command commands[];
extern const size_t command_count;

/* mandelbrot.c */
void mandelbrot_run(const struct machine *m, const char *arg);

/* start.S's callees. */
_Noreturn void demo_main(uint64_t hart_id, void *tree_blob);
_Noreturn void demo_trap(uint64_t cause, uint64_t pc, uint64_t value);

#endif
