// Finds functions and their length in lines, for the tidy rules. TypeScript and JavaScript are
// parsed by the compiler's own parser; C++ by a small scanner that knows comments, literals and
// braces, which is enough to tell a function's body from a class or namespace.

import ts from 'typescript';

export interface FunctionSpan {
  readonly name: string;
  /** Counted from 1. */
  readonly firstLine: number;
  readonly lineCount: number;
}

/** Functions of a TypeScript or JavaScript file that have a body, nested ones too. */
export function typeScriptFunctions(path: string, text: string): FunctionSpan[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const spans: FunctionSpan[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
      const last = source.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
      const name = node.name?.getText(source) ?? '(callback)';
      spans.push({ name, firstLine: first, lineCount: last - first + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return spans;
}

/** What holds no code: raw strings, comments, string and character literals, preprocessor lines. */
const cppSkipped = new RegExp(
  [
    String.raw`R"([^\s()\\]{0,16})\([\s\S]*?\)\1"`,
    String.raw`\/\/[^\n]*`,
    String.raw`\/\*[\s\S]*?\*\/`,
    String.raw`"(?:\\[\s\S]|[^"\\\n])*"`,
    String.raw`(?<![0-9a-fA-F])'(?:\\[^\n]|[^'\\\n])+'`,
    String.raw`^[ \t]*#(?:\\\n|[^\n])*`,
  ].join('|'),
  'gm',
);

/**
 * Replaces comments, string and character literals and preprocessor lines by blanks of the same
 * number of lines, so that what is left can be read brace by brace.
 */
export function blankCpp(text: string): string {
  const blank = (match: string): string => match.replace(/[^\n]/g, ' ');
  return text.replace(cppSkipped, blank);
}

const scopeHeader =
  /^(?:template\s*<[\s\S]*>\s*)?(?:inline\s+)?(?:namespace|class|struct|union|enum|extern)\b/;

function functionName(header: string): string {
  return /([\w:~]+|operator\S+)\s*\(/.exec(header)?.[1] ?? '(unnamed)';
}

interface OpenBrace {
  readonly kind: 'scope' | 'function' | 'other';
  readonly name: string;
  readonly firstLine: number;
}

/** Functions of a C++ file that are defined at namespace or class level. */
export function cppFunctions(text: string): FunctionSpan[] {
  const code = blankCpp(text);
  const spans: FunctionSpan[] = [];
  const open: OpenBrace[] = [];
  let line = 1;
  let header = '';
  let headerLine = 1;
  for (const character of code) {
    if (character === '\n') line += 1;
    if (character === '{') {
      const outside = open.every((brace) => brace.kind === 'scope');
      const trimmed = header.trim();
      let kind: OpenBrace['kind'] = 'other';
      if (outside && scopeHeader.test(trimmed) && !/\)\s*(?:const)?\s*$/.test(trimmed))
        kind = 'scope';
      else if (outside && trimmed.includes('(')) kind = 'function';
      open.push({ kind, name: functionName(trimmed), firstLine: headerLine });
    } else if (character === '}') {
      const closed = open.pop();
      if (closed?.kind === 'function') {
        const lineCount = line - closed.firstLine + 1;
        spans.push({ name: closed.name, firstLine: closed.firstLine, lineCount });
      }
    }
    if (character === '{' || character === '}' || character === ';') header = '';
    else {
      if (header.trim() === '') headerLine = line;
      header += character;
    }
  }
  return spans;
}
