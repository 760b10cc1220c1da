// Addresses people write, and what they mean.

import t from 'tap';
import { parseListenAddress } from '../../src/metrics/listen-address.js';

t.test('hosts and ports', async (t) => {
  for (const [text, host, port] of [
    ['0.0.0.0:9200', '0.0.0.0', 9200],
    ['db1.example.org:80', 'db1.example.org', 80],
    ['[::1]:9200', '::1', 9200],
    ['[::]', '::', undefined],
    ['localhost', 'localhost', undefined],
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['9200', '127.0.0.1', 9200],
    [':9200', '127.0.0.1', 9200],
  ] as const) {
    t.strictSame(parseListenAddress(text), { kind: 'tcp', host, port }, text);
  }
  t.strictSame(parseListenAddress('unix:/run/a b.sock'), { kind: 'unix', path: '/run/a b.sock' });
});

t.test('what makes no sense is refused', async (t) => {
  for (const text of [
    '',
    ':',
    '65536',
    'host:70000',
    'host:',
    'host:x',
    'a b:1',
    '::1',
    'http://host:1',
    'host:1/metrics',
  ]) {
    t.throws(() => parseListenAddress(text), /HOST:PORT/, text);
  }
  t.throws(() => parseListenAddress('unix:relative'), /absolute/);
  t.throws(() => parseListenAddress(`unix:/${'x'.repeat(107)}`), /107/);
  t.throws(() => parseListenAddress(`unix:/${'я'.repeat(54)}`), /107 bytes/);
});
