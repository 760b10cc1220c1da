// The WebAssembly of Node, which is a global there, with types of our own.

/** What is used of the WebAssembly JavaScript interface; the types of Node 20 leave it to those of browsers. */
export interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
}
