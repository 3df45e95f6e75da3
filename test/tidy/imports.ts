// The direction of imports, as ARCHITECTURE.md states it: which folder may use which. Called by
// rules.ts. A folder may also use what its allowed folders may use, so each table row names only
// the layer directly below.

import type { SourceFile } from './repository.js';
import { fileRule, isCpp, isTypeScript, type Rule } from './rule.js';

const typeScriptLayers: Readonly<Record<string, readonly string[]>> = {
  raft: [],
  base: [],
  storage: ['raft', 'base'],
  state: ['storage'],
  cluster: ['storage'],
  server: ['state', 'cluster', 'storage', 'raft'],
  api: ['server'],
  transport: ['storage'],
  app: ['api', 'transport', 'server'],
};

const cppLayers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  codec: ['base'],
  engine: ['codec'],
  mvcc: ['engine'],
  wal: ['base'],
  bbolt: ['base'],
  auth: ['codec'],
  watch: ['mvcc', 'auth'],
  intake: ['mvcc', 'auth'],
  apply: ['mvcc', 'wal', 'intake'],
  member: ['apply', 'watch', 'intake', 'wal', 'bbolt'],
  plane: ['member'],
  net: [],
  addon: ['plane', 'member', 'net'],
};

/** `folder` itself and everything that it may reach by the table. */
function reachable(layers: Readonly<Record<string, readonly string[]>>, folder: string) {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    for (const below of layers[name] ?? []) visit(below);
  };
  visit(folder);
  return found;
}

/** Module names that a TypeScript file imports, with their lines. */
function importedModules(file: SourceFile): [number, string][] {
  const pattern =
    /^(?:import|export)\b[^'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/;
  const joined = file.text.replace(/^((?:import|export)(?: type)? \{)([^}]*)(\} from)/gm, (match) =>
    match.replace(/\n/g, ' ').padEnd(match.length),
  );
  const found: [number, string][] = [];
  joined.split('\n').forEach((line, index) => {
    const match = pattern.exec(line);
    const name = match?.[1] ?? match?.[2] ?? match?.[3];
    if (name !== undefined) found.push([index + 1, name]);
  });
  return found;
}

/** The src folder that a relative import reaches, or null for a package or a built-in. */
function targetFolder(file: SourceFile, name: string): string | null {
  if (!name.startsWith('.')) return null;
  const parts = file.path.split('/').slice(0, -1);
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts[0] === 'src' ? (parts[1] ?? '') : (parts[0] ?? '');
}

function isInSource(file: SourceFile): boolean {
  return isTypeScript(file) && file.path.startsWith('src/');
}

const typeScriptDirection = fileRule('imports of src go one way', isInSource, (file) => {
  const folder = file.path.split('/')[1] ?? '';
  if (typeScriptLayers[folder] === undefined) return [[0, `src/${folder} is in no layer`]];
  const allowed = reachable(typeScriptLayers, folder);
  return importedModules(file)
    .map(([line, name]) => ({ line, name, target: targetFolder(file, name) }))
    .filter(({ target }) => target !== null && !allowed.has(target))
    .map(({ line, name }): [number, string] => [line, `${folder} may not import ${name}`]);
});

const raftIsPure = fileRule(
  'src/raft imports nothing but itself, and reads no clock',
  (file) => file.path.startsWith('src/raft/') && isTypeScript(file),
  (file) => {
    const outside = importedModules(file)
      .filter(([, name]) => !name.startsWith('.'))
      .map(([line, name]): [number, string] => [line, `imports ${name}`]);
    const impure = /\b(?:Date\.now|new Date|Math\.random|setTimeout|setInterval|process\.|async )/;
    const calls = file.lines.flatMap((line, index): [number, string][] => {
      const code = line.replace(/\/\/.*$|^\s*\*.*$/, '');
      return impure.test(code) ? [[index + 1, line.trim()]] : [];
    });
    return [...outside, ...calls];
  },
);

const addonLoaders = fileRule(
  'only src/storage and src/transport load the addon',
  (file) => isInSource(file) && !/^src\/(?:storage|transport)\//.test(file.path),
  (file) =>
    file.lines.flatMap((line, index): [number, string][] =>
      /createRequire|process\.dlopen|\.node['"`]/.test(line) ? [[index + 1, line.trim()]] : [],
    ),
);

function includedFiles(file: SourceFile): [number, string][] {
  return file.lines.flatMap((line, index): [number, string][] => {
    const name = /^\s*#\s*include\s*[<"]([^>"]+)[>"]/.exec(line)?.[1];
    return name === undefined ? [] : [[index + 1, name]];
  });
}

const cppDirection = fileRule(
  'includes of native go one way',
  (file) => isCpp(file) && file.path.startsWith('native/') && !file.path.startsWith('native/test/'),
  (file) => {
    const folder = file.path.split('/')[1] ?? '';
    if (cppLayers[folder] === undefined) return [[0, `native/${folder} is in no layer`]];
    const allowed = reachable(cppLayers, folder);
    return includedFiles(file)
      .filter(([, name]) => cppLayers[name.split('/')[0] ?? ''] !== undefined)
      .filter(([, name]) => !allowed.has(name.split('/')[0] ?? ''))
      .map(([line, name]): [number, string] => [line, `${folder} may not include ${name}`]);
  },
);

const nodeHeaders = fileRule(
  'only native/addon includes Node headers',
  (file) => isCpp(file) && !file.path.startsWith('native/addon/'),
  (file) =>
    includedFiles(file)
      .filter(([, name]) => /^(?:napi|node_api|js_native_api|node|v8)\.h$/.test(name))
      .map(([line, name]): [number, string] => [line, name]),
);

const planeHeaders = fileRule(
  'only native/plane includes libuv and nghttp2',
  (file) => isCpp(file) && file.path.startsWith('native/') && !isPlane(file.path),
  (file) =>
    includedFiles(file)
      .filter(([, name]) => /^(?:uv|nghttp2\/.*)\.h$/.test(name))
      .map(([line, name]): [number, string] => [line, name]),
);

function isPlane(path: string): boolean {
  return /^native\/(?:plane\/|test\/(?:plane_|support\/|fuzz))/.test(path);
}

export function importRules(): Rule[] {
  return [typeScriptDirection, raftIsPure, addonLoaders, cppDirection, nodeHeaders, planeHeaders];
}
