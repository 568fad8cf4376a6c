#!/bin/sh
# Cores (the monitor's dump, --core): gdb-multiarch reads back what it saw of the machine itself, on
# bare metal and of Debian's kernel with a program; what other tools want of one is there.

# What is between quotes is mostly GDB's, dollars too.
# shellcheck disable=SC2016
. "$SRCDIR/tests/gdb/gdb.sh"

# look FILE...: the same questions of the machine and of its core, whose answers follow a line "here".
look() { sed -n '/^here$/,/^there$/p' "$1" | grep -v 'unavailable\|^priv'; }
# reads NAME GDB'S ARGUMENT...: GDB on a core, the commands on standard input.
reads() {
    name=$1
    shown=no
    shift
    { echo 'set pagination off'; echo 'set style enabled off'; cat; } >commands
    timeout -k 5 100 gdb-multiarch -nx -batch "$@" -x commands >"$name.gdb" 2>&1 </dev/null ||
        wrong "$name: gdb ended with $?"
}

# --- bare metal: addresses are physical, there are vectors ------------------------------------------

bare gdb/vector -march=rv64gcv
begin vector vector.elf --cpu rv64,v=on,vlen=256 --cpus 2 --firmware none --gdb-wait \
    --allow "$TMP"
questions='echo here\n
info registers
info registers float
info registers csr
x/4i $pc
x/4xg $sp
echo there\n'
debug vector.elf <<END
break added
continue
set var \$sp = 0x80000000
set var \$fa3 = 1.5
set var \$mscratch = 0x1234
$questions
monitor dump vector.core
monitor dump
monitor dump /nowhere/at.all
monitor info confinement
monitor info events
kill
END
ends 0
says '^written: vector.core$'
says '^give a file to write to$'
says 'cannot write the core /nowhere/at.all: No such file or directory; give a path'
says '^nothing: not confined|^no_new_privs' 1
reads vector-core vector.elf -core vector.core <<END
info threads
$questions
thread 2
print \$mhartid
END
same 'registers and memory' "$(look vector-core.gdb)" "$(look vector.gdb)"
says '^fa3 .*double = 1.5'
says '^mscratch +0x1234'
says '^\* 1 .* added \(\)' 1
says '= 1$'
python3 - vector.core <<'END' >note 2>&1 || wrong "vectors: $(cat note)"
import struct, sys
core = open(sys.argv[1], 'rb').read(1 << 20)
assert core[:6] == b'\x7fELF\2\1' and struct.unpack_from('<HH', core, 16) == (4, 243)
count, = struct.unpack_from('<H', core, 56)
kind, flags, at, _, _, size = struct.unpack_from('<IIQQQQ', core, 64)
assert kind == 4
end, found = at + size, []
while at < end:
    name_bytes, bytes_, kind = struct.unpack_from('<III', core, at)
    name = core[at + 12:at + 12 + name_bytes]
    at += 12 + (name_bytes + 3 & ~3)
    if kind == 0x901:
        assert name == b'LINUX\0'
        found.append(core[at:at + bytes_])
    at += bytes_ + 3 & ~3
assert at == end and len(found) == 2
for state in found:
    vstart, vl, vtype, vcsr, vlenb = struct.unpack_from('<QQQQQ', state)
    assert vlenb == 32 and len(state) == 40 + 32 * 32, (vlenb, len(state))
vl, vtype = struct.unpack_from('<QQ', found[0], 8)
assert (vl, vtype) == (4, 0xd0), (vl, vtype)
assert struct.unpack_from('<4I', found[0], 40 + 8 * 32) == (5, 6, 7, 8)
END
good

# --- how a run ends ---------------------------------------------------------------------------------

