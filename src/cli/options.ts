// Values of options: parsed, checked, and refused with exit status 2.

import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';

/** Absolute, since the mount process does not live in the caller's directory. */
export function directory(value: string): string {
  if (value === '') throw new InvalidArgumentError('It must not be empty.');
  return resolve(value);
}

/** A parser for whole numbers of a range. */
export function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** A parser for a word out of a few. */
export function oneOf<T extends string>(...words: readonly T[]): (value: string) => T {
  return (value) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw new InvalidArgumentError(`It must be one of ${words.join(', ')}.`);
    return found;
  };
}

/**
 * Whether an environment variable switches something on: `true` or `1`; `false`, `0`, empty and unset do not.
 * @throws InvalidArgumentError for anything else
 */
export function flagFromEnvironment(name: string): boolean {
  const value = process.env[name] ?? '';
  if (['true', '1'].includes(value.toLowerCase())) return true;
  if (['false', '0', ''].includes(value.toLowerCase())) return false;
  throw new InvalidArgumentError(`${name} must be true or false, not "${value}".`);
}
