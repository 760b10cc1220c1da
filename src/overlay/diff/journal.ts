// The journal: an append-only file of numbered, checksummed records that survives kill -9 and power loss.

import { failedBefore } from './failed-sync.js';
import { scanJournal, writeJournal } from './journal-file.js';
import { encodeRawRecord, type RawRecord, recordSize } from './journal-format.js';
import { JournalReserve } from './journal-reserve.js';
import { closeQuietly, type DiffStorage, hasCode, pwriteFully, unlinkQuietly } from './storage.js';

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
const temporaryOf = (path: string): string => `${path}.new`;

/** One open journal. Used by one thread; syncing may be left to another, see {@link noteSynced}. */
export class Journal {
  readonly #storage: DiffStorage;
  readonly #path: string;
  /** the same number for as long as the journal is open: other threads sync it */
  readonly #fd: number;
  #end: number;
  #appended: number;
  /** Last record whose bytes are durable; `#synced` follows when the name of the file is, too. */
  #written: number;
  #synced: number;
  readonly #reserve: JournalReserve;
  /** Bytes of a failed append may lie beyond #end. */
  #dirtyTail = false;
  /** The rename of a rewrite is not known to be durable. */
  #nameUnsynced = false;
  /** An fdatasync failed: what it should have written may be lost although a next one would succeed. */
  #syncFailed = false;

  private constructor(storage: DiffStorage, path: string, fd: number, end: number, sequence: number) {
    this.#storage = storage;
    this.#path = path;
    this.#fd = fd;
    this.#end = end;
    this.#appended = sequence;
    this.#written = sequence;
    this.#synced = sequence;
    this.#reserve = new JournalReserve(storage);
  }

  /**
   * Opens the journal, creating it when missing, and returns its records in order. A tail torn by a kill or a power cut
   * is cut off. All that is returned is durable.
   * @throws PbkfsError diff_damaged when a record that was durable is broken, or the header is.
   */
  static open(storage: DiffStorage, path: string): { journal: Journal; records: RawRecord[] } {
    unlinkQuietly(storage, temporaryOf(path));
    let fd: number;
    try {
      fd = storage.open(path, 'write');
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      const created = writeJournal(storage, temporaryOf(path), [], 0);
      const journal = new Journal(storage, path, created.fd, created.end, 0);
      try {
        // By rename, because a journal that exists without a whole header would look like a damaged one.
        storage.rename(temporaryOf(path), path);
        storage.fsyncDir(directoryOf(path));
      } catch (creationError) {
        closeQuietly(storage, created.fd);
        throw creationError;
      }
      return { journal, records: [] };
    }
    try {
      // A killed predecessor may have left records, or the rename of a rewrite, in the page cache only.
      storage.fdatasync(fd);
      storage.fsyncDir(directoryOf(path));
      const { records, end, last, size } = scanJournal(storage, path, fd);
      if (size > end) {
        storage.ftruncate(fd, end);
        storage.fdatasync(fd);
      }
      return { journal: new Journal(storage, path, fd, end, last), records };
    } catch (error) {
      closeQuietly(storage, fd);
      throw error;
    }
  }

  /** Sequence of the last record appended; 0 when there never was one. Grows for ever, also over a rewrite. */
  get appended(): number {
    return this.#appended;
  }

  /** Sequence of the last record known durable. */
  get synced(): number {
    return this.#synced;
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#end;
  }

  /**
   * Appends a record and returns its sequence. It survives a kill; {@link sync} makes it survive power loss.
   * @param frees it is about a removal: on a full disk it may use the space that is kept for such records
   * @throws the storage's error; the record is then not part of the journal.
   */
  append(payload: Uint8Array, frees = false): number {
    if (this.#dirtyTail) {
      this.#storage.ftruncate(this.#fd, this.#end);
      this.#dirtyTail = false;
    }
    const sequence = this.#appended + 1;
    const bytes = new Uint8Array(recordSize(payload.length));
    encodeRawRecord(bytes, 0, { sequence, syncedThrough: this.#synced, payload });
    if (frees) this.#reserve.keepIfPossible(this.#fd, this.#end + bytes.length);
    else this.#reserve.keep(this.#fd, this.#end + bytes.length);
    this.#dirtyTail = true;
    pwriteFully(this.#storage, this.#fd, bytes, 0, bytes.length, this.#end);
    this.#dirtyTail = false;
    this.#end += bytes.length;
    this.#appended = sequence;
    return sequence;
  }

  /**
   * Makes all appended records durable.
   * @throws the storage's error. After a failed fdatasync every sync fails until a {@link rewrite} succeeds.
   */
  sync(): void {
    if (this.#syncFailed) throw failedBefore(`journal ${this.#path}`);
    if (this.#written < this.#appended) {
      try {
        this.#storage.fdatasync(this.#fd);
      } catch (error) {
        this.#syncFailed = true;
        throw error;
      }
      this.#written = this.#appended;
    }
    if (this.#nameUnsynced) {
      this.#storage.fsyncDir(directoryOf(this.#path));
      this.#nameUnsynced = false;
    }
    this.#synced = this.#appended;
  }

  /**
   * Replaces all records by these (compaction), atomically and durably; sequences go on from the last one appended. The
   * open file keeps its number and means the new file only when everything in it is durable, so that another thread's
   * fdatasync of that number is right before and after.
   * @throws the storage's error; the journal is then as before, or (only the rename's durability is unknown, see
   *   {@link isNameDurable}) replaced, with {@link sync} still owing the rest.
   */
  rewrite(payloads: Iterable<Uint8Array>): void {
    const temporary = temporaryOf(this.#path);
    unlinkQuietly(this.#storage, temporary);
    const next = writeJournal(this.#storage, temporary, payloads, this.#appended);
    try {
      this.#storage.rename(temporary, this.#path);
    } catch (error) {
      closeQuietly(this.#storage, next.fd);
      unlinkQuietly(this.#storage, temporary);
      throw error;
    }
    this.#nameUnsynced = true;
    try {
      this.#storage.fsyncDir(directoryOf(this.#path));
      this.#nameUnsynced = false;
    } finally {
      // The name leads to the new file now, durably or not: records belong there.
      this.#storage.replace(this.#fd, next.fd);
      this.#reserve.forget();
      this.#end = next.end;
      this.#appended = next.last;
      this.#written = next.last;
      this.#dirtyTail = false;
      this.#syncFailed = false;
    }
    this.sync();
  }

  /** False after a {@link rewrite} whose last step failed: no fdatasync of the file makes records durable until {@link sync}. */
  get isNameDurable(): boolean {
    return !this.#nameUnsynced;
  }

  /** The open file, for a thread that syncs in this one's place. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Tells that an fdatasync of the file, begun after `sequence` was appended, has returned elsewhere. Nothing is concluded
   * while a rewrite still owes the sync of its name.
   */
  noteSynced(sequence: number): void {
    if (this.#nameUnsynced || this.#syncFailed) return;
    this.#written = Math.max(this.#written, Math.min(sequence, this.#appended));
    this.#synced = Math.max(this.#synced, this.#written);
  }

  /** Tells that an fdatasync of the file failed elsewhere; from now on it is as if {@link sync} had failed. */
  noteSyncFailed(): void {
    this.#syncFailed = true;
  }

  /** Closes the file without syncing. */
  close(): void {
    this.#storage.close(this.#fd);
  }
}
