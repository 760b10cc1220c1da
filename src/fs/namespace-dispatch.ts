// Requests that need names: decoded, handed to the namespace, and answered. No rule about names lives here.

import { SystemError } from '../errors.js';
import { NAME_MAX } from '../overlay/namespace/checks.js';
import { type Inode, S_IFREG } from '../overlay/namespace/inode.js';
import type { AttributeFields } from '../overlay/namespace/records.js';
import type { VirtualName } from '../overlay/namespace/virtual-file.js';
import type { Overlay } from '../overlay/overlay.js';
import { emptyAttributes, withoutSetId } from '../overlay/shared/attributes.js';
import { timestampOf } from '../overlay/shared/timestamp.js';
import { DirectoryHandles } from './directory-handles.js';
import { FileHandles } from './file-handles.js';
import { FileSystemStat } from './file-system-stat.js';
import { MAX_TRANSFER, OUT_HEADER, opcode, setattrValid } from './protocol/constants.js';
import type { Reply } from './protocol/reply.js';
import type { Request } from './protocol/request.js';

/** The request has no reply. */
export const NO_REPLY = -2;

/** Requests that change something. */
const CHANGES: ReadonlySet<number> = new Set([
  opcode.SETATTR,
  opcode.SYMLINK,
  opcode.MKNOD,
  opcode.MKDIR,
  opcode.UNLINK,
  opcode.RMDIR,
  opcode.RENAME,
  opcode.RENAME2,
  opcode.LINK,
  opcode.CREATE,
]);

export class NamespaceDispatch {
  readonly #overlay: Overlay;
  readonly #reply: Reply;
  readonly #directories: DirectoryHandles;
  readonly #diff: string | null;
  readonly #handles: FileHandles;
  readonly #fileSystem: FileSystemStat;
  readonly #none = emptyAttributes();

  /** @param diff directory whose file system statfs reports; null: read-only */
  constructor(overlay: Overlay, reply: Reply, diff: string | null, warn: (message: string) => void) {
    this.#overlay = overlay;
    this.#reply = reply;
    this.#diff = diff;
    this.#handles = new FileHandles(overlay, reply, warn);
    this.#directories = new DirectoryHandles(overlay, reply);
    this.#fileSystem = new FileSystemStat(overlay, diff);
  }

  /** Answers a request: the length of the reply's body, or NO_REPLY. Errors are thrown. */
  handle(request: Request): number {
    if (this.#diff === null && CHANGES.has(request.opcode)) throw new SystemError('EROFS');
    switch (request.opcode) {
      case opcode.LOOKUP:
        return this.#lookup(request);
      case opcode.FORGET:
        this.#overlay.forget(request.row, request.generation, request.u64(0));
        return NO_REPLY;
      case opcode.BATCH_FORGET:
        return this.#batchForget(request);
      case opcode.SETATTR:
        return this.#setattr(request);
      case opcode.READLINK:
        return this.#readlink(request);
      case opcode.SYMLINK:
        return this.#symlink(request);
      case opcode.MKNOD:
        return this.#mknod(request);
      case opcode.MKDIR:
        return this.#mkdir(request);
      case opcode.CREATE:
        return this.#create(request);
      case opcode.OPEN:
        return this.#handles.open(0, this.#inode(request), request.u32(0));
      case opcode.RELEASE:
        this.#handles.close(request.u64(0));
        return 0;
      case opcode.LINK:
        return this.#link(request);
      case opcode.UNLINK:
        this.#overlay.namespace.unlink(this.#inode(request), request.name(0));
        return 0;
      case opcode.RMDIR:
        this.#overlay.namespace.rmdir(this.#inode(request), request.name(0));
        return 0;
      case opcode.RENAME:
        return this.#rename(request, 8, 0);
      case opcode.RENAME2:
        return this.#rename(request, 16, request.u32(8));
      case opcode.STATFS:
        return this.#reply.statfsOut(this.#fileSystem.now(), NAME_MAX);
      case opcode.OPENDIR:
        return this.#reply.openOut(0, this.#directories.open(this.#inode(request)), 0, 0);
      case opcode.READDIR:
      case opcode.READDIRPLUS:
        return this.#directories.read(
          this.#inode(request),
          request.u64(0),
          request.u64(8),
          // A kernel with larger pages than 4 KiB may have room for more.
          Math.min(request.u32(16), MAX_TRANSFER),
          request.opcode === opcode.READDIRPLUS,
        );
      case opcode.RELEASEDIR:
        this.#directories.close(request.u64(0));
        return 0;
      case opcode.READ:
        return this.#readVirtual(request);
      case opcode.DESTROY:
        return 0;
      default:
        throw new SystemError('ENOSYS');
    }
  }

