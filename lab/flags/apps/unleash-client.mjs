// What users get by the SDK of Unleash: for each line of input, how many of a thousand have the feature.
import { createInterface } from 'node:readline';
import { initialize } from 'unleash-client';

const { URL, TOKEN, FEATURE } = process.env;
const unleash = initialize({
  url: `${URL}/api/`,
  appName: 'editor',
  customHeaders: { Authorization: TOKEN },
  refreshInterval: 250,
  disableMetrics: true,
});
unleash.on('error', () => {});
await new Promise((resolve) => unleash.once('synchronized', resolve));

for await (const _ of createInterface({ input: process.stdin })) {
  let haveIt = 0;
  for (let user = 0; user < 1000; user += 1) {
    haveIt += unleash.isEnabled(FEATURE, { userId: `user-${user}` }) ? 1 : 0;
  }
  console.log(haveIt);
}
