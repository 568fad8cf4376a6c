#include "tests/support/host_rig.h"

#include "cpu/tlb_select.h"

static struct rig_hart *hart_of(struct vcpu *vcpu)
{
    return (struct rig_hart *)(void *)vcpu;
}

/* --- memory: RAM, then one page of device, then nothing --- */

static bool in_ram(gva_t gva, unsigned size_bytes)
{
    return gva >= RIG_RAM_GVA && gva - RIG_RAM_GVA <= RIG_RAM_BYTES - size_bytes;
}

static bool in_device(gva_t gva, unsigned size_bytes)
{
    gva_t start = RIG_RAM_GVA + RIG_RAM_BYTES;
    return gva >= start && gva - start <= 4096 - size_bytes;
}

static bool rig_load(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 *value)
{
    struct rig_hart *hart = hart_of(vcpu);
    if (in_ram(gva, size_bytes)) {
        *value = ld_le(hart->ram + (gva - RIG_RAM_GVA), size_bytes);
    } else if (in_device(gva, size_bytes)) {
        *value = hart->device & (~(u64)0 >> (64 - size_bytes * 8));
        hart->device = hart->device * 3 + 1;
    } else {
        return vcpu_raise(vcpu, RIG_CAUSE_LOAD, gva);
    }
    return true;
}

static bool rig_store(struct vcpu *vcpu, gva_t gva, unsigned size_bytes, u64 value)
{
    struct rig_hart *hart = hart_of(vcpu);
    if (in_ram(gva, size_bytes)) {
        st_le(hart->ram + (gva - RIG_RAM_GVA), value, size_bytes);
    } else if (in_device(gva, size_bytes)) {
        hart->device ^= value & (~(u64)0 >> (64 - size_bytes * 8));
    } else {
        return vcpu_raise(vcpu, RIG_CAUSE_STORE, gva);
    }
    return true;
}

static void raise_misaligned(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    vcpu_raise(vcpu, RIG_CAUSE_MISALIGNED + (u64)access, gva);
}

static void raise_access_fault(struct vcpu *vcpu, gva_t gva, enum vcpu_access access)
{
    vcpu_raise(vcpu, access == VCPU_WRITE ? RIG_CAUSE_STORE : RIG_CAUSE_LOAD, gva);
}

static u8 *rig_atomic_host(struct vcpu *vcpu, gva_t gva, unsigned size_bytes)
{
    if (gva & (size_bytes - 1)) {
        raise_misaligned(vcpu, gva, VCPU_WRITE);
    } else if (in_ram(gva, size_bytes)) {
        return hart_of(vcpu)->ram + (gva - RIG_RAM_GVA);
    } else if (!in_device(gva, size_bytes)) {
        vcpu_raise(vcpu, RIG_CAUSE_STORE, gva);
    }
    return NULL;
}

const struct vcpu_ops rig_ops = {
    .load = rig_load, .store = rig_store, .atomic_host = rig_atomic_host};

/* --- slow paths: the same memory --- */

static bool misaligned(struct vcpu *vcpu, gva_t gva, u32 desc)
{
    if (!(desc & HOST_DESC_ALIGN) || (gva & (host_desc_size_bytes(desc) - 1)) == 0) {
        return false;
    }
    raise_misaligned(vcpu, gva, desc & HOST_DESC_WRITE ? VCPU_WRITE : VCPU_READ);
    return true;
}

/* The calling convention's scratch registers are lost, as in any C function. */
static void clobber(struct vcpu *vcpu)
{
    hart_of(vcpu)->slow_calls++;
    if (hart_of(vcpu)->on_slow) {
        hart_of(vcpu)->on_slow(hart_of(vcpu));
    }
#if defined(__x86_64__)
    __asm__ volatile("mov $0x1111, %%eax\n mov %%eax, %%ecx\n mov %%eax, %%edx\n mov %%eax, %%esi\n"
                     "mov %%eax, %%edi\n mov %%eax, %%r8d\n mov %%eax, %%r9d\n mov %%eax, %%r10d\n"
                     "mov %%eax, %%r11d\n movd %%eax, %%xmm0\n movd %%eax, %%xmm1\n"
                     "movd %%eax, %%xmm2\n movd %%eax, %%xmm3\n movd %%eax, %%xmm8\n" ::
                         : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0",
                           "xmm1", "xmm2", "xmm3", "xmm8");
#endif
}

