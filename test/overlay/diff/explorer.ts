// Exhaustive exploration of short sequences of operations, kills and power cuts over the real code.
//
// Breadth first: every sequence of up to `depth` actions is run, sequences that lead to equal worlds are continued once.
// An action is a mutation, an fsync (alone, or with a mutation at any point between its snapshot and its return), or a
// crash; the crash also comes before any single storage call of a mutation, of an fsync and of a mount.

import type { Mutation, Overlap } from './oracle.js';
import { Violation } from './seen-file.js';
import { type Cut, cuts } from './simulated-content.js';
import { World, type Wrap } from './world.js';

export interface Limits {
  readonly depth: number;
  /** Crashes (kills and power cuts) in one sequence. */
  readonly crashes: number;
  readonly mutations: Readonly<Record<string, Mutation>>;
  readonly objectCuts: readonly Cut[];
  readonly mapCuts: readonly Cut[];
  /** Before which storage calls of an fsync a mutation may run. */
  readonly overlaps: readonly number[];
  /** Crashes also in the middle of operations and mounts, before any of their storage calls. */
  readonly inside: boolean;
  readonly wrap?: Wrap;
}

export interface Result {
  /** Different worlds reached. */
  worlds: number;
  /** Actions run on them. */
  actions: number;
  /** The first sequence that broke the contract. */
  counterexample: string | undefined;
}

interface Node {
  readonly world: World;
  readonly path: string;
  readonly crashes: number;
}

export const allObjectCuts: readonly Cut[] = cuts.filter((cut) => cut !== 'torn');
export const allMapCuts: readonly Cut[] = ['lost', 'kept', 'even', 'odd', 'torn'];

export function explore(limits: Limits): Result {
  const result: Result = { worlds: 1, actions: 0, counterexample: undefined };
  const seen = new Set<string>();
  let frontier: Node[] = [{ world: World.create(limits.wrap), path: '', crashes: 0 }];
  for (let depth = 1; depth <= limits.depth && result.counterexample === undefined; depth++) {
    const next: Node[] = [];
    const last = depth === limits.depth;
    const step = new Step(limits, result, seen, (node) => {
      const key = `${node.crashes} ${node.world.key()}`;
      if (seen.has(key)) return;
      seen.add(key);
      result.worlds++;
      if (!last) next.push(node);
    });
    for (const node of frontier) {
      step.from(node);
      if (result.counterexample !== undefined) break;
    }
    frontier = next;
  }
  return result;
}

/** Runs every action on a node and hands the worlds it leads to on. */
class Step {
  readonly #limits: Limits;
  readonly #result: Result;
  readonly #seen: Set<string>;
  readonly #reached: (node: Node) => void;

  constructor(limits: Limits, result: Result, seen: Set<string>, reached: (node: Node) => void) {
    this.#limits = limits;
    this.#result = result;
    this.#seen = seen;
    this.#reached = reached;
  }

  from(node: Node): void {
    for (const [name, mutation] of Object.entries(this.#limits.mutations)) {
      if (mutation.kind === 'extend' && mutation.to <= node.world.length) continue;
      const calls = this.#run(node, name, (world) => world.mutate(mutation));
      this.#crashesIn(node, name, calls, (world, at) => world.mutateAndDie(mutation, at));
    }
    this.#syncs(node, 'fsync', undefined);
    for (const [name, mutation] of Object.entries(this.#limits.mutations)) {
      for (const at of this.#limits.overlaps) this.#syncs(node, `fsync(${name} before call ${at})`, { mutation, at });
    }
    if (node.crashes < this.#limits.crashes) this.#crashes(node, node.world, '');
  }

  #syncs(node: Node, name: string, overlap: Overlap | undefined): void {
    const calls = this.#run(node, name, (world) => world.sync(overlap));
    this.#crashesIn(node, name, calls, (world, at) => world.syncAndDie(at, overlap));
  }

  #crashesIn(node: Node, name: string, calls: number, die: (world: World, at: number) => void): void {
    if (node.crashes >= this.#limits.crashes || !this.#limits.inside) return;
    for (let at = 0; at < calls && this.#result.counterexample === undefined; at++) {
      const world = node.world.clone();
      this.#guard(node, `${name} dies before call ${at}`, () => die(world, at));
      this.#crashes(node, world, `${name} dies before call ${at}, `);
    }
  }

  /** Kill and every power cut of a world, each followed by a mount that succeeds or dies at any call. */
  #crashes(node: Node, world: World, prefix: string): void {
    const after = { ...node, crashes: node.crashes + 1 };
    if (!this.#first(after, world, 'kill')) return;
    const calls = this.#run({ ...after, world }, `${prefix}kill`, (child) => child.kill());
    for (let at = 0; this.#limits.inside && at < calls; at++) {
      const dead = world.clone();
      dead.killAndDieMounting(at);
      if (!this.#first(after, dead, 'dead')) continue;
      this.#run({ ...after, world: dead }, `${prefix}kill, mount dies before call ${at}, kill`, (child) =>
        child.kill(),
      );
      this.#cuts({ ...after, world: dead }, `${prefix}kill, mount dies before call ${at}, `, false);
    }
    this.#cuts({ ...after, world }, prefix, this.#limits.inside);
  }

  #cuts(node: Node, prefix: string, dieMounting: boolean): void {
    const distinct = node.world.distinctCuts(this.#limits.objectCuts, this.#limits.mapCuts);
    for (const keepNames of node.world.namesSynced ? [true] : [true, false]) {
      for (const object of distinct.object) {
        for (const map of distinct.map) {
          const world = node.world.clone();
          world.cut(object, map, keepNames);
          if (!this.#first(node, world, dieMounting ? 'cut, mounts may die' : 'cut')) continue;
          const name = `${prefix}cut(object ${object}, map ${map}${keepNames ? '' : ', names lost'})`;
          const calls = this.#run({ ...node, world }, name, (child) => child.mountAfterCut());
          for (let at = 0; dieMounting && at < calls; at++) this.#dieMounting({ ...node, world }, name, at);
        }
      }
    }
  }

  #dieMounting(node: Node, name: string, at: number): void {
    const dead = node.world.clone();
    dead.killAndDieMounting(at);
    if (!this.#first(node, dead, 'dead after cut')) return;
    const path = `${name}, mount dies before call ${at}`;
    this.#run({ ...node, world: dead }, `${path}, kill`, (child) => child.mountAfterCut());
    for (const cut of ['lost', 'kept', 'torn'] as const) {
      const world = dead.clone();
      world.cut(cut === 'torn' ? 'kept' : cut, cut, true);
      if (this.#first(node, world, 'cut'))
        this.#run({ ...node, world }, `${path}, cut ${cut}`, (w) => w.mountAfterCut());
    }
  }

  /** True for the first world that looks like this and of which the same (`kind`) is still to be tried. */
  #first(node: Node, world: World, kind: string): boolean {
    const key = `${kind} ${node.crashes} ${world.cutKey()}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  #run(node: Node, name: string, action: (world: World) => number): number {
    let calls = 0;
    const world = node.world.clone();
    const ok = this.#guard(node, name, () => {
      calls = action(world);
    });
    if (ok) this.#reached({ world, path: `${node.path}; ${name}`, crashes: node.crashes });
    return calls;
  }

  #guard(node: Node, name: string, action: () => void): boolean {
    if (this.#result.counterexample !== undefined) return false;
    this.#result.actions++;
    try {
      action();
      return true;
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (!(error instanceof Violation) && code !== 'diff_damaged') throw error;
      this.#result.counterexample = `${node.path}; ${name}: ${(error as Error).message}`.slice(2);
      return false;
    }
  }
}
