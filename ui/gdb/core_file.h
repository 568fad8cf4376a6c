/* The whole machine as an ELF core file, which debuggers and tools for crashed kernels read. */
#ifndef METIC_UI_CORE_FILE_H
#define METIC_UI_CORE_FILE_H

#include "cpu/base/error.h"
#include "hw/metic.h"

/* While the machine stands still. Memory that is all zeros is a hole in the file. `hart`: whose
 * virtual addresses it has besides the physical ones; where that hart translates none, those of the
 * first that does. *whole: all of them; a guest can map more pieces than a file has room for. False
 * with a reason; then there is no file. */
bool core_file_write(metic_machine *machine, unsigned hart, const char *path, bool *whole,
                     struct metic_error *error);

#endif