static u64 slow_load(struct vcpu *vcpu, gva_t gva, u32 desc, gpa_t device)
{
    u64 value = 0;
    (void)device;
    clobber(vcpu);
    if (misaligned(vcpu, gva, desc)) {
        return 0;
    }
    rig_load(vcpu, gva, host_desc_size_bytes(desc), &value);
    return host_desc_extend(value, desc);
}

static void slow_store(struct vcpu *vcpu, gva_t gva, u64 value, u32 desc, gpa_t device)
{
    (void)device;
    clobber(vcpu);
    if (!misaligned(vcpu, gva, desc)) {
        rig_store(vcpu, gva, host_desc_size_bytes(desc), value);
    }
}

static u64 slow_amo(struct vcpu *vcpu, gva_t gva, u64 value, u64 expected, u32 desc)
{
    unsigned size_bytes = host_desc_size_bytes(desc);
    enum ir_type type = size_bytes == 4 ? IR_I32 : IR_I64;
    unsigned amo = desc >> HOST_DESC_AMO_SHIFT & HOST_DESC_AMO_MASK;
    u64 old = 0;
    clobber(vcpu);
    u8 *host = rig_atomic_host(vcpu, gva, size_bytes);
    if (host == NULL && vcpu->exception_pending) {
        return 0;
    }
    rig_load(vcpu, gva, size_bytes, &old);
    if (amo != HOST_AMO_CAS) {
        value = ir_eval_amo((enum ir_amo)amo, type, old, value);
    } else if (ir_narrow(type, expected) != old) {
        return old;
    }
    rig_store(vcpu, gva, size_bytes, value);
    return old;
}

static void slow_check(struct vcpu *vcpu, gva_t gva, u32 desc)
{
    clobber(vcpu);
    misaligned(vcpu, gva, desc);
}

static void note_split(struct vcpu *vcpu, gva_t head, gva_t gva)
{
    hart_of(vcpu)->split_gva = gva;
    hart_of(vcpu)->splits++;
    hart_of(vcpu)->split_head = head;
}

static void note_stray(struct vcpu *vcpu, gva_t head)
{
    hart_of(vcpu)->strays++;
    hart_of(vcpu)->split_head = head;
}

static void note_guesses(struct vcpu *vcpu, gva_t head)
{
    hart_of(vcpu)->guesses++;
    hart_of(vcpu)->split_head = head;
}

const struct host_slow rig_slow = {
    .load = slow_load, .store = slow_store, .amo = slow_amo, .check = slow_check,
    .split = note_split,
    .guessed = note_guesses,
    .strayed = note_stray,
};

/* --- the guest and the rig --- */

static const u32 pinned[] = {RIG_X(10), RIG_X(11), RIG_X(12), RIG_X(1), RIG_X(2),
                             RIG_X(15), RIG_X(14), RIG_X(13), RIG_X(8), RIG_X(9)};

const struct guest rig_guest = {
    .name = "rig",
    .vcpu_bytes = sizeof(struct rig_hart),
    .pinned = pinned,
    .pinned_count = ARRAY_LEN(pinned),
    .raise_misaligned = raise_misaligned,
    .raise_access_fault = raise_access_fault,
};

void rig_map(struct rig_hart *hart, gva_t page, bool readable, bool writable, bool slow)
{
    struct tlb_entry *entry = &hart->tlb[tlb_index(page)];
    u64 tag = page | (slow ? TLB_TAG_SLOW : 0);
    entry->read_tag = readable ? tag : TLB_TAG_NONE;
    entry->write_tag = writable ? tag : TLB_TAG_NONE;
    entry->addend = (u64)(uintptr_t)hart->ram - RIG_RAM_GVA;
}

