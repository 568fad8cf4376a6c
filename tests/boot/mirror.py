#!/usr/bin/env python3
"""Serves a folder by HTTP on 127.0.0.1 as /debian, and what is not in it from a Debian mirror.

mirror.py FOLDER MIRROR PORT_FILE LOG: the port (any free one) is written to PORT_FILE, a line for each
request to LOG. The answer of the mirror is handed on as it comes, its status too.
"""

import http.server
import os
import re
import shutil
import sys
import urllib.error
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, length, body, source):
        self.send_response(status)
        if length is None:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "GET":
            shutil.copyfileobj(body, self.wfile)
        print(self.command, self.path, status, source, file=self.server.log, flush=True)

    def refuse(self, status):
        print(self.command, self.path, status, file=self.server.log, flush=True)
        self.send_error(status)

    def do_GET(self):
        name = re.sub("/+", "/", self.path).removeprefix("/debian/")
        local = os.path.realpath(os.path.join(self.server.folder, name))
        if local.startswith(self.server.folder + os.sep) and os.path.isfile(local):
            with open(local, "rb") as file:
                self.answer(200, os.path.getsize(local), file, "here")
            return
        try:
            with urllib.request.urlopen(self.server.mirror + "/" + name, timeout=60) as body:
                self.answer(body.status, body.headers["Content-Length"], body, "mirror")
        except urllib.error.HTTPError as error:
            self.refuse(error.code)
        except OSError:
            self.refuse(502)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def main():
    folder, mirror, port_file, log = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.folder = os.path.realpath(folder)
    server.mirror = mirror
    server.log = open(log, "w", encoding="utf-8")
    with open(port_file + ".new", "w", encoding="utf-8") as file:
        print(server.server_port, file=file)
    os.rename(port_file + ".new", port_file)
    server.serve_forever()


main()
