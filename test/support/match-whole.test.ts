import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import ts from 'typescript';
import { matchWhole } from './match-whole.js';
import { repoRoot } from './paths.js';

t.test('what tap takes for a match and is none', async (t) => {
  const fails = (found: unknown, pattern: unknown): boolean => {
    let failed = false;
    const judge = { fail: () => (failed = true), match: () => undefined } as unknown as Test;
    matchWhole(judge, found, pattern);
    return failed;
  };
  t.ok(fails(['a'], []));
  t.ok(fails({ problems: ['a', 'b'], rest: 1 }, { problems: [/a/] }));
  t.ok(fails([{ list: [1] }], [{ list: [] }]));
  t.notOk(fails({ problems: ['a'], rest: 1 }, { problems: [/a/] }));
  t.notOk(fails([], []));
  t.notOk(fails('text', /t/));
  matchWhole(t, { problems: ['a'] }, { problems: [/a/] });
});

t.test('no test gives t.match a pattern with an array', async (t) => {
  const files = readdirSync(join(repoRoot, 'test'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const found: string[] = [];
  for (const name of files) {
    const source = readFileSync(join(repoRoot, 'test', name), 'utf8');
    const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, false);
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && isMatch(node.expression) && hasArray(node.arguments[1]))
        found.push(`${name}:${file.getLineAndCharacterOfPosition(node.pos).line + 1}`);
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  t.strictSame(found, [], 'matchWhole does what is meant');
});

function isMatch(callee: ts.Expression): boolean {
  return (
    ts.isPropertyAccessExpression(callee) &&
    callee.name.text === 'match' &&
    ts.isIdentifier(callee.expression) &&
    callee.expression.text === 't'
  );
}

function hasArray(pattern: ts.Expression | undefined): boolean {
  if (pattern === undefined) return false;
  if (ts.isArrayLiteralExpression(pattern)) return true;
  if (!ts.isObjectLiteralExpression(pattern)) return false;
  return pattern.properties.some((each) => ts.isPropertyAssignment(each) && hasArray(each.initializer));
}
