// The "key = value" text of backup.control and pg_probackup.conf.

import fc from 'fast-check';
import t from 'tap';
import { parseBool, parseConfigText, parseTime } from '../../src/backup/config-text.js';

const noteOf = (line: string | Buffer) => parseConfigText(Buffer.from(line)).values.get('note');

t.test('keys are equal in any case and with - _ or blank', (t) => {
  const { values } = parseConfigText(Buffer.from("Primary_ConnInfo = 'a'\nCONTENT CRC=5\n"));
  t.same(
    [...values],
    [
      ['primary-conninfo', 'a'],
      ['content-crc', '5'],
    ],
  );
  t.end();
});

t.test('quoting', (t) => {
  t.equal(noteOf("note = 'plain'"), 'plain');
  t.equal(noteOf("note = 'doubled '' quote'"), "doubled ' quote");
  t.equal(noteOf("note = 'a # b'   # comment"), 'a # b');
  t.equal(noteOf('note = bare value  # comment'), 'bare value');
  t.equal(noteOf("note = 'back\\slash'"), 'back\\slash', 'a backslash is no escape');
  t.equal(noteOf("note = ''"), '');
  t.equal(noteOf("note = 'no end"), 'no end');
  t.equal(noteOf("note = 'ночной täglich'"), 'ночной täglich', 'UTF-8 is text');
  t.equal(noteOf('note = voilà # bare'), 'voilà', 'the last byte of à would be a blank in latin1');
  t.equal(noteOf(Buffer.from("note = 'caf\xe9'", 'latin1')), 'caf\ufffd');
  t.end();
});

t.test('a single quote inside a note takes the text between first and last quote (trap 10)', (t) => {
  t.equal(noteOf("note = 'it's Bob's'"), "it's Bob's");
  t.equal(noteOf("note = ''"), '');
  t.equal(noteOf("note = ''''"), "'");
  t.end();
});

t.test('comments, blank lines and lines that are no pairs', (t) => {
  const { values, badLines } = parseConfigText(Buffer.from('# a = b\n\n  \nnonsense\n= x\nnote = y\r\nlast = 1'));
  t.same([...values.keys()], ['note', 'last']);
  t.equal(values.get('note'), 'y');
  t.same(badLines, ['nonsense', '= x']);
  t.end();
});

t.test('any bytes are parsed without an exception', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void parseConfigText(Buffer.from(bytes))));
  t.end();
});

t.test('times with and without offset', (t) => {
  const utc = Date.UTC(2026, 10, 21, 4, 6, 30) / 1000;
  t.equal(parseTime('2026-11-21 04:06:30+00'), utc);
  t.equal(parseTime('2026-11-21 04:06:30'), utc);
  t.equal(parseTime('2026-11-21 07:06:30+03'), utc);
  t.equal(parseTime('2026-11-21 09:36:30+05:30'), utc);
  t.equal(parseTime('2026-11-21 01:06:30-03'), utc);
  t.equal(parseTime('yesterday'), undefined);
  t.end();
});

t.test('booleans', (t) => {
  t.same(['true', 'T', 'yes', 'on', '1'].map(parseBool), [true, true, true, true, true]);
  t.same(['false', 'n', 'off', '0'].map(parseBool), [false, false, false, false]);
  t.same(['', 'maybe', 'o'].map(parseBool), [undefined, undefined, undefined]);
  t.end();
});
