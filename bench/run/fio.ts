// One run of fio, and what it reached.

import { run } from '../../test/support/run.js';
import { pinnedCommand } from './cpu.js';
import type { Sample } from './rounds.js';

export interface FioLoad {
  readonly rw: 'read' | 'write' | 'randread' | 'randwrite';
  /** Existing file that all jobs share; or a directory in which each job makes a file of its own. */
  readonly where: { readonly file: string } | { readonly directory: string };
  /** Bytes of a request. Default 8192. */
  readonly block?: number;
  readonly jobs?: number;
  /** Bytes of the file, or of each job's file. */
  readonly size: number;
  /** Goes round and round for so long; without it the file is gone through once. */
  readonly seconds?: number;
  readonly direct?: boolean;
  /** Drops what the kernel caches of this very file first (of a file system above another one: only its own pages). */
  readonly invalidate?: boolean;
  /** More options of fio, such as `--fsync=32`. */
  readonly more?: readonly string[];
  /** MB/s instead of operations. */
  readonly unit?: 'op/s' | 'MB/s';
}

interface Side {
  readonly iops: number;
  readonly bw_bytes: number;
  readonly total_ios: number;
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
}

/** @throws Error with what fio said when it failed */
export async function fio(load: FioLoad, pinned: boolean): Promise<Sample> {
  const args = [
    '--name=bench',
    '--ioengine=psync',
    '--thread',
    `--rw=${load.rw}`,
    `--bs=${load.block ?? 8192}`,
    `--numjobs=${load.jobs ?? 1}`,
    `--size=${load.size}`,
    `--direct=${load.direct ? 1 : 0}`,
    `--invalidate=${load.invalidate ? 1 : 0}`,
    '--group_reporting',
    '--output-format=json',
    '--fallocate=none',
    ...('file' in load.where ? [`--filename=${load.where.file}`] : [`--directory=${load.where.directory}`]),
    ...(load.seconds === undefined ? [] : ['--time_based', `--runtime=${Math.round(load.seconds * 1000)}ms`]),
    ...(load.seconds === undefined || !load.rw.startsWith('rand') ? [] : ['--norandommap']),
    ...(load.rw.endsWith('read') ? ['--allow_file_create=0'] : []),
    ...(load.more ?? []),
  ];
  const [command, all] = pinnedCommand(pinned, 'fio', args);
  const { status, stdout, stderr } = await run(command, all, { timeout: 300_000 });
  const start = stdout.indexOf('{');
  if (status !== 0 || start < 0) throw new Error(`fio ${args.join(' ')}: ${stderr || stdout}`);
  const [job] = (JSON.parse(stdout.slice(start)) as { jobs: { read: Side; write: Side }[] }).jobs;
  const { iops, bw_bytes, total_ios, clat_ns } = load.rw.endsWith('read') ? job.read : job.write;
  if (!(iops > 0)) throw new Error(`fio ${args.join(' ')} did nothing: ${stderr}`);
  const p99 = clat_ns.percentile?.['99.000000'];
  return {
    value: load.unit === 'MB/s' ? bw_bytes / 1e6 : iops,
    operations: total_ios,
    p99: p99 === undefined ? undefined : p99 / 1000,
  };
}
