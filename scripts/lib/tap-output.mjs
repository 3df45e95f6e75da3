// Counts tests in the TAP that a test file prints, and finds what failed. Called by the suites.
//
// A test is a leaf: a subtest that holds only assertions, or an assertion outside of any subtest.
// Every skipped point is a skip with its name, so that nothing is left out in silence.

/** Of the reason in a failed test's name. */
const REASON_LENGTH_MAX = 400;
/** Lines of a difference that a reason shows. */
const REASON_LINES_MAX = 6;

const pointPattern = /^((?: {4})*)(not )?ok \d+(?: - )?(.*)$/;

/** What a stream of TAP lines amounts to. */
export class TapCounter {
  passed = 0;
  failed = 0;
  /** @type {string[]} */
  skippedNames = [];
  /** @type {string[]} */
  failedNames = [];
  /** Lines of comments that tests print for people (`t.comment`). */
  comments = [];
  /** Set once a plan at the outermost level was read: without one the file died early. */
  planSeen = false;

  // Per depth: what the points seen since the last shallower point are.
  #levels = [];
  #diagnosticIndent = null;
  // What the first assertion that failed said, and what differed; its diagnostic comes behind it.
  #reason = null;

  #level(depth) {
    this.#levels[depth] ??= { points: 0, subtests: 0, plainFailures: 0, reason: null };
    return this.#levels[depth];
  }

  /** Takes one line of output. */
  line(text) {
    if (this.#diagnosticIndent !== null) {
      if (text === `${this.#diagnosticIndent}...`) this.#diagnosticIndent = null;
      else this.#differing(text.trim());
      return;
    }
    const diagnostic = /^( +)---$/.exec(text);
    if (diagnostic) {
      this.#diagnosticIndent = diagnostic[1];
      return;
    }
    if (/^1\.\.\d+/.test(text)) this.planSeen = true;
    const comment = /^ *# (?!Subtest|time=|\{)(.+)$/.exec(text);
    if (comment) this.comments.push(comment[1]);
    const point = pointPattern.exec(text);
    if (point) this.#point(point[1].length / 4, point[2] === undefined, point[3]);
  }

  #point(depth, ok, rest) {
    this.#reason = null;
    const children = this.#levels[depth + 1];
    this.#levels.length = depth + 1;
    const level = this.#level(depth);
    level.points += 1;
    const name = rest.replace(/ # time=.*$/, '').replace(/ \{$/, '');
    const skip = /^(.*?) ?# (?:skip|todo) ?(.*)$/i.exec(name);
    if (skip) {
      level.subtests += 1;
      const reason = skip[2] === '' ? '' : `: ${skip[2]}`;
      this.skippedNames.push(`${skip[1]}${reason}`);
      return;
    }
    if (children) level.subtests += 1;
    if (children && children.subtests > 0) {
      if (children.plainFailures > 0) this.#fail(`${name} (own assertions)`, children.reason);
      return;
    }
    const isLeafTest = children !== undefined || depth === 0;
    if (isLeafTest && ok) this.passed += 1;
    else if (isLeafTest) this.#fail(name, children?.reason ?? null);
    else if (!ok) {
      level.plainFailures += 1;
      this.#reason = { message: name, lines: [] };
      level.reason ??= this.#reason;
    }
  }

  #differing(line) {
    const lines = this.#reason?.lines;
    // Of a comparison, or of an error; a row of dashes points into the source.
    const isDifference = /^([-+](?!-)(?!\+\+ actual)|details: )./.test(line);
    if (lines !== undefined && isDifference && lines.length < REASON_LINES_MAX) lines.push(line);
  }

  /** The reason stands in the name: a log may be cut before the diagnostic. */
  #fail(name, reason) {
    this.failed += 1;
    const why = reason === null ? '' : `: ${[reason.message, ...reason.lines].join(' ')}`;
    this.failedNames.push(`${name}${why.slice(0, REASON_LENGTH_MAX)}`);
  }
}

/** The failing points of a file's TAP with their diagnostics, for printing. */
export function failureLines(output) {
  const lines = [];
  let keepIndent = null;
  for (const line of output.split('\n')) {
    const indent = line.length - line.trimStart().length;
    if (/^ *not ok /.test(line)) keepIndent = indent;
    else if (keepIndent !== null && line !== '' && indent <= keepIndent) keepIndent = null;
    if (keepIndent !== null) lines.push(line);
  }
  return lines.slice(0, 200);
}
