/* The system calls a confined process may make (confine.def): filters that confine_filters.c made
 * with libseccomp when metic was built. */
#include "ui/confine/confine_calls.h"

#include "config.h"

#if HAVE_SECCOMP

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine_filters.inc"

bool confine_calls_are_built(void)
{
    return true;
}

/* Its place in confine_filters. */
static unsigned set_of(const struct confine_needs *needs)
{
    unsigned set = 0;
    for (unsigned n = 0; n < sizeof(*needs); n++) {
        set |= (unsigned)((const bool *)needs)[n] << n;
    }
    return set;
}

/* A copy in which this process's number stands. The caller frees it. */
static struct sock_filter *own_filter(const struct sock_fprog *made)
{
    struct sock_filter *own = malloc(made->len * sizeof(*own));
    for (unsigned i = 0; own != NULL && i < made->len; i++) {
        own[i] = made->filter[i];
        if (own[i].k == CONFINE_PROCESS && BPF_CLASS(own[i].code) == BPF_JMP) {
            own[i].k = (u32)getpid();
        }
    }
    return own;
}

/* All threads; and no detour in the processor for fear of speculation, which would slow the guest's
 * code. Returns 0, an errno, or the number of a thread that could not follow. */
static long load(struct sock_fprog *program)
{
    long failed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, program);
    return failed < 0 ? errno : failed;
}

bool confine_calls(const struct confine_needs *needs, struct metic_error *error)
{
    const struct sock_fprog *made = &confine_filters[set_of(needs)];
    struct sock_fprog program = {.len = made->len, .filter = own_filter(made)};
    if (program.filter == NULL) {
        return error_set(error, NULL, "the host has no memory for a list of system calls");
    }
    long failed = load(&program);
    free(program.filter);
    return failed == 0 ||
           error_set(error, "give --confine off", "cannot give up system calls (seccomp): %s",
                     strerror((int)failed));
}

#else

bool confine_calls_are_built(void)
{
    return false;
}

bool confine_calls(const struct confine_needs *needs, struct metic_error *error)
{
    (void)needs;
    (void)error;
    return true;
}

#endif
