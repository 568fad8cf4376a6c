/* `metic list ir`: the operations of the intermediate representation, as ir.def has them. */
#include "cpu/base/types.h"
#include "hw/list.h"

void machine_list_ir(FILE *to)
{
    static const struct {
        const char *text, *result, *doc;
        unsigned args;
    } rows[] = {
#define IROP(NAME, text, args, result, props, doc) {text, #result, doc, args},
#include "translate/ir/ir.def"
#undef IROP
    };
    fprintf(to, "%-16s %-4s %-6s %s\n", "operation", "args", "result", "meaning");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fprintf(to, "%-16s %-4u %-6s %s\n", rows[i].text, rows[i].args, rows[i].result,
                rows[i].doc);
    }
}
