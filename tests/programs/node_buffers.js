/*
 * node_buffers.js -- four worker threads make Buffers of 4 KiB to 1 MiB, slice and join them,
 * compress and expand them, and hand some over to the main thread, which returns them. Prints
 * one hash a worker, which depends on nothing but the worker's number.
 */
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const {Worker, isMainThread, parentPort, workerData} = require('worker_threads');

const WORKERS = 4;
const ROUNDS = 250;

/* A number in [0, 1) that depends on the worker and the round. */
function chance(worker, round) {
	return crypto.createHash('md5').update(`${worker} ${round}`).digest().readUInt32LE(0) / 2 ** 32;
}

async function work(worker) {
	const total = crypto.createHash('sha256');
	const kept = [];
	for (let round = 0; round < ROUNDS; round++) {
		const size = Math.floor(4096 * 256 ** chance(worker, round));
		const buffer = Buffer.alloc(size, `worker ${worker} round ${round} `);
		crypto.createHash('md5').update(buffer).digest().copy(buffer, size >> 1);
		kept.push(buffer);
		if (kept.length > 16)
			total.update(kept.splice(Math.floor(chance(round, worker) * 16), 1)[0]);
		if (round % 10 === 0) {
			const joined = Buffer.concat(kept.slice(0, 4));
			const zipped = zlib.deflateSync(joined, {level: 1});
			if (!zlib.inflateSync(zipped).equals(joined))
				throw new Error('inflate does not give what was deflated');
			total.update(zipped);
		}
		if (round % 5 === 0) {
			const copy = new Uint8Array(buffer).buffer;
			const back = new Promise((resolve) => parentPort.once('message', resolve));
			parentPort.postMessage({lent: copy}, [copy]);
			total.update(Buffer.from(await back));
		}
	}
	parentPort.postMessage({result: total.digest('hex')});
}

if (isMainThread) {
	const results = [];
	let running = WORKERS;
	for (let number = 0; number < WORKERS; number++) {
		const worker = new Worker(__filename, {workerData: number});
		worker.on('message', (message) => {
			if (message.lent)
				worker.postMessage(message.lent, [message.lent]);
			else
				results[number] = message.result;
		});
		worker.on('exit', () => {
			if (--running === 0)
				console.log(results.join('\n'));
		});
	}
} else {
	work(workerData);
}
