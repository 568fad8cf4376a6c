/* Random code through the front end: every block must be well-formed IR before and after the dead
 * pass, in every mode. The first byte chooses the mode bits, the second the length of blocks. */
#include "cpu/riscv64/state.h"
#include "tests/fuzz/fuzz.h"
#include "translate/front.h"
#include "translate/opt/dead.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOWER_MAX_BYTES = 2048 };

static void check(const struct ir *ir)
{
    char why[256];
    if (!ir_verify(ir, why, sizeof(why))) {
        for (unsigned i = 0; i < ir->count; i++) {
            char text[128];
            ir_print_insn(ir, i, text, sizeof(text));
            fprintf(stderr, "%s\n", text);
        }
        fprintf(stderr, "ir_verify: %s\n", why);
        abort();
    }
}

/* Lowers one block as the pipeline does; its length in bytes, 0 when nothing more can be read. */
static unsigned lower_block(struct ir *ir, const struct front *front, const u8 *bytes,
                            unsigned size_bytes, u32 mode, unsigned max_insns)
{
    struct lower l = {.ir = ir, .mode = mode};
    unsigned done = 0;
    ir_reset(ir, &riscv64_guest);
    front->begin(&l);
    for (unsigned insns = 0; !l.ended && insns < max_insns; insns++) {
        l.offset = done;
        l.rest = bytes + done;
        l.rest_bytes = size_bytes - done;
        l.max_insns = max_insns - insns;
        unsigned length = front->lower_insn(&l);
        if (length > l.rest_bytes) {
            abort();
        }
        if (length == 0) {
            break;
        }
        done += length;
    }
    if (done != 0 && !l.ended) {
        ir_jump(ir, done);
    }
    return done;
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static struct ir ir;
    const struct front *front = front_find(&riscv64_guest);
    if (size_bytes < 3) {
        return;
    }
    u32 priv = bytes[0] & 3;
    u32 mode = (priv == 2 ? RISCV_M : priv) | (bytes[0] & (RISCV_MODE_FS | RISCV_MODE_FRM_OTHER));
    mode |= bytes[0] & RISCV_MODE_FRM_SLOW ? RISCV_MODE_FRM_SLOW | RISCV_MODE_FRM_OTHER : 0;
    mode |= bytes[0] & 0x20 ? RISCV_MODE_FRM_BAD | RISCV_MODE_FRM_SLOW | RISCV_MODE_FRM_OTHER : 0;
    unsigned max_insns = 1 + bytes[1] % 64;
    size_t end = size_bytes < LOWER_MAX_BYTES ? size_bytes : LOWER_MAX_BYTES;
    for (size_t at = 2; at < end;) {
        unsigned length =
            lower_block(&ir, front, bytes + at, (unsigned)(end - at), mode, max_insns);
        if (length == 0) {
            return;
        }
        if (!ir.overflow) {
            check(&ir);
            opt_dead(&ir);
            check(&ir);
        }
        at += length;
    }
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    u8 bytes[66] = {0x0f, 31};
    for (unsigned opcode = 3; opcode < 128; opcode += 4) {
        for (unsigned i = 0; i < 16; i++) {
            st_le32(bytes + 2 + 4 * i, opcode | i * 0x12345080u);
        }
        add(bytes, sizeof(bytes));
    }
    st_le32(bytes + 2, 0x100525af);  /* lr.w a1,(a0) */
    st_le32(bytes + 6, 0x00158593);  /* addi a1,a1,1 */
    st_le32(bytes + 10, 0x18b525af); /* sc.w a1,a1,(a0) */
    add(bytes, 14);
}