  #inode(request: Request): Inode {
    return this.#overlay.inode(request.row, request.generation);
  }

  /** The virtual file that a LOOKUP asks for; null for every other name. */
  virtualName(request: Request): VirtualName | null {
    return this.#overlay.hidden.virtualName(this.#inode(request), request.name(0));
  }

  /** The reply to a LOOKUP of a virtual file, once its content is there. */
  virtualEntry(name: VirtualName, content: Uint8Array): number {
    return this.#entry(this.#overlay.hidden.virtualFile(name, content));
  }

  #lookup(request: Request): number {
    const inode = this.#overlay.lookup(this.#inode(request), request.name(0));
    // Row 0 is a name that is known not to exist: the kernel remembers that too.
    // Not in the directory of WAL, which others fill.
    if (inode === null) {
      if (this.#inode(request).virtual !== null) throw new SystemError('ENOENT');
      return this.#reply.entry(0, 0, 0, this.#none);
    }
    return this.#entry(inode);
  }

  /** The reply that makes the kernel know an inode. */
  #entry(inode: Inode): number {
    this.#overlay.namespace.reference(inode);
    const attributes = this.#overlay.namespace.attributes(inode);
    const seconds = inode.virtual === null ? undefined : 0;
    return this.#reply.entry(0, inode.row, inode.generation, attributes, seconds);
  }

  #batchForget(request: Request): number {
    const count = request.u32(0);
    for (let at = 8, end = 8 + count * 16; at < end; at += 16) {
      this.#overlay.forget(request.u32(at), request.u32(at + 4) | 0, request.u64(at + 8));
    }
    return NO_REPLY;
  }

  #setattr(request: Request): number {
    const inode = this.#inode(request);
    const valid = request.u32(0);
    const change: AttributeFields = {};
    const now = timestampOf(Date.now());
    if (valid & setattrValid.MODE) change.mode = request.u32(68);
    if (valid & setattrValid.UID) change.uid = request.u32(76);
    if (valid & setattrValid.GID) change.gid = request.u32(80);
    if (valid & setattrValid.ATIME) {
      change.atime = valid & setattrValid.ATIME_NOW ? now : [request.i64(32), request.u32(56)];
    }
    if (valid & setattrValid.MTIME) {
      change.mtime = valid & setattrValid.MTIME_NOW ? now : [request.i64(40), request.u32(60)];
    }
    // The kernel says so for every truncation by somebody unprivileged. It is done by now: a record that nobody needs must
    // not make it fail on a full disk. Of a file that had set-id bits their loss went on record before.
    if (valid & setattrValid.KILL_SUIDGID && change.mode === undefined) {
      const { mode } = this.#overlay.namespace.attributes(inode);
      const left = withoutSetId(mode);
      if (left !== mode) change.mode = left;
    }
    if (Object.keys(change).length > 0) this.#overlay.namespace.setAttributes(inode, change);
    return this.#reply.attrOut(this.#overlay.namespace.attributes(inode));
  }

  #readlink(request: Request): number {
    const { target } = this.#inode(request);
    if (target === null) throw new SystemError('EINVAL');
    return this.#reply.bytes.write(target, OUT_HEADER, 'latin1');
  }

  #symlink(request: Request): number {
    const name = request.name(0);
    const target = request.name(name.length + 1);
    return this.#entry(this.#overlay.namespace.symlink(this.#inode(request), name, target, request));
  }

  #mknod(request: Request): number {
    const [mode, rdev] = [request.u32(0), request.u32(4)];
    return this.#entry(this.#overlay.namespace.create(this.#inode(request), request.name(16), mode, rdev, request));
  }

  #mkdir(request: Request): number {
    return this.#entry(this.#overlay.namespace.mkdir(this.#inode(request), request.name(8), request.u32(0), request));
  }

  #create(request: Request): number {
    const mode = S_IFREG | (request.u32(4) & 0o7777);
    const inode = this.#overlay.namespace.create(this.#inode(request), request.name(16), mode, 0, request);
    const length = this.#entry(inode);
    return length + this.#handles.open(length, inode, request.u32(0));
  }

  #link(request: Request): number {
    const inode = this.#overlay.inode(request.u32(0), request.u32(4) | 0);
    this.#overlay.namespace.link(inode, this.#inode(request), request.name(8));
    return this.#entry(inode);
  }

  #rename(request: Request, names: number, flags: number): number {
    const to = this.#overlay.inode(request.u32(0), request.u32(4) | 0);
    const oldName = request.name(names);
    const newName = request.name(names + oldName.length + 1);
    this.#overlay.namespace.rename(this.#inode(request), oldName, to, newName, flags);
    return 0;
  }

  #readVirtual(request: Request): number {
    const { virtual, isDirectory } = this.#inode(request);
    if (virtual === null || isDirectory) throw new SystemError(isDirectory ? 'EISDIR' : 'EINVAL');
    const from = request.u64(8);
    const part = virtual.subarray(from, from + request.u32(16));
    this.#reply.bytes.set(part, OUT_HEADER);
    return part.length;
  }
}
