/* system_diff DRIVER WORK ENGINE CLASS SEED STEPS: makes a program of STEPS random steps of a class
 * (or "all"), lets metic and QEMU run it, compares the RAM. Status 1 when it differs.
 *
 * SHOW=N in the environment only prints step N.
 *
 * DRIVER is the path of driver.S built, without .elf and .bin; WORK a directory for files. QEMU
 * gets the RAM as a shared file, so the file is what it left behind. */
#include "cpu/riscv64/disasm.h"
#include "hw/metic.h"
#include "tests/system/steps.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RAM_BYTES = 80 << 20, USED_BYTES = USED_END - RAM_BASE, MAX_SHOWN = 5 };
/* What QEMU's rv64 has beyond metic is switched off, what it lacks on. */
#define QEMU_CPU "rv64,h=off,zbc=off,zfa=off,zicond=on,svpbmt=on,svnapot=on,svinval=on," \
                 "sscofpmf=on,smstateen=on,smcntrpmf=on,pmu-mask=0xfffffff8"

/* Without AIA QEMU takes the interrupt with the lowest number, whatever its priority. */
struct class {
    const char *name;
    void (*make)(struct program *p);
    void (*prepare)(struct program *p); /* before the first step, or NULL */
    const char *qemu_cpu;
};

static const struct class classes[] = {
    {"csr", make_csr, NULL, QEMU_CPU},
    {"priv", make_priv, NULL, QEMU_CPU},
    {"irq", make_irq, NULL, QEMU_CPU ",smaia=on,ssaia=on"},
    {"vm", make_vm, make_vm_tables, QEMU_CPU},
    {"pmp", make_pmp, make_pmp_sets, QEMU_CPU},
    {"atomic", make_atomic, NULL, QEMU_CPU},
    {"float", make_float, NULL, QEMU_CPU},
    {"words", make_words, make_words_pmp, QEMU_CPU},
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

static void load_driver(struct program *p, const char *path)
{
    char name[1024];
    snprintf(name, sizeof(name), "%s.bin", path);
    FILE *file = fopen(name, "re");
    if (file == NULL || fread(p->ram, 1, CONTEXT - RAM_BASE, file) == 0) {
        die(name);
    }
    fclose(file);
}

/* Bytes that are harmless when executed, see make_vm.c. */
static void fill_data(struct program *p)
{
    for (u64 at = DATA; at < DATA + (2 << 20); at += 8) {
        ram_set(p, at, (rnd(p) & 0x0101010101010101) * 0x73);
    }
}

/* RAM for S and U; in what QEMU has elsewhere the two machines differ. */
static void allow_ram(struct program *p)
{
    ram_set(p, PMP_SETS + 8 * 15, RAM_BASE >> 2 | ((128 << 20) / 8 - 1));
    ram_set(p, PMP_SETS + 128 + 8, (u64)0x1f << 56);
    p->pmp_sets = 1;
}

static void make_program(struct program *p, const struct class *class, unsigned steps)
{
    fill_data(p);
    allow_ram(p);
    if (class->prepare != NULL) {
        class->prepare(p);
    }
    while (p->count < steps) {
        class->make(p);
    }
    ram_set(p, CONTEXT + CONTEXT_STEP, STEPS);
    ram_set(p, CONTEXT + CONTEXT_END, STEPS + (u64)p->count * STEP_BYTES);
    ram_set(p, CONTEXT + CONTEXT_LOG, LOGS);
}

/* --- QEMU --- */

static void exec_qemu(const char *path, const char *cpu)
{
    char memory[1100], size[16];
    const char *qemu = getenv("QEMU");
    snprintf(memory, sizeof(memory), "memory-backend-file,id=ram,size=%u,share=on,mem-path=%s",
             (unsigned)RAM_BYTES, path);
    snprintf(size, sizeof(size), "%uM", (unsigned)RAM_BYTES >> 20);
    execlp("timeout", "timeout", "300", qemu != NULL ? qemu : "qemu-system-riscv64", "-M",
           "virt,memory-backend=ram", "-smp", "2", "-cpu", cpu, "-m", size, "-bios", "none",
           "-display", "none", "-serial", "none", "-monitor", "none", "-object", memory,
           (char *)NULL);
    die("timeout");
}

static u8 *run_qemu(const struct program *p, const struct class *class, const char *work)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/ram.%d", work, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, RAM_BYTES) != 0) {
        die(path);
    }
    u8 *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ram == MAP_FAILED) {
        die(path);
    }
    close(fd);
    static const u8 zeros[4096];
    for (size_t at = 0; at < USED_BYTES; at += sizeof(zeros)) { /* leaves holes holes */
        if (memcmp(p->ram + at, zeros, sizeof(zeros)) != 0) {
            memcpy(ram + at, p->ram + at, sizeof(zeros));
        }
    }
    pid_t child = fork();
    if (child == 0) {
        exec_qemu(path, class->qemu_cpu);
    }
    int status = -1;
    waitpid(child, &status, 0);
    unlink(path);
    if (status != 0) {
        printf("qemu ended with status %d\n", status);
        exit(2);
    }
    return ram;
}

