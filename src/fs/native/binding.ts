// Loading fuse-native's compiled part. Its JavaScript is not used: it resolves fstat by path, reports a link count of 1
// for removed files, and unmounts through a shell. The interface below is that of version 2.2.6, which package.json pins.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PbkfsError } from '../../errors.js';
import { keepLibraryLoaded } from '../../sys/libc.js';

/** What a call from libfuse brings: the calling thread's record (kept as long as the thread lives), the opcode, arguments. */
export type Handler = (locals: Buffer, opcode: number, ...args: never[]) => void;

/** Lets the libfuse thread behind `locals` go on with the result of its call: a count, or a negative errno. */
export type Signal = (locals: Buffer, result: number, ...payload: unknown[]) => void;

export interface Binding {
  readonly sizeof_fuse_thread_t: number;
  /**
   * Mounts and starts libfuse's threads, which call `handlers` on this thread.
   * @param options `-o` and a comma-separated list, below 1024 bytes
   * @param thread sizeof_fuse_thread_t bytes that must stay where they are for ever
   * @param context `this` of the handlers
   * @param allocate memory for the record of a thread
   * @param handlers by opcode
   * @param implemented a 1 for every opcode that libfuse shall know
   * @throws an Error that says nothing; libfuse has printed the reason to standard error
   */
  fuse_native_mount(
    mountpoint: string,
    options: string,
    thread: Buffer,
    context: object,
    allocate: (size: number) => Buffer,
    handlers: readonly Handler[],
    implemented: Uint32Array,
  ): void;
  /** Lets the event loop end; unmounts nothing. */
  fuse_native_unmount(mountpoint: string, thread: Buffer): void;
}

export interface NativeLibrary {
  readonly binding: Binding;
  /** Version of the package fuse-native. */
  readonly version: string;
  /** Where libfuse came from: `system`, or the path of the one in the package fuse-shared-library. */
  readonly libfuse: string;
}

const PACKAGE = 'fuse-native';
/** Its binary is made for this interface; another version may lay out its records differently. */
const EXPECTED_VERSION = '2.2.6';

let loaded: NativeLibrary | undefined;

/**
 * Loads fuse-native, with the system's libfuse 2.9 or else with the one that comes as its dependency.
 * @throws PbkfsError mount_failed saying what to install
 */
export function loadNativeLibrary(): NativeLibrary {
  loaded ??= load();
  return loaded;
}

function load(): NativeLibrary {
  const require = createRequire(import.meta.url);
  const directory = packageDirectory(require);
  const { version } = require(join(directory, 'package.json')) as { version: string };
  if (version !== EXPECTED_VERSION) {
    throw unavailable(`${PACKAGE} ${version} is installed, not ${EXPECTED_VERSION}`, undefined);
  }
  const file = [`prebuilds/linux-${process.arch}/node.napi.node`, 'build/Release/fuse.node']
    .map((path) => join(directory, path))
    .find((path) => existsSync(path));
  if (file === undefined) throw unavailable(`${PACKAGE} has no binary for linux ${process.arch}`, undefined);
  try {
    return { binding: open(file), version, libfuse: 'system' };
  } catch (error) {
    if (!/libfuse\.so\.2/.test((error as Error).message)) throw unavailable((error as Error).message, error);
  }
  const bundled = bundledLibfuse(createRequire(join(directory, 'package.json')));
  try {
    // The dynamic linker takes a library that is loaded under the wanted name already.
    keepLibraryLoaded(bundled);
    return { binding: open(file), version, libfuse: bundled };
  } catch (error) {
    throw unavailable(`libfuse.so.2 is not installed, and ${bundled} cannot be used`, error);
  }
}

function packageDirectory(require: NodeJS.Require): string {
  try {
    return dirname(require.resolve(`${PACKAGE}/package.json`));
  } catch (error) {
    throw unavailable(`the optional package ${PACKAGE} is not installed`, error);
  }
}

/** @param require resolves from fuse-native, whose dependency it is */
function bundledLibfuse(require: NodeJS.Require): string {
  try {
    return (require('fuse-shared-library') as { lib: string }).lib;
  } catch (error) {
    throw unavailable('libfuse.so.2 is not installed', error);
  }
}

function open(file: string): Binding {
  const module = { exports: {} };
  process.dlopen(module, file);
  return module.exports as Binding;
}

function unavailable(why: string, cause: unknown): PbkfsError {
  return new PbkfsError('mount_failed', `the backend fuse-native cannot be used: ${why}`, {
    hint: `install libfuse 2.9 (Debian: apt-get install libfuse2) and then the package (npm install ${PACKAGE}@${EXPECTED_VERSION}), or mount with --backend kernel`,
    ...(cause === undefined ? {} : { cause }),
  });
}
