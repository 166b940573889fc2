// A broker on Unix sockets: what producers write is dealt out to the consumers in turn, 64 bytes
// each, as much at once as has come.

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
    const consumer = consumers[next++ % consumers.length]!;
    if (consumer.write(bytes.subarray(0, whole))) return;
    socket.pause();
    consumer.once("drain", () => socket.resume());
  });
});
process.stdout.write("ready\n");
process.stdin.on("end", () => process.exit()).resume();
