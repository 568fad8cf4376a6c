# A bare-metal program in a page that PMP divides: from the csrw of pmpcfg0 on, one locked entry
# permits all below `split` and another, locked too, the rest. Such a page's code is not kept: the
# interpreter runs it. It then writes to a locked address register, in vain, and powers off.
    .option norvc
    .globl  _start
_start:
    lla     t0, split
    srli    t0, t0, 2
    csrw    pmpaddr0, t0
    li      t1, -1
    csrw    pmpaddr1, t1
    li      t2, 0x8f8f          # twice: locked, top of range, read, write, execute
    csrw    pmpcfg0, t2
    nop
    csrw    pmpaddr0, zero
split:
    li      a0, 0x100000        # the test finisher
    li      a5, 0x5555          # power off, status 0
    sw      a5, 0(a0)
stop:
    j       stop
