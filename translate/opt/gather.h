/* Loads of single bytes that make a word become one load.
 *
 * Compilers for guests that may trap at misaligned addresses read a word whose alignment they do
 * not know byte by byte, and put it together by shifts and ors: 22 instructions for eight bytes.
 * Here they are one LOAD. What lies between the first of them and the word's end becomes a region:
 * it loads, and computes, but writes guest registers only at its end. So all of its accesses belong
 * to its first instruction, and have checks with IR_CHECK_PIECES: where one of them meets no plain
 * memory or may not be read, nothing was done yet, and the first instruction runs by itself. What
 * pieces left in guest registers is taken out of the word, where somebody may see it. A word in the
 * other byte order is a LOAD and a BSWAP.
 *
 * Requires a complete block before opt_dead, which drops what is left of the pieces. Does nothing
 * unless ir->has_pieces. `alone`: no other hart runs, so that loads may change places with loads
 * from elsewhere; with others, two loads from one address must stay in order. */
#ifndef METIC_TRANSLATE_OPT_GATHER_H
#define METIC_TRANSLATE_OPT_GATHER_H

#include "translate/ir/ir.h"

void opt_gather(struct ir *ir, bool alone);

#endif
