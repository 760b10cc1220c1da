// A helper of list-threads.ts: takes list after list and answers with what it read.

import { workerData } from 'node:worker_threads';
import { type ListAnswer, type ListThreadData, nextJob, progressed } from './list-threads.js';
import { PathTable } from './path-table.js';
import { readOlderList } from './read-list.js';

const { control, port, jobs, paths } = workerData as ListThreadData;
const table = PathTable.from(paths);

for (let job = nextJob(control, jobs.length); job >= 0; job = nextJob(control, jobs.length)) {
  let answer: ListAnswer = { job };
  try {
    answer = { job, list: readOlderList(jobs[job]!, table, () => progressed(control)) };
  } catch {
    // The caller finds out for itself.
  }
  port.postMessage(answer);
  progressed(control);
}
port.close();
