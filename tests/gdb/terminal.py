"""terminal.py COMMAND...: a person at a terminal, with lines of standard input.

expect PATTERN  waits until the terminal shows it (a regular expression)
type TEXT       types it, with C escapes (\\x03 is Ctrl-C)
wait SECONDS    types nothing, as a person who looks at what came
end             waits for the program's end

Prints what the terminal showed; exits as the program did, or with 1 when a pattern did not come
within a minute.
"""
import os
import pty
import re
import select
import sys
import time

child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])

shown = b""
looked = 0


def read(seconds):
    """More of what the terminal shows; False when there is nothing in time, or no program."""
    global shown
    if not select.select([terminal], [], [], seconds)[0]:
        return False
    try:
        more = os.read(terminal, 65536)
    except OSError:  # what Linux says when nobody has the other side any more
        return False
    shown += more
    return more != b""


def expect(pattern):
    global looked
    deadline = time.monotonic() + 60
    found = re.search(pattern.encode(), shown[looked:])
    while found is None:
        if not read(deadline - time.monotonic() if deadline > time.monotonic() else 0):
            sys.exit(f"{shown.decode(errors='replace')}\nterminal.py: no {pattern}")
        found = re.search(pattern.encode(), shown[looked:])
    looked += found.end()


for line in sys.stdin:
    word, _, rest = line.rstrip("\n").partition(" ")
    if word == "expect":
        expect(rest)
    elif word == "type":
        os.write(terminal, rest.encode().decode("unicode_escape").encode())
    elif word == "wait":
        time.sleep(float(rest))
    elif word == "end":
        while read(60):
            pass
print(shown.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
