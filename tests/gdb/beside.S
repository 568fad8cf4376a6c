# A loop through two pages, hot enough for traces, with code beside its path in each of them: rare
# comes every 65536th round, never not at all.
    .globl _start, loop, rare, never, add, beside
    .option norvc
_start:
    li s0, 0
    li s1, 20000000
loop:
    slli a0, s0, 48
    beqz a0, rare
back:
    call add
    addi s0, s0, 1
    bne s0, s1, loop
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
1:  j 1b
rare:
    addi s3, s3, 1
    j back
never:
    nop

    .balign 4096
    nop
add:
    add s2, s2, s0
    bltz s2, beside
    ret
beside:
    ret
