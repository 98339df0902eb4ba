// node_app.js -- a server of the leak corpus: streams bodies, some of them compressed, and keeps
// a cache of whole buffers that has a bound. node node_app.js PORT
"use strict";
const http = require("http");
const zlib = require("zlib");
const { Readable, Transform } = require("stream");

const CACHE_MAX = 300;
const cache = new Map();

function body(size) {
	const buffer = Buffer.allocUnsafeSlow(Math.max(1, size));
	buffer.fill(size & 255);
	return buffer;
}

function cached(path, size) {
	let buffer = cache.get(path);
	if (buffer === undefined) {
		buffer = body(size);
	} else {
		cache.delete(path);
	}
	cache.set(path, buffer);
	if (cache.size > CACHE_MAX) {
		cache.delete(cache.keys().next().value);
	}
	return buffer;
}

function* pieces(size) {
	for (let left = size; left > 0; left -= 65536) {
		yield body(Math.min(left, 65536));
	}
}

const server = http.createServer((request, response) => {
	const [, size, key] = request.url.split("/");
	const bytes = Math.min(Number(size) || 0, 4 << 20);
	if (request.method === "POST") {
		let got = 0;
		request.on("data", (piece) => (got += piece.length));
		request.on("end", () => response.end(String(got)));
		return;
	}
	if ((request.headers["accept-encoding"] || "").includes("gzip")) {
		response.writeHead(200, { "Content-Encoding": "gzip" });
		Readable.from(pieces(bytes)).pipe(zlib.createGzip({ level: 1 })).pipe(response);
	} else if (key.startsWith("n")) {
		response.writeHead(200);
		const through = new Transform({
			transform(piece, _, done) {
				done(null, Buffer.concat([piece]));
			},
		});
		Readable.from(pieces(bytes)).pipe(through).pipe(response);
	} else {
		const whole = cached(request.url, bytes);
		response.writeHead(200, { "Content-Length": whole.length });
		response.end(whole);
	}
});
server.listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
