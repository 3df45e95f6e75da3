// Counts tests in the TAP that a test file prints, and finds what failed. Called by the suites.
//
// A test is a leaf: a subtest that holds only assertions, or an assertion outside of any subtest.
// Every skipped point is a skip with its name, so that nothing is left out in silence.

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

  #level(depth) {
    this.#levels[depth] ??= { points: 0, subtests: 0, plainFailures: 0 };
    return this.#levels[depth];
  }

  /** Takes one line of output. */
  line(text) {
    if (this.#diagnosticIndent !== null) {
      if (text === `${this.#diagnosticIndent}...`) this.#diagnosticIndent = null;
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
      if (children.plainFailures > 0) this.#fail(`${name} (own assertions)`);
      return;
    }
    const isLeafTest = children !== undefined || depth === 0;
    if (isLeafTest && ok) this.passed += 1;
    else if (isLeafTest) this.#fail(name);
    else if (!ok) level.plainFailures += 1;
  }

  #fail(name) {
    this.failed += 1;
    this.failedNames.push(name);
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
