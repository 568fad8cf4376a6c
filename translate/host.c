/* Which host backend serves the processor that this program runs on. */
#include "translate/host.h"

const struct host *host_find(void)
{
#if defined(__x86_64__)
    return &x86_64_host;
#else
    return NULL;
#endif
}
