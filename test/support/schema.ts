// The documented shapes of JSON output, for tests of real output.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { repoRoot } from './paths.js';

const schema = JSON.parse(readFileSync(join(repoRoot, 'docs/cli.schema.json'), 'utf8')) as {
  readonly $id: string;
  readonly $defs: Record<string, unknown>;
};
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
ajv.addSchema(schema);

/** Names of the definitions. */
export const definitions: readonly string[] = Object.keys(schema.$defs);

/** What is wrong with a document by the definition of that name; empty when nothing is. */
export function faults(definition: string, text: string): string[] {
  const validate = ajv.getSchema(`${schema.$id}#/$defs/${definition}`);
  if (validate === undefined) return [`docs/cli.schema.json has no definition ${definition}`];
  if (validate(JSON.parse(text)) === true) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    return `${instancePath} ${message} ${JSON.stringify(params)}`;
  });
}
