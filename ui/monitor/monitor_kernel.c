/* The monitor's commands about a Linux kernel in the guest, and its core (monitor.def). */
#include "ui/gdb/core_file.h"
#include "ui/monitor/monitor_commands.h"
#include "ui/symbols/kernel_symbols.h"

#include <inttypes.h>

static void print_module(void *opaque, const struct metic_kernel_module *module)
{
    FILE *to = opaque;
    fprintf(to, "module %s 0x%" PRIx64 " %" PRIu64, module->name, module->address,
            module->size_bytes);
    for (unsigned i = 0; i < module->section_count; i++) {
        fprintf(to, " %s=0x%" PRIx64, module->sections[i].name, module->sections[i].address);
    }
    fputc('\n', to);
}

/* Lines that programs read as well: metic debug's GDB compares them at every stop. */
void monitor_info_kernel(struct monitor *monitor, const char *arguments)
{
    (void)arguments;
    struct metic_kernel *kernel = metic_kernel_find(monitor->machine);
    uint64_t start = kernel == NULL ? metic_kernel_start(monitor->machine) : 0;
    if (start != 0) {
        fprintf(monitor->to, "a Linux kernel is to start, start_kernel at 0x%" PRIx64 "\n", start);
        return;
    }
    if (kernel == NULL) {
        fprintf(monitor->to, "no Linux kernel is known, or none is mapped now\n");
        return;
    }
    fprintf(monitor->to, "kernel 0x%" PRIx64 "\n", metic_kernel_text(kernel));
    metic_kernel_modules(kernel, print_module, monitor->to);
    metic_kernel_free(kernel);
}

void monitor_kernel_symbols(struct monitor *monitor, const char *arguments)
{
    struct metic_error error;
    size_t count;
    if (arguments[0] == '\0') {
        fprintf(monitor->to, "give a file to write to\n");
        monitor->failed = true;
    } else if (kernel_symbols_write(monitor->machine, arguments, &count, &error)) {
        fprintf(monitor->to, "%zu symbols\n", count);
    } else {
        monitor_refuse(monitor, &error);
    }
}

void monitor_dump_core(struct monitor *monitor, const char *arguments)
{
    struct metic_error error;
    bool whole;
    if (arguments[0] == '\0') {
        fprintf(monitor->to, "give a file to write to\n");
        monitor->failed = true;
    } else if (core_file_write(monitor->machine, monitor->hart, arguments, &whole, &error)) {
        fprintf(monitor->to, "written: %s%s\n", arguments,
                whole ? "" : "; the guest maps more than it has room for");
    } else {
        monitor_refuse(monitor, &error);
    }
}
