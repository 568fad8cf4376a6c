/* The target description: every register there is, from the tables metic.h reads. GDB manual,
 * appendix G. */
#include "ui/gdb_session.h"

#include "cpu/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_register(FILE *to, unsigned number, const struct metic_register *reg)
{
    fprintf(to, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\" group=\"%s\"", reg->name,
            8 * reg->size_bytes, reg->type, number, reg->group);
    if (reg->role != NULL) {
        fprintf(to, " generic=\"%s\"", reg->role); /* LLDB's */
    }
    fprintf(to, strcmp(reg->group, "csr") == 0 ? " save-restore=\"no\"/>\n" : "/>\n");
}

char *gdb_describe_target(metic_machine *machine, size_t *size_bytes)
{
    char *xml = NULL;
    const char *feature = "";
    FILE *to = open_memstream(&xml, size_bytes);
    CHECK(to != NULL);
    fprintf(to, "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
            "<target version=\"1.0\">\n<architecture>%s</architecture>\n",
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
        }
        put_register(to, i, &reg);
    }
    fprintf(to, "</feature>\n</target>\n");
    fclose(to);
    return xml;
}
