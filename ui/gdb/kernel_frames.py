"""Who called whom in a Linux kernel, for GDB: part of what metic debug gives it.

GDB's own analysis of code without debugging information gives up early in a kernel ("PC not
saved"). Here a function's frame is found in its instructions, from its symbol to where it is, as
compilers make them with frame pointers (s0; the RISC-V psABI, "frame pointer convention"), and at
its end in those that take the frame away. Behind handle_exception come the registers of what was
interrupted (struct pt_regs, arch/riscv/include/asm/ptrace.h). What has debugging information is
left to GDB.
"""
import re

import gdb.unwinder
from gdb.FrameDecorator import FrameDecorator

REGISTERS = ('zero ra sp gp tp t0 t1 t2 fp s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 '
             's11 t3 t4 t5 t6').split()
RA, SP, FP = 1, 2, 8
KEPT = [REGISTERS.index(name) for name in ('gp', 'tp', 'fp', 's1')] + list(range(18, 28)) # by calls
FARTHEST = 4096 # bytes of a function that are looked at
# The registers of what was interrupted lie at sp where these call anything, or are returned to.
TRAPS = ('handle_exception', 'ret_from_exception')
# Where a task or a hart began: nothing called them.
FIRST = ('ret_from_fork', 'ret_from_fork_kernel_asm', 'ret_from_fork_user_asm', '_start_kernel',
         'secondary_start_sbi') + TRAPS


def quiet(command):
    """What GDB says to a command."""
    said = gdb.execute(command, to_string=True)
    return re.sub(r'(?m)^\+.*\n', '', said) # set trace-commands on


class Instruction:
    """What it does to the stack: kind is 'sp' or 'fp' (becomes sp + value), 'store' or 'load' (of a
    register, at sp + value), 'pop' (sp becomes fp + value), 'ret', or None."""

    def __init__(self, kind=None, value=0, register=0, size=4):
        self.kind, self.value, self.register, self.size = kind, value, register, size


def signed(value, bits):
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def field(word, *places):
    """Bits of an immediate: (its lowest bit in the word, how many, its lowest bit there)."""
    return sum((word >> source & (1 << count) - 1) << place for source, count, place in places)


def decode_short(word):
    kind, register = (word & 3, word >> 13), word >> 7 & 31
    if word == 0x8082:
        return Instruction('ret', size=2)
    if kind == (1, 0) and register == SP:
        return Instruction('sp', signed(field(word, (2, 5, 0), (12, 1, 5)), 6), size=2)
    if kind == (1, 3) and register == SP:
        value = field(word, (2, 1, 5), (3, 2, 7), (5, 1, 6), (6, 1, 4), (12, 1, 9))
        return Instruction('sp', signed(value, 10), size=2)
    if kind == (0, 0) and word >> 2 & 7 == FP - 8:
        value = field(word, (5, 1, 3), (6, 1, 2), (7, 4, 6), (11, 2, 4))
        return Instruction('fp', value, size=2)
    if kind == (2, 3):
        value = field(word, (2, 3, 6), (5, 2, 3), (12, 1, 5))
        return Instruction('load', value, register, size=2)
    if kind == (2, 7):
        return Instruction('store', field(word, (7, 3, 6), (10, 3, 3)), word >> 2 & 31, size=2)
    return Instruction(size=2)


def decode(code):
    """The first instruction of the bytes."""
    word = int.from_bytes(code[:2], 'little')
    if word & 3 != 3:
        return decode_short(word)
    word = int.from_bytes(code[:4], 'little')
    to, source, value = word >> 7 & 31, word >> 15 & 31, signed(word >> 20, 12)
    if word == 0x8067:
        return Instruction('ret')
    if word & 0x707f == 0x13 and to == SP and source in (SP, FP):
        return Instruction('sp' if source == SP else 'pop', value)
    if word & 0x707f == 0x13 and to == FP and source == SP:
        return Instruction('fp', value)
    if word & 0x707f == 0x3003 and source == SP:
        return Instruction('load', value, to)
    if word & 0x707f == 0x3023 and source == SP:
        return Instruction('store', signed(word >> 25 << 5 | to, 12), word >> 20 & 31)
    return Instruction()


def instructions(code):
    at = 0
    while at + 2 <= len(code):
        instruction = decode(code[at:at + 4])
        yield instruction
        at += instruction.size


class Frame:
    """Where a function's frame is: its end (the caller's sp) behind fp or sp, and what it saved,
    from there."""

    def __init__(self, base=SP, saved=None):
        self.base, self.end, self.saved = base, 0, saved or {}

    def begin(self, code):
        """As the instructions from the function's first make it. What takes it away in between
        ends in a ret, behind which it is there again."""
        depth = 0
        for each in instructions(code):
            if each.kind == 'store':
                self.saved.setdefault(each.register, each.value - depth)
            elif self.base == SP and each.kind == 'sp' and each.value < 0:
                depth -= each.value
                self.end = depth
            elif self.base == SP and each.kind == 'fp':
                self.base, self.end = FP, depth - each.value

    def finish(self, code):
        """As it is where the next instructions do nothing but take it away; False: they do more."""
        base, end, saved = SP, 0, {}
        for each in instructions(code):
            if each.kind == 'ret':
                self.base, self.end = base, end
                self.saved = {register: at - end for register, at in saved.items()}
                return True
            if each.kind == 'load':
                saved.setdefault(each.register, end + each.value)
            elif each.kind == 'sp' and each.value > 0:
                end += each.value
            elif each.kind == 'pop' and not saved:
                base, end = FP, each.value
            else:
                return False
        return False


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = gdb.Value(sp), gdb.Value(pc)


