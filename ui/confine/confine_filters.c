/* A program that runs while metic is built, and prints the filters of system calls that
 * confine_calls.c gives to the kernel: one for each set of needs, as classic BPF. Making one with
 * libseccomp takes about half a millisecond, a sixth of what metic took to start a machine.
 *
 *     confine_filters >FILE
 *
 * The file is C: confine_filters[needs], where bit n of needs is the n-th member of struct
 * confine_needs. Where a filter asks for this process's number it has CONFINE_PROCESS instead. */
#include "ui/confine/confine_calls.h"

#include "cpu/base/bits.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NEED_ANY = -1 };

static const struct {
    const char *name;
    int number, need; /* offset in struct confine_needs, or NEED_ANY */
} calls[] = {
#define NEED_OF_ANY NEED_ANY
#define NEED_OF_internet ((int)offsetof(struct confine_needs, internet))
#define NEED_OF_unix_sockets ((int)offsetof(struct confine_needs, unix_sockets))
#define NEED_OF_window ((int)offsetof(struct confine_needs, window))
#define NEED_OF_children ((int)offsetof(struct confine_needs, children))
#define CALL(name, need) {#name, SCMP_SYS(name), NEED_OF_##need},
#include "ui/confine/confine.def"
#undef CALL
};

static bool is_needed(const struct confine_needs *needs, int need)
{
    return need == NEED_ANY || *((const bool *)needs + need);
}

/* An argument of a call is a value, or is under a mask. */
static struct scmp_arg_cmp equals(unsigned number, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){.arg = number, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp masked(unsigned number, scmp_datum_t mask, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){
        .arg = number, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value,
    };
}

/* EEXIST: another need allowed it already. */
static bool allow(scmp_filter_ctx filter, int number, unsigned count,
                  const struct scmp_arg_cmp *arguments)
{
    int failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, arguments);
    return failed == 0 || failed == -EEXIST || failed == -EDOM;
}

static bool allow_if(scmp_filter_ctx filter, int number, struct scmp_arg_cmp argument)
{
    return allow(filter, number, 1, &argument);
}

/* EPERM, where a library would take ENOSYS for an old kernel and try another way in vain. */
static bool refuse(scmp_filter_ctx filter, int number)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number, 0, NULL) == 0;
}

static bool allow_socket(scmp_filter_ctx filter, int domain, int type)
{
    const struct scmp_arg_cmp arguments[] = {
        equals(0, (scmp_datum_t)domain),
        masked(1, ~(scmp_datum_t)(SOCK_CLOEXEC | SOCK_NONBLOCK),
                (scmp_datum_t)type),
    };
    return allow(filter, SCMP_SYS(socket), ARRAY_LEN(arguments), arguments);
}

static bool add_sockets(scmp_filter_ctx filter, const struct confine_needs *needs)
{
    bool unix_sockets = needs->unix_sockets || needs->window;
    bool ok = true;
    if (needs->internet) {
        ok = allow_socket(filter, AF_INET, SOCK_STREAM) &&
             allow_socket(filter, AF_INET, SOCK_DGRAM) &&
             allow_socket(filter, AF_INET6, SOCK_STREAM) &&
             allow_socket(filter, AF_INET6, SOCK_DGRAM);
    }
    if (unix_sockets) {
        ok = ok && allow_socket(filter, AF_UNIX, SOCK_STREAM) &&
             allow_socket(filter, AF_UNIX, SOCK_DGRAM) &&
             allow_socket(filter, AF_UNIX, SOCK_SEQPACKET);
    }
    return ok && (needs->internet || unix_sockets || refuse(filter, SCMP_SYS(socket)));
}

/* Threads but no processes: clone3 has its flags in memory, where no filter sees them, so the C
 * library is made to use clone. Threads of shared folders take a umask of their own. */
static bool add_threads(scmp_filter_ctx filter)
{
    return allow_if(filter, SCMP_SYS(clone),
                    masked(0, CLONE_THREAD, CLONE_THREAD)) &&
           allow_if(filter, SCMP_SYS(unshare), equals(0, CLONE_FS)) &&
           allow_if(filter, SCMP_SYS(tgkill), equals(0, CONFINE_PROCESS)) &&
           allow_if(filter, SCMP_SYS(kill), equals(0, CONFINE_PROCESS)) &&
           allow_if(filter, SCMP_SYS(prlimit64), equals(0, 0)) &&
           allow_if(filter, SCMP_SYS(prctl), equals(0, PR_SET_NAME)) &&
           allow_if(filter, SCMP_SYS(prctl), equals(0, PR_GET_NAME)) &&
           allow_if(filter, SCMP_SYS(prctl), equals(0, PR_SET_TIMERSLACK)) &&
           refuse(filter, SCMP_SYS(execve)) && refuse(filter, SCMP_SYS(execveat)) &&
           refuse(filter, SCMP_SYS(ptrace)) && refuse(filter, SCMP_SYS(fork)) &&
           refuse(filter, SCMP_SYS(vfork));
}

