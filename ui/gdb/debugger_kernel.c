/* See debugger_kernel.h.
 *
 * At every stop but single steps the program asks the monitor where the kernel and its modules are
 * (info kernel). When that changed, it moves vmlinux's symbols to where the kernel lies, or has the
 * kernel's own symbols written and loads them, and loads the files of modules that came. While
 * there are breakpoints whose place is not known yet, it stops for a moment whenever a module has
 * been loaded and before it is initialised, so that they are set in time; and so it does where a
 * kernel that was loaded as image comes to start_kernel, a place known before its page tables. */
#include "ui/gdb/debugger_kernel.h"

#include "ui/symbols/symbols.h"

#include <elf.h>
#include <string.h>
#include <sys/stat.h>

static const char program[] =
    "import os, re\n"
    "\n"
    "class Loads(gdb.Breakpoint):\n"
    "    def stop(self):\n"
    "        kernel.refresh()\n"
    "        return False\n"
    "\n"
    "class Starts(Loads):\n"
    "    def stop(self):\n"
    "        first = kernel.known is None # later, theirs stop by themselves\n"
    "        kernel.refresh()\n"
    "        return first and any(kernel.stops_here(b) for b in gdb.breakpoints())\n"
    "\n"
    "class Kernel:\n"
    "    known = None\n"
    "    offset = 0\n"
    "    loaded = {}\n"
    "    loads = None\n"
    "    starts = None\n"
    "\n"
    "    def stops_here(self, b):\n"
    "        if not (b.visible and b.enabled) or b.pending or b.location is None:\n"
    "            return False\n"
    "        try:\n"
    "            places = [each.address for each in b.locations]\n"
    "        except AttributeError: # before GDB 13, and then without a prologue\n"
    "            places = [each.pc for each in gdb.decode_line(b.location)[1] or []]\n"
    "        here = int(gdb.parse_and_eval('(long)$pc')) & (1 << 64) - 1\n"
    "        return here in places and \\\n"
    "            (b.condition is None or bool(gdb.parse_and_eval(b.condition)))\n"
    "\n"
    "    def watch_start(self):\n"
    "        said = self.quiet('monitor info kernel')\n"
    "        place = re.search('start_kernel at (0x[0-9a-f]+)', said)\n"
    "        if place and self.starts is None:\n"
    "            self.starts = Starts('*' + place.group(1), internal=True)\n"
    "\n"
    "    def quiet(self, command):\n"
    "        said = gdb.execute(command, to_string=True)\n"
    "        return re.sub(r'(?m)^\\+.*\\n', '', said) # set trace-commands on\n"
    "\n"
    "    def file_of(self, module):\n"
    "        for path in FILES:\n"
    "            inside = os.walk(path) if os.path.isdir(path) else \\\n"
    "                [(os.path.dirname(path), [], [os.path.basename(path)])]\n"
    "            for folder, _, names in inside:\n"
    "                for name in names:\n"
    "                    stem = re.sub(r'\\.ko(\\.debug)?$', '', name)\n"
    "                    if stem != name and stem.replace('-', '_') == module:\n"
    "                        return os.path.join(folder, name)\n"
    "        return None\n"
    "\n"
    "    def load_module(self, name, text, sections):\n"
    "        path = self.file_of(name)\n"
    "        if path is None or self.loaded.get(name) == text:\n"
    "            return\n"
    "        self.unload_module(name)\n"
    "        places = ' '.join('-s %s %s' % (section, address) for section, address in sections\n"
    "                          if section not in ('.symtab', '.strtab'))\n"
    "        self.quiet('add-symbol-file \"%s\" %s' % (path, places or text))\n"
    "        self.loaded[name] = text\n"
    "        print('metic: module %s at %s: %s' % (name, text, path))\n"
    "\n"
    "    def unload_module(self, name):\n"
    "        if name in self.loaded:\n"
    "            try:\n"
    "                self.quiet('remove-symbol-file -a %s' % self.loaded[name])\n"
    "            except gdb.error:\n"
    "                pass\n"
    "            del self.loaded[name]\n"
    "\n"
    "    def load_kernel(self, text):\n"
    "        if LINKED is None:\n"
    "            said = self.quiet('monitor kernel-symbols ' + SYMBOLS)\n"
    "            if os.path.exists(SYMBOLS):\n"
    "                self.quiet(('add-symbol-file \"%s\"' if MAIN else 'symbol-file \"%s\"')\n"
    "                           % SYMBOLS)\n"
    "                print(\"metic: the kernel's own symbols: \" + said.strip())\n"
    "        elif text - LINKED != self.offset:\n"
    "            self.offset = text - LINKED\n"
    "            self.quiet('symbol-file -o %d \"%s\"' % (self.offset, MAIN))\n"
    "            print('metic: the kernel lies 0x%x behind its symbols' % self.offset)\n"
    "\n"
    "    def refresh(self):\n"
    "        found = self.quiet('monitor info kernel')\n"
    "        if found == self.known or not found.startswith('kernel '):\n"
    "            return\n"
    "        self.known = found\n"
    "        lines = [line.split() for line in found.splitlines()]\n"
    "        self.load_kernel(int(lines[0][1], 16))\n"
    "        modules = [line for line in lines if line and line[0] == 'module']\n"
    "        for name in set(self.loaded) - set(line[1] for line in modules):\n"
    "            self.unload_module(name)\n"
    "        for line in modules:\n"
    "            sections = [tuple(part.split('=')) for part in line[4:]]\n"
    "            self.load_module(line[1], line[2], sections)\n"
    "\n"
    "    def watch_loads(self):\n"
    "        wanted = any(b.pending and b.visible for b in gdb.breakpoints())\n"
    "        if wanted and self.loads is None and self.known is not None:\n"
    "            self.loads = Loads('do_init_module', internal=True)\n"
    "        elif not wanted and self.loads is not None:\n"
    "            self.loads.delete()\n"
    "            self.loads = None\n"
    "\n"
    "kernel = Kernel()\n"
    "\n"
    "def on_stop(event):\n"
    "    if isinstance(event, (gdb.BreakpointEvent, gdb.SignalEvent)):\n"
    "        kernel.refresh()\n"
    "        kernel.watch_loads()\n"
    "\n"
    "def on_breakpoint(breakpoint):\n"
    "    if breakpoint.visible and breakpoint.pending:\n"
    "        kernel.refresh()\n"
    "        kernel.watch_loads()\n"
    "\n"
    "class Refresh(gdb.Command):\n"
    "    \"\"\"Look again where the guest's Linux kernel and its modules are, and load their\n"
    "symbols there. This happens at every stop by itself, but not after single steps.\"\"\"\n"
    "    def __init__(self):\n"
    "        super().__init__('metic-kernel', gdb.COMMAND_FILES)\n"
    "    def invoke(self, argument, from_tty):\n"
    "        kernel.refresh()\n"
    "\n"
    "Refresh()\n"
    "kernel.refresh()\n"
    "kernel.watch_start()\n"
    "gdb.events.stop.connect(on_stop)\n"
    "gdb.events.breakpoint_created.connect(on_breakpoint)\n";

