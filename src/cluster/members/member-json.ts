// Members as JSON: the form of stored rows, of contexts of configuration changes, and of the list
// that members give each other. What was stored or sent may be anything, so every field is checked.
// Ids use all 64 bits and are written as number literals, which JSON.stringify cannot do.

export interface MemberInfo {
  readonly id: bigint;
  /** Empty until the member has started and published itself. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

/** A member's fixed part as it travels in a configuration change. */
export interface MemberContext {
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
  /** An existing learner becomes a voter; the rest of the context is ignored then. */
  readonly isPromote: boolean;
  readonly name: string;
  /**
   * How many learners there may be, as the proposer's flag says. It travels along because members
   * with different flags would otherwise come to different memberships. Null: not said.
   */
  readonly maxLearners: number | null;
}

/** A member of JSON whose fields are not checked yet, but for the id. */
export type MemberFields = Readonly<Record<string, unknown>>;

function texts(value: unknown, field: string): readonly string[] {
  if (value === undefined || value === null) {
    return [];
  }
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) {
    return value as readonly string[];
  }
  throw new SyntaxError(`${field} of a member is not a list of strings`);
}

function flag(value: unknown, field: string): boolean {
  if (value === undefined || typeof value === 'boolean') {
    return value ?? false;
  }
  throw new SyntaxError(`${field} of a member is not a boolean`);
}

function text(value: unknown, field: string): string {
  if (value === undefined || typeof value === 'string') {
    return value ?? '';
  }
  throw new SyntaxError(`${field} of a member is not a string`);
}

function count(value: unknown, field: string): number | null {
  if (value === undefined) {
    return null;
  }
  if (Number.isSafeInteger(value) && (value as number) >= 0) {
    return value as number;
  }
  throw new SyntaxError(`${field} of a member is not a count`);
}

function fieldsOf(value: unknown): MemberFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SyntaxError('a member is not a JSON object');
  }
  return value as MemberFields;
}

/** @throws SyntaxError when a field has another type than it should */
export function memberOf(id: bigint, value: unknown): MemberInfo {
  const fields = fieldsOf(value);
  return {
    id,
    name: text(fields.name, 'name'),
    peerUrls: texts(fields.peerURLs, 'peerURLs'),
    clientUrls: texts(fields.clientURLs, 'clientURLs'),
    isLearner: flag(fields.isLearner, 'isLearner'),
  };
}

/** One member, in the order of fields that other implementations write. */
export function memberJson(member: MemberInfo): string {
  const { name, peerUrls, clientUrls, isLearner } = member;
  const rest = {
    peerURLs: peerUrls,
    ...(isLearner ? { isLearner } : {}),
    ...(name === '' ? {} : { name }),
    ...(clientUrls.length === 0 ? {} : { clientURLs: clientUrls }),
  };
  return `{"id":${member.id},${JSON.stringify(rest).slice(1)}`;
}

/** Characters that some readers of JSON in a browser must not see as they are. */
const escaped: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** A list of members as members tell it each other: one line of JSON. */
export function memberListJson(members: readonly MemberInfo[]): string {
  const text = `[${members.map(memberJson).join(',')}]\n`;
  return text.replace(/[<>&\u2028\u2029]/g, (char) => escaped[char] ?? char);
}

/** The context of the configuration change that adds a member at bootstrap. */
export function encodeMemberContext(id: bigint, name: string, peerUrls: readonly string[]): Buffer {
  return Buffer.from(memberJson({ id, name, peerUrls, clientUrls: [], isLearner: false }));
}

/** The context of a change that an operator asked for. */
export function encodeChangeContext(id: bigint, context: Partial<MemberContext>): Buffer {
  const { peerUrls = [], isLearner = false, isPromote = false, name = '' } = context;
  const member = memberJson({ id, name, peerUrls, clientUrls: [], isLearner });
  const limit =
    typeof context.maxLearners === 'number' ? `,"maxLearners":${context.maxLearners}` : '';
  return Buffer.from(`${member.slice(0, -1)},"isPromote":${isPromote}${limit}}`);
}

/** @throws SyntaxError on bytes that are not the JSON of a member */
export function decodeMemberContext(context: Uint8Array): MemberContext {
  const fields = fieldsOf(JSON.parse(Buffer.from(context).toString()));
  return {
    peerUrls: texts(fields.peerURLs, 'peerURLs'),
    isLearner: flag(fields.isLearner, 'isLearner'),
    isPromote: flag(fields.isPromote, 'isPromote'),
    name: text(fields.name, 'name'),
    maxLearners: count(fields.maxLearners, 'maxLearners'),
  };
}