/* Code memory is never writable and executable at once; graphics drivers have compilers that do
 * not know this. */
static bool add_memory(scmp_filter_ctx filter, const struct confine_needs *needs)
{
    if (needs->window) {
        return allow(filter, SCMP_SYS(mmap), 0, NULL) &&
               allow(filter, SCMP_SYS(mprotect), 0, NULL);
    }
    return allow_if(filter, SCMP_SYS(mmap), masked(2, PROT_EXEC, 0)) &&
           allow_if(filter, SCMP_SYS(mmap), masked(2, PROT_WRITE, 0)) &&
           allow_if(filter, SCMP_SYS(mprotect), masked(2, PROT_EXEC, 0)) &&
           allow_if(filter, SCMP_SYS(mprotect), masked(2, PROT_WRITE, 0));
}

/* Not among them: TIOCSTI and its like, which type into the terminal that metic was started from.
 * The kernel looks at 32 bits of the request. */
static bool add_ioctls(scmp_filter_ctx filter, const struct confine_needs *needs)
{
    static const unsigned requests[] = {
        TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, TIOCSWINSZ, TIOCOUTQ, TIOCGPTN, TIOCSPTLCK,
        FIONREAD, FIONBIO, FIOCLEX, FICLONE, FICLONERANGE, FS_IOC_GETFLAGS, BLKGETSIZE64,
        BLKDISCARD, BLKZEROOUT, BLKSSZGET, BLKPBSZGET,
    };
    bool ok = true;
    if (needs->window) {
        return allow(filter, SCMP_SYS(ioctl), 0, NULL);
    }
    for (unsigned i = 0; ok && i < ARRAY_LEN(requests); i++) {
        ok = allow_if(filter, SCMP_SYS(ioctl),
                      masked(1, 0xffffffffu, requests[i]));
    }
    return ok;
}

static bool fill(scmp_filter_ctx filter, const struct confine_needs *needs)
{
    bool ok = true;
    for (unsigned i = 0; ok && i < ARRAY_LEN(calls); i++) {
        if (is_needed(needs, calls[i].need) && calls[i].number != __NR_SCMP_ERROR) {
            ok = allow(filter, calls[i].number, 0, NULL);
        }
    }
    return ok && add_sockets(filter, needs) && add_threads(filter) &&
           add_memory(filter, needs) && add_ioctls(filter, needs);
}

/* The tree of comparisons is a binary one: the kernel, when it takes the filter, runs it for every
 * number there is, to remember which calls it need not ask about. */
static scmp_filter_ctx make_filter(const struct confine_needs *needs)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (filter != NULL) {
        (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* since 2.5.0 */
        if (!fill(filter, needs)) {
            seccomp_release(filter);
            filter = NULL;
        }
    }
    return filter;
}

/* Returns how many instructions. */
static size_t print_filter(scmp_filter_ctx filter, unsigned needs)
{
    FILE *file = tmpfile();
    struct sock_filter insn;
    size_t count = 0;
    if (file == NULL || seccomp_export_bpf(filter, fileno(file)) != 0) {
        return 0;
    }
    rewind(file);
    printf("static const struct sock_filter filter_%u[] = {\n", needs);
    while (fread(&insn, sizeof(insn), 1, file) == 1) {
        printf("    {%#x, %u, %u, %#x},\n", insn.code, insn.jt, insn.jf, insn.k);
        count++;
    }
    printf("};\n");
    fclose(file);
    return count;
}

int main(void)
{
    size_t counts[1 << sizeof(struct confine_needs)];
    printf("/* Written by confine_filters while metic was built. */\n");
    for (unsigned set = 0; set < ARRAY_LEN(counts); set++) {
        struct confine_needs needs;
        for (unsigned n = 0; n < sizeof(needs); n++) {
            ((bool *)&needs)[n] = set >> n & 1;
        }
        scmp_filter_ctx filter = make_filter(&needs);
        counts[set] = filter != NULL ? print_filter(filter, set) : 0;
        seccomp_release(filter);
        if (counts[set] == 0) {
            fprintf(stderr, "confine_filters: libseccomp made no filter\n");
            return 1;
        }
    }
    printf("static const struct sock_fprog confine_filters[] = {\n");
    for (unsigned set = 0; set < ARRAY_LEN(counts); set++) {
        printf("    {%zu, (struct sock_filter *)filter_%u},\n", counts[set], set);
    }
    printf("};\n");
    return fflush(stdout) != 0;
}
