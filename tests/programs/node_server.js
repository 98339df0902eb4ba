/*
 * node_server.js PORT -- GET /plain/N: N known bytes (those of streams.py) in pieces of
 * 64 KiB. GET /gzip/N: the same through a gzip and a gunzip stream. PUT: the SHA-256 of
 * what came in. Ends with status 0 on SIGTERM.
 */
'use strict';
const crypto = require('crypto');
const http = require('http');
const stream = require('stream');
const zlib = require('zlib');

const known = new Map();

function body(size) {
	if (!known.has(size))
		known.set(size, crypto.createHash('shake256', {outputLength: size}).update(`weir ${size}`).digest());
	return known.get(size);
}

/* Each piece is a Buffer of its own, as it would be from a file or a socket. */
function* pieces(whole) {
	for (let at = 0; at < whole.length; at += 65536)
		yield Buffer.from(whole.subarray(at, at + 65536));
}

const server = http.createServer((request, response) => {
	const [, how, size] = request.url.split('/');
	if (request.method === 'GET') {
		const whole = body(Number(size));
		response.setHeader('Content-Length', whole.length);
		const stages = how === 'gzip' ?
			[zlib.createGzip({level: 1, chunkSize: 65536}), zlib.createGunzip({chunkSize: 65536})] : [];
		stream.pipeline(stream.Readable.from(pieces(whole)), ...stages, response, () => {});
		return;
	}
	const parts = [];
	request.on('data', (piece) => parts.push(piece));
	request.on('end', () => {
		const whole = Buffer.concat(parts);
		response.end(crypto.createHash('sha256').update(whole).digest('hex'));
	});
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
