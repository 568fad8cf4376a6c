/* See host_call.h. */
#include "cpu/riscv64/host_call.h"

#include "cpu/base/bits.h"

enum { REG_A0 = 10, REG_A1 = 11 };

bool riscv64_host_call(const struct vcpu *vcpu, const u8 *code, struct guest_host_call *call)
{
    static const u32 sequence[] = {
        0x01f01013, /* slli x0, x0, 0x1f */
        0x00100073, /* ebreak */
        0x40705013, /* srai x0, x0, 7 */
    };
    _Static_assert(sizeof(sequence) == GUEST_HOST_CALL_BYTES, "three instructions");
    for (unsigned i = 0; i < ARRAY_LEN(sequence); i++) {
        if (ld_le32(code + sizeof(u32) * i) != sequence[i]) {
            return false;
        }
    }
    const struct riscv64_state *state = riscv64_of_const(vcpu);
    *call = (struct guest_host_call){.operation = state->x[REG_A0],
                                     .parameter = state->x[REG_A1],
                                     .user = state->priv == RISCV_U};
    return true;
}
