// Which case runs and what it does: one line that is drawn anew on a terminal, a line a case elsewhere.

export class Progress {
  readonly #terminal = process.stderr.isTTY === true;
  #head = '';

  begin(number: number, of: number, name: string): void {
    this.#head = `[${number}/${of}] ${name}`;
    if (!this.#terminal) process.stderr.write(`${this.#head}\n`);
    this.say('');
  }

  /** What happens now. */
  say(what: string): void {
    if (!this.#terminal) return;
    const line = what === '' ? this.#head : `${this.#head}: ${what}`;
    process.stderr.write(`\r${line.slice(0, process.stderr.columns - 1)}\u001b[K`);
  }

  end(): void {
    if (this.#terminal) process.stderr.write('\r\u001b[K');
  }
}
