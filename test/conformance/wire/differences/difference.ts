// Where a server's answer is another one than a case of the wire expects, and why that is
// accepted. The lists beside this file are made of it.

export interface Difference {
  readonly why: string;
  /** What comes instead, for each of the cases. */
  readonly seen: string;
  readonly cases: readonly string[];
  /** True where two things race in the server, so that what is expected may come as well. */
  readonly races?: boolean;
}
