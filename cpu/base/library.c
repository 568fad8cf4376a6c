/* See library.h. */
#include "cpu/base/library.h"

#include "cpu/base/error.h"

#include <dlfcn.h>
#include <string.h>

void *library_open(const char *file)
{
    return dlopen(file, RTLD_NOW | RTLD_LOCAL);
}

void library_close(void *library)
{
    if (library != NULL) {
        dlclose(library);
    }
}

/* ISO C has no cast from an address to a pointer to a function. */
bool library_find(void *library, const char *name, void *function, size_t function_bytes)
{
    void *address = dlsym(library, name);
    CHECK(function_bytes == sizeof(address));
    memcpy(function, &address, sizeof(address));
    return address != NULL;
}
