// server.js - what a Node server answers a PlugKit client by TLS: server.js CA CERT KEY. Prints its port, serves until
// stdin ends. Clients need a certificate; /who says whose it is.
'use strict';
const https = require('https');
const fs = require('fs');
const [ca, cert, key] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const server = https.createServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true }, (request, answer) => {
  if (request.url === '/echo') {
    request.pipe(answer);
  } else if (request.url === '/long') {
    answer.end('n'.repeat(3000000));
  } else {
    const reused = request.socket.isSessionReused();
    const peer = request.socket.getPeerCertificate();
    answer.end(`${peer.subject ? peer.subject.CN : ''} ${reused}`);
  }
});
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
