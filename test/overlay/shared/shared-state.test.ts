import t from 'tap';
import { control, SharedState } from '../../../src/overlay/shared/shared-state.js';

t.test('every word of the control block has a place of its own', async (t) => {
  const places = Object.values(control);
  t.equal(new Set(places).size, places.length);
  const shared = SharedState.create(new SharedArrayBuffer(8), 16, 1 << 16);
  t.ok(Math.max(...places) < shared.control.length);
});
