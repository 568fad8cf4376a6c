/* metic list: boards, devices, instructions, CSRs and IR operations, printed from the tables that
 * define them. */
#include "hw/list.h"
#include "cpu/riscv64/csr.h"
#include "cpu/riscv64/decode.h"
#include "hw/board.h"
#include "hw/device.h"
#include "hw/metic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void list_machines(FILE *to)
{
    fprintf(to, "%-12s %-12s %-12s %s\n", "machine", "RAM from", "kernel at", "what it is");
    for (unsigned i = 0; i < board_class_count(); i++) {
        const struct board_class *class = board_class_at(i);
        fprintf(to, "%-12s 0x%-10" PRIx64 " 0x%-10" PRIx64 " %s\n", class->name, class->ram_gpa,
                class->kernel_gpa, class->summary);
    }
}

static void list_devices(FILE *to)
{
    fprintf(to, "%-16s %s\n", "device", "what it is");
    for (unsigned i = 0; i < device_class_count(); i++) {
        const struct device_class *class = device_class_at(i);
        fprintf(to, "%-16s %s\n", class->name, class->summary);
    }
}

static void list_insns(FILE *to)
{
    const struct insn_set *set = riscv64_insn_set();
    fprintf(to, "%-12s %-10s %-32s %s\n", "instruction", "extension", "bits", "operands");
    for (unsigned i = 0; i < set->row_count; i++) {
        const struct insn_row *row = &set->rows[i];
        char name[32], bits[40];
        size_t used = 0;
        for (const char *c = row->name; *c != '\0' && used + 1 < sizeof(name); c++) {
            name[used++] = *c == '_' ? '.' : *c;
        }
        name[used] = '\0';
        used = 0;
        for (const char *c = row->pattern; *c != '\0' && used + 1 < sizeof(bits); c++) {
            if (*c != ' ') {
                bits[used++] = *c;
            }
        }
        bits[used] = '\0';
        if ((row->flags & INSN_RESERVED) == 0) {
            fprintf(to, "%-12s %-10s %-32s %s\n", name, row->extension, bits, row->assembly);
        }
    }
}

static void list_csrs(FILE *to)
{
    unsigned count;
    const struct riscv_csr *rows = riscv64_csr_rows(&count);
    fprintf(to, "%-6s %-16s %-9s %s\n", "number", "csr", "privilege", "what it is");
    for (unsigned i = 0; i < count; i++) {
        const struct riscv_csr *row = &rows[i];
        static const char privileges[] = "US-M";
        for (unsigned member = 0; member < row->count; member++) {
            char name[32];
            unsigned number = row->number + member;
            fprintf(to, "0x%03x  %-16s %-9c %s\n", number,
                    riscv64_csr_name(number, name, sizeof(name)), privileges[row->privilege & 3],
                    row->doc);
        }
    }
}

bool metic_list(const char *what, FILE *to)
{
    static const struct {
        const char *name;
        void (*print)(FILE *to);
    } lists[] = {
        {"machines", list_machines}, {"devices", list_devices}, {"insns", list_insns},
        {"csrs", list_csrs},         {"ir", machine_list_ir},
    };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (strcmp(lists[i].name, what) == 0) {
            lists[i].print(to);
            return true;
        }
    }
    return false;
}
