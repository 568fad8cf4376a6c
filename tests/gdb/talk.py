"""talk.py SOCKET: a debugger that speaks for itself, for what GDB does only on a slow host.

Prints a line for each thing that is wrong; the machine goes on afterwards.
"""
import socket
import sys


class Debugger:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(30)
        self.got = b""

    def send(self, text):
        self.socket.send(b"$%s#%02x" % (text, sum(text) & 255))

    def answer(self):
        """The next packet's text; None at the end of the connection."""
        while self.got.count(b"#") == 0 or len(self.got) < self.got.index(b"#") + 3:
            more = self.socket.recv(65536)
            if not more:
                return None
            self.got += more
        text, self.got = self.got[: self.got.index(b"#")], self.got[self.got.index(b"#") + 3 :]
        return text.lstrip(b"+")[1:]

    def ask(self, text):
        self.send(text)
        return self.answer()


def expect(what, got, wanted):
    if got != wanted:
        print(f"{what}: {got}, not {wanted}")


first = Debugger(sys.argv[1])
first.ask(b"qC")
first.socket.send(b"-")
expect("sent again", first.answer(), b"QCp1.1")
expect("no acknowledgements", first.ask(b"QStartNoAckMode"), b"OK")

# GDB asks so for answers that take longer than two seconds, and would take one too many for the
# next.
first.socket.send(b"+-")
expect("not sent again", first.ask(b"Hg1"), b"OK")
expect("in step", first.ask(b"qC"), b"QCp1.1")

for stands in (True, False):
    if not stands:
        first.send(b"vCont;c")
    second = Debugger(sys.argv[1])
    expect("a second", second.answer(), b"E.another debugger is attached to this machine")
    expect("its end", second.answer(), None)
first.socket.send(b"\3")
expect("the first", first.answer()[:3], b"T02")

for hostile in (b"vCont", b"vCont;s:p5.1", b"Z2,0,0", b"X0,ffffffff:", b"qRcmd,6", b"P1=", b"m,"):
    expect(hostile, first.ask(hostile)[:1], b"E")
expect("after all that", first.ask(b"qC"), b"QCp1.1")
expect("detached", first.ask(b"D"), b"OK")