bare docs/hello
bare gdb/spin
name=poweroff
"$METIC" run hello.elf --quiet --core hello.core >hello.out 2>&1
same status $? 0
[ -e hello.core ] && wrong "a run that went well left a core" || good
name=limit
# On the virtual clock both have their turns, however busy the host is.
"$METIC" run spin.elf --quiet --clock virtual --cpus 2 --core spin.core --limit-insns 10M >spin.out 2>&1
same status $? 124
reads limit spin.elf -core spin.core <<'END'
print shared > 1000
thread 2
print $s0 > 1000
info symbol $pc
END
says '= 1$' 2
says '^(loop|retry).* in section .text'
name=folder
"$METIC" run spin.elf --core nowhere/a.core >folder.out 2>&1
same status $? 125
grep -q -e '--core: nothing can be written into nowhere' folder.out && good || wrong "$(cat folder.out)"
name=full
if [ -c /dev/full ]; then
    "$METIC" run spin.elf --quiet --confine off --core /dev/full --limit-insns 100k >full.out 2>&1
    same status $? 125
    grep -q 'cannot write the core /dev/full: No space left' full.out && good ||
        wrong "$(cat full.out)"
    if [ -c /dev/full ]; then good; else wrong "the device is gone"; fi
fi

# --- Debian's kernel --------------------------------------------------------------------------------

count_guest
name=panic
"$METIC" run "$cache/vmlinuz" --initrd initrd.gz --append 'console=ttyS0 rdinit=/nothing' --cpus 2 --clock virtual \
    --serial none --quiet --core panic.core >panic.out 2>&1
same status $? 90
reads panic panic.core.symbols -core panic.core <<'END'
x/s &linux_banner
info registers satp
python
for thread in gdb.selected_inferior().threads():
    thread.switch()
    try:
        gdb.execute('x/800ga $sp')
    except gdb.error: # the stack is over
        pass
end
END
says '"Linux version '
# Wherever in it the kernel was just then (on the virtual clock in no interrupt, which has a stack of its
# own), the stack leads back there.
says '<panic[+][0-9]*>$'
says '^satp +0x[89a]'
readelf -n panic.core 2>/dev/null | grep -q VMCOREINFO && good || wrong "no VMCOREINFO"
grep -aq "OSRELEASE=$(sed -n 's/.*"Linux version \([^ ]*\).*/\1/p' panic.gdb | head -n 1)\$" panic.core &&
    good || wrong "VMCOREINFO's text"
# metic debug finds the kernel's frames: from the panic to where the task began.
name=panic-debug
with panic.core <<'END'
set pagination off
thread apply all backtrace
info registers satp
END
same status $status 0
says '^#[1-9] .* in panic \(\)$'
says '^#[0-9]+ .* in mount_root.* \(\)$'
says '^#[0-9]+ .* in kernel_init \(\)$'
says '^#[0-9]+ .* in ret_from_fork \(\)$'
says 'PC not saved|Error|No such' 0
says '^(\(gdb\) )?satp +0x[89a]'
name=program-debug
with spin.core --symbols spin.elf <<'END'
info symbol $pc
print shared > 1000
END
same status $status 0
says '(loop|retry).* in section .text'
says '= 1$'
# Memory that nobody has written takes no room.
[ "$(($(stat -c %b panic.core) * 512))" -lt "$(($(stat -c %s panic.core) / 2))" ] && good ||
    wrong "$(stat -c '%b blocks of %s bytes' panic.core)"
[ "$(stat -c %a panic.core)" = 600 ] && good || wrong "others can read it"

# A program and the kernel that runs it, by their own addresses, from the thread that GDB looks at.
linux program --allow "$TMP"
debug count <<END
break add
continue
$questions
backtrace
print counter
monitor kernel-symbols kernel.symbols
monitor dump program.core
kill
END
ends 0
says '^written: program.core$'
thread=$(sed -n 's/^Thread \([0-9]*\) .* hit Breakpoint 1.*/\1/p' "$name.gdb")
reads program-core -ex 'set osabi none' -ex 'file count' -core program.core <<END
thread ${thread:-1}
$questions
backtrace
print counter
add-symbol-file kernel.symbols
x/s &linux_banner
END
same 'registers and memory' "$(look program-core.gdb)" "$(look program.gdb)"
says '^#1 .* in main \(\) at .*count.c:'
says '"Linux version '
same counter "$(grep -E '^\$[0-9]+ = ' program-core.gdb)" "$(grep -E '^\$[0-9]+ = ' program.gdb)"
finish
