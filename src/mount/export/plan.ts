// What an export has to make, in the order of the tree: directories, links, files.

import { isWithin } from '../paths.js';
import { type Attributes, type FileRef, kindOf, type TreeSource } from './tree-source.js';

export interface PlannedFile {
  /** Absolute path of the copy, a byte string (latin1). */
  readonly to: string;
  readonly ref: FileRef;
  readonly attributes: Attributes;
  /** PostgreSQL relies on the space of WAL segments being there. */
  readonly sparse: boolean;
}

export interface Plan {
  /** Parents before children. */
  readonly directories: readonly { readonly to: string; readonly attributes: Attributes }[];
  readonly links: readonly { readonly to: string; readonly target: string; readonly attributes: Attributes }[];
  readonly files: readonly PlannedFile[];
  /** global/pg_control: made last, so that nothing can start on an export that was cut off. */
  readonly last: readonly PlannedFile[];
  /** Bytes of all files. */
  readonly bytes: number;
  /** Names that were left out: sockets and the like. */
  readonly skipped: readonly string[];
}

export interface PlanOptions {
  /** Absolute path of the export, latin1. */
  readonly directory: string;
  /** Absolute path of the mount point, latin1: links into it are made to lead into the export. */
  readonly mountpoint: string;
  /** Where tablespaces go, by oid; the others become directories in pg_tblspc. */
  readonly tablespaces: ReadonlyMap<string, string>;
  /** Names in the root that are not copied. */
  readonly without: ReadonlySet<string>;
}

export function planExport<N>(source: TreeSource<N>, options: PlanOptions): Plan {
  const directories: { to: string; attributes: Attributes }[] = [];
  const links: { to: string; target: string; attributes: Attributes }[] = [];
  const files: PlannedFile[] = [];
  const last: PlannedFile[] = [];
  const skipped: string[] = [];
  let bytes = 0;
  const walk = (directory: N, path: string, to: string): void => {
    directories.push({ to, attributes: source.attributes(directory) });
    for (const [name, node] of source.list(directory)) {
      const below = path === '' ? name : `${path}/${name}`;
      if (!options.without.has(below)) visit(node, below, `${to}/${name}`);
    }
  };
  const visit = (node: N, path: string, to: string): void => {
    const attributes = source.attributes(node);
    switch (kindOf(attributes.mode)) {
      case 'dir':
        walk(node, path, to);
        break;
      case 'file': {
        const file = { to, ref: source.file(node, attributes), attributes, sparse: !path.startsWith('pg_wal/') };
        (path === 'global/pg_control' ? last : files).push(file);
        bytes += attributes.size;
        break;
      }
      case 'link': {
        const outside = source.follow(node, path);
        const mapped = options.tablespaces.get(path.replace(/^pg_tblspc\//, ''));
        if (outside === undefined) links.push({ to, target: moved(source.target(node), options), attributes });
        else if (mapped === undefined || !path.startsWith('pg_tblspc/')) walk(outside, path, to);
        else {
          links.push({ to, target: mapped, attributes });
          walk(outside, path, mapped);
        }
        break;
      }
      case 'other':
        skipped.push(path);
    }
  };
  walk(source.root, '', options.directory);
  return { directories, links, files, last, bytes, skipped };
}

function moved(target: string, { mountpoint, directory }: PlanOptions): string {
  return isWithin(mountpoint, target) ? directory + target.slice(mountpoint.length) : target;
}
