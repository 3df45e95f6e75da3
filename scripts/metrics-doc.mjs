// Writes docs/metrics.md from the definitions of the metrics, as they were last compiled. A test
// fails while the file is not what this would write.

import { writeFileSync } from 'node:fs';
import { inRoot, main, say } from './lib/tasks.mjs';

main(async () => {
  const { metricsDocument } = await import(inRoot('dist', 'src', 'base', 'metrics', 'document.js'));
  const path = inRoot('docs', 'metrics.md');
  writeFileSync(path, metricsDocument());
  say(`wrote ${path}`);
});
