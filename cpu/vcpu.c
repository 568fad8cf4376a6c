/* See vcpu.h. */
#include "cpu/vcpu.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

void vcpu_kick(struct vcpu *vcpu, u32 requests)
{
    u32 before = atomic_fetch_or(&vcpu->requests, requests);
    /* Release: whoever sees the deadline fall also sees the request. */
    atomic_store_explicit(&vcpu->deadline, 0, memory_order_release);
    if (before != (before | requests) && atomic_load(&vcpu->waiting)) {
        syscall(SYS_futex, &vcpu->requests, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    }
}

void vcpu_look_up(struct vcpu *vcpu)
{
    atomic_store_explicit(&vcpu->deadline, 0, memory_order_relaxed);
}

void vcpu_irq_input(struct vcpu *vcpu, unsigned line, bool level)
{
    u64 bit = (u64)1 << line;
    if (level) {
        if (!(atomic_fetch_or(&vcpu->irq_lines, bit) & bit)) {
            vcpu_kick(vcpu, VCPU_REQUEST_IRQ);
        }
    } else {
        atomic_fetch_and(&vcpu->irq_lines, ~bit);
    }
}

void vcpu_relax(struct vcpu *vcpu)
{
    enum { RELAXES_PER_YIELD = 16 };
    if (++vcpu->relaxes == RELAXES_PER_YIELD) {
        vcpu->relaxes = 0;
        sched_yield();
    }
}

bool vcpu_raise(struct vcpu *vcpu, u64 cause, u64 value)
{
    vcpu->exception_pending = 1;
    vcpu->exception_cause = cause;
    vcpu->exception_value = value;
    return false;
}
