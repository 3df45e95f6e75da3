// What the JSON codec knows of a message: its fields by name and number, from the descriptors of
// the .proto files. Made once per message type and shared by both directions.

import protobuf from 'protobufjs';

/** Kinds of values; the names are those of protobuf. */
export type Kind =
  | 'bool'
  | 'int32'
  | 'int64'
  | 'uint32'
  | 'uint64'
  | 'string'
  | 'bytes'
  | 'enum'
  | 'message';

const scalarKinds: ReadonlySet<string> = new Set<Kind>([
  'bool',
  'int32',
  'int64',
  'uint32',
  'uint64',
  'string',
  'bytes',
]);

export interface Oneof {
  readonly index: number;
  /** Its full name. */
  readonly name: string;
}

export interface Field {
  /** Position in the message's declaration. */
  readonly index: number;
  readonly number: number;
  readonly kind: Kind;
  /** As in the .proto file; answers have it. */
  readonly name: string;
  /** In lower camel case; requests may have it too. */
  readonly jsonName: string;
  readonly repeated: boolean;
  readonly oneof: Oneof | null;
  readonly enumByName: ReadonlyMap<string, number>;
  readonly enumByNumber: ReadonlyMap<number, string>;
  /** Of the message or its elements; throws for other kinds. */
  readonly shape: () => Shape;
}

export interface Shape {
  readonly name: string;
  /** In the order of declaration. */
  readonly fields: readonly Field[];
  readonly byName: ReadonlyMap<string, Field>;
  readonly byNumber: ReadonlyMap<number, Field>;
}

/** `create_revision` is `createRevision`. */
export function camelCase(name: string): string {
  return name.replace(/_(.?)/g, (_match, next: string) => next.toUpperCase());
}

const shapes = new Map<protobuf.Type, Shape>();

/**
 * The shape of a message.
 *
 * @throws Error for what the API has not: maps, groups, floating point, fixed and zigzag integers
 */
export function shapeOf(type: protobuf.Type): Shape {
  const known = shapes.get(type);
  if (known !== undefined) {
    return known;
  }
  const fields = type.fieldsArray.map((field, index) => fieldOf(type, field.resolve(), index));
  const byName = new Map(fields.map((field) => [field.name, field]));
  for (const field of fields) {
    byName.set(field.jsonName, field);
  }
  const byNumber = new Map(fields.map((field) => [field.number, field]));
  const shape = { name: type.fullName.slice(1), fields, byName, byNumber };
  shapes.set(type, shape);
  return shape;
}

function kindOf(field: protobuf.Field): Kind {
  if (field.resolvedType instanceof protobuf.Enum) {
    return 'enum';
  }
  if (field.resolvedType instanceof protobuf.Type) {
    return 'message';
  }
  if (field.map || !scalarKinds.has(field.type)) {
    throw new Error(`${field.fullName}: the JSON codec has no ${field.type}`);
  }
  return field.type as Kind;
}

function oneofOf(type: protobuf.Type, field: protobuf.Field): Oneof | null {
  const { partOf } = field;
  return partOf === null
    ? null
    : { index: type.oneofsArray.indexOf(partOf), name: partOf.fullName.slice(1) };
}

function fieldOf(type: protobuf.Type, field: protobuf.Field, index: number): Field {
  const { resolvedType } = field;
  const values = resolvedType instanceof protobuf.Enum ? resolvedType.values : {};
  return {
    index,
    number: field.id,
    kind: kindOf(field),
    name: field.name,
    jsonName: camelCase(field.name),
    repeated: field.repeated,
    oneof: oneofOf(type, field),
    enumByName: new Map(Object.entries(values)),
    enumByNumber: new Map(Object.entries(values).map(([name, value]) => [value, name])),
    shape: () => {
      if (!(resolvedType instanceof protobuf.Type)) {
        throw new Error(`${field.fullName} is no message`);
      }
      return shapeOf(resolvedType);
    },
  };
}