static void hart_reset(struct rig_hart *hart)
{
    u8 *ram = hart->ram;
    struct tlb *tlb = hart->vcpu.tlb_state;
    memset(hart, 0, sizeof(*hart));
    memset(ram, 0, RIG_RAM_BYTES);
    hart->ram = ram;
    hart->vcpu.tlb_state = tlb;
    hart->vcpu.guest = &rig_guest;
    hart->vcpu.ops = &rig_ops;
    hart->vcpu.pc_page = RIG_PC_PAGE;
    hart->vcpu.insns = 1000;
    hart->vcpu.deadline = ~(u64)0;
    tlb->data[0] = (struct tlb_space){.entries = hart->tlb};
    tlb_set_others(&tlb->data[0], hart->tlb, TLB_ENTRIES);
    tlb_use_data(&hart->vcpu, &tlb->data[0]);
    hart->vcpu.jumps = hart->jumps;
    hart->vcpu.link_proofs = hart->proofs;
    hart->vcpu.link_epoch = 1;
    hart->vcpu.data_epoch = 1;
    for (unsigned n = 0; n < TLB_ENTRIES; n++) {
        hart->tlb[n] = (struct tlb_entry){TLB_TAG_NONE, TLB_TAG_NONE, 0, 0};
    }
    for (unsigned n = 0; n < TLB_JUMP_ENTRIES; n++) {
        hart->jumps[n].pc = TLB_TAG_NONE;
    }
    for (unsigned n = 0; n < RIG_PAGES; n++) {
        rig_map(hart, RIG_RAM_GVA + n * PAGE_BYTES, true, true, false);
    }
}

void rig_reset(struct rig *rig)
{
    hart_reset(rig->hart[0]);
    hart_reset(rig->hart[1]);
    rig->link_count = 0;
    rig->split = (struct host_split){.offset = 0};
    rig->slots_max = 0;
    rig->stray = 0;
    rig->used_bytes = rig->context.used_bytes;
    rig->cold_end = RIG_COLD_START;
}

void rig_copy(struct rig_hart *to, const struct rig_hart *from)
{
    to->vcpu.insns = from->vcpu.insns;
    to->vcpu.deadline = from->vcpu.deadline;
    to->vcpu.irq_hint = from->vcpu.irq_hint;
    to->vcpu.fpu_flags = from->vcpu.fpu_flags;
    to->vcpu.fpu_round = from->vcpu.fpu_round;
    memcpy(to->x, from->x, sizeof(to->x));
    memcpy(to->f, from->f, sizeof(to->f));
    memcpy(to->small, from->small, sizeof(to->small));
    memcpy(to->ram, from->ram, RIG_RAM_BYTES);
    to->device = from->device;
}

static size_t hart_bytes(void)
{
    return host_slots_offset(&rig_guest) + host_slots_bytes;
}

