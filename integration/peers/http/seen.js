// seen.js - what Node makes of messages, told in JSON, one line each, every byte as a character of Latin-1.
//
//     seen.js client SOCKET    for each line of stdin, a method: asks with it, on a connection of its own
//     seen.js server SOCKET    for each connection, when it is closed: the requests that came whole, and what ended it
//
// Bodies are collected as the parser hands them out: an error behind a message would take with it what is not read yet.
'use strict';
const http = require('http');
const [, , role, socketPath] = process.argv;

function collect(message, onEnd) {
  const parts = [];
  message.push = (part) => {
    if (part !== null) parts.push(part);
    else if (onEnd) onEnd();
    return true;
  };
  return () => Buffer.concat(parts).toString('latin1');
}

function pairs(raw) {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i], raw[2 * i + 1]]);
}

function tell(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

function ask(method) {
  return new Promise((resolve) => {
    let answer, body, error = '';
    const request = http.request({ socketPath, method, path: '/', agent: false }, (message) => {
      answer = message;
      body = collect(message);
      message.on('error', () => {});
    });
    request.on('upgrade', (_, socket) => socket.destroy());
    request.on('error', (why) => { error = error || why.code || why.message; });
    request.on('close', () => resolve(answer && answer.complete
      ? { status: answer.statusCode, fields: pairs(answer.rawHeaders), body: body() }
      : { error: error || 'cut' }));
    request.on('socket', (socket) => socket.on('close', () => request.destroy()));
    request.end();
  });
}

async function client() {
  for await (const line of require('readline').createInterface({ input: process.stdin })) tell(await ask(line));
}

function server() {
  const connections = new Map();
  const see = (request, answer) => {
    const seen = connections.get(request.socket);
    const body = collect(request, () => {
      seen.requests.push({ method: request.method, target: request.url, fields: pairs(request.rawHeaders),
        body: body() });
      answer.end();
    });
    answer.on('error', () => {});
  };
  const it = http.createServer({ requireHostHeader: false }, see).on('checkExpectation', see);
  it.httpAllowHalfOpen = true; // or the end of what a client says would take with it what is not answered yet
  it.on('connection', (socket) => {
    const seen = { requests: [], error: '' };
    connections.set(socket, seen);
    socket.on('close', () => {
      connections.delete(socket);
      tell(seen);
    });
  });
  it.on('clientError', (why, socket) => {
    connections.get(socket).error = why.code || why.message;
    socket.destroy();
  });
  it.listen(socketPath, () => console.log('ready'));
  process.stdin.on('end', () => process.exit(0)).resume();
}

(role === 'client' ? client : server)();
