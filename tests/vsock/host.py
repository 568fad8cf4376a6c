"""The host's end of the vsock check.

    host.py echo PATH PORT        answers streams to PATH_PORT with what came, until killed; it reads
                                  them slowly at first, so that the guest has to wait
    host.py talk PATH PORT N B    N streams at once to the guest's PORT, which echoes B bytes in each
    host.py ask PATH PORT         prints what the first line of the answer is, or that there is none
"""
import os
import socket
import sys
import threading
import time


def connect(path, port):
    """A stream to the guest's port, and the answer's first line."""
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    stream.sendall(b"CONNECT %d\n" % port)
    line = b""
    while not line.endswith(b"\n"):
        got = stream.recv(1)
        if not got:
            return None, line
        line += got
    return stream, line


def connect_soon(path, port):
    """The guest may not listen yet."""
    until = time.time() + 60
    while time.time() < until:
        try:
            stream, _ = connect(path, port)
            if stream:
                return stream
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("nobody listens at the guest's port %d" % port)


def echo_one(stream):
    time.sleep(0.3)
    while True:
        got = stream.recv(50000)
        if not got:
            break
        stream.sendall(got)
    stream.close()


def echo(path, port):
    name = "%s_%d" % (path, port)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen()
    while True:
        threading.Thread(target=echo_one, args=(listener.accept()[0],), daemon=True).start()


def talk_one(path, port, size, number, good):
    stream = connect_soon(path, port)
    data = os.urandom(size)

    def send():
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    back = b""
    while True:
        got = stream.recv(65536)
        if not got:
            break
        back += got
    good[number] = back == data


def talk(path, port, count, size):
    good = [False] * count
    threads = [threading.Thread(target=talk_one, args=(path, port, size, i, good))
               for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("%d of %d streams came back whole" % (sum(good), count))
    sys.exit(0 if all(good) else 1)


def ask(path, port):
    stream, line = connect(path, port)
    print(line.decode().strip() if stream else "closed")


if sys.argv[1] == "echo":
    echo(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "talk":
    talk(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
else:
    ask(sys.argv[2], int(sys.argv[3]))
