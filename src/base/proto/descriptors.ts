// The .proto files of this package as descriptors, for clients that ask a server what it speaks.
// Made by the library from the same files that messages are coded by: one descriptor a package, in
// the form that protoc gives them. Used by the reflection service.

import type protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor.js';

import { messageType, protoRoot } from './codec.js';

type FileProto = descriptor.IFileDescriptorProto;
type MessageProto = descriptor.IDescriptorProto;
type FieldProto = descriptor.IFieldDescriptorProto;

/** One package: its descriptor, and the packages that it needs. */
interface DescribedFile {
  readonly name: string;
  readonly bytes: Buffer;
  readonly needs: readonly string[];
}

/** As protoc names the type that holds the pairs of a map. */
function entryName(field: string): string {
  const camel = field.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return `${camel}Entry`;
}

/** The name of a type that a field refers to, from the root; null for scalars. */
function targetOf(field: protobuf.Field): string | null {
  return field.resolvedType?.fullName ?? null;
}

/** The library names types as short as it can; tools want them from the root. */
function completeField(proto: FieldProto, type: protobuf.Type, nested: MessageProto[]): void {
  const field = type.fields[proto.name ?? ''];
  if (field === undefined) {
    return;
  }
  const target = targetOf(field);
  if (!field.map) {
    if (target !== null) {
      proto.typeName = target;
    }
    return;
  }
  const entry = nested.find(({ name }) => `.${name}` === `.${proto.typeName}`);
  const value = entry?.field?.find(({ name }) => name === 'value');
  if (entry !== undefined && value !== undefined) {
    entry.name = entryName(field.name);
    if (target !== null) {
      value.typeName = target;
    }
    proto.typeName = `${type.fullName}.${entry.name}`;
  }
}

function completeType(proto: MessageProto, type: protobuf.Type): void {
  const nested = proto.nestedType ?? [];
  for (const field of proto.field ?? []) {
    completeField(field, type, nested);
  }
  for (const inner of nested) {
    const found = type.get(inner.name ?? '');
    if (found !== null && 'fields' in found) {
      completeType(inner, found as protobuf.Type);
    }
  }
}

/** Names from the root of everything that a message's fields refer to. */
function targetsOf({ field = [], nestedType = [] }: MessageProto): string[] {
  const own = field.map(({ typeName }) => typeName ?? '').filter((name) => name !== '');
  return [...own, ...nestedType.flatMap(targetsOf)];
}

/** Names of a message and all that is declared in it. */
function declaredBy(
  scope: string,
  { name, nestedType = [], enumType = [] }: MessageProto,
): string[] {
  const full = `${scope}.${name}`;
  const enums = enumType.map((one) => `${full}.${one.name}`);
  return [full, ...enums, ...nestedType.flatMap((inner) => declaredBy(full, inner))];
}

export class Descriptors {
  readonly #files = new Map<string, DescribedFile>();
  /** Files by the full names of what they declare, without a leading dot. */
  readonly #declaredIn = new Map<string, string>();

  constructor() {
    const root = protoRoot();
    root.resolveAll();
    const protos: FileProto[] = root.toDescriptor('proto3').file ?? [];
    for (const proto of protos) {
      for (const message of proto.messageType ?? []) {
        completeType(message, messageType(`${proto.package}.${message.name}`));
      }
      this.#noteDeclared(proto);
    }
    for (const proto of protos) {
      this.#add(proto);
    }
  }

  /** The file with that name behind those that it needs; null when there is none. */
  byFile(name: string): Buffer[] | null {
    const found = this.#withNeeded(name);
    return found.length === 0 ? null : found.map(({ bytes }) => bytes);
  }

  /** As byFile, for the file that declares a message, enum, service or method. */
  bySymbol(symbol: string): Buffer[] | null {
    const file = this.#declaredIn.get(symbol);
    return file === undefined ? null : this.byFile(file);
  }

  #noteDeclared({
    name,
    package: scope,
    messageType: messages,
    enumType,
    service,
  }: FileProto): void {
    const symbols = (messages ?? []).flatMap((message) => declaredBy(`${scope}`, message));
    symbols.push(...(enumType ?? []).map((one) => `${scope}.${one.name}`));
    for (const one of service ?? []) {
      symbols.push(`${scope}.${one.name}`);
      symbols.push(...(one.method ?? []).map((method) => `${scope}.${one.name}.${method.name}`));
    }
    for (const symbol of symbols) {
      this.#declaredIn.set(symbol, name ?? '');
    }
  }

  #add(proto: FileProto): void {
    const methods = (proto.service ?? []).flatMap(({ method = [] }) => method);
    const targets = [
      ...(proto.messageType ?? []).flatMap(targetsOf),
      ...methods.flatMap(({ inputType = '', outputType = '' }) => [inputType, outputType]),
    ];
    const files = targets.map((target) => this.#declaredIn.get(target.replace(/^\./, '')));
    const needed = new Set(files.filter((file) => file !== undefined && file !== proto.name));
    const needs = [...needed].map(String).sort();
    const whole = descriptor.FileDescriptorProto.fromObject({ ...proto, dependency: needs });
    const bytes = descriptor.FileDescriptorProto.encode(whole).finish() as Buffer;
    const name = proto.name ?? '';
    this.#files.set(name, { name, bytes, needs });
  }

  #withNeeded(name: string, before: ReadonlySet<string> = new Set()): DescribedFile[] {
    const file = this.#files.get(name);
    if (file === undefined || before.has(name)) {
      return [];
    }
    const seen = new Set([...before, name]);
    const needed = file.needs.flatMap((other) => this.#withNeeded(other, seen));
    return [...new Set([...needed, file])];
  }
}
