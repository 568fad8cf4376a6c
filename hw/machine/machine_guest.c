/* See machine_guest.h. */
#include "hw/machine/machine_guest.h"

#include "cpu/memory.h"

#include <string.h>

u32 guest_find_reg(const struct guest *guest, const char *name)
{
    struct guest_debug_reg reg;
    for (u32 i = 0; i < guest->debug_reg_limit; i++) {
        if (guest->debug_reg(i, &reg) && strcmp(reg.name, name) == 0) {
            return i;
        }
    }
    return 0;
}

u64 guest_read_reg(struct vcpu *vcpu, u32 number)
{
    u64 value = 0;
    vcpu->guest->debug_read(vcpu, number, &value);
    return value;
}

bool guest_read_virtual(struct vcpu *vcpu, gva_t gva, void *to, size_t size_bytes)
{
    u8 *out = to;
    while (size_bytes != 0) {
        gpa_t gpa;
        size_t part = PAGE_BYTES - (gva & PAGE_OFFSET_MASK);
        part = part < size_bytes ? part : size_bytes;
        if (!vcpu->guest->translate_debug(vcpu, gva, &gpa)) {
            return false;
        }
        const u8 *host = memory_host(vcpu->memory, gpa, part);
        if (host == NULL) {
            return false;
        }
        memcpy(out, host, part);
        out += part;
        gva += part;
        size_bytes -= part;
    }
    return true;
}

/* --- Linux's tasks: in the kernel tp is the present one, in programs sscratch --- */

void guest_tasks_init(struct guest_tasks *tasks, const struct guest *guest)
{
    *tasks = (struct guest_tasks){
        .tp = guest_find_reg(guest, "tp"), .sscratch = guest_find_reg(guest, "sscratch"),
    };
}

/* The first task of all is named "swapper" from its link on; where the name stands in it, it stands
 * in every task. */
void guest_tasks_learn(struct guest_tasks *tasks, struct vcpu *vcpu, u64 task)
{
    enum { TASK_MAX_BYTES = 8192 };
    u8 bytes[TASK_MAX_BYTES];
    if (task >> 63 == 0 || task % 8 != 0 ||
        !guest_read_virtual(vcpu, task, bytes, sizeof(bytes))) {
        return;
    }
    for (size_t i = 64; i + GUEST_TASK_BYTES < sizeof(bytes); i += 8) {
        if (memcmp(bytes + i, "swapper", 7) == 0 &&
            (bytes[i + 7] == '\0' || bytes[i + 7] == '/')) {
            tasks->name_offset = i;
            return;
        }
    }
}

void guest_tasks_context(struct guest_tasks *tasks, struct vcpu *vcpu, unsigned privilege,
                         u64 address_space)
{
    enum { MAX_TRIES = 2000 };
    if (LIKELY(tasks->name_offset != 0) || privilege != GUEST_PRIV_S || address_space == 0 ||
        tasks->tries > MAX_TRIES) {
        return;
    }
    tasks->tries++;
    guest_tasks_learn(tasks, vcpu, guest_read_reg(vcpu, tasks->tp));
}

u64 guest_task_name_at(const struct guest_tasks *tasks, struct vcpu *vcpu, u64 task, char *name)
{
    memset(name, 0, GUEST_TASK_BYTES);
    bool known = tasks->name_offset != 0 && task >> 63 == 1 &&
                 guest_read_virtual(vcpu, task + tasks->name_offset, name, GUEST_TASK_BYTES);
    return known ? task : 0;
}

u64 guest_task_name(const struct guest_tasks *tasks, struct vcpu *vcpu, char *name)
{
    unsigned privilege = vcpu->guest->privilege(vcpu);
    u64 task = guest_read_reg(vcpu, privilege == GUEST_PRIV_U ? tasks->sscratch : tasks->tp);
    return guest_task_name_at(tasks, vcpu, task, name);
}