/* --- metic --- */

static u8 *run_metic(struct program *p, const char *driver, enum metic_engine engine)
{
    struct metic_options options;
    struct metic_error error;
    char path[1024];
    snprintf(path, sizeof(path), "%s.elf", driver);
    metic_options_init(&options);
    options.ram_bytes = RAM_BYTES;
    options.clock = METIC_CLOCK_VIRTUAL;
    options.engine = engine;
    options.console = METIC_CONSOLE_NONE;
    options.limit_insns = (u64)p->count * 4000 + 1000000;
    metic_machine *machine = metic_new(&options, &error);
    if (machine == NULL || !metic_load(machine, path, &error)) {
        printf("metic: %s\n", error.what);
        exit(2);
    }
    u8 *ram = malloc(USED_BYTES);
    struct metic_result result;
    if (ram == NULL || !metic_write_memory(machine, RAM_BASE, p->ram, USED_BYTES)) {
        die("metic_write_memory");
    }
    metic_run(machine, &result);
    metic_read_memory(machine, RAM_BASE, ram, USED_BYTES);
    if (result.reason != METIC_POWEROFF || result.status != 0) {
        printf("metic: %s after %u steps\n", result.text,
               (unsigned)((ld_le64(ram + (CONTEXT - RAM_BASE) + CONTEXT_LOG) - LOGS) / LOG_BYTES));
    }
    metic_free(machine);
    return ram;
}

/* --- comparing --- */

static void show_step(struct program *p, unsigned step)
{
    u64 address = STEPS + (u64)step * STEP_BYTES;
    static const struct {
        const char *name;
        unsigned offset;
    } fields[] = {
        {"mstatus", STEP_MSTATUS}, {"medeleg", STEP_MEDELEG}, {"mideleg", STEP_MIDELEG},
        {"mie", STEP_MIE}, {"mip", STEP_MIP}, {"satp", STEP_SATP}, {"menvcfg", STEP_MENVCFG},
        {"senvcfg", STEP_SENVCFG}, {"mcounteren", STEP_MCOUNTEREN},
        {"scounteren", STEP_SCOUNTEREN}, {"mtvec", STEP_MTVEC}, {"stvec", STEP_STVEC},
        {"stimecmp", STEP_STIMECMP}, {"fcsr", STEP_FCSR}, {"mstateen0", STEP_MSTATEEN0},
        {"sepc", STEP_SEPC}, {"pc", STEP_PC}, {"msip", STEP_MSIP}, {"mtimecmp", STEP_MTIMECMP},
        {"pmp", STEP_PMP}, {"patch", STEP_PATCH_ADDRESS}, {"patch_value", STEP_PATCH_VALUE},
        {"fence", STEP_FENCE_ADDRESS},
    };
    printf("step %u at %llx\n ", step, (unsigned long long)address);
    for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
        printf(" %s=%llx", fields[i].name,
               (unsigned long long)ld_le64(ram_at(p, address + fields[i].offset)));
    }
    printf("\n ");
    for (unsigned i = 1; i < 32; i++) {
        printf(" x%u=%llx", i, (unsigned long long)ld_le64(ram_at(p, address + STEP_X(i))));
    }
    printf("\n");
    for (u64 at = address + STEP_CODE; at < address + STEP_BYTES;) {
        char text[100];
        unsigned length = riscv64_disassemble(at, ram_at(p, at), 4, text, sizeof(text));
        printf("    %llx  %08x  %s\n", (unsigned long long)at, ld_le32(ram_at(p, at)), text);
        at += length;
        if (ld_le32(ram_at(p, at - length)) == INSN_ECALL) {
            break;
        }
    }
}

