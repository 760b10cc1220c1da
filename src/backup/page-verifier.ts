// Whether a decoded page is the one that was backed up: by the header map's checksum, else by its own.

import { INFO_HAS_CHECKSUM, INFO_OWN_CHECKSUM, INFO_VERIFIED } from './block-info.js';
import { damagedBlock } from './damage.js';
import { isZeroPage, pageChecksum } from './page-checksum.js';
import { PD_CHECKSUM } from './page-header.js';
import { StreamTrust } from './stream-trust.js';
import type { BlockIndex, DatafileSource, StreamPart, VerifyMode } from './types.js';

/** Pages that are served although they are bad: they were in the source already. */
export interface SeenBad {
  /** Blocks seen for the first time, with a pd_checksum that was wrong in the source already. */
  badInSource: number;
  /** The last of these. */
  badBlock: number;
}

/** One object per thread; threads share the verified bits of the index. */
export class PageVerifier {
  readonly #verify: VerifyMode;
  readonly #seen: SeenBad;
  readonly #trust = new StreamTrust();

  /** @param seen counts what was bad in the source */
  constructor(verify: VerifyMode, seen: SeenBad) {
    this.#verify = verify;
    this.#seen = seen;
  }

  /**
   * Looks at the checksum of a decoded page at out[outOffset], unless somebody has before.
   * @param fd open descriptor of the part's stored file
   * @throws PbkfsError page_damaged naming backup, file and block
   */
  check(
    source: DatafileSource,
    index: BlockIndex,
    part: StreamPart,
    block: number,
    fd: number,
    out: Uint8Array,
    outOffset: number,
  ): void {
    if (this.#verify !== 'checksum') return;
    const info = index.info[block]!;
    if ((info & (INFO_HAS_CHECKSUM | INFO_OWN_CHECKSUM)) === 0 || (info & INFO_VERIFIED) !== 0) return;
    const fault = this.#judgePage(source, index, part, block, fd, out, outOffset);
    if (fault !== undefined) throw damagedBlock(part.backupId, part.file, block, fault);
    Atomics.or(index.info, block, INFO_VERIFIED);
  }

  /** Compares a decoded page with its checksums. @returns what is wrong with it */
  #judgePage(
    source: DatafileSource,
    index: BlockIndex,
    part: StreamPart,
    block: number,
    fd: number,
    out: Uint8Array,
    outOffset: number,
  ): string | undefined {
    const inPage = out[outOffset + PD_CHECKSUM]! | (out[outOffset + PD_CHECKSUM + 1]! << 8);
    // pg_probackup notes 0 for an all-zero page; a computed checksum is never 0.
    const computed = isZeroPage(out, outOffset) ? 0 : pageChecksum(out, outOffset, source.firstBlock + block);
    const hasMap = (index.info[block]! & INFO_HAS_CHECKSUM) !== 0;
    if (computed === 0 && !hasMap) return 'an empty page in a damaged file, and no header map says that it was one';
    const wanted = hasMap ? index.checksum[block]! : inPage;
    const matches =
      computed === wanted || (hasMap && computed !== 0 && this.#isOtherwise(source, block, out, outOffset, wanted));
    if (!matches) return `page checksum ${computed}, the ${hasMap ? 'header map' : 'page itself'} says ${wanted}`;
    if (inPage === computed || (inPage === 0 && !part.pageChecksums)) return undefined;
    // Bad in the source, or damaged in just the two bytes that no checksum of the page covers.
    if (!this.#trust.isIntact(part, fd))
      return `pd_checksum ${inPage} instead of ${computed}, and the file does not have its listed CRC`;
    if (part.pageChecksums) {
      this.#seen.badInSource++;
      this.#seen.badBlock = block;
    }
    return undefined;
  }

  /** Whether the header map's checksum is one by another first block than the file's, see FirstBlock. */
  #isOtherwise(source: DatafileSource, block: number, out: Uint8Array, outOffset: number, wanted: number): boolean {
    return source.mapFirstBlocks.some((first) => pageChecksum(out, outOffset, first + block) === wanted);
  }
}
