/* Host code as text, through Capstone. */
#include "translate/to_x86_64/compile.h"
#include <capstone/capstone.h>
#include <stdio.h>

bool x86_disassemble(const u8 *code, size_t code_bytes, u64 address,
                     void (*line)(void *opaque, u64 address, const char *text), void *opaque)
{
    csh handle;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
        return false;
    }
    cs_insn *insn = cs_malloc(handle);
    bool ok = insn != NULL;
    while (ok && code_bytes != 0) {
        ok = cs_disasm_iter(handle, &code, &code_bytes, &address, insn);
        if (ok) {
            char text[sizeof(insn->mnemonic) + sizeof(insn->op_str) + 2];
            snprintf(text, sizeof(text), "%s %s", insn->mnemonic, insn->op_str);
            line(opaque, insn->address, text);
        }
    }
    if (insn) {
        cs_free(insn, 1);
    }
    cs_close(&handle);
    return ok;
}
