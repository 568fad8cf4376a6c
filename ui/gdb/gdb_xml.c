/* The target description: every register there is, from the tables metic.h reads (GDB manual,
 * appendix G), and the memory map (appendix E.18). */
#include "ui/gdb/gdb_session.h"

#include "cpu/base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_register(FILE *to, unsigned number, const struct metic_register *reg)
{
    fprintf(to, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\" group=\"%s\"", reg->name,
            8 * reg->size_bytes, reg->type, number, reg->group);
    if (reg->role != NULL) {
        fprintf(to, " generic=\"%s\"", reg->role); /* LLDB's, and so are the next */
    }
    if (strcmp(reg->type, "ieee_double") == 0) {
        fprintf(to, " encoding=\"ieee754\" format=\"float\"");
    }
    if (strcmp(reg->group, "vector") == 0) {
        fprintf(to, " encoding=\"vector\" format=\"vector-uint8\"");
    }
    if (reg->dwarf >= 0) {
        fprintf(to, " dwarf_regnum=\"%d\" ehframe_regnum=\"%d\"", reg->dwarf, reg->dwarf);
    }
    fprintf(to, strcmp(reg->group, "csr") == 0 ? " save-restore=\"no\"/>\n" : "/>\n");
}

/* What a vector register may be taken for. */
static void put_vector_type(FILE *to, unsigned size_bytes)
{
    static const struct {
        const char *name, *type;
        unsigned bytes;
    } views[] = {{"b", "uint8", 1}, {"s", "uint16", 2}, {"w", "uint32", 4}, {"l", "uint64", 8},
                 {"q", "uint128", 16}, {"f", "ieee_single", 4}, {"d", "ieee_double", 8}};
    for (unsigned i = 0; i < ARRAY_LEN(views); i++) {
        fprintf(to, "<vector id=\"vector_%s\" type=\"%s\" count=\"%u\"/>\n", views[i].name,
                views[i].type, size_bytes / views[i].bytes);
    }
    fprintf(to, "<union id=\"riscv_vector\">\n");
    for (unsigned i = 0; i < ARRAY_LEN(views); i++) {
        fprintf(to, "<field name=\"%s\" type=\"vector_%s\"/>\n", views[i].name, views[i].name);
    }
    fprintf(to, "</union>\n");
}

/* A GDB for many systems takes a program without a note for one of Linux, whose steps it makes of
 * breakpoints: over an ecall and past its handler. "none" has it step by the machine's. */
char *gdb_describe_target(metic_machine *machine, size_t *size_bytes)
{
    char *xml = NULL;
    const char *feature = "";
    FILE *to = open_memstream(&xml, size_bytes);
    CHECK(to != NULL);
    fprintf(to, "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
            "<target version=\"1.0\">\n<architecture>%s</architecture>\n"
            "<osabi>none</osabi>\n",
            metic_architecture(machine));
    for (unsigned i = 0; i < metic_register_limit(machine); i++) {
        struct metic_register reg;
        if (!metic_describe_register(machine, i, &reg)) {
            continue;
        }
        if (strcmp(reg.feature, feature) != 0) {
            fprintf(to, "%s<feature name=\"%s\">\n", *feature != '\0' ? "</feature>\n" : "",
                    reg.feature);
            feature = reg.feature;
            if (strcmp(reg.group, "vector") == 0) {
                put_vector_type(to, reg.size_bytes);
            }
        }
        put_register(to, i, &reg);
    }
    fprintf(to, "</feature>\n</target>\n");
    fclose(to);
    return xml;
}

/* The guest has page tables, which count even where the hart itself is in its firmware now. */
static bool has_pages(metic_machine *machine, unsigned hart)
{
    uint64_t satp;
    return metic_get_register(machine, hart, "satp", &satp) && satp != 0;
}

/* GDB asks once, refuses what lies in no region, and does not write to ROM. So everything that is
 * not ROM is told as RAM, devices and gaps, too; and all of it is RAM where addresses are virtual,
 * since anything may lie anywhere there. The last byte of the address space is left out: a region
 * up to the very end has no end that fits 64 bits. */
char *gdb_describe_memory(metic_machine *machine, unsigned hart, bool physical, size_t *size_bytes)
{
    char *xml = NULL;
    FILE *to = open_memstream(&xml, size_bytes);
    CHECK(to != NULL);
    fprintf(to, "<?xml version=\"1.0\"?>\n"
            "<!DOCTYPE memory-map PUBLIC \"+//IDN gnu.org//DTD GDB Memory Map V1.0//EN\" "
            "\"http://sourceware.org/gdb/gdb-memory-map.dtd\">\n<memory-map>\n");
    bool is_virtual = !physical && has_pages(machine, hart);
    u64 told = 0; /* up to here */
    struct metic_region region;
    for (unsigned i = 0; metic_get_region(machine, i, &region); i++) {
        bool rom = strcmp(region.kind, "rom") == 0 || strcmp(region.kind, "flash") == 0;
        if (is_virtual || !rom || region.address < told) {
            continue;
        }
        if (region.address > told) {
            fprintf(to, "<memory type=\"ram\" start=\"0x%" PRIx64 "\" length=\"0x%" PRIx64
                    "\"/>\n", told, region.address - told);
        }
        fprintf(to, "<memory type=\"rom\" start=\"0x%" PRIx64 "\" length=\"0x%" PRIx64
                "\"/>\n", region.address, region.size_bytes);
        told = region.address + region.size_bytes;
    }
    fprintf(to, "<memory type=\"ram\" start=\"0x%" PRIx64 "\" length=\"0x%" PRIx64
            "\"/>\n</memory-map>\n", told, ~(u64)0 - told);
    fclose(to);
    return xml;
}
