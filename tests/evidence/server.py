"""Starts a real `unitscope-server`, and stops it. Knows no request."""

import os
import select
import subprocess
import sys

# Loading plugins and binding a port take less than a second; a cold disk may take long to read libtorch.
START_S = 60
STOP_S = 10


def start(command, log):
    """The process, and the address that clients connect to. Its log lines are added to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a") as opened:
        # A session of its own: Ctrl-C must reach the client and this script, which then stops the server.
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=opened, text=True, start_new_session=True)
    ready, _, _ = select.select([server.stdout], [], [], START_S)
    word, _, address = (server.stdout.readline() if ready else "").strip().rpartition(" ")
    if word != "listening on":
        stop(server)
        sys.exit(f"error: the server does not start; its log is {os.path.relpath(log)}")
    return server, address


def stop(server):
    server.terminate()
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
