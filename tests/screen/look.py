"""What is seen on an Xvfb that was started with -fbdir, as numbers.

    look.py FILE colours X Y W H          how many colours the place has
    look.py FILE count X Y W H rrggbb     how many pixels have that one
    look.py FILE row X Y W                its pixels, each as rrggbb, joined
    look.py FILE digest X Y W H           a sum over the place
"""
import struct
import sys
import zlib

with open(sys.argv[1], "rb") as f:
    data = f.read()
# X's window dump (XWDFile.h): 25 words, a name, a table of colours, rows.
head = struct.unpack(">25I", data[:100])
row_bytes, bits = head[12], head[11]
assert bits == 32 and head[7] == 0, head
start = head[0] + 12 * head[19]


def row(x, y, w):
    at = start + y * row_bytes + 4 * x
    return ["%06x" % (pixel & 0xFFFFFF) for pixel in struct.unpack("<%dI" % w, data[at:at + 4 * w])]


what = sys.argv[2]
x, y, w = map(int, sys.argv[3:6])
pixels = row(x, y, w)
for line in range(1, int(sys.argv[6]) if what != "row" else 1):
    pixels += row(x, y + line, w)
if what == "row":
    print("".join(pixels))
elif what == "digest":
    print("%08x" % zlib.crc32("".join(pixels).encode()))
elif what == "count":
    print(pixels.count(sys.argv[7]))
else:
    print(len(set(pixels)))
