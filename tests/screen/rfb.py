"""A client of RFB over a Unix socket, with no library, and hostile ones.

    rfb.py SOCKET picture FILE.ppm      one full update in raw encoding
    rfb.py SOCKET type TEXT             key events by keysym, as a viewer without extensions sends them
    rfb.py SOCKET hold KEYSYM... SECONDS    presses keys and a button, and goes away without letting them go
    rfb.py SOCKET copy TEXT [utf8]      puts a text onto the clipboard, in Latin-1 or by the extended one;
                                        TEXT may be @N: that many letters
    rfb.py SOCKET paste [utf8]          waits for a text and prints it; "ready" when it is listening
    rfb.py SOCKET resize WIDTH HEIGHT   asks for a screen of that size
    rfb.py SOCKET sizes WIDTH HEIGHT    asks for a size, and waits for it; prints each that it is told
    rfb.py SOCKET hostile SEED SECONDS  random and malformed messages; ends well if it could connect on
"""
import os
import random
import socket
import struct
import sys
import time
import zlib

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


def keysym_of(c):
    return 0xFF0D if c == "\n" else ord(c) if ord(c) < 0x100 else 0x1000000 + ord(c)


def hold(keysyms, seconds):
    s = connect()
    start(s)
    for keysym in keysyms:
        s.sendall(struct.pack(">BBxxI", 4, 1, int(keysym, 0)))
    s.sendall(struct.pack(">BBHH", 5, 1, 10, 10))
    time.sleep(float(seconds))


def type_text(text):
    s = connect()
    start(s)
    for c in text:
        keysym = keysym_of(c)
        for down in (1, 0):
            s.sendall(struct.pack(">BBxxI", 4, down, keysym))
            time.sleep(0.008)
    settle(s)


SIZES = -308


def told_sizes(s):
    """Those of an update's rectangles that tell of the screen's size."""
    found = []
    for _ in range(struct.unpack(">xH", exactly(s, 3))[0]):
        _, _, w, h, encoding = struct.unpack(">HHHHi", exactly(s, 12))
        if encoding == SIZES:
            exactly(s, 16 * exactly(s, 4)[0])
            found.append((w, h))
        else:
            assert encoding == 0, encoding
            exactly(s, 4 * w * h)
    return found


def sizes(width, height):
    s = connect()
    s.settimeout(100)
    seen = [start(s)[:2]]
    s.sendall(struct.pack(">BxHii", 2, 2, 0, SIZES))
    s.sendall(struct.pack(">BxHHBxIHHHHI", 251, width, height, 1, 0, 0, 0, width, height, 0))
    while seen[-1] != (width, height):
        s.sendall(struct.pack(">BBHHHH", 3, 1, 0, 0, *seen[-1]))
        assert exactly(s, 1)[0] == 0
        seen += [size for size in told_sizes(s) if size != seen[-1]]
    print(" ".join("%dx%d" % size for size in seen))


EXTENDED = -0x3F5E1A32
TEXT, CAPS, REQUEST, NOTIFY, PROVIDE = 1, 1 << 24, 1 << 25, 1 << 27, 1 << 28


def cut_text(s, data, extended=False):
    s.sendall(struct.pack(">Bxxxi", 6, -len(data) if extended else len(data)) + data)


def provide(text):
    """As viewers do it, without an end of the stream: libvncserver 0.9.14 refuses one."""
    data = text.encode() + b"\0"
    deflate = zlib.compressobj()
    packed = deflate.compress(struct.pack(">I", len(data)) + data) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return struct.pack(">I", TEXT | PROVIDE) + packed


def settle(s):
    """Until the server has done all that was said: it takes messages in turn, and the last asks for a pixel."""
    s.settimeout(100)
    s.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1))
    while True:
        kind = exactly(s, 1)[0]
        if kind == 0:
            told_sizes(s)
            return
        if kind == 3:
            exactly(s, abs(struct.unpack(">xxxi", exactly(s, 7))[0]))


def next_cut_text(s):
    """A text, or (flags, data) of the extended clipboard."""
    while True:
        kind = exactly(s, 1)[0]
        if kind == 0:
            told_sizes(s)
            continue
        assert kind == 3, kind
        length = struct.unpack(">xxxi", exactly(s, 7))[0]
        data = exactly(s, abs(length))
        if length >= 0:
            return data.decode("latin-1")
        return struct.unpack(">I", data[:4])[0], data[4:]


def greet(s, utf8):
    s.sendall(struct.pack(">BxH", 2, 1 + utf8) + struct.pack(">i", 0) + (struct.pack(">i", EXTENDED) if utf8 else b""))
    if utf8:
        flags, _ = next_cut_text(s)
        assert flags & CAPS, flags
        cut_text(s, struct.pack(">II", TEXT | CAPS | REQUEST | NOTIFY | PROVIDE, 1 << 20), True)


def copy(text, utf8):
    if text[0] == "@":
        text = "x" * int(text[1:])
    s = connect()
    start(s)
    greet(s, utf8)
    if utf8:
        cut_text(s, provide(text), True)
    else:
        cut_text(s, text.encode("latin-1"))
    settle(s)


def paste(utf8):
    s = connect()
    s.settimeout(None)  # as long as the guest takes
    start(s)
    greet(s, utf8)
    print("ready", flush=True)
    while True:
        text = next_cut_text(s)
        if isinstance(text, str):
            break
        flags, data = text
        if flags & NOTIFY:
            cut_text(s, struct.pack(">I", TEXT | REQUEST), True)
        elif flags & PROVIDE:
            data = zlib.decompressobj().decompress(data)
            text = data[4:4 + struct.unpack(">I", data[:4])[0]].rstrip(b"\0").decode()
            break
    print("pasted: " + text, flush=True)


def resize(width, height):
    s = connect()
    start(s)
    s.sendall(struct.pack(">BxHii", 2, 2, 0, SIZES))
    s.sendall(struct.pack(">BxHHBxIHHHHI", 251, width, height, 1, 0, 0, 0, width, height, 0))
    settle(s)


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
elif sys.argv[2] == "hold":
    hold(sys.argv[3:-1], sys.argv[-1])
elif sys.argv[2] == "sizes":
    sizes(int(sys.argv[3]), int(sys.argv[4]))
elif sys.argv[2] == "copy":
    copy(sys.argv[3], sys.argv[4:] == ["utf8"])
elif sys.argv[2] == "paste":
    paste(sys.argv[3:] == ["utf8"])
elif sys.argv[2] == "resize":
    resize(int(sys.argv[3]), int(sys.argv[4]))
else:
    hostile(int(sys.argv[3]), float(sys.argv[4]))
