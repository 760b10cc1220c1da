// Where metrics are served: HOST:PORT, parts of it, or unix:PATH.

export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      /** undefined: the usual port, or a free one where that is taken */
      readonly port: number | undefined;
    };

/** Where to listen when nobody says. */
export const LOOPBACK = '127.0.0.1';

/**
 * Reads `unix:PATH`, `HOST:PORT`, `[V6]:PORT`, `HOST`, `[V6]`, `PORT` or `:PORT`. Without a host it is the loopback
 * interface: who wants to be seen from outside says so (`0.0.0.0:9779`). Port 0 is a free one.
 * @throws Error saying what is wrong
 */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (!path.startsWith('/')) throw new Error('The path after unix: must be absolute.');
    // sun_path has 108 bytes with the zero at its end.
    if (Buffer.byteLength(path) > 107) throw new Error('The path after unix: must not be longer than 107 bytes.');
    return { kind: 'unix', path };
  }
  const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:[\]/]*))(?::(\d+))?$/.exec(text) ?? [];
  const onlyPort = port === undefined && /^\d+$/.test(plain ?? '') ? plain : undefined;
  const digits = onlyPort ?? port;
  const host = onlyPort === undefined ? (bracketed ?? plain) : '';
  if (host === undefined || (host === '' && digits === undefined) || Number(digits ?? 0) > 65535) {
    throw new Error('It must be HOST:PORT, HOST, PORT or unix:PATH.');
  }
  return { kind: 'tcp', host: host === '' ? LOOPBACK : host, port: digits === undefined ? undefined : Number(digits) };
}
