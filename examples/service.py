#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small HTTP service: whoever posts Python code gets what it prints. Each request runs in a clone of its own of a warm Python.

service.py [PORT]       and then      curl --data 'print(6 * 7)' http://127.0.0.1:PORT/
"""

import contextlib
import http.server
import sys

import virtiso

# What runs in the guest. When it first reads from /dev/virtiso, it is ready.
PROGRAM = """
import contextlib, io, json, math, random, re, traceback
port = open("/dev/virtiso", "r+b", buffering=0)
code = port.read(65536)
output = io.StringIO()
with contextlib.redirect_stdout(output):
    try:
        random.seed()
        exec(compile(code, "request", "exec"), {})
    except BaseException as error:
        print("".join(traceback.format_exception_only(error)), end="")
port.write(output.getvalue().encode()[:65536])
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request, in one clone."""

    snapshot: virtiso.Snapshot

    def do_POST(self) -> None:  # noqa: N802
        """Runs what was posted."""
        size = min(int(self.headers.get("Content-Length", 0)), 65536)
        code = self.rfile.read(size)
        try:
            with self.snapshot.clone() as clone:
                self._answer(200, clone.request(code, timeout=2))
        except virtiso.TimeoutExpired:
            self._answer(504, b"it took longer than two seconds\n")
        except virtiso.Error as error:
            self._answer(500, f"{error}\n".encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Warms Python up and serves on the loopback interface until it is interrupted."""
    root = virtiso.Root(programs=["/usr/bin/python3"])
    with virtiso.Guest(root, memory_max="128M") as guest:
        guest.initialise(["python3", "-c", PROGRAM], timeout=60)
        Handler.snapshot = guest.snapshot()
        port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
        with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
            print(f"http://127.0.0.1:{server.server_port}/", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()


if __name__ == "__main__":
    main()
