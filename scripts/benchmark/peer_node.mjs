// The same job on Node's `ws`: parse, stamp, append; the lines of one turn of the event loop leave in one write.
//
//     node peer_node.mjs NODE_MODULES_PARENT WS_URL OUT.jsonl

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, url, out] = process.argv.slice(2);
const WebSocket = createRequire(path.resolve(modules, "package.json"))("ws");

const file = fs.openSync(out, "a", 0o600);
let lines = [];
let greeted = false;

const flush = () => {
  const data = Buffer.from(lines.join(""));
  lines = [];
  for (let written = 0; written < data.length; ) {
    written += fs.writeSync(file, data, written);
  }
};

const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 0 });
socket.on("message", (data) => {
  if (!greeted) {
    greeted = true; // the hello is no event
    return;
  }
  const now = new Date();
  if (lines.length === 0) setImmediate(flush);
  lines.push(JSON.stringify({ ts: now.toISOString(), unix_ts: now / 1000, ...JSON.parse(data) }) + "\n");
});
