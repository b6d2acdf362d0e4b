/* Recovery by chance, for a moment; tests/run --long has ten minutes of it. */
import { test } from 'node:test';

import { fuzz } from '../recovery/fuzz.mjs';

test('six clients cut and recovered at random on three workers', async (t) => {
	const done = await fuzz({ seconds: 10 });
	t.diagnostic(JSON.stringify(done));
});
