/* The demo's beginning and its unhappy end. */
#include "roms/demo/demo.h"

_Noreturn void demo_main(uint64_t hart_id, void *tree_blob)
{
    static struct machine m;

    machine_read(&m, hart_id, tree_blob);
    console_init(&m);
    put_text("\n"
             "metic demo: a bare RISC-V machine, no operating system.\n"
             "Type help for the commands, poweroff to leave.\n\n");
    shell_run(&m);
}

_Noreturn void demo_trap(uint64_t cause, uint64_t pc, uint64_t value)
{
    put_text("\nThe demo met a trap it did not expect: scause ");
    put_hex(cause);
    put_text(" sepc ");
    put_hex(pc);
    put_text(" stval ");
    put_hex(value);
    put_text("\n");
    sbi_call(0x53525354, 0, 0, 1, 0);    /* shutdown, system failure */
    for (;;) {
        __asm__ volatile("wfi");
    }
}
