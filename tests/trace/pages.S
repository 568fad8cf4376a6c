# A loop through three pages, 300,000 rounds: in the second one a branch goes either way in turn. As
# traces it has guards, of which the first time each is found unproved, behind what is counted then.
    .globl _start
_start:
    li s1, 300000
    li a0, 0
again:
    addi s1, s1, -1
    andi t0, s1, 1
    j second
    .balign 4096
second:
    addi a0, a0, 1
    beqz t0, 1f
    addi a0, a0, 2
1:  addi a0, a0, 3
    j third
    .balign 4096
third:
    addi a0, a0, 4
    bnez s1, again
#include "finish.inc"
