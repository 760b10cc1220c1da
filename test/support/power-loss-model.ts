// What a file tree may look like after a power loss: of every file the versions since its last fsync, of the names every
// state since anything was fsynced. A sync of a file makes its data durable, and all names.

/** What is torn at a power cut: a sector is written wholly or not at all. */
const SECTOR = 512;

/** One file's content, whatever its names. */
export class CrashFile {
  /** Contents since the last fsync, which is the first of them. */
  #versions: Buffer[];

  constructor(content: Buffer) {
    this.#versions = [content];
  }

  /** The content that reads must show. */
  get content(): Buffer {
    return this.#versions.at(-1)!;
  }

  set content(content: Buffer) {
    this.#versions.push(content);
  }

  /** Nothing but this can be found from now on. */
  settle(content = this.content): void {
    this.#versions = [content];
  }

  /** Why a power loss cannot have left this; undefined when it can. */
  objection(found: Buffer): string | undefined {
    if (this.#versions.length === 1) return found.equals(this.content) ? undefined : this.#difference(found);
    const lengths = this.#versions.map((version) => version.length);
    const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
    if (found.length < least || found.length > most) return `${found.length} bytes, not ${least} to ${most}`;
    for (let at = 0; at < found.length; at += SECTOR) {
      const sector = found.subarray(at, at + SECTOR);
      const known = this.#versions.some((version) => sector.equals(sectorOf(version, at, sector.length)));
      if (!known)
        return `bytes from ${at} of ${found.length}: ${runs(sector)}; known: ${this.#versions.map((version) => `${runs(sectorOf(version, at, sector.length))} of ${version.length}`).join(', ')}`;
    }
    return undefined;
  }

  #difference(found: Buffer): string {
    const { content } = this;
    if (found.length !== content.length) return `${found.length} bytes, not ${content.length}: it was fsynced`;
    const at = found.findIndex((byte, i) => byte !== content[i]);
    return `byte ${at} is ${found[at]}, not ${content[at]}: it was fsynced`;
  }
}

/** The sector as this version has it; beyond its end are zeros, which a file that grows is before it is data. */
function sectorOf(version: Buffer, at: number, length: number): Buffer {
  const sector = Buffer.alloc(length);
  if (at < version.length) version.copy(sector, 0, at, at + length);
  return sector;
}

export interface Entry {
  /** null: a directory */
  readonly file: CrashFile | null;
  readonly mode: number;
}

export type Names = ReadonlyMap<string, Entry>;

/** What was found after a remount: by path, null for a directory. */
export type FoundTree = ReadonlyMap<string, { readonly content: Buffer | null; readonly mode: number }>;

export class CrashModel {
  #names: Names[];

  constructor(names: Names) {
    this.#names = [names];
  }

  /** The names as they are now. */
  get names(): Names {
    return this.#names.at(-1)!;
  }

  set names(names: Names) {
    this.#names.push(names);
  }

  /** An fsync of any file or directory has returned. */
  namesSynced(): void {
    this.#names = [this.names];
  }

  /** An fsync of this file has returned. */
  fileSynced(file: CrashFile): void {
    file.settle();
    this.namesSynced();
  }

  /** Every call so far has returned: a kill, which takes nothing that was acknowledged, leaves the present state. */
  acknowledged(): void {
    this.#names = [this.names];
    for (const { file } of this.names.values()) file?.settle();
  }

  /** After a kill: exactly the present state. @returns what differs, or undefined */
  objectionAfterKill(found: FoundTree): string | undefined {
    const isLast = (file: CrashFile, content: Buffer): string | undefined =>
      file.content.equals(content) ? undefined : 'is not what was written last';
    return namesDiffer(this.names, found) ?? contentsDiffer(this.names, found, isLast);
  }

  /** After a power loss: why the contract does not allow this, or undefined. */
  objectionAfterPowerLoss(found: FoundTree): string | undefined {
    const objections = this.#names.map((names) => objection(names, found));
    if (objections.includes(undefined)) return undefined;
    // The one that got furthest says most: its names were right.
    const telling = objections.findLast((text) => !text!.startsWith('names')) ?? objections.at(-1);
    return `${telling} (${this.#names.length} states of the names)`;
  }

  /** A mount has served this: from now on it is durable. */
  settle(found: FoundTree): void {
    const names = this.#names.findLast((candidate) => objection(candidate, found) === undefined);
    if (names === undefined) throw new Error('what is settled was objected to');
    for (const [path, { file }] of names) file?.settle(found.get(path)!.content!);
    this.#names = [names];
  }
}

function objection(names: Names, found: FoundTree): string | undefined {
  return namesDiffer(names, found) ?? contentsDiffer(names, found, (file, content) => file.objection(content));
}

function namesDiffer(names: Names, found: FoundTree): string | undefined {
  for (const [path, { file, mode }] of names) {
    const other = found.get(path);
    if (other === undefined) return `names: ${path} is missing`;
    if ((file === null) !== (other.content === null)) return `names: ${path} is of another kind`;
    if (mode !== other.mode) return `names: ${path} has mode ${other.mode.toString(8)}, not ${mode.toString(8)}`;
  }
  for (const path of found.keys()) if (!names.has(path)) return `names: ${path} should not be there`;
  return undefined;
}

function contentsDiffer(
  names: Names,
  found: FoundTree,
  judge: (file: CrashFile, content: Buffer) => string | undefined,
): string | undefined {
  for (const [path, { file }] of names) {
    const wrong = file === null ? undefined : judge(file, found.get(path)!.content!);
    if (wrong !== undefined) return `${path}: ${wrong}`;
  }
  return undefined;
}

/** A sector in short: runs of equal bytes. */
function runs(bytes: Uint8Array): string {
  const said: string[] = [];
  for (let at = 0; at < bytes.length && said.length < 5; ) {
    let end = at;
    while (end < bytes.length && bytes[end] === bytes[at]) end++;
    said.push(`${end - at} x ${bytes[at]!.toString(16)}`);
    at = end;
  }
  return said.join(' ');
}
