// The scanner that finds the end of a JSON value: wherever a text is cut into pieces it finds the
// same, and refuses the same with the same words.

import t from 'tap';

import { JsonProblem, JsonScanner, quoted } from '../../../../src/api/http/gateway/json/scanner.js';

interface Found {
  /** Where each value ends. */
  readonly ends: readonly number[];
  readonly problem: string | null;
  readonly open: boolean;
}

/** Scans all values of a text that comes in pieces of a size. */
function scanAll(text: string, size: number): Found {
  const scanner = new JsonScanner();
  const ends: number[] = [];
  try {
    for (let from = 0; from < text.length; from += size) {
      const piece = text.slice(from, from + size);
      for (let at = 0; at <= piece.length; ) {
        const end = scanner.scan(piece, at);
        if (end < 0) break;
        ends.push(from + end);
        scanner.reset();
        at = end;
      }
    }
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    return { ends, problem: error.message, open: false };
  }
  return { ends, problem: null, open: scanner.begun && !scanner.atEnd() };
}

const texts: [string, Found][] = [
  ['{}', { ends: [2], problem: null, open: false }],
  [' {"a":[1,-2.5e+3,"x\\"}",{}]} {}', { ends: [28, 31], problem: null, open: false }],
  ['12 ', { ends: [2], problem: null, open: false }],
  ['12', { ends: [], problem: null, open: false }],
  [
    '1e5,',
    { ends: [3], problem: "invalid character ',' looking for beginning of value", open: false },
  ],
  ['true false null"s"', { ends: [4, 10, 15, 18], problem: null, open: false }],
  ['{"a":', { ends: [], problem: null, open: true }],
  ['"\\u12', { ends: [], problem: null, open: true }],
  ['1.', { ends: [], problem: null, open: true }],
  [
    '{a',
    {
      ends: [],
      problem: "invalid character 'a' looking for beginning of object key string",
      open: false,
    },
  ],
  ['[1 2]', { ends: [], problem: "invalid character '2' after array element", open: false }],
  ['{"a" 1}', { ends: [], problem: "invalid character '1' after object key", open: false }],
  [
    '{"a":1 1}',
    { ends: [], problem: "invalid character '1' after object key:value pair", open: false },
  ],
  [
    'tru3',
    { ends: [], problem: "invalid character '3' in literal true (expecting 'e')", open: false },
  ],
  ['"\\q"', { ends: [], problem: "invalid character 'q' in string escape code", open: false }],
  [
    '"\\u00g"',
    { ends: [], problem: "invalid character 'g' in \\u hexadecimal character escape", open: false },
  ],
  ['"\n"', { ends: [], problem: "invalid character '\\n' in string literal", open: false }],
  ['-a', { ends: [], problem: "invalid character 'a' in numeric literal", open: false }],
  [
    '1.a',
    {
      ends: [],
      problem: "invalid character 'a' after decimal point in numeric literal",
      open: false,
    },
  ],
  [
    '1e-a',
    { ends: [], problem: "invalid character 'a' in exponent of numeric literal", open: false },
  ],
];

t.test('values and refusals, however the text is cut', async (t) => {
  for (const [text, expected] of texts) {
    for (const size of [1, 2, 3, 7, 1000]) {
      t.same(scanAll(text, size), expected, `${JSON.stringify(text)} in pieces of ${size}`);
    }
  }
});

t.test('what JSON.parse takes is taken whole, and nothing else', async (t) => {
  const alphabet = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '1',
    '-',
    '.',
    'e',
    'true',
    ' ',
    '\\',
  ];
  let state = 7;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state >> 8;
  };
  let valid = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const length = 1 + (next() % 7);
    const text = Array.from({ length }, () => alphabet[next() % alphabet.length]).join('');
    let isJson = true;
    try {
      JSON.parse(text);
    } catch {
      isJson = false;
    }
    const { ends, problem, open } = scanAll(text, 2);
    const end = ends[0] ?? (problem === null && !open && text.trim() !== '' ? text.length : -1);
    const whole = end >= 0 && text.slice(end).trim() === '';
    if (whole !== isJson) t.fail(JSON.stringify(text));
    valid += isJson ? 1 : 0;
  }
  t.ok(valid > 200, `${valid} were JSON`);
});

t.test('depth has an end', async (t) => {
  t.equal(scanAll('['.repeat(10_000), 999).problem, null);
  t.match(scanAll('['.repeat(10_001), 999).problem, /exceeded max depth/);
});

t.test('how bytes are quoted', async (t) => {
  const table: [number, string][] = [
    [0x41, "'A'"],
    [0x27, "'\\''"],
    [0x22, "'\"'"],
    [0x5c, "'\\\\'"],
    [0x00, "'\\x00'"],
    [0x07, "'\\a'"],
    [0x0b, "'\\v'"],
    [0x7f, "'\\x7f'"],
    [0x80, "'\\u0080'"],
    [0xa0, "'\\u00a0'"],
    [0xad, "'\\u00ad'"],
    [0xe9, "'é'"],
  ];
  for (const [code, text] of table) t.equal(quoted(code), text);
});
