// flagd's own evaluator behind OFREP, on a flag file that it reads anew when it changes. Says its port; then, for each line of input,
// how many of a thousand users have the feature.
import { readFile, watchFile } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { FlagdCore } from '@openfeature/flagd-core';

const { FLAGS } = process.env;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const core = new FlagdCore();

function load() {
  return new Promise((resolve) => {
    readFile(FLAGS, 'utf8', (error, text) => {
      try {
        if (!error) core.setConfigurations(text);
      } catch {
        // What cannot be read leaves the last good state, as flagd does.
      }
      resolve();
    });
  });
}
await load();
watchFile(FLAGS, { interval: 300 }, load);

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const key = decodeURIComponent(request.url.split('/').pop());
    const say = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify(body));
    };
    try {
      const { context } = JSON.parse(Buffer.concat(chunks).toString());
      const found = core.resolveBooleanEvaluation(key, false, context, silent);
      if (found.errorCode) {
        say(found.errorCode === 'FLAG_NOT_FOUND' ? 404 : 400, { key, errorCode: found.errorCode, errorDetails: found.errorMessage });
      } else {
        say(200, { key, reason: found.reason, variant: found.variant, value: found.value, metadata: found.flagMetadata });
      }
    } catch (error) {
      say(error.code === 'FLAG_NOT_FOUND' ? 404 : 400, { key, errorCode: error.code ?? 'PARSE_ERROR', errorDetails: `${error.message}` });
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

createInterface({ input: process.stdin }).on('line', () => {
  let haveIt = 0;
  for (let user = 0; user < 1000; user += 1) {
    haveIt += core.resolveBooleanEvaluation('autosave', false, { targetingKey: `user-${user}` }, silent).value ? 1 : 0;
  }
  console.log(haveIt);
});
