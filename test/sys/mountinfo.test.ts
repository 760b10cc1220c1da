import t from 'tap';
import { byteString } from '../../src/backup/byte-path.js';
import { isOurs, mountAt, mountContaining, parseMountinfo, readMounts } from '../../src/sys/mountinfo.js';

// Seen on a 6.18 kernel; the last two stand on one directory.
const TEXT = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
22 27 0:21 / /proc rw,relatime shared:12 master:3 propagate_from:2 - proc proc rw
90 27 0:50 / /mnt/a\\040b rw,nosuid,nodev - fuse.pbkfs pbkfs:main/TOU5PO rw,user_id=0,group_id=0
91 27 0:51 / /mnt/${byteString('точка')}\\134\\011\\043 rw - tmpfs none rw
92 27 0:52 / /mnt/x rw - tmpfs none rw
93 92 0:53 /sub /mnt/x rw shared:1 - ext4 /dev/sda\\0401 rw
`;

t.test('reads-every-field-with-and-without-optional-ones', async (t) => {
  const mounts = parseMountinfo(TEXT);
  t.equal(mounts.length, 6);
  t.strictSame(mounts[1], { id: 22, parentId: 27, device: '0:21', mountPoint: '/proc', type: 'proc', source: 'proc' });
  t.equal(mounts[5].source, '/dev/sda 1');
});

t.test('decodes-blanks-and-non-ASCII-names (trap 33)', async (t) => {
  const mounts = parseMountinfo(TEXT);
  t.equal(mountAt(mounts, '/mnt/a b')?.id, 90);
  t.equal(mountAt(mounts, byteString('/mnt/точка\\\t#'))?.id, 91);
});

t.test('the-last-of-several-mounts-on-a-directory-is-on-top', async (t) => {
  t.equal(mountAt(parseMountinfo(TEXT), '/mnt/x')?.id, 93);
  t.equal(mountAt(parseMountinfo(TEXT), '/mnt'), undefined);
});

t.test('finds-the-mount-a-path-belongs-to-by-whole-names', async (t) => {
  const mounts = parseMountinfo(TEXT);
  t.equal(mountContaining(mounts, '/mnt/x/y/z')?.id, 93);
  t.equal(mountContaining(mounts, '/mnt/xy')?.id, 27);
  t.equal(mountContaining(mounts, '/')?.id, 27);
});

t.test('knows-our-own-type', async (t) => {
  t.strictSame(
    parseMountinfo(TEXT)
      .filter(isOurs)
      .map((mount) => mount.id),
    [90],
  );
});

t.test('reads-the-kernels-own-text', async (t) => {
  t.ok(mountAt(readMounts(), '/proc'));
});
