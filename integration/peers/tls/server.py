"""What Python's http.server answers a PlugKit client by TLS: server.py CA CERT KEY [1.2]. Prints its port, serves until
stdin ends. Clients need a certificate; /who says whose it is, /until_close is as long as the connection, /cut is too,
but ends without a word."""

import http.server
import os
import ssl
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        names = dict(pair[0] for pair in (self.connection.getpeercert() or {}).get("subject", ()))
        who = f"{names.get('commonName', '')} {self.connection.session_reused}".encode()
        text = {"/echo": body, "/long": b"n" * 3000000, "/who": who}.get(self.path, b"all")
        self.send_response(200)
        if self.path in ("/until_close", "/cut"):
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        if self.path == "/until_close":
            self.connection.unwrap()
        elif self.path == "/cut":
            os.close(self.connection.detach())  # no close_notify

    do_GET = do_POST = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass

    def shutdown_request(self, request):
        if request.fileno() >= 0:
            super().shutdown_request(request)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=sys.argv[1])
context.load_cert_chain(sys.argv[2], sys.argv[3])
context.verify_mode = ssl.CERT_REQUIRED
context.set_alpn_protocols(["http/1.1"])
if sys.argv[4:] == ["1.2"]:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
server = Server(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.socket.getsockname()[1], flush=True)
sys.stdin.read()
