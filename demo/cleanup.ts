// Undoes what the demo did, newest first, exactly once: at its end, on an error, on Ctrl-C.

/** A stack of things to undo. */
export class Cleanup {
  readonly #steps: { readonly what: string; readonly undo: () => unknown }[] = [];
  #running: Promise<void> | undefined;

  /**
   * Registers how to undo something, before it is begun; forget it again with the returned function once it is undone.
   * @throws when everything is being undone already: nothing new must be begun
   */
  defer(what: string, undo: () => unknown): () => void {
    if (this.#running !== undefined) throw new Error('interrupted');
    const step = { what, undo };
    this.#steps.push(step);
    return () => {
      const at = this.#steps.indexOf(step);
      if (at >= 0) this.#steps.splice(at, 1);
    };
  }

  get begun(): boolean {
    return this.#running !== undefined;
  }

  /** Undoes everything; a step that fails is reported and does not stop the others. */
  run(): Promise<void> {
    this.#running ??= this.#undoAll();
    return this.#running;
  }

  async #undoAll(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        console.error(`demo: could not ${step.what}: ${(error as Error).message}`);
      }
    }
  }

  /** Ctrl-C, kill and a closed terminal clean up too, then end the process the way the signal would have. */
  onSignals(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (this.#running === undefined) console.error(`\ndemo: ${signal}, cleaning up`);
        void this.run().then(() => {
          process.removeAllListeners(signal);
          process.kill(process.pid, signal);
        });
      });
    }
  }
}
