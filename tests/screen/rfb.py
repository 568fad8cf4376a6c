"""A client of RFB over a Unix socket, with no library, and hostile ones.

    rfb.py SOCKET picture FILE.ppm      one full update in raw encoding
    rfb.py SOCKET type TEXT             key events by keysym, as a viewer without extensions sends them
    rfb.py SOCKET hostile SEED SECONDS  random and malformed messages; ends well if it could connect on
"""
import os
import random
import socket
import struct
import sys
import time

PATH = sys.argv[1]


def exactly(s, count):
    data = b""
    while len(data) < count:
        part = s.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def connect(handshake=True):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(PATH)
    if handshake:
        assert exactly(s, 12).startswith(b"RFB 003.")
        s.sendall(b"RFB 003.008\n")
        kinds = exactly(s, exactly(s, 1)[0])
        assert 1 in kinds, kinds
        s.sendall(b"\x01")
        assert exactly(s, 4) == bytes(4)
        s.sendall(b"\x01")
    return s


def start(s):
    width, height = struct.unpack(">HH", exactly(s, 4))
    exactly(s, 16)
    name = exactly(s, struct.unpack(">I", exactly(s, 4))[0])
    return width, height, name


def picture(path):
    s = connect()
    width, height, _ = start(s)
    # 32 bits, depth 24, little-endian, true colour, red at 16
    s.sendall(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
    s.sendall(struct.pack(">BxHi", 2, 1, 0))
    s.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    image = bytearray(width * height * 3)
    left = width * height
    while left > 0:
        kind, count = struct.unpack(">BxH", exactly(s, 4))
        assert kind == 0
        for _ in range(count):
            x, y, w, h, encoding = struct.unpack(">HHHHi", exactly(s, 12))
            assert encoding == 0, encoding
            for row in range(h):
                line = exactly(s, 4 * w)
                at = ((y + row) * width + x) * 3
                for i in range(3):
                    image[at + i:at + 3 * w:3] = line[2 - i::4]
            left -= w * h
    with open(path, "wb") as f:
        f.write(b"P6\n%d %d\n255\n" % (width, height) + image)


def type_text(text):
    s = connect()
    start(s)
    for c in text:
        keysym = 0xFF0D if c == "\n" else ord(c)
        for down in (1, 0):
            s.sendall(struct.pack(">BBxxI", 4, down, keysym))
            time.sleep(0.02)
    time.sleep(0.2)


def message(r):
    kind = r.choice([0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 150, 250, 251, 252, 253, 254, 255, r.randrange(256)])
    if kind == 6:  # a text: length as the header says, or not
        length = r.choice([0, 1, 5, 4096, 1 << 20, 1 << 31, 0xFFFFFFFF])
        return struct.pack(">BxxxI", 6, length) + os.urandom(min(length, r.randrange(5000)))
    if kind == 5:
        return struct.pack(">BBHH", 5, r.randrange(256), r.randrange(65536), r.randrange(65536))
    if kind == 251:
        return struct.pack(">BxHHBx", 251, r.choice([0, 1, 640, 65535]), r.choice([0, 480, 65535]), r.randrange(3)) + os.urandom(32)
    if kind == 2:
        count = r.choice([0, 1, 8, 65535])
        known = [0, 1, 2, 5, 6, 7, 16, -223, -239, -240, -258, -308, r.randrange(-2 ** 31, 2 ** 31)]
        return struct.pack(">BxH", 2, count) + b"".join(
            struct.pack(">i", r.choice(known)) for _ in range(min(count, 20)))
    return bytes([kind]) + os.urandom(r.choice([3, 7, 9, 11, 19, 64]))


def hostile(seed, seconds):
    r = random.Random(seed)
    held = []
    end = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < end:
        try:
            s = connect(r.random() < 0.8)
            s.setblocking(False)
            for _ in range(r.randrange(1, 40)):
                s.send(message(r))
            tried += 1
        except (OSError, EOFError, AssertionError):
            pass
        held.append(s) if r.random() < 0.1 else s.close()
        if len(held) > 6:
            held.pop(0).close()
    print("%d hostile clients" % tried)
    assert tried > 0


if sys.argv[2] == "picture":
    picture(sys.argv[3])
elif sys.argv[2] == "type":
    type_text(sys.argv[3].replace("\\n", "\n"))
else:
    hostile(int(sys.argv[3]), float(sys.argv[4]))
