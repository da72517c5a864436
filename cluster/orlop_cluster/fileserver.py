"""Serve a directory by HTTP inside the sealed network:  fileserver.py DIRECTORY ADDRESS PORT"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class named it
        sys.stderr.write(f"serve: {self.client_address[0]} {format % args}\n")


def serve(directory: str, address: str, port: int) -> None:
    """Print the URL and serve until ended."""
    with ThreadingHTTPServer((address, port), partial(_Handler, directory=directory)) as server:
        server.daemon_threads = True
        print(f"http://{address}:{port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    try:
        serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    except KeyboardInterrupt:
        sys.exit(130)
