// A broker on Unix sockets: messages of 64 bytes are dealt out to the consumers one by one, in turn;
// what has come at once is written at once.

import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import process from "node:process";

const SIZE = 64;
const directory = process.env["CAUSEWAY_DIR"]!;
const consumers: net.Socket[] = [];
let next = 0;

function listen(role: string, handle: (socket: net.Socket) => void): Promise<void> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    handle(socket);
  });
  const file = path.join(directory, `broker-${role}`);
  fs.rmSync(file, { force: true }); // of the broker before
  return new Promise((resolve) => server.listen(file, resolve));
}

await listen("consumer", (socket) => consumers.push(socket));
await listen("producer", (socket) => {
  let rest = new Uint8Array(0);
  socket.on("data", (chunk: Uint8Array) => {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    const whole = bytes.length - bytes.length % SIZE;
    rest = bytes.slice(whole);
    if (whole === 0) return;
    for (const consumer of consumers) consumer.cork();
    let writable = true;
    let last = consumers[0]!;
    for (let at = 0; at < whole; at += SIZE) {
      const consumer = consumers[next++ % consumers.length]!;
      if (consumer.write(bytes.subarray(at, at + SIZE))) continue;
      writable = false;
      last = consumer;
    }
    for (const consumer of consumers) consumer.uncork();
    if (writable) return;
    socket.pause();
    last.once("drain", () => socket.resume());
  });
});
process.stdout.write("ready\n");
process.stdin.on("end", () => process.exit()).resume();