static const char *log_name(unsigned offset, char *text, size_t size_bytes)
{
    static const char *const names[] = {"step", "mcause", "mepc", "mtval", "mstatus", "slot",
                                        "scause", "sepc", "stval", "mip", "satp", "fcsr", "sp"};
    if (offset < LOG_X(0)) {
        return names[offset / 8];
    }
    bool is_float = offset >= LOG_F(0);
    snprintf(text, size_bytes, "%c%u", is_float ? 'f' : 'x',
             (offset - (is_float ? LOG_F(0) : LOG_X(0))) / 8);
    return text;
}

/* QEMU forgets the instruction of some illegal ones (mret, cbo.*) and gives an earlier one, and
 * reports the block's address where cbo.* faults. Where metic is right, that counts as equal. */
static void forgive_tval(struct program *p, const u8 *ours, u8 *theirs, unsigned cause,
                         unsigned epc, unsigned tval)
{
    u64 pc = ld_le64(ours + epc);
    pc -= pc >= RAM_BASE + U_ALIAS ? U_ALIAS : 0;
    if (pc < STEPS || pc >= LOGS) {
        return;
    }
    u32 word = ld_le32(ram_at(p, pc));
    bool is_illegal = ld_le64(ours + cause) == 2;
    u64 metic = ld_le64(ours + tval);
    bool is_block = (word & 0x707f) == 0x200f && (metic & ~(u64)63) == ld_le64(theirs + tval);
    if (is_illegal ? metic == ((word & 3) == 3 ? word : word & 0xffff) : is_block) {
        memcpy(theirs + tval, ours + tval, 8);
    }
}

/* QEMU does not call FS dirty when an instruction only sets flags; metic does when it could. */
static void forgive_fs(const u8 *ours, u8 *theirs)
{
    const u64 fs = (u64)3 << 13, sd = (u64)1 << 63;
    u64 metic = ld_le64(ours + LOG_MSTATUS), qemu = ld_le64(theirs + LOG_MSTATUS);
    if ((metic & fs) == fs && (qemu & fs) != 0) {
        st_le64(theirs + LOG_MSTATUS, qemu | fs | sd);
    }
}

/* QEMU's board has a platform bus, metic's has not: an access there faults only in metic. The rest
 * of such a step is not compared. */
static void forgive_missing_device(const u8 *ours, u8 *theirs)
{
    static const struct {
        u64 first, last;
    } devices[] = {
        {0x4000000, 0x5ffffff}, /* platform bus */
    };
    u64 cause = ld_le64(ours + LOG_MCAUSE), gpa = ld_le64(ours + LOG_MTVAL);
    bool is_access_fault = cause == 5 || cause == 7;
    for (unsigned i = 0; is_access_fault && i < ARRAY_LEN(devices); i++) {
        if (gpa >= devices[i].first && gpa <= devices[i].last) {
            memcpy(theirs, ours, LOG_BYTES);
        }
    }
}

