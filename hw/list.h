/* The part of `metic list` that knows the translator, and so belongs to the machine's files. */
#ifndef METIC_HW_LIST_H
#define METIC_HW_LIST_H

#include <stdio.h>

void machine_list_ir(FILE *to);

#endif
