import { indexThreads } from '/work/wt/loom18/dist/test/overlay/shared/index-threads.js';
import { engineThreads } from '/work/wt/loom18/dist/test/overlay/data/engine-threads.js';
import { explore } from '/work/wt/loom18/dist/test/support/interleave/explore.js';
console.log(explore(await engineThreads([[['write',1],['sync',1]],[['write',1],['sync',1]]]), {preemptions:3}));
console.log(explore(await engineThreads([[['sync',1]],[['sync',1]],[['append'],['append']]]), {preemptions:3}));
console.log(explore(await indexThreads([[{row:1}],[{row:1}],[{row:2}]]), {preemptions:3, runs: 60000}));