struct rig *rig_new(u32 features)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->ir = calloc(1, sizeof(*rig->ir));
    for (unsigned n = 0; n < 2; n++) {
        rig->hart[n] = zeros_new_growing(hart_bytes());
        cr_assert_not_null(rig->hart[n]);
        rig->hart[n]->ram = aligned_alloc(4096, RIG_RAM_BYTES);
        rig->hart[n]->vcpu.tlb_state = calloc(1, sizeof(struct tlb));
        cr_assert_not_null(rig->hart[n]->vcpu.tlb_state);
    }
    int fd = memfd_create("rig", 0);
    cr_assert(fd >= 0 && ftruncate(fd, RIG_CODE_BYTES) == 0);
    rig->write = mmap(NULL, RIG_CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    rig->exec = mmap(NULL, RIG_CODE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    cr_assert(rig->write != MAP_FAILED && rig->exec != MAP_FAILED);
    close(fd);
    const struct host *host = host_find();
    rig->scratch = calloc(1, host->scratch_bytes);
    cr_assert(host->init(&rig->context, &rig_guest, &rig_slow, features, rig->write, rig->exec,
                         RIG_CODE_BYTES));
    rig_reset(rig);
    return rig;
}

void rig_free(struct rig *rig)
{
    for (unsigned n = 0; n < 2; n++) {
        free(rig->hart[n]->ram);
        free(rig->hart[n]->vcpu.tlb_state);
        zeros_free(rig->hart[n], hart_bytes());
    }
    munmap(rig->write, RIG_CODE_BYTES);
    munmap(rig->exec, RIG_CODE_BYTES);
    free(rig->scratch);
    free(rig->ir);
    free(rig);
}

static u32 alloc_link(void *opaque)
{
    struct rig *rig = opaque;
    return rig->link_count++;
}

const u8 *rig_compile(struct rig *rig, u32 flags, enum host_status *status)
{
    return rig_compile_pages(rig, flags, NULL, 0, status);
}

const u8 *rig_compile_pages(struct rig *rig, u32 flags, const struct host_page *pages,
                            unsigned page_count, enum host_status *status)
{
    size_t used = (rig->used_bytes + 15) & ~(size_t)15;
    struct host_request request = {
        .context = &rig->context,
        .ir = rig->ir,
        .write = rig->write + used,
        .exec = rig->exec + used,
        .room_bytes = RIG_COLD_START - used,
        .cold_write = rig->write + rig->cold_end,
        .cold_exec = rig->exec + rig->cold_end,
        .cold_room_bytes = RIG_CODE_BYTES - rig->cold_end,
        .flags = flags,
        .scratch = rig->scratch,
        .alloc_link = alloc_link,
        .opaque = rig,
        .page_count = page_count,
        .slots_max = rig->slots_max,
        .strays = &rig->stray,
        .stray_count = rig->stray != 0,
        .split = &rig->split,
        .split_count = rig->split.offset != 0,
        .exits = rig->exits,
        .exits_max = ARRAY_LEN(rig->exits),
    };
    for (unsigned n = 0; n < page_count; n++) {
        request.pages[n] = pages[n];
    }
    enum host_status got = host_find()->compile(&request, &rig->result);
    if (status) {
        *status = got;
    }
    if (got != HOST_OK) {
        return NULL;
    }
    rig->used_bytes = used + rig->result.code_bytes;
    rig->cold_end += rig->result.cold_bytes;
    return request.exec + rig->result.entry_offset;
}

static void print_line(void *opaque, u64 address, const char *text)
{
    (void)opaque;
    printf("    %llx  %s\n", (unsigned long long)address, text);
}

void rig_disassemble(const struct rig *rig, const u8 *code, size_t code_bytes)
{
    (void)rig;
    host_find()->disassemble(code, code_bytes, (u64)(uintptr_t)code, print_line, NULL);
}

/* Room for a block and a jump at its end. */
static struct ir_insn part[IR_MAX_INSNS + 1];

/* The block up to its guest instruction `number`; all of it when it has fewer. */
static unsigned cut_before(const struct ir *ir, u64 number)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ir->count; i++) {
        part[count++] = ir->insns[i];
        if (part[i].op == IR_INSN && part[i].a == number) {
            part[count++] = (struct ir_insn){
                .op = IR_JUMP_NEXT, .type = IR_NONE, .imm = part[i].imm};
            break;
        }
    }
    return count;
}

void rig_interpret_until(struct rig *rig, const struct rig_hart *start, u64 insns)
{
    struct vcpu *vcpu = &rig->hart[0]->vcpu;
    gva_t start_pc = vcpu->pc_page + rig->ir->insns[0].imm;
    bool went_round;
    rig_copy(rig->hart[0], start);
    vcpu->exception_pending = 0;
    do {
        u64 before = vcpu->insns;
        unsigned count = cut_before(rig->ir, insns - before);
        enum ir_exit exit = ir_interp_run(part, count, vcpu);
        went_round = exit == IR_EXIT_JUMP && vcpu->pc == start_pc && vcpu->insns != before;
    } while (went_round && vcpu->insns < insns);
}
