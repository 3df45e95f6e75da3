// Where the native transport answers otherwise than the cases expect. Empty is what is wanted.

import type { Difference } from './difference.js';

export const native: readonly Difference[] = [];
