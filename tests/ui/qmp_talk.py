"""A QMP client as others write them: qmp_talk.py SOCKET, then a command a line on standard input
("NAME" or "NAME {ARGUMENTS}"), each answered by a line; "event NAME" waits for one."""
import json
import socket
import sys

connection = socket.socket(socket.AF_UNIX)
connection.settimeout(30)
connection.connect(sys.argv[1])
# A text stream for both forgets, when it writes, what it has read ahead.
lines, commands = connection.makefile("r"), connection.makefile("w")
events = []


def read():
    line = lines.readline()
    if not line:
        print("closed")
        sys.exit(0)
    return json.loads(line)


def answer():
    while True:
        got = read()
        if "event" not in got:
            return got
        events.append(got["event"])


print(json.dumps(read(), sort_keys=True))
for text in sys.stdin:
    name, _, arguments = text.strip().partition(" ")
    if name == "event":
        while arguments not in events:
            events.append(read().get("event"))
        print("event", arguments)
    else:
        command = {"execute": name}
        if arguments:
            command["arguments"] = json.loads(arguments)
        commands.write(json.dumps(command, indent=1) + "\n")
        commands.flush()
        print(json.dumps(answer(), sort_keys=True))
