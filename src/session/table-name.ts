// `database.schema.table` as people type it, quoted like SQL where a part needs it.

import { PbkfsError } from '../errors.js';

export interface TableName {
  readonly database: string;
  readonly schema: string;
  readonly table: string;
}

/**
 * @param database of names with two parts
 * @throws PbkfsError usage
 */
export function parseTableName(text: string, database: string | undefined): TableName {
  const parts: string[] = [];
  const part = /"((?:[^"]|"")+)"|([^".]+)/y;
  for (;;) {
    const match = part.exec(text);
    if (match === null) break;
    // As SQL does: what is not quoted is lower case.
    parts.push(match[1]?.replaceAll('""', '"') ?? match[2]!.toLowerCase());
    if (part.lastIndex === text.length) {
      if (parts.length === 3) return { database: parts[0]!, schema: parts[1]!, table: parts[2]! };
      if (parts.length === 2 && database !== undefined) return { database, schema: parts[0]!, table: parts[1]! };
      break;
    }
    if (text[part.lastIndex] !== '.') break;
    part.lastIndex++;
  }
  throw new PbkfsError('usage', `"${text}" is not the name of a table: DATABASE.SCHEMA.TABLE is wanted`, {
    hint: 'quote parts with capitals or dots: \'app.public."Order.Items"\'; with --database, SCHEMA.TABLE will do',
  });
}

/** For SQL, and for pg_dump, whose patterns read it as exactly this table. */
export function quoted({ schema, table }: TableName): string {
  return `${quote(schema)}.${quote(table)}`;
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
