// pbkfs version

import { existsSync } from 'node:fs';
import { release } from 'node:os';
import type { Command } from 'commander';
import { MINIMUM_MINOR, OUR_MINOR } from '../fs/handshake.js';
import { loadNativeLibrary } from '../fs/native/binding.js';
import { packageVersion } from '../version.js';

interface Versions {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  /** Release of the running kernel. */
  readonly kernel: string;
  readonly backends: readonly string[];
  /** FUSE protocol: lowest and highest version that is spoken. */
  readonly protocol: { readonly from: string; readonly to: string };
  /** Whether this host has FUSE. */
  readonly fuseDevice: boolean;
}

/** Why --backend fuse-native would not work here; undefined where it would. */
function nativeMissing(): string | undefined {
  try {
    loadNativeLibrary();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function versions(): Versions {
  return {
    version: packageVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    kernel: release(),
    backends: nativeMissing() === undefined ? ['kernel', 'fuse-native'] : ['kernel'],
    protocol: { from: `7.${MINIMUM_MINOR}`, to: `7.${OUR_MINOR}` },
    fuseDevice: existsSync('/dev/fuse'),
  };
}

export function addVersionCommand(program: Command): void {
  program
    .command('version')
    .summary('print versions')
    .description('Prints the versions of pbkfs, Node and the kernel, the backends and the FUSE protocol.')
    .option('--json', 'print JSON; errors too, on stderr')
    .addHelpText('after', '\nExample:\n  pbkfs version')
    .action((options: { readonly json?: true }) => {
      const known = versions();
      const { version, node, platform, kernel, backends, protocol, fuseDevice } = known;
      const text = [
        `pbkfs ${version} (Node ${node}, ${platform})`,
        `backend ${backends.join(', ')}, FUSE protocol ${protocol.from} to ${protocol.to}`,
        `kernel ${kernel}, /dev/fuse ${fuseDevice ? 'is there' : 'is missing'}`,
      ];
      process.stdout.write(options.json ? `${JSON.stringify(known, undefined, 2)}\n` : `${text.join('\n')}\n`);
    });
}
