#!/usr/bin/env python3
"""Random vector instructions as an assembly program, for the comparison with Spike's commit log.

    random_vector.py SEED COUNT VLEN rv_v.def >program.S

Each row of rv_v.def is taken as often as any other, with registers of which no two groups overlap,
under each SEW, LMUL, vl, mask and vstart that both processors permit; what is illegal (both agree on
that) is skipped by the trap handler, as are accesses behind the end of RAM or of the only page: two
programs of four run in U-mode under Sv39. Elements may be misaligned.
"""
import random
import re
import sys

RAM_END = 0xA0000000
PAGE_END = 0x80200000
X_SCALARS, X_RESULTS, F_REGS = (13, 14, 15), (16, 17, 18, 19), (0, 1, 2, 3, 9)
BASE, STRIDE, TEMP = 10, 12, 29
ROW = re.compile(r'VINSN\((\w+),\s*"([^"]*)",\s*(\w+),\s*"[^"]*",\s*([^,]+),\s*(\w+),\s*(\w+)\)')


class Program:
    def __init__(self, seed, vlen, rows):
        self.random = random.Random(seed)
        self.paged = seed % 4 >= 2
        self.vlen = vlen
        self.rows = rows
        self.sew, self.lmul = 8, 0
        self.pools = {}

    def line(self, text):
        print("    " + text)

    def li(self, reg, value):
        self.line(f"li x{reg}, {value}")

    def set_type(self):
        """vset*vl*, of all three kinds."""
        r = self.random
        self.sew = 8 << r.randrange(4)
        self.lmul = r.choice([n for n in range(-3, 4) if self.sew <= 64 * min(1, 2.0 ** n)])
        vtype = r.randrange(4) << 6 | (self.sew // 8).bit_length() - 1 << 3 | self.lmul & 7
        vlmax = int(self.vlen // self.sew * 2.0 ** self.lmul)
        kind = r.randrange(8)
        if kind == 0:
            word = 3 << 30 | vtype << 20 | r.randrange(32) << 15
        elif kind == 1:
            word = vtype << 20  # all of them
            self.line(f".word {word | 7 << 12 | TEMP << 7 | 0x57:#x}")
            word = (vtype ^ 0xC0) << 20  # vl stays
        elif kind == 2:
            self.li(TEMP, vtype if r.randrange(4) else -1)
            word = 0x80000000 | TEMP << 20 | X_SCALARS[0] << 15
        else:
            self.li(TEMP, r.choice([vlmax, vlmax, r.randint(0, vlmax), r.randint(0, vlmax + 3)]))
            word = vtype << 20 | TEMP << 15
        rd = 0 if kind == 1 else r.choice(X_RESULTS)
        self.line(f".word {word | 7 << 12 | rd << 7 | 0x57:#x}")

    def fill(self, group, pool="data"):
        """Eight registers from memory: anything, or indices."""
        offset = 8 * self.random.randrange(64) if pool == "data" else 0
        self.line(f"la x{BASE}, {pool} + {offset}")
        self.line(f".word {7 << 29 | 1 << 25 | 8 << 20 | BASE << 15 | group << 7 | 0x07:#x}")

    def scalars(self):
        r = self.random
        for reg in X_SCALARS:
            self.li(reg, r.choice([r.randrange(16), r.getrandbits(64), -r.randrange(1, 999)]))
        for reg in F_REGS:
            value = r.choice([r.getrandbits(64), 0x3FF0000000000000 | r.getrandbits(40),
                              0xFFFFFFFF3F800000 | r.getrandbits(10)])
            self.li(TEMP, value)
            self.line(f"fmv.d.x f{reg}, x{TEMP}")
        self.line(f"csrwi vxrm, {r.randrange(4)}")
        self.line(f"csrwi frm, {r.randrange(5)}")
        self.line(r.choice(["csrwi vxsat, 0", "csrwi vcsr, 0", "csrwi fflags, 0", "nop"]))

    def address(self, shape):
        r = self.random
        if "whole" not in shape and "mask" not in shape and r.randrange(8) == 0:
            # A misaligned store over the end stores its first bytes in Spike.
            away = r.randrange(200) & (~7 if "store" in shape else ~0)
            self.li(BASE, (PAGE_END if self.paged else RAM_END) - away)
        else:
            self.line(f"la x{BASE}, middle + {r.choice([8 * r.randrange(16), r.randrange(128)])}")
        self.li(STRIDE, 8 * r.randint(-6, 6))
        if r.randrange(6) == 0:
            self.line(f"csrwi vstart, {r.randrange(12)}")

    def instruction(self):
        r = self.random
        name, pattern, form, flags, shape, _ = r.choice(self.rows)
        bits = pattern.replace(" ", "")
        memory = "MEMORY" in flags
        groups = r.sample([8, 16, 24], 3)
        step = int(max(1, 2 * 2.0 ** self.lmul))
        within = 0 if memory else r.choice(list(range(0, 8, step)) or [0])
        vd = groups[0] + within
        if shape in ("compare", "fp_compare", "mask_logic", "carry_out", "reduce") and \
                r.randrange(3) == 0:
            vd = 0
        vs2, vs1 = groups[1] + within, groups[2] + within
        if form in ("V_VX", "V_VF"):
            vs1 = r.choice(X_SCALARS if form == "V_VX" else F_REGS)
        elif form in ("V_VI", "V_VU"):
            vs1 = r.randrange(32)
        if "X_RESULT" in flags:
            vd = r.choice(X_RESULTS)
        elif "FP_WRITE" in flags:
            vd = r.choice(F_REGS)
        if memory:
            if form == "V_INDEXED":
                width = {"000": 8, "101": 16, "110": 32, "111": 64}[bits[17:20]]
                self.fill(vs2, f"indices{width}")
            self.address(shape)
            vs1 = BASE
            if form == "V_STRIDED":
                vs2 = STRIDE
        random_bits = f"{r.getrandbits(32):032b}"
        if "redusum" in name:  # with no element active, a NaN may come canonical or not
            bits = bits[:6] + "1" + bits[7:]
        fields = {7: vd, 15: vs1, 20: vs2}
        word = 0
        for at, bit in enumerate(bits):
            position = 31 - at
            start = max((s for s in fields if s <= position < s + 5), default=None)
            if bit == ".":
                bit = str(fields[start] >> position - start & 1) if start else random_bits[at]
            word |= int(bit) << position
        self.line(f".word {word:#x} # {name}")
        self.line("csrwi vstart, 0")

    def run(self, count):
        print(HEAD)
        if self.paged:
            print(PAGES)
        self.line(f"li x{BASE}, 0x80000000")
        self.line(f".word {1 << 25 | 8 << 20 | BASE << 15 | 9 << 7 | 0x07:#x} # vl1r.v, vill")
        for n in range(count):
            if n % 4 == 0:
                self.set_type()
            if n % 8 == 0:
                self.scalars()
                for group in (0, 8, 16, 24):
                    self.fill(group)
            self.instruction()
        print(TAIL)
        print("    .balign 64\ndata:")
        for _ in range(160):
            value = self.random.choice([self.random.getrandbits(64), 0, 0x3FF8000040000000,
                                        0x0101010101010101, 2 ** 64 - 1, 0x7FF0000000000001])
            print(f"    .dword {value:#x}")
        for width in (8, 16, 32, 64):
            directive = {8: "byte", 16: "half", 32: "word", 64: "dword"}[width]
            print(f"indices{width}:")
            for _ in range(8 * self.vlen // width):
                print(f"    .{directive} {8 * self.random.randrange(16 if width == 8 else 64):#x}")
        print("    .balign 64\n    .fill 4096, 1, 0x5a\nmiddle:\n    .fill 8192, 1, 0xa5")
        print("    .balign 4096\ntables:\n    .fill 8192, 1, 0")


HEAD = """    .globl _start, tohost, fromhost
    .option norvc
    .option nopic
_start:
    li x5, 0x6200 # FS dirty, VS initial
    csrs mstatus, x5
    la x5, trap
    csrw mtvec, x5
    j begin
    .balign 4
trap:
    csrr x30, mepc
    addi x30, x30, 4
    csrw mepc, x30
    csrwi vstart, 0
    mret
begin:"""

# A table that leads to another, whose first entry is a page of 2 MiB for all that U-mode may do.
PAGES = """
    la x5, tables + 4096
    li x6, 0x80000000 >> 2 | 0xdf
    sd x6, 0(x5)
    srli x6, x5, 12
    slli x6, x6, 10
    ori x6, x6, 1
    la x5, tables
    sd x6, 16(x5)
    srli x5, x5, 12
    li x6, 8 << 60
    or x5, x5, x6
    csrw satp, x5
    li x5, -1
    csrw pmpaddr0, x5
    li x5, 0x1f
    csrw pmpcfg0, x5
    sfence.vma
    li x5, 0x1800
    csrc mstatus, x5
    la x5, user
    csrw mepc, x5
    mret
user:"""

TAIL = """    la x5, tohost
    li x6, 1
    sd x6, 0(x5)
1:  j 1b
    .balign 64
tohost: .dword 0
    .balign 64
fromhost: .dword 0"""

if __name__ == "__main__":
    with open(sys.argv[4], encoding="utf-8") as table:
        Program(int(sys.argv[1]), int(sys.argv[3]), ROW.findall(table.read())).run(int(sys.argv[2]))
