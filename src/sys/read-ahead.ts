// How far the kernel reads ahead in the files of a mount: an attribute of its backing device, which root may change.

import { readFileSync, writeFileSync } from 'node:fs';
import { mountOn } from './mountinfo.js';

const DEVICES = '/sys/class/bdi';

/** What the kernel does from now on. */
export interface ReadAhead {
  /** null where sysfs does not tell */
  readonly kib: number | null;
  /** why it is not what was asked for */
  readonly fault?: string;
}

/** Sets the read-ahead of the topmost mount on `mountpoint`. Without root, or without sysfs, it stays as it is. */
export function setReadAhead(mountpoint: string, kib: number, devices = DEVICES): ReadAhead {
  const device = mountOn(mountpoint)?.device;
  if (device === undefined) return { kib: null, fault: 'the mount is not in /proc/self/mountinfo' };
  const file = `${devices}/${device}/read_ahead_kb`;
  try {
    // No new file: sysfs has one for each device.
    writeFileSync(file, String(kib), { flag: 'r+' });
    return { kib: readKib(file) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const fault = code === 'EACCES' || code === 'EPERM' ? 'only root may change it' : (error as Error).message;
    return { kib: readKib(file), fault };
  }
}

function readKib(file: string): number | null {
  try {
    return Number(readFileSync(file, 'latin1'));
  } catch {
    return null;
  }
}
