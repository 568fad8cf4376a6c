/*
 * The advanced interrupt architecture (AIA 1.0), where the board has it: what only M-mode can set
 * up for S-mode, and interrupts between harts as messages.
 *
 * The root APLIC hands its sources to its child domain, which S-mode drives, and is told where the
 * pages of the harts' IMSICs lie. S-mode reaches its own interrupt file through mstateen0 (hart.c).
 */
#ifndef ROMS_SBI_AIA_H
#define ROMS_SBI_AIA_H

#include "roms/common/dtb.h"
#include "roms/sbi/hart.h"

/* Takes note of a node if it is AIA's; hart_of_intc finds a hart by its controller's handle. */
void aia_read_node(const struct dtb_walk *at, struct hart *(*hart_of_intc)(uint32_t phandle));

/* After all nodes: sets the root domain up. */
void aia_delegate(void);

/* Hides what is M-mode's own, so that nobody in S-mode tries to drive it. */
void aia_hide_own(const struct dtb *tree);

/* This hart takes messages from other harts from now on, if it has an interrupt file for M. */
void aia_hart_setup(struct hart *self);

/* Sends the message that stands for an interrupt between harts; false: the hart takes none. */
bool aia_ipi_raise(struct hart *hart);

/* Claims it. */
void aia_ipi_clear(struct hart *self);

#endif
