"""The host's end of a console port: port_client.py PATH BYTES

Says hello, reads the answer and BYTES bytes more, slowly, so that the guest has to wait; sends a
million bytes; goes away, comes back, and says hello again. Prints what it heard.
"""
import hashlib
import socket
import sys
import time


def connect(path):
    until = time.time() + 90
    while time.time() < until:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
            return client
        except OSError:
            time.sleep(0.1)
    sys.exit("nobody listens at " + path)


def line(client):
    got = b""
    while not got.endswith(b"\n"):
        one = client.recv(1)
        if not one:
            break
        got += one
    return got.decode().strip()


def main():
    path, size = sys.argv[1], int(sys.argv[2])
    client = connect(path)
    client.settimeout(90)
    client.sendall(b"hello\n")
    print(line(client), flush=True)
    time.sleep(1)
    got = hashlib.md5()
    while size > 0:
        part = client.recv(min(size, 1 << 16))
        if not part:
            break
        got.update(part)
        size -= len(part)
    print("md5", got.hexdigest(), flush=True)
    client.sendall(bytes(i * 7 % 251 for i in range(1000000)))
    print(line(client), flush=True)
    client.close()
    time.sleep(0.5)
    client = connect(path)
    client.settimeout(90)
    client.sendall(b"again\n")
    print(line(client), flush=True)


main()
