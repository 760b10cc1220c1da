// The backend fuse-native in tests.

import { loadNativeLibrary } from '../../src/fs/native/binding.js';
import { mountMissing } from './mount.js';

/** Environment that mounts through fuse-native. */
export const throughNative: Record<string, string> = { PBKFS_BACKEND: 'fuse-native' };

/** Why nothing can be mounted through fuse-native here; false where it can. For the `skip` option of a test. */
export const nativeMissing: string | false = mountMissing || libraryMissing();

function libraryMissing(): string | false {
  try {
    loadNativeLibrary();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}
