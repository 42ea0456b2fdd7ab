// server.js - what a Node server answers a PlugKit client: server.js SOCKET. Prints "ready", serves until stdin ends.
'use strict';
const http = require('http');
const server = http.createServer((request, answer) => {
  const path = request.url.split('?')[0];
  if (path === '/echo') { // both ways at once
    answer.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    request.pipe(answer);
  } else if (path === '/sized') {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => answer.end(Buffer.concat(parts)));
  } else if (path === '/refuse') {
    answer.writeHead(413, { 'Content-Type': 'text/plain' });
    answer.end('too much');
  } else if (path === '/empty') {
    answer.writeHead(204);
    answer.end();
  } else if (path === '/close') {
    answer.writeHead(200, { Connection: 'close' });
    answer.end('bye');
  } else if (path === '/cut') {
    answer.writeHead(200, { 'Content-Length': 100 });
    answer.write('half');
    setTimeout(() => request.socket.destroy(), 10);
  } else if (path === '/early') {
    answer.writeEarlyHints({ link: '</style.css>; rel=preload' });
    answer.end('late');
  } else if (path === '/long') {
    answer.write('n'.repeat(1000000));
    answer.end('n'.repeat(2000000));
  } else {
    answer.writeHead(404, { 'Content-Type': 'application/json' });
    answer.end('{"error":"nothing here"}');
  }
});
server.listen(process.argv[2], () => console.log('ready'));
process.stdin.on('end', () => process.exit(0)).resume();
