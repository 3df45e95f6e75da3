// No tokens at all: users are only told by their certificates. Made by options.ts where the flag
// is set to nothing.

import { MetaStoreError } from '../../../base/errors.js';
import { noKeeper, type TokenProvider } from './types.js';

export const noTokens: TokenProvider = {
  keeper: noKeeper,
  newPrefix: () => '',
  issue: () => Promise.reject(MetaStoreError.of('AuthFailed')),
  identify: async () => null,
};
