// A number of things, for people.

/** `1 file`, `2 files`. @param noun one whose plural ends in s */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
