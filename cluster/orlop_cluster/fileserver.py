"""Serve a directory by HTTP inside the sealed network:  fileserver.py DIRECTORY ADDRESS PORT WATCHED_PID

Ends when the process WATCHED_PID does, which is the cluster's.
"""

import os
import select
import signal
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class named it
        sys.stderr.write(f"serve: {self.client_address[0]} {format % args}\n")


def serve(directory: str, address: str, port: int, watched: int) -> None:
    """Serve until SIGTERM, SIGINT, or the end of the watched process."""
    over = os.pidfd_open(watched)
    woken, wake = os.pipe()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: os.write(wake, b"."))
    server = ThreadingHTTPServer((address, port), partial(_Quiet, directory=directory))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    print(f"http://{address}:{port}/", flush=True)
    select.select([over, woken], [], [])
    server.shutdown()
    thread.join()
    server.server_close()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