static void forgive(struct program *p, const u8 *metic, u8 *qemu)
{
    for (unsigned step = 0; step < p->count; step++) {
        size_t at = LOGS - RAM_BASE + (size_t)step * LOG_BYTES;
        forgive_missing_device(metic + at, qemu + at);
        forgive_fs(metic + at, qemu + at);
        forgive_tval(p, metic + at, qemu + at, LOG_MCAUSE, LOG_MEPC, LOG_MTVAL);
        forgive_tval(p, metic + at, qemu + at, LOG_SCAUSE, LOG_SEPC, LOG_STVAL);
    }
}

/* The page-table entries on the way of an address, as they were at first. */
static void show_walk(struct program *p, u64 satp, u64 gva)
{
    u64 table = satp << 12;
    unsigned level = 3 + (unsigned)(satp >> 60) - 8;
    printf("  %llx:", (unsigned long long)gva);
    while (level-- > 0 && (table & 0xffffffffffffff) >= RAM_BASE &&
           (table & 0xffffffffffffff) < USED_END) {
        u64 at = (table & 0xffffffffffffff) + (gva >> (12 + 9 * level) & 511) * 8;
        u64 pte = ld_le64(ram_at(p, at));
        printf(" [%llx] %llx", (unsigned long long)at, (unsigned long long)pte);
        if (!(pte & 1) || (pte & 0xe)) {
            break;
        }
        table = (pte >> 10 & 0xfffffffffff) << 12;
    }
    printf("\n");
}

/* The PMP set in force at a step. */
static void show_pmp(struct program *p, unsigned step)
{
    u64 set = 0;
    for (unsigned i = step + 1; i-- > 0 && set == 0;) {
        set = ld_le64(ram_at(p, STEPS + (u64)i * STEP_BYTES + STEP_PMP));
    }
    printf("  pmp");
    for (unsigned i = 0; i < 16 && set != 0; i++) {
        printf(" %x:%llx", *ram_at(p, set + 128 + i),
               (unsigned long long)ld_le64(ram_at(p, set + 8 * i)) << 2);
    }
    printf("\n");
}

static void show_all(struct program *p, unsigned step)
{
    show_pmp(p, step);
    show_step(p, step);
    u64 address = STEPS + (u64)step * STEP_BYTES, satp = ld_le64(ram_at(p, address + STEP_SATP));
    for (unsigned i = 10; i < 14 && satp >> 60 >= 8; i++) {
        show_walk(p, satp, ld_le64(ram_at(p, address + STEP_X(i))));
    }
}

/* Prints how an entry of the log differs. False when it does not. */
static bool show_entry(struct program *p, const u8 *metic, const u8 *qemu, unsigned step)
{
    const u8 *ours = metic + (LOGS - RAM_BASE) + (size_t)step * LOG_BYTES;
    const u8 *theirs = qemu + (LOGS - RAM_BASE) + (size_t)step * LOG_BYTES;
    if (memcmp(ours, theirs, LOG_BYTES) == 0) {
        return false;
    }
    show_all(p, step);
    for (unsigned at = 0; at < LOG_BYTES; at += 8) {
        u64 a = ld_le64(ours + at), b = ld_le64(theirs + at);
        char text[16];
        if (a != b || at == LOG_MCAUSE || at == LOG_MEPC || at == LOG_SCAUSE) {
            printf("  %-8s metic %016llx qemu %016llx%s\n", log_name(at, text, sizeof(text)),
                   (unsigned long long)a, (unsigned long long)b, a != b ? "  <--" : "");
        }
    }
    return true;
}

