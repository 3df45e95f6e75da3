// Makes answers of two servers comparable: ids, ports, sizes and times are each server's own, and
// some JSON writers put blanks where others do not. Called by gateway.test.ts.

import type { Answer, Case } from './exchange.js';

/** Blanks between the members of an object or array, outside of strings. */
function withoutBlanks(json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"|,[ \u00a0]+/g, (part) =>
    part.startsWith('"') ? part : ',',
  );
}

const replacements: readonly [RegExp, string][] = [
  [/"(cluster_id|member_id|memberID|ID|leader|lease)":"\d{12,}"/g, '"$1":"<id>"'],
  [/"(raft_term|raftTerm)":"\d+"/g, '"$1":"<term>"'],
  [/"(dbSize|dbSizeInUse|raftIndex|raftAppliedIndex|remaining_bytes)":"\d+"/g, '"$1":"<n>"'],
  [/"hash":\d+/g, '"hash":<n>'],
  [/127\.0\.0\.1:\d+/g, '<host>'],
  // The prefix of protobuf's own messages, whose blank changes from build to build.
  [/proto:\u00a0/g, 'proto: '],
  // How the end of a call's time is told, if the server is quicker than the client within etcd.
  [/stream terminated by RST_STREAM with error code: \w+/g, 'context deadline exceeded'],
  // The text form of a message, whose blanks change from build to build.
  [/memberID:(\d+) +alarm:/g, 'memberID:$1 alarm:'],
  [/"token":"[A-Za-z]{16}\.\d+"/g, '"token":"<token>"'],
  [/larger than max \(\d+ vs\. /g, 'larger than max (<n> vs. '],
  [/\/[0-9a-f]{12,16}\b/g, '/<lease>'],
  [/"key":"[A-Za-z0-9+/]{24,}={0,2}"/g, '"key":"<key>"'],
];

function normalized(text: string): string {
  let result = withoutBlanks(text);
  for (const [pattern, by] of replacements) {
    result = result.replace(pattern, by);
  }
  return result;
}

/** What of an answer is compared, as text. */
export function comparable(asked: Case, answer: Answer): string {
  const headers = Object.entries(answer.headers)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name}: ${normalized(value ?? '')}`);
  const lines = asked.statusOnly ? [] : normalized(answer.body).split('\n');
  const body = asked.unordered ? [...lines].sort() : lines;
  return [`status ${answer.status}`, ...headers, '', ...body].join('\n');
}
