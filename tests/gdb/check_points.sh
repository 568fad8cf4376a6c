#!/bin/sh
# gdb-multiarch: watchpoints of any size over a page's end, on any hart; thousands of breakpoints;
# registers that are written; debuggers that come and go, in the middle of a packet, too.

# What is between quotes is mostly GDB's, dollars too.
# shellcheck disable=SC2016
. "$SRCDIR/tests/gdb/gdb.sh"

# --- watchpoints -----------------------------------------------------------------------------------

bare gdb/watch

# One hart comes to each watched byte once a round, in order. The values around `source` stay, since
# GDB does not tell of a read of what has another value than when it looked last.
for engine in jit interp; do
    begin "watch-$engine" watch.elf --firmware none --engine $engine --gdb-wait
    {
        cat <<'END'
define stops
    set $n = 0
    while $n < $arg0 + 1
        continue
        printf "at %d\n", (long)$s2 - (long)&edge
        set $n = $n + 1
    end
    delete
end
END
        for each in '1 -1' '3 -2' '7 -7' '7 0' '13 -6' '32 -16'; do
            bytes=${each% *}
            first=${each#* }
            for what in 'watch edge' 'rwatch source' 'awatch edge' 'awatch source'; do
                printf '%s *(char (*)[%s])((long)&%s + %s)\n' "${what% *}" "$bytes" "${what#* }" "$first"
                printf 'printf "from %%d %%d\\n", %s, %s\n' "$first" "$bytes"
                echo "stops $bytes"
            done
        done
        echo kill
    } | debug watch.elf
    # Each stop is at the byte after that of the last one, or at the first again.
    awk '$1 == "from" { cases++; first = $2; bytes = $3; seen = 0 }
         $1 == "at" { wanted = last + 1 < first + bytes ? last + 1 : first
                      if ($2 < first || $2 >= first + bytes || (seen && $2 != wanted))
                          wrong = wrong " " bytes ":" last "-" $2
                      last = $2; seen++; stops++ }
         END { print cases " " stops wrong }' "$name.gdb" >watched
    same stops "$(cat watched)" '24 276'
    wait
done

# Any hart.
begin watch-harts watch.elf --firmware none --cpus 4 --gdb-wait
debug watch.elf <<'END'
watch *(char (*)[7])((long)&edge - 3) thread 1
continue
print $mhartid
delete
watch *(char (*)[7])((long)&edge - 3) thread 4
continue
print $mhartid
delete
awatch *(char (*)[3])((long)&source - 1) thread 3
continue
print $mhartid
kill
END
says '^\$1 = 0$'
says '^\$2 = 3$'
says '^\$3 = 2$'
wait

# --- thousands of breakpoints ----------------------------------------------------------------------

bare gdb/beside
begin thousands beside.elf --firmware none --stats --gdb-wait
{
    seq -f 'hbreak *(0x80010000 + 4 * %.0f)' 5000
    cat <<'END'
break rare if $s3 == 100
continue
print $s0 == 100 * 65536
stepi
continue
END
} | debug beside.elf
says '^Hardware assisted breakpoint 5000 at'
says 'Breakpoint 5001, rare'
says '= 1$'
says 'exited normally'
ends 0

# Conditions count backwards, too.
begin back beside.elf --firmware none --clock virtual --gdb-wait
debug beside.elf <<'END'
break rare if $s3 == 3
continue
print $s0 == 3 * 65536
delete
tbreak *&rare if $s3 == 6
continue
print $s0 == 6 * 65536
break rare if $s3 == 1
reverse-continue
print $s0 == 65536
reverse-continue
continue
print $s0 == 65536
kill
END
says '= 1$' 4
says 'No more reverse-execution history' 1
wait

# What is printed here stops nothing, in both directions: s3 is not yet added to.
for engine in jit interp; do
    begin "prints-$engine" beside.elf --firmware none --engine $engine --clock virtual --gdb-wait
    debug beside.elf <<'END'
set dprintf-style agent
dprintf rare,"s3 is %d, s0 %#lx\n", $s3, $fp
condition 1 $s3 % 2 == 1 && $s3 < 6
info breakpoints
break *((long)&rare + 4) if $s3 == 8
continue
reverse-continue
print $s3
delete 2
continue
END
    says '^[[:space:]]*agent-printf "s3 is'
    says '^s3 is [135], s0 0x[135]0000$' 6
    says '^Breakpoint 2, rare'
    says 'No more reverse-execution history' 1
    says '^\$1 = 0$'
    says 'exited normally'
    ends 0
done

# --- registers that are written --------------------------------------------------------------------

bare gdb/registers
begin registers registers.elf --firmware none --gdb-wait
debug registers.elf <<'END'
break before
continue
set var $fa0 = 2.5
set var $fa1 = 0.25
set var $mscratch = 0x123456789abc
set var $frm = 3
set var $fcsr = 0x7f
print $frm
print/x $fcsr
set var $frm = 3
break after
continue
print $fa0
print $a2
print/x $a0
print $a1
set var $satp = 0xf000000000000000
print $satp
set var $zero = 9
print $zero
set var $pc = _start
continue
print $pc == before
kill
END
says '= 2\.75'
says '= 3$' 3 # rounded up, from fcsr, and what the program read
says '= 0x7f$'
says '= 0x123456789abc$'
wait

# --- debuggers that come and go --------------------------------------------------------------------

bare gdb/spin
begin cut spin.elf --cpus 4 --firmware none
cat >commands <<'END'
python
import socket
for text in [b'$', b'$qSupp', b'+$g#6', b'$X80000000,4:}', b'$Z0,80000000,2;X3,22', b'\x03', b'$g#67$m0,', b'$vCont;c#a8$g']:
    s = socket.socket(socket.AF_UNIX)
    s.connect('socket')
    s.sendall(text)
    s.close()
end
END
timeout 60 gdb-multiarch -nx -batch -x commands >cut-off.gdb 2>&1 </dev/null ||
    wrong "cut off: $(cat cut-off.gdb)"
for _ in 1 2 3; do
    debug spin.elf <<'END'
info threads
break loop thread 2
continue
print $mhartid
detach
END
    says 'Thread 1\.4 "hart 3"'
    says '= 1$'
    says 'detached'
done

# Where the guest has page tables, any address may be anything, also when a debugger comes while the
# hart is in M-mode.
debug spin.elf <<'END'
info mem
set var $satp = 0x8000000000080010
detach
END
says '0x0+1000 +0x0+10000 +ro'
debug spin.elf <<'END'
info mem
kill
END
says '^[01] +y[[:space:]]+0x0+ +0xf{16} +rw'
ends 0
finish
