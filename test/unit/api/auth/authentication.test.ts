// Tests of src/api/auth/authentication.ts: which of a call's headers is its token, whatever else it
// carries.

import t from 'tap';

import { tokenOf } from '../../../../src/api/auth/authentication.js';

function token(headers: Readonly<Record<string, string>>): string | undefined {
  return tokenOf({ metadata: (name) => headers[name] });
}

t.test('the token of a call', async (t) => {
  t.equal(token({}), undefined);
  t.equal(token({ token: 'abc.7' }), 'abc.7');
  t.equal(token({ authorization: 'abc.7' }), 'abc.7');
  t.equal(token({ authorization: 'Bearer abc.7' }), 'abc.7');
  t.equal(token({ authorization: 'bearer abc.7' }), 'bearer abc.7', 'the prefix is exact');
  t.equal(token({ token: 'bad', authorization: 'good' }), 'bad', 'a good one does not rescue it');
  t.equal(token({ token: 'abc.7, abc.7' }), 'abc.7', 'the first of two, as they are joined');
  t.equal(token({ authorization: 'Bearer abc.7, Bearer def.8' }), 'abc.7');
});