bool debugger_is_module(const char *path)
{
    struct stat status;
    Elf64_Ehdr header = {0};
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        return true;
    }
    FILE *file = fopen(path, "re");
    bool module = file != NULL && fread(&header, sizeof(header), 1, file) == 1 &&
                  memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_type == ET_REL;
    if (file != NULL) {
        fclose(file);
    }
    return module;
}

static void put_string(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            fputc('\\', to);
        }
        fputc(*text == '\n' ? ' ' : *text, to);
    }
    fputc('\'', to);
}

/* Where a vmlinux was linked to; 0: the file is no kernel with symbols. */
static u64 linked_at(const char *path)
{
    struct symbols symbols = {0};
    struct metic_error ignored;
    u64 address = 0;
    if (path != NULL && symbols_add_elf(&symbols, path, 0, &ignored) &&
        symbols_find_name(&symbols, "linux_banner") != NULL) {
        const struct symbol *start = symbols_find_name(&symbols, "_start");
        start = start != NULL ? start : symbols_find_name(&symbols, "_text");
        address = start != NULL ? start->address : 0;
    }
    symbols_fini(&symbols);
    return address;
}

void debugger_write_kernel(FILE *to, const struct run_args *args, const char *main,
                           const char *symbols)
{
    u64 linked = linked_at(main);
    fputs("set breakpoint pending on\npython\nFILES = [", to); /* what modules bring, later */
    for (unsigned i = 0; i < args->symbol_count; i++) {
        if (debugger_is_module(args->symbols[i])) {
            put_string(to, args->symbols[i]);
            fputs(", ", to);
        }
    }
    fputs("]\nMAIN = ", to);
    put_string(to, main != NULL ? main : "");
    fputs("\nSYMBOLS = ", to);
    put_string(to, symbols);
    if (linked != 0) {
        fprintf(to, "\nLINKED = 0x%llx\n", (unsigned long long)linked);
    } else {
        fputs("\nLINKED = None\n", to);
    }
    fputs(program, to);
    fputs("end\n", to);
}
