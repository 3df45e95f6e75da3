// grpc-timeout: which texts are times, and what a deadline that passes answers.
// rules.test.ts runs them; the answers are those of a real etcd 3.7.1.

import { callHeaders, methods } from '../../../support/etcd/wire/call.js';
import { grpcMessage } from '../../../support/etcd/wire/frames.js';
import { describe, OK, refusal, request, smallPut, type WireCase } from './case.js';

const put = (timeout: string, expected: string) =>
  request(`timeout ${JSON.stringify(timeout)}`, expected, {
    changes: { 'grpc-timeout': timeout },
    body: smallPut,
  });

/** A watch that waits for its deadline. */
const watch = (timeout: string, expected: string): WireCase => ({
  name: `a watch with timeout ${timeout}`,
  expected,
  async act(connection) {
    const stream = connection.request(callHeaders(methods.watch, { 'grpc-timeout': timeout }));
    await connection.sendBody(stream, grpcMessage(Buffer.alloc(0)), false);
    return describe(connection, stream);
  },
});

export const timeoutCases: readonly WireCase[] = [
  put(
    '5xx',
    refusal(13, 'malformed grpc-timeout: transport: timeout unit is not recognized: "5xx"', 400),
  ),
  put('', refusal(13, 'malformed grpc-timeout: transport: timeout string is too short: ""', 400)),
  put('5', refusal(13, 'malformed grpc-timeout: transport: timeout string is too short: "5"', 400)),
  put('S', refusal(13, 'malformed grpc-timeout: transport: timeout string is too short: "S"', 400)),
  put(
    '-1S',
    refusal(13, 'malformed grpc-timeout: strconv.ParseUint: parsing "-1": invalid syntax', 400),
  ),
  put(
    '+1S',
    refusal(13, 'malformed grpc-timeout: strconv.ParseUint: parsing "+1": invalid syntax', 400),
  ),
  put(
    '1.5S',
    refusal(13, 'malformed grpc-timeout: strconv.ParseUint: parsing "1.5": invalid syntax', 400),
  ),
  put(
    '5 S',
    refusal(13, 'malformed grpc-timeout: strconv.ParseUint: parsing "5 ": invalid syntax', 400),
  ),
  put(
    '5s',
    refusal(13, 'malformed grpc-timeout: transport: timeout unit is not recognized: "5s"', 400),
  ),
  put(
    '123456789S',
    refusal(13, 'malformed grpc-timeout: transport: timeout string is too long: "123456789S"', 400),
  ),
  put('10S', OK),
  put('10000m', OK),
  put('10000000u', OK),
  put('99999999n', OK),
  put('99999999H', OK),
  put('9999M', OK),
];

export const deadlineCases: readonly WireCase[] = [
  watch('150m', refusal(4, 'context deadline exceeded')),
  watch('150000u', refusal(4, 'context deadline exceeded')),
];
