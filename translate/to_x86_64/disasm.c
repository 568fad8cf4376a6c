/* Host code as text, through Capstone, which is opened when somebody wants to see some: it has a
 * hundred thousand addresses that the host's loader would put right at each start. */
#include "cpu/base/library.h"
#include "translate/to_x86_64/compile.h"
#include <capstone/capstone.h>
#include <stdio.h>

struct capstone {
    void *library;
    __typeof__(cs_open) *open;
    __typeof__(cs_close) *close;
    __typeof__(cs_malloc) *malloc;
    __typeof__(cs_free) *free;
    __typeof__(cs_disasm_iter) *disasm_iter;
};

#define FIND(api, name) \
    library_find((api)->library, "cs_" #name, (void *)&(api)->name, sizeof((api)->name))

/* It stays open, since opening takes longer than most uses of it. */
static bool capstone_find(struct capstone *api)
{
    char file[32];
    snprintf(file, sizeof(file), "libcapstone.so.%d", CS_API_MAJOR);
    api->library = library_open(file);
    return api->library != NULL && FIND(api, open) && FIND(api, close) && FIND(api, malloc) &&
           FIND(api, free) && FIND(api, disasm_iter);
}

/* Length of a vector instruction of asm_vector.c, some of which Capstone 4 does not know; 0: it is
 * none such. */
static size_t vector_bytes(const u8 *code, size_t code_bytes)
{
    if (code_bytes < 12 || (code[0] != 0xc4 && code[0] != 0x62)) {
        return 0;
    }
    unsigned at = code[0] == 0xc4 ? 4 : 5, map = code[1] & (code[0] == 0xc4 ? 31 : 3);
    unsigned mode = code[at] >> 6, rm = code[at] & 7, op = code[at - 1];
    bool has_imm = map == 3 || (map == 1 && (op == 0xc2 || (op >= 0x70 && op <= 0x73)));
    bool has_sib = mode != 3 && rm == 4;
    unsigned disp_bytes = mode == 2 || (mode == 0 && rm == 5) ? 4u : mode == 1 ? 1u : 0u;
    return at + 1 + has_sib + disp_bytes + has_imm;
}

static void print_bytes(const u8 *code, size_t count, char *text, size_t text_bytes)
{
    size_t used = (size_t)snprintf(text, text_bytes, "(bytes)");
    for (size_t i = 0; i < count && used + 4 < text_bytes; i++) {
        used += (size_t)snprintf(text + used, text_bytes - used, " %02x", code[i]);
    }
}

bool x86_disassemble(const u8 *code, size_t code_bytes, u64 address,
                     void (*line)(void *opaque, u64 address, const char *text), void *opaque)
{
    csh handle;
    struct capstone api;
    if (!capstone_find(&api)) {
        fprintf(stderr, "metic: host code cannot be shown without libcapstone.so.%d\n",
                CS_API_MAJOR);
        return false;
    }
    if (api.open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
        return false;
    }
    cs_insn *insn = api.malloc(handle);
    bool ok = insn != NULL;
    while (ok && code_bytes != 0) {
        char text[sizeof(insn->mnemonic) + sizeof(insn->op_str) + 2];
        size_t unknown_bytes;
        ok = api.disasm_iter(handle, &code, &code_bytes, &address, insn);
        if (!ok && (unknown_bytes = vector_bytes(code, code_bytes)) != 0) {
            ok = true;
            print_bytes(code, unknown_bytes, text, sizeof(text));
            line(opaque, address, text);
            code += unknown_bytes;
            code_bytes -= unknown_bytes;
            address += unknown_bytes;
        } else if (ok) {
            snprintf(text, sizeof(text), "%s %s", insn->mnemonic, insn->op_str);
            line(opaque, insn->address, text);
        }
    }
    if (insn) {
        api.free(insn, 1);
    }
    api.close(&handle);
    return ok;
}
