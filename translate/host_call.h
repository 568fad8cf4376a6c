/* Calls of the host (semihosting): a breakpoint instruction whose surroundings say that it is none.
 *
 * It raises its exception as any other does, out of whatever engine ran it, and before that is
 * taken the machine is asked. When it has answered, the instruction is done again by itself, by the
 * interpreter, this time as one that sets the result: so it counts, is recorded, stepped over and
 * compared like all others, and there is nothing to pay where nobody calls. When the answer has to
 * wait (for what somebody types), the hart sleeps before the instruction until it is kicked. */
#ifndef METIC_TRANSLATE_HOST_CALL_H
#define METIC_TRANSLATE_HOST_CALL_H

#include "cpu/guest.h"

struct engine;

enum host_call {
    HOST_CALL_NONE,     /* it is a breakpoint, or no exception of that kind */
    HOST_CALL_ANSWERED,
    HOST_CALL_WAITS,    /* nothing was done; to be asked again once the hart was kicked */
};

struct host_answer {
    bool made;
    u64 value;
};

enum { HOST_CALLS_ALL = 0xffffffff };

/* So many breakpoints more are looked at, and those behind them are none but breakpoints. Any
 * thread. */
void host_calls_look(struct engine *engine, u32 most);

/* The hart's exception is pending. Not NONE: it is not any more, and the hart stands behind the
 * instruction (ANSWERED), or before it. NONE also when the instruction could not be fetched again,
 * with that exception pending. */
enum host_call host_call_serve(struct vcpu *vcpu);

/* After WAITS: sleeps until a kick. False: the engine may not sleep. */
bool host_call_sleep(struct vcpu *vcpu);

/* For make_straight: the result of the call that vcpu->pc stands at, or NULL. */
const u64 *host_call_answer(const struct vcpu *vcpu);

#endif
