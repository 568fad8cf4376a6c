"""Reads a perf jitdump by its specification; prints "records loads named code-bytes".

Fails when a size does not add up, a time runs backwards or an index is not the next."""
import struct
import sys

data = open(sys.argv[1], 'rb').read()
magic, version, header_bytes, machine, _, _, _, _ = struct.unpack_from('=6I2Q', data)
assert (magic, version, header_bytes, machine) == (0x4A695444, 1, 40, 62), 'header'
at, last, records, loads, named, code_bytes = header_bytes, 0, 0, 0, 0, 0
kind = None
while at < len(data):
    kind, size, time = struct.unpack_from('=IIQ', data, at)
    assert time >= last, 'time'
    last = time
    records += 1
    if kind == 0:
        _, _, vma, address, length, index = struct.unpack_from('=2I4Q', data, at + 16)
        name = data[at + 56:at + size - length]
        loads += 1
        assert vma == address and index == loads and name.count(0) == 1 and name[-1] == 0, 'load'
        named += not name.startswith(b'guest_')
        code_bytes += length
    at += size
assert at == len(data) and kind == 3, 'end'
print(records, loads, named, code_bytes)
