// client.js - asks a PlugKit server as Node's http module does: client.js SOCKET. Prints one JSON object.
'use strict';
const http = require('http');
const socketPath = process.argv[2];
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const sockets = new Set();

function ask(method, path, { body, headers = {}, chunks } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, agent, method, path, headers }, (answer) => {
      let size = 0;
      const parts = [];
      answer.on('data', (part) => { size += part.length; if (size < 1000) parts.push(part); });
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, size,
        body: Buffer.concat(parts).toString() }));
      answer.on('error', reject);
    });
    request.on('socket', (socket) => sockets.add(socket));
    request.on('error', reject);
    request.on('continue', () => request.end(body));
    if (chunks) {
      for (const chunk of chunks) request.write(chunk);
      request.end();
    } else if (headers.Expect) {
      request.flushHeaders();
    } else {
      request.end(body);
    }
  });
}

(async () => {
  const out = {};
  out.get = await ask('GET', '/healthz');
  out.head = await ask('HEAD', '/file');
  out.echo = await ask('POST', '/echo', { body: '{"a":1}', headers: { 'Content-Type': 'application/json' } });
  out.chunked = await ask('POST', '/upload', { chunks: ['x'.repeat(100000), 'y', 'z'.repeat(70000)] });
  const headers = { Expect: '100-continue', 'Content-Length': 5 };
  out.expected = await ask('POST', '/echo', { body: 'hello', headers });
  out.stream = await ask('GET', '/stream?3000000');
  out.empty = await ask('GET', '/status/204');
  out.unchanged = await ask('GET', '/status/304');
  out.missing = await ask('GET', '/nope');
  out.wrong = await ask('DELETE', '/echo');
  out.sockets = sockets.size;
  console.log(JSON.stringify(out));
  agent.destroy();
})().catch((error) => { console.error(error); process.exit(1); });
