// SPDX-License-Identifier: MIT
// ort.js MODEL.onnx NAME=TYPE:1x3x224x224 ... [--repeats N] [--threads T] - median milliseconds of a forward pass
// in onnxruntime-node, after a warm-up of at least three runs and half a second. TYPE is float32 or int64. Prints JSON.
// The package is found through NODE_PATH.
'use strict';
const ort = require('onnxruntime-node');

function readArguments(argv) {
  const found = { model: argv[0], inputs: [], repeats: 20, threads: 2 };
  for (let i = 1; i < argv.length; i++) {
    if (argv[i] === '--repeats' || argv[i] === '--threads') {
      found[argv[i].slice(2)] = Number(argv[++i]);
    } else {
      const [, name, type, shape] = /^(.*)=(float32|int64):([0-9x]+)$/.exec(argv[i]);
      found.inputs.push({ name, type, shape: shape.split('x').map(Number) });
    }
  }
  return found;
}

// The numbers mucmm bench graph uses: whole numbers 0 to 63 in turn, and fractions of 64 for floats.
function makeTensor({ type, shape }) {
  const n = shape.reduce((a, b) => a * b, 1);
  const data = type === 'int64' ? new BigInt64Array(n) : new Float32Array(n);
  for (let i = 0; i < n; i++) {
    data[i] = type === 'int64' ? BigInt(i % 64) : (i % 64) / 64;
  }
  return new ort.Tensor(type, data, shape);
}

async function main() {
  const given = readArguments(process.argv.slice(2));
  const session = await ort.InferenceSession.create(given.model, {
    executionProviders: ['cpu'], intraOpNumThreads: given.threads, interOpNumThreads: 1,
    executionMode: 'sequential', graphOptimizationLevel: 'all',
  });
  const feeds = Object.fromEntries(given.inputs.map((input) => [input.name, makeTensor(input)]));
  const now = () => Number(process.hrtime.bigint()) / 1e6;
  const warm = now();
  for (let i = 0; i < 3 || now() - warm < 500; i++) {
    await session.run(feeds);
  }
  const times = [];
  for (let i = 0; i < given.repeats; i++) {
    const start = now();
    await session.run(feeds);
    times.push(now() - start);
  }
  times.sort((a, b) => a - b);
  const middle = times.length >> 1;
  const median = times.length % 2 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
  console.log(JSON.stringify({ median_ms: median, best_ms: times[0], repeats: times.length }));
}

main().catch((error) => {
  console.error(String(error.message || error));
  process.exit(1);
});
