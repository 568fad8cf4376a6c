#!/usr/bin/env python3
"""Reads a drcov file (version 2) as other tools do, and prints each block: its module's path, its
address and its length. Fails on what the format has not: drcov.py FILE"""
import struct
import sys

head, _, rest = open(sys.argv[1], "rb").read().partition(b"BB Table: ")
count, _, table = rest.partition(b" bbs\n")
lines = head.decode().splitlines()
assert lines[0] == "DRCOV VERSION: 2" and lines[1].startswith("DRCOV FLAVOR: "), lines[:2]
modules = int(lines[2].removeprefix("Module Table: version 2, count "))
names = [name.strip() for name in lines[3].removeprefix("Columns:").split(",")]
assert len(lines) == 4 + modules, "other modules than were told"
rows = [dict(zip(names, (field.strip() for field in line.split(",")))) for line in lines[4:]]
spans = [(int(row["base"], 16), int(row["end"], 16)) for row in rows]
assert [int(row["id"]) for row in rows] == list(range(modules))
assert all(base < end and end - base <= 1 << 32 for base, end in spans), spans
assert len(table) == 8 * int(count), "another number of blocks than was told"
for offset, size, module in struct.iter_unpack("<IHH", table):
    base, end = spans[module]
    assert size != 0 and base + offset + size <= end, (hex(offset), size, rows[module])
    print(rows[module]["path"], hex(base + offset), size)
