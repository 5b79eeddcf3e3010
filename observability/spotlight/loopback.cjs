// Spotlight has no option for the address that it listens on, and takes all of them. Loaded before it (node --require),
// this makes every server of its process listen on LISTEN_HOST only.
"use strict";

const net = require("node:net");

const host = process.env.LISTEN_HOST ?? "127.0.0.1";
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function listenOnHost(...args) {
  const callback = typeof args.at(-1) === "function" ? args.pop() : undefined;
  const options = args[0] !== null && typeof args[0] === "object" ? args[0] : { port: args[0] };
  return listen.call(this, { ...options, host }, callback);
};