class Frames(gdb.unwinder.Unwinder):
    """What it has found out stays known until symbols come or go."""

    def __init__(self):
        super().__init__('metic-kernel-frames')
        self.forget()

    def forget(self, *_):
        self.places, self.frames = {}, {}

    def place(self, pc):
        """(Name, address) of the function at pc, or (None, 0)."""
        if pc not in self.places:
            said = quiet('info symbol 0x%x' % pc)
            found = re.match(r'(\S+)(?: \+ (\d+))? in section', said)
            self.places[pc] = (found.group(1), pc - int(found.group(2) or 0)) if found else (None, 0)
        return self.places[pc]

    def read(self, address, count):
        return bytes(gdb.selected_inferior().read_memory(address & (1 << 64) - 1, count))

    def word(self, address):
        return int.from_bytes(self.read(address, 8), 'little')

    def frame(self, name, start, pc):
        if name is None: # as a module's init function, whose name the kernel forgets
            return Frame(FP, {RA: -8, FP: -16})
        if (start, pc) not in self.frames:
            frame = Frame()
            if not frame.finish(self.read(pc, 64)):
                frame.begin(self.read(start, min(pc - start, FARTHEST)))
            self.frames[start, pc] = frame
        return self.frames[start, pc]

    def is_called_from(self, pc):
        """Whether pc is behind a call, or where exceptions end."""
        if self.place(pc) == ('ret_from_exception', pc):
            return True
        code = self.read(pc - 4, 4)
        far, near = int.from_bytes(code, 'little'), int.from_bytes(code[2:], 'little')
        return far & 0xfff in (0xef, 0xe7) or near & 0xf07f == 0x9002

    def interrupted(self, pending, sp):
        """The registers that were saved in a struct pt_regs."""
        values = {name: self.word(sp + 8 * n) for n, name in enumerate(REGISTERS) if n > 0}
        return self.unwound(pending, sp, sp, dict(values, pc=self.word(sp)))

    def called(self, pending, name, start, pc):
        """The caller's; None: this does not look like a frame."""
        frame = self.frame(name, start, pc)
        end = self.register(pending, frame.base) + frame.end
        saved = {n: self.word(end + at) for n, at in frame.saved.items()}
        back = saved[RA] if RA in saved else self.register(pending, RA)
        if end & 7 or end < self.register(pending, SP) or not self.is_called_from(back):
            return None
        values = {REGISTERS[n]: saved[n] if n in saved else self.register(pending, n)
                  for n in KEPT}
        return self.unwound(pending, end, start, dict(values, pc=back, sp=end))

    def register(self, pending, number):
        return int(pending.read_register(REGISTERS[number])) & (1 << 64) - 1

    def unwound(self, pending, sp, pc, values):
        like = pending.read_register('ra').type
        unwound = pending.create_unwind_info(FrameId(sp, pc))
        for name, value in values.items():
            unwound.add_saved_register(name, gdb.Value(value.to_bytes(8, 'little'), like))
        return unwound

    def __call__(self, pending):
        pc = int(pending.read_register('pc')) & (1 << 64) - 1
        if pc >> 63 == 0 or gdb.block_for_pc(pc) is not None:
            return None
        sp = self.register(pending, SP)
        try:
            name, start = self.place(pc)
            if name in TRAPS and pending.level() > 0:
                return self.interrupted(pending, sp)
            if name is not None and start == pc and pending.level() > 0:
                name, start = self.place(pc - 1) # the call was the last function's end
            if name is None and pending.level() == 0:
                return None
            unwound = None if name in FIRST else self.called(pending, name, start, pc)
        except gdb.error: # memory that is not there, a register that nobody saved
            unwound = None
        return unwound or self.unwound(pending, sp, pc, {'pc': 0}) # which Outermost leaves out


class Called(FrameDecorator):
    """Named after where the call is, which may be a function's last instruction."""

    def function(self):
        return self.inferior_frame().name() or '??'


class Outermost:
    """A filter: the frame that says that there is nothing further is none."""
    name, priority, enabled = 'metic-kernel-frames', 100, True

    def filter(self, frames):
        for each in frames:
            frame = each.inferior_frame()
            newer = frame.newer()
            if frame.pc() != 0 or newer is None or newer.pc() >> 63 == 0:
                yield each if frame.function() is not None else Called(each)


frames = Frames()
gdb.unwinder.register_unwinder(None, frames, replace=True)
gdb.frame_filters[Outermost.name] = Outermost()
gdb.events.new_objfile.connect(frames.forget)
gdb.events.clear_objfiles.connect(frames.forget)
