"""A socket that outlives those who accept on it, as a service manager holds it (sd_listen_fds(3)):

    inherited.py hold PATH          listens on a free port of 127.0.0.1, says which, and hands the
                                    socket to whoever connects to PATH, until its input ends
    inherited.py run PATH PROGRAM…  becomes PROGRAM, with that socket as its descriptor 3
"""
import os
import selectors
import socket
import sys

FIRST_INHERITED = 3


def hold(path):
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    door = socket.socket(socket.AF_UNIX)
    door.bind(path)
    door.listen()
    print(listening.getsockname()[1], flush=True)
    events = selectors.DefaultSelector()
    events.register(door, selectors.EVENT_READ)
    events.register(sys.stdin, selectors.EVENT_READ)
    while all(key.fileobj is door for key, _ in events.select()):
        taker, _ = door.accept()
        with taker:
            socket.send_fds(taker, [b" "], [listening.fileno()])


def run(path, command):
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(path)
        _, (listening,), _, _ = socket.recv_fds(door, 1, 1)
    os.dup2(listening, FIRST_INHERITED)
    # The limits of this process are the program's: nothing else is open there.
    os.closerange(FIRST_INHERITED + 1, os.sysconf("SC_OPEN_MAX"))
    environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execvpe(command[0], command, environment)


if sys.argv[1] == "hold":
    hold(sys.argv[2])
else:
    run(sys.argv[2], sys.argv[3:])
