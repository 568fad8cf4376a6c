"""A Linux kernel's symbols in GDB, where it and its modules lie: part of what metic debug gives it,
after kernel_frames.py.

metic has put before it: FILES, what modules are loaded from; MAIN, a vmlinux or ''; SYMBOLS, the
file to which the monitor writes the kernel's own symbols; LINKED, where MAIN was linked to, or None.

At every stop but single steps the program asks the monitor where the kernel and its modules are
(info kernel). When that changed, it moves vmlinux's symbols to where the kernel lies, or has the
kernel's own symbols written and loads them, and loads the files of modules that came. While
there are breakpoints whose place is not known yet, it stops for a moment whenever a module has
been loaded and before it is initialised, so that they are set in time; and so it does where a
kernel that was loaded as image comes to start_kernel, a place known before its page tables.
"""
import os

class Loads(gdb.Breakpoint):
    def stop(self):
        kernel.refresh()
        return False

class Starts(Loads):
    def stop(self):
        first = kernel.known is None # later, theirs stop by themselves
        kernel.refresh()
        return first and any(kernel.stops_here(b) for b in gdb.breakpoints())

class Kernel:
    known = None
    offset = 0
    loaded = {}
    loads = None
    starts = None

    def stops_here(self, b):
        if not (b.visible and b.enabled) or b.pending or b.location is None:
            return False
        try:
            places = [each.address for each in b.locations]
        except AttributeError: # before GDB 13, and then without a prologue
            places = [each.pc for each in gdb.decode_line(b.location)[1] or []]
        here = int(gdb.parse_and_eval('(long)$pc')) & (1 << 64) - 1
        return here in places and \
            (b.condition is None or bool(gdb.parse_and_eval(b.condition)))

    def watch_start(self):
        said = quiet('monitor info kernel')
        place = re.search('start_kernel at (0x[0-9a-f]+)', said)
        if place and self.starts is None:
            self.starts = Starts('*' + place.group(1), internal=True)

    def file_of(self, module):
        for path in FILES:
            inside = os.walk(path) if os.path.isdir(path) else \
                [(os.path.dirname(path), [], [os.path.basename(path)])]
            for folder, _, names in inside:
                for name in names:
                    stem = re.sub(r'\.ko(\.debug)?$', '', name)
                    if stem != name and stem.replace('-', '_') == module:
                        return os.path.join(folder, name)
        return None

    def load_module(self, name, text, sections):
        path = self.file_of(name)
        if path is None or self.loaded.get(name) == text:
            return
        self.unload_module(name)
        places = ' '.join('-s %s %s' % (section, address) for section, address in sections
                          if section not in ('.symtab', '.strtab'))
        quiet('add-symbol-file "%s" %s' % (path, places or text))
        self.loaded[name] = text
        print('metic: module %s at %s: %s' % (name, text, path))

    def unload_module(self, name):
        if name in self.loaded:
            try:
                quiet('remove-symbol-file -a %s' % self.loaded[name])
            except gdb.error:
                pass
            del self.loaded[name]

    def load_kernel(self, text):
        if LINKED is None:
            said = quiet('monitor kernel-symbols ' + SYMBOLS)
            if os.path.exists(SYMBOLS):
                quiet(('add-symbol-file "%s"' if MAIN else 'symbol-file "%s"')
                           % SYMBOLS)
                print("metic: the kernel's own symbols: " + said.strip())
        elif text - LINKED != self.offset:
            self.offset = text - LINKED
            quiet('symbol-file -o %d "%s"' % (self.offset, MAIN))
            print('metic: the kernel lies 0x%x behind its symbols' % self.offset)

    def refresh(self):
        found = quiet('monitor info kernel')
        if found == self.known or not found.startswith('kernel '):
            return
        self.known = found
        lines = [line.split() for line in found.splitlines()]
        self.load_kernel(int(lines[0][1], 16))
        modules = [line for line in lines if line and line[0] == 'module']
        for name in set(self.loaded) - set(line[1] for line in modules):
            self.unload_module(name)
        for line in modules:
            sections = [tuple(part.split('=')) for part in line[4:]]
            self.load_module(line[1], line[2], sections)

    def watch_loads(self):
        wanted = any(b.pending and b.visible for b in gdb.breakpoints())
        if wanted and self.loads is None and self.known is not None:
            self.loads = Loads('do_init_module', internal=True)
        elif not wanted and self.loads is not None:
            self.loads.delete()
            self.loads = None

kernel = Kernel()

def on_stop(event):
    if isinstance(event, (gdb.BreakpointEvent, gdb.SignalEvent)):
        kernel.refresh()
        kernel.watch_loads()

def on_breakpoint(breakpoint):
    if breakpoint.visible and breakpoint.pending:
        kernel.refresh()
        kernel.watch_loads()

class Refresh(gdb.Command):
    """Look again where the guest's Linux kernel and its modules are, and load their
symbols there. This happens at every stop by itself, but not after single steps."""
    def __init__(self):
        super().__init__('metic-kernel', gdb.COMMAND_FILES)
    def invoke(self, argument, from_tty):
        kernel.refresh()

Refresh()
kernel.refresh()
kernel.watch_start()
gdb.events.stop.connect(on_stop)
gdb.events.breakpoint_created.connect(on_breakpoint)
