// The contestants in Node: its promises, as `node rivals.js WORKLOAD`. Requests are lines `N RUNS`
// on standard input, answers the nanoseconds of all runs on standard output.
//
// One thread does everything: `fanin` settles its promises on the thread that waits for them.

'use strict';

let seen = 0;

async function chain(n) {
  const start = process.hrtime.bigint();
  let settle;
  let promise = new Promise((resolve) => { settle = resolve; });
  for (let i = 1; i <= n; i++) {
    promise = promise.then((value) => Math.min(value + 1, i));
  }
  settle(0);
  return checked(start, await promise, n);
}

async function fanout(n) {
  const start = process.hrtime.bigint();
  let settle;
  const promise = new Promise((resolve) => { settle = resolve; });
  for (let i = 0; i < n; i++) {
    promise.then((value) => { seen += i < 0 ? 0 : value; });
  }
  settle(1);
  // Reactions run in the order in which they were registered: this one after all others.
  await promise;
  const found = seen;
  seen = 0;
  return checked(start, found, n);
}

async function fanin(n) {
  const start = process.hrtime.bigint();
  const promises = [];
  const settles = [];
  for (let i = 0; i < n; i++) {
    promises.push(new Promise((resolve) => { settles.push(resolve); }));
  }
  const all = Promise.all(promises);
  for (let i = 0; i < n; i++) {
    settles[i](i);
  }
  let sum = 0;
  for (const value of await all) {
    sum += value;
  }
  return checked(start, sum, (n * (n - 1)) / 2);
}

function checked(start, found, wanted) {
  const spent = process.hrtime.bigint() - start;
  if (found !== wanted) {
    throw new Error(`${found} instead of ${wanted}`);
  }
  return spent;
}

async function serve() {
  const run = { chain, fanout, fanin }[process.argv[2]];
  const requests = require('readline').createInterface({ input: process.stdin });
  for await (const request of requests) {
    const [n, runs] = request.split(' ').map(Number);
    let spent = 0n;
    for (let i = 0; i < runs; i++) {
      spent += await run(n);
    }
    process.stdout.write(`${spent}\n`);
  }
}

serve();
