// The backup of an overlay: its chain opened, and its names as a tree.

import { type ChainReader, DigestStore, openChain, openKeptChain } from '../backup/index.js';
import { BaseTree } from './namespace/base-tree.js';
import type { Inode } from './namespace/inode.js';
import type { OverlayOptions } from './overlay-options.js';

export interface OpenBase {
  readonly reader: ChainReader;
  readonly base: BaseTree<Inode>;
  /** Waits for the digest that is being written, if there is one; not for long. */
  settleDigest(): void;
}

/** @throws PbkfsError what is wrong with the backup */
export function openBase({ chain, listCache }: Pick<OverlayOptions, 'chain' | 'listCache'>): OpenBase {
  if (listCache === undefined) {
    const reader = openChain(chain);
    return { reader, base: new BaseTree(reader, reader.tablespaces()), settleDigest: () => undefined };
  }
  const digests = new DigestStore(listCache);
  const { reader, keep } = openKeptChain(chain, digests);
  const base = new BaseTree<Inode>(reader, reader.tablespaces());
  keep();
  return { reader, base, settleDigest: () => digests.settle() };
}
