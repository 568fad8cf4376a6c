/*
 * Messages between harts: S-mode interrupts and remote fences.
 *
 * Each hart can have one fence under way, since the caller waits for it. So a request lives in its
 * sender's struct hart, and a mailbox is one 64-bit word: bit n asks to carry out harts[n].fence.
 * It cannot overflow, needs no lock, and a hart that waits for others serves its own mailbox
 * meanwhile, so that any number of harts may fence each other at once.
 */
#ifndef ROMS_SBI_IPI_H
#define ROMS_SBI_IPI_H

#include "roms/sbi/hart.h"

/* Raises the machine software interrupt of a hart; all earlier stores are seen there first. */
void ipi_raise(struct hart *hart);

/* Clears this hart's machine software interrupt and carries out what was asked of it. */
void ipi_receive(struct hart *self);

/* Raises SSIP on the harts of a bitmap by index. */
void ipi_send(struct hart *self, uint64_t targets);

/* Carries out a fence on the harts of a bitmap by index; returns when all have done so. */
void ipi_fence(struct hart *self, uint64_t targets, const struct fence *fence);

/* The harts of a bitmap that run S-mode or sleep in it. */
uint64_t ipi_reachable(uint64_t targets);

#endif
