// What one step of an etcdctl script is. Scripts are lists of steps; etcdctl.test.ts takes each
// step on every server and compares what etcdctl printed.

export interface Capture {
  readonly name: string;
  /** Its first group is the value, kept per server for `${name}` and `${name+1}` in arguments. */
  readonly pattern: RegExp;
  /** The value is an id of the server's own choosing: outputs are compared without it. */
  readonly isId?: boolean;
}

/** A command that goes on until so many lines were printed: watches, keep-alive. */
export interface Streaming {
  readonly lines: number;
  /** Commands to run, one after the other, once it has started. */
  readonly during?: readonly (readonly string[])[];
}

export interface NotYet {
  readonly answer: RegExp;
  readonly reason: string;
}

export interface Step {
  readonly args: readonly string[];
  readonly stdin?: string | Buffer;
  readonly environment?: Readonly<Record<string, string>>;
  readonly capture?: Capture;
  readonly streaming?: Streaming;
  /** Lines come in no defined order. */
  readonly isUnordered?: boolean;
  /** Takes out what may differ between servers in this command's output. */
  readonly normalize?: (text: string) => string;
  /** Standard output to the letter, after normalizing: for machines without a reference. */
  readonly expected?: string;
  /** Left out with clients older than this, which do not know the option. */
  readonly since?: '3.7';
  /** What MetaStore does not do yet: its answer until then on standard error, and the reason. */
  readonly notYet?: NotYet;
  /** The output is bytes of a protobuf message whose first field is the header. */
  readonly isProtobuf?: boolean;
}

/** A step from a command line; words with blanks are given as an array. */
export function run(command: string | readonly string[], rest: Partial<Step> = {}): Step {
  const args = typeof command === 'string' ? command.split(' ') : command;
  return { ...rest, args };
}

/** One step per line. */
export function runAll(commands: string): Step[] {
  const lines = commands.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').map((line) => run(line));
}

/** Keeps the current revision under a name. */
export function captureRevision(name: string): Step {
  return run('get /revision -w json', { capture: { name, pattern: /"revision":(\d+)/ } });
}
