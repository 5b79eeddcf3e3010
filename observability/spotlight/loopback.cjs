// Spotlight listens on every interface and has no setting for it. Loaded before it (node --require).
"use strict";

const net = require("node:net");

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (port, ...rest) {
  const onlyAPort = Number.isInteger(Number(port)) && typeof port !== "object" && typeof rest[0] !== "string";
  return onlyAPort ? listen.call(this, port, "127.0.0.1", ...rest) : listen.call(this, port, ...rest);
};
