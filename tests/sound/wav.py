#!/usr/bin/env python3
"""Makes and judges sound for the tests.

  wav.py tone FILE HZ SECONDS RATE CHANNELS BITS   a sine at half of full scale
  wav.py noise FILE SECONDS RATE CHANNELS BITS     random samples, the same each time
  wav.py judge FILE [CHANNEL]                      prints: rate channels bits frames hz peak zeros
        hz: of the loudest second, by the usual time between its zero crossings; peak: of full scale, in percent;
        zeros: the longest silence inside the sound, in frames
  wav.py raw FILE WAV                              what SDL's disk driver wrote, as a WAV file
  wav.py floats WAV FILE                           what it reads as a microphone, of a WAV file
  wav.py contains FILE PART                        whether the frames of PART are in FILE, in a row
"""
import array
import math
import random
import struct
import sys


def load(path):
    """(tag, channels, rate, bits, data) of a WAV file, whose data may be cut off."""
    with open(path, 'rb') as file:
        data = file.read()
    assert data[:4] == b'RIFF' and data[8:12] == b'WAVE', 'not a WAV file'
    at, form = 12, None
    while at + 8 <= len(data):
        name, size = data[at:at + 4], struct.unpack_from('<I', data, at + 4)[0]
        if name == b'fmt ':
            form = struct.unpack_from('<HHIIHH', data, at + 8)
        if name == b'data':
            assert form is not None, 'data before its format'
            assert at + 8 + size <= len(data), 'the head promises more than there is'
            return form[0], form[1], form[2], form[5], data[at + 8:at + 8 + size]
        at += 8 + size + (size & 1)
    raise AssertionError('no data')


def save(path, rate, channels, bits, data):
    with open(path, 'wb') as file:
        file.write(struct.pack('<4sI4s4sIHHIIHH4sI', b'RIFF', 36 + len(data), b'WAVE', b'fmt ', 16,
                               1, channels, rate, rate * channels * bits // 8,
                               channels * bits // 8, bits, b'data', len(data)))
        file.write(data)


def pack(values, bits):
    """Numbers from -1 to 1 as samples."""
    if bits == 8:
        return bytes(max(0, min(255, round(v * 128) + 128)) for v in values)
    top = 1 << (bits - 1)
    return array.array('h' if bits == 16 else 'i',
                       (max(-top, min(top - 1, round(v * top))) for v in values)).tobytes()


def unpack(tag, bits, data):
    if tag == 3:
        return array.array('f', data)
    if bits == 8:
        return [(b - 128) / 128 for b in data]
    top = 1 << (bits - 1)
    return [v / top for v in array.array('h' if bits == 16 else 'i', data)]


def longest_silence(samples):
    longest = run = 0
    started = False
    for value in samples:
        if abs(value) > 0.001:
            longest = max(longest, run) if started else 0
            started, run = True, 0
        else:
            run += 1
    return longest


def judge(path, channel):
    tag, channels, rate, bits, data = load(path)
    samples = list(unpack(tag, bits, data)[channel::channels])
    start = max(range(0, max(1, len(samples) - rate + 1), max(1, rate // 4)),
                key=lambda s: sum(abs(v) for v in samples[s:s + rate]), default=0)
    second = samples[start:start + rate]
    ups = [i - second[i] / (second[i] - second[i - 1])
           for i in range(1, len(second)) if second[i - 1] < 0 <= second[i]]
    gaps = sorted(b - a for a, b in zip(ups, ups[1:]))
    hz = rate / gaps[len(gaps) // 2] if gaps else 0
    peak = max((abs(v) for v in samples), default=0)
    print(rate, channels, bits, len(samples), round(hz), round(100 * peak),
          longest_silence(samples))


def main(args):
    if args[0] == 'tone':
        path, hz, seconds, rate, channels, bits = args[1], *map(float, args[2:])
        values = (0.5 * math.sin(2 * math.pi * hz * (i // int(channels)) / rate)
                  for i in range(int(seconds * rate) * int(channels)))
        save(path, int(rate), int(channels), int(bits), pack(values, int(bits)))
    elif args[0] == 'noise':
        path, seconds, rate, channels, bits = args[1], *map(float, args[2:])
        source = random.Random(1)
        values = (source.uniform(-1, 1) for _ in range(int(seconds * rate * channels)))
        save(path, int(rate), int(channels), int(bits), pack(values, int(bits)))
    elif args[0] == 'raw':
        with open(args[1], 'rb') as file:
            data = file.read()
        values = array.array('f', data[:len(data) // 8 * 8])
        save(args[2], 48000, 2, 16, pack((v if v == v else 0 for v in values), 16))
    elif args[0] == 'floats':
        tag, _, _, bits, data = load(args[1])
        with open(args[2], 'wb') as file:
            array.array('f', unpack(tag, bits, data)).tofile(file)
    elif args[0] == 'judge':
        judge(args[1], int(args[2]) if len(args) > 2 else 0)
    else:
        return 0 if load(args[2])[4] in load(args[1])[4] else 1
    return 0


sys.exit(main(sys.argv[1:]))
