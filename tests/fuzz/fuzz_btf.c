/* Type information of a guest's kernel (hw/btf.c): any bytes. */
#include "hw/btf.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* A header, struct module {list; union {name}; mem[]}, its array and a typedef; the strings. */
static const u8 seed[] = {
    0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 112, 0, 0, 0, 112, 0, 0, 0, 27, 0, 0, 0,
    /* 1: struct module, 3 members */
    1, 0, 0, 0, 3, 0, 0, 4, 64, 0, 0, 0,
    8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 64, 0, 0, 0,
    13, 0, 0, 0, 3, 0, 0, 0, 128, 0, 0, 0,
    /* 2: typedef of 4; 3: array of 2 */
    17, 0, 0, 0, 0, 0, 0, 8, 4, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0,
    /* 4: union, 1 member */
    0, 0, 0, 0, 1, 0, 0, 5, 8, 0, 0, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    0, 'm', 'o', 'd', 'u', 'l', 'e', 0, 'l', 'i', 's', 't', 0, 'm', 'e', 'm', 0,
    't', 'y', 'p', 'e', 0, 'n', 'a', 'm', 'e', 0,
};

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static const char *const names[] = {"list", "name", "mem", "", "nowhere"};
    struct btf btf;
    if (!btf_init(&btf, bytes, size_bytes)) {
        return;
    }
    u32 module = btf_find_struct(&btf, "module");
    btf_struct_bytes(&btf, module);
    for (u32 type = 0; type < btf.count + 2 && type < 64; type++) {
        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            struct btf_member member;
            if (btf_find_member(&btf, type, names[i], &member)) {
                btf_array_element(&btf, member.type);
            }
        }
    }
    btf_fini(&btf);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    add(seed, sizeof(seed));
}
