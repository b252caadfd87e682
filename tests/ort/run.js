// SPDX-License-Identifier: MIT
//
// Runs ONNX files on ONNX Runtime. Usage: node run.js JOB.json...
//
// JOB: { model, level: "disabled" or "all", count, batch, folder,
//        inputs: { name: { type, dims (without N), file } } }
// Every output goes to FOLDER/name.raw, the pictures one after another.
'use strict';

const fs = require('fs');
const ort = require('onnxruntime-node');

const arrays = { uint8: Uint8Array, int8: Int8Array, float32: Float32Array };

function slice(input, first, count)
{
	const n = input.dims.reduce((a, b) => a * b, 1);
	const data = input.data.subarray(first * n, (first + count) * n);

	if (data.length !== n * count)
		throw new Error(`${input.file}: too short`);
	return new ort.Tensor(input.type, data, [count, ...input.dims]);
}

async function run(job)
{
	const session = await ort.InferenceSession.create(job.model, {
		executionProviders: ['cpu'],
		graphOptimizationLevel: job.level,
		intraOpNumThreads: 1,
		logSeverityLevel: 3,
	});
	const files = {};

	for (const input of Object.values(job.inputs)) {
		const bytes = fs.readFileSync(input.file);
		const type = arrays[input.type];

		input.data = new type(bytes.buffer.slice(bytes.byteOffset,
							 bytes.byteOffset + bytes.length));
	}
	for (const name of session.outputNames)
		files[name] = fs.openSync(`${job.folder}/${name}.raw`, 'w');
	for (let first = 0; first < job.count; first += job.batch) {
		const count = Math.min(job.batch, job.count - first);
		const feeds = {};

		for (const name of session.inputNames)
			feeds[name] = slice(job.inputs[name], first, count);
		const results = await session.run(feeds);
		for (const name of session.outputNames) {
			const d = results[name].data;

			fs.writeFileSync(files[name],
					 new Uint8Array(d.buffer, d.byteOffset, d.byteLength));
		}
	}
	for (const name of session.outputNames)
		fs.closeSync(files[name]);
}

async function main()
{
	for (const file of process.argv.slice(2))
		await run(JSON.parse(fs.readFileSync(file, 'utf8')));
}

main().catch((e) => {
	console.error(`run.js: ${e.message}`);
	process.exit(1);
});
