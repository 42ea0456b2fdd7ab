"""What Python's http.server answers a PlugKit client: server.py SOCKET. Prints "ready", serves until stdin ends."""

import http.server
import socketserver
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def send(self, status, body, chunked=False, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 999]), body[i:i + 999]) for i in range(0, len(body), 999))
            body += b"0\r\n\r\n"
        elif status != 204:
            self.send_header("Content-Length", len(body))
        self.end_headers()
        self.wfile.write(body)

    def answer(self):
        path = self.path.split("?")[0]
        if path == "/echo":
            self.send(200, self.body(), chunked=True)
        elif path == "/sized":
            self.send(200, self.body())
        elif path == "/refuse":
            self.send(413, b"too much")
            self.close_connection = True
        elif path == "/empty":
            self.send(204, b"")
        elif path == "/close":
            self.send(200, b"bye", Connection="close")
            self.close_connection = True
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        elif path == "/early":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
            self.send(200, b"late")
        elif path == "/long":
            self.send(200, b"n" * 3000000, chunked=True)
        else:
            self.send(404, b'{"error":"nothing here"}')

    do_GET = do_POST = do_PUT = do_HEAD = answer


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


server = Server(sys.argv[1], Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
