// The namespace thread as the control thread has it: started, given mail, told to end, and listened to.

import { MessageChannel, type Worker } from 'node:worker_threads';
import { type ErrorCode, PbkfsError } from '../errors.js';
import type { VirtualName } from '../overlay/namespace/virtual-file.js';
import { control, type SharedState } from '../overlay/shared/shared-state.js';
import { ringBell } from './channel.js';
import type { NamespaceMail, NamespaceMessage, NamespaceThreadData } from './namespace-thread.js';
import { runNamespaceThread } from './namespace-worker.js';

/** What comes of it. */
export interface NamespaceEvents {
  /** The journal is to be synced. */
  syncJournal(): void;
  /** The kernel begins, or ends, to write the object by itself. */
  kernelWrites(path: string, open: boolean): void;
  /** Somebody looks up a virtual file: its content is to be posted. */
  content(lookup: number, name: VirtualName): void;
  failed(error: Error): void;
  /** @param unexpected nobody has told it to */
  ended(unexpected: PbkfsError | null): void;
}

export class NamespaceControl {
  readonly #shared: SharedState;
  readonly #mail = new MessageChannel();
  readonly #worker: Worker;
  #ended = false;

  /** Starts the thread, which opens backup and diff. */
  constructor(shared: SharedState, data: Omit<NamespaceThreadData, 'shared' | 'mail'>) {
    this.#shared = shared;
    this.#worker = runNamespaceThread({ ...data, shared: shared.buffers, mail: this.#mail.port2 });
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Resolves with the directory of the diff's objects once backup and diff are open; rejects with what is wrong with them. */
  open(events: NamespaceEvents): Promise<string> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        reject(error);
        events.failed(error);
      };
      this.#worker.on('message', (message: NamespaceMessage) => {
        if (message.type === 'ready') {
          resolve(message.objects);
        } else if (message.type === 'sync-journal') {
          events.syncJournal();
        } else if (message.type === 'kernel-writes') {
          events.kernelWrites(message.path, message.open);
        } else if (message.type === 'content') {
          events.content(message.lookup, message.name);
        } else if (message.type === 'failed') {
          const { code, hint } = message;
          failed(new PbkfsError(code as ErrorCode, message.message, { ...(hint === undefined ? {} : { hint }) }));
        }
      });
      this.#worker.on('error', (error) => failed(error as Error));
      this.#worker.on('exit', () => {
        this.#ended = true;
        this.#mail.port1.close();
        let unexpected: PbkfsError | null = null;
        if (Atomics.load(this.#shared.control, control.stop) === 0) {
          unexpected = new PbkfsError('internal', 'the namespace thread ended by itself');
          reject(unexpected);
        }
        events.ended(unexpected);
      });
    });
  }

  post(mail: NamespaceMail): void {
    this.#mail.port1.postMessage(mail);
    Atomics.store(this.#shared.control, control.mail, 1);
    ringBell(this.#shared.control);
  }

  /** Tells it to end, once it has answered what was handed to it. @param how see `stop` of the shared state */
  stop(how: number): void {
    Atomics.store(this.#shared.control, control.stop, how);
    ringBell(this.#shared.control);
  }

  /** Ends it wherever it is. */
  terminate(): void {
    void this.#worker.terminate();
  }
}