static unsigned compare(struct program *p, const u8 *metic, const u8 *qemu)
{
    if (memcmp(metic, qemu, USED_BYTES) == 0) {
        return 0;
    }
    unsigned different = 0;
    for (unsigned step = 0; step < p->count && different < MAX_SHOWN; step++) {
        different += show_entry(p, metic, qemu, step);
    }
    if (different == 0) {
        printf("no difference in the log; with fewer STEPS the last one is the culprit:\n");
        show_all(p, p->count - 1);
    }
    unsigned shown = 0;
    for (size_t at = DATA - RAM_BASE; at < USED_BYTES && shown < MAX_SHOWN; at += 8) {
        if (memcmp(metic + at, qemu + at, 8) != 0) {
            printf("memory at %llx was %016llx: metic %016llx qemu %016llx\n",
                   (unsigned long long)(RAM_BASE + at), (unsigned long long)ld_le64(p->ram + at),
                   (unsigned long long)ld_le64(metic + at), (unsigned long long)ld_le64(qemu + at));
            shown++;
        }
    }
    return different + shown + 1;
}

/* How many instructions of the steps themselves were executed: those before the trap that ended
 * each, a word being one. The trap lies in the step's code, at its own address or at U_ALIAS. */
static u64 executed_insns(const struct program *p, const u8 *ram)
{
    u64 insns = 0;
    for (unsigned i = 0; i < p->count; i++) {
        u64 code = STEPS + (u64)i * STEP_BYTES + STEP_CODE;
        const u8 *log = ram + (LOGS - RAM_BASE) + (u64)i * LOG_BYTES;
        u64 m_words = (ld_le64(log + LOG_MEPC) - code) % U_ALIAS / 4;
        u64 s_words = (ld_le64(log + LOG_SEPC) - code) % U_ALIAS / 4;
        insns += m_words < STEP_CODE_WORDS   ? m_words
                 : s_words < STEP_CODE_WORDS ? s_words
                                             : 0;
    }
    return insns;
}

static bool run(const struct class *class, char **argv, u64 seed, unsigned steps, u64 *executed)
{
    static const char *const engines[] = {"jit", "interp", "both"};
    enum metic_engine engine = METIC_ENGINE_JIT;
    for (unsigned i = 0; i < ARRAY_LEN(engines); i++) {
        engine = strcmp(argv[3], engines[i]) == 0 ? (enum metic_engine)i : engine;
    }
    struct program p = {.random = seed};
    p.ram = mmap(NULL, USED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p.ram == MAP_FAILED) {
        die("mmap");
    }
    load_driver(&p, argv[1]);
    make_program(&p, class, steps);
    if (getenv("SHOW") != NULL) {
        show_all(&p, (unsigned)strtoul(getenv("SHOW"), NULL, 0));
        return true;
    }
    u8 *metic = run_metic(&p, argv[1], engine);
    u8 *qemu = run_qemu(&p, class, argv[2]);
    forgive(&p, metic, qemu);
    unsigned different = compare(&p, metic, qemu);
    *executed += executed_insns(&p, metic);
    printf("%s: %u steps, %llu instructions so far, seed %llu, engine %s: %s\n", class->name,
           p.count, (unsigned long long)*executed, (unsigned long long)seed, argv[3],
           different == 0 ? "equal" : "DIFFERENT");
    fflush(stdout);
    free(metic);
    munmap(qemu, RAM_BYTES);
    munmap(p.ram, USED_BYTES);
    return different == 0;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: %s DRIVER WORK jit|interp|both CLASS|all SEED STEPS\n", argv[0]);
        return 2;
    }
    u64 seed = strtoull(argv[5], NULL, 0);
    unsigned long steps = strtoul(argv[6], NULL, 0);
    bool equal = true, found = false;
    for (unsigned i = 0; i < ARRAY_LEN(classes); i++) {
        if (strcmp(argv[4], "all") != 0 && strcmp(argv[4], classes[i].name) != 0) {
            continue;
        }
        found = true;
        u64 next = seed, executed = 0;
        for (unsigned long left = steps; left > 0;) {
            unsigned now = left < STEPS_MAX ? (unsigned)left : STEPS_MAX;
            equal &= run(&classes[i], argv, next++, now, &executed);
            left -= now;
        }
    }
    if (!found) {
        fprintf(stderr, "%s: no class %s\n", argv[0], argv[4]);
        return 2;
    }
    return equal ? 0 : 1;
}
