/* Instruction words: decoded and disassembled, alone and at the end of what can be read. */
#include "cpu/riscv64/decode.h"
#include "cpu/riscv64/disasm.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    for (size_t at = 0; at < size_bytes;) {
        struct riscv_insn insn;
        unsigned available = (unsigned)(size_bytes - at);
        unsigned length = riscv64_decode(bytes + at, available, &insn);
        if (length > available || (length == 0 && available >= 4) ||
            (length != 0 && insn.id > RISCV_INSN_COUNT)) {
            abort();
        }
        char text[64];
        unsigned shown = riscv64_disassemble(at, bytes + at, available, text, sizeof(text));
        if (shown == 0 || memchr(text, '\0', sizeof(text)) == NULL) {
            abort();
        }
        at += length != 0 ? length : 1;
    }
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    u8 word[8] = {0};
    for (unsigned opcode = 0; opcode < 128; opcode++) {
        st_le32(word, opcode | 0x00a5a000);
        add(word, 4);
        st_le16(word, (u16)(opcode | 0x8000));
        add(word, 2);
    }
}
