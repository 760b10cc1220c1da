// One mount for several tests: each has a copy of the same files, in a directory of its own, and what it checks is
// checked once more after a remount.

import fs from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type SmallMount, unmounted } from '../mount/small-mount.js';
import { type FileSpec, startTime, writeCatalog } from '../support/catalog-writer.js';
import { makePage } from '../support/pages.js';

export const BLOCK = 8192;
/** Files of the backup that nothing has changed: a relation segment and a raw file. */
export const BASE = ['base/1/100', 'base/1/raw'] as const;
const pages = [0, 1, 2, 3, 4].map((block) => [block, makePage(block + 1, block, { filled: true })] as const);
const patterned = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => ((i * 31) % 251) + 1));
/** The files of a place. */
export const contents: ReadonlyMap<string, Buffer> = new Map([
  ['base/1/100', Buffer.concat(pages.map(([, page]) => page))],
  ['base/1/raw', patterned(20_000)],
  ['base/1/small', patterned(100)],
  ['base/2/200', patterned(300)],
]);
export const base = (name: string): Buffer => Buffer.from(contents.get(name)!);

const PLACES = 8;

export type Check = (t: Test) => void;

export interface Place {
  path(name: string): string;
  /** Checks now, and again after a remount. */
  twice(t: Test, check: Check): void;
}

export class Places {
  readonly mount: SmallMount;
  #taken = 0;
  /** What has to be as it was after a remount, too. */
  readonly #afterwards: Check[] = [];

  private constructor(mount: SmallMount) {
    this.mount = mount;
  }

  static async mounted(t: Test): Promise<Places> {
    const mount = unmounted(t);
    mount.catalog = join(mount.base, 'places');
    writePlaces(mount.catalog);
    await mount.first();
    return new Places(mount);
  }

  take(): Place {
    if (this.#taken === PLACES) throw new Error(`there are ${PLACES} places only`);
    const place = `t${this.#taken++}`;
    return {
      path: (name) => this.mount.path(`${place}/${name}`),
      twice: (t, check) => {
        check(t);
        this.#afterwards.push(check);
      },
    };
  }

  /** All checks after a remount. @param count how many there are to be */
  async again(t: Test, count: number): Promise<void> {
    const { mount } = this;
    await mount.unmount();
    const { replyGone, errors } = JSON.parse(fs.readFileSync(join(mount.diff, 'counters.json'), 'utf8'));
    t.same({ replyGone, errors }, { replyGone: 0, errors: 0 }, 'every reply found its request, and no EIO');
    await mount.remount();
    for (const check of this.#afterwards) check(t);
    t.equal(this.#afterwards.length, count, 'checks of nearly every test');
    await mount.unmount();
  }
}

function writePlaces(root: string): void {
  const files: FileSpec[] = [
    { path: 'global', dir: true },
    { path: 'global/pg_control', content: Buffer.alloc(BLOCK, 1) },
  ];
  for (let place = 0; place < PLACES; place++) {
    const at = `t${place}`;
    for (const path of ['', '/base', '/base/1', '/base/2', '/base/5']) files.push({ path: `${at}${path}`, dir: true });
    for (const [path, content] of contents)
      files.push({ path: `${at}/${path}`, ...(path === 'base/1/100' ? { pages } : { content }) });
  }
  writeCatalog(root, [{ start: startTime(1), mode: 'FULL', files }]);
}
