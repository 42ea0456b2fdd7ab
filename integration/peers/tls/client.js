// client.js - asks a PlugKit server by TLS as Node does: client.js ADDRESS CA CERT KEY. Prints one JSON object.
'use strict';
const https = require('https');
const fs = require('fs');
const [address, ca, cert, key] = process.argv.slice(2);
const read = (path) => fs.readFileSync(path);
const fresh = () => new https.Agent({ keepAlive: true, maxSockets: 1, ca: read(ca), cert: read(cert), key: read(key),
  servername: 'localhost' });
let session;

function ask(agent, method, path, body) {
  return new Promise((resolve, reject) => {
    const request = https.request(address + path, { agent, method, session }, (answer) => {
      const parts = [];
      const socket = answer.socket;
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const text = Buffer.concat(parts);
        resolve({ status: answer.statusCode, size: text.length, body: text.toString('latin1', 0, 300),
          resumed: socket.isSessionReused(), protocol: socket.alpnProtocol || '' });
      });
      answer.on('error', reject);
    });
    request.on('socket', (socket) => socket.on('session', (s) => { session = s; }));
    request.on('error', reject);
    request.end(body);
  });
}

(async () => {
  const out = {}, agent = fresh();
  out.who = await ask(agent, 'GET', '/who');
  out.echo = await ask(agent, 'POST', '/echo', 'j'.repeat(500000));
  out.stream = await ask(agent, 'GET', '/stream?3000000');
  agent.destroy();
  const other = fresh();
  out.again = await ask(other, 'GET', '/who');
  other.destroy();
  console.log(JSON.stringify(out));
})().catch((error) => { console.error(error); process.exit(1); });
