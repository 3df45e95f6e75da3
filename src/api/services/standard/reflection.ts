// The standard reflection service, where an operator wants it: tools such as grpcurl ask it for the
// services of this server and for their descriptors, instead of having the .proto files.

import { bytesOf } from '../../../base/bytes.js';
import type { ServerStream } from '../../../base/call.js';
import { Codec, type Partially } from '../../../base/proto/codec.js';
import { Descriptors } from '../../../base/proto/descriptors.js';
import { type Service, stream } from '../service.js';

export interface ReflectionRequest {
  readonly host: string;
  readonly file_by_filename: string | undefined;
  readonly file_containing_symbol: string | undefined;
  readonly file_containing_extension: { readonly containing_type: string } | null | undefined;
  readonly all_extension_numbers_of_type: string | undefined;
  readonly list_services: string | undefined;
}
export interface ReflectionResponse {
  readonly valid_host: string;
  readonly original_request: ReflectionRequest | null;
  readonly file_descriptor_response: { readonly file_descriptor_proto: readonly Buffer[] } | null;
  readonly all_extension_numbers_response: { readonly base_type_name: string } | null;
  readonly list_services_response: {
    readonly service: readonly { readonly name: string }[];
  } | null;
  readonly error_response: { readonly error_code: number; readonly error_message: string } | null;
}

const reflection = <T>(name: string): Codec<T> => new Codec<T>(`grpc.reflection.v1.${name}`);
export const reflectionRequest = reflection<ReflectionRequest>('ServerReflectionRequest');
export const reflectionResponse = reflection<ReflectionResponse>('ServerReflectionResponse');

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;

type Answer = Partially<
  Pick<
    ReflectionResponse,
    'file_descriptor_response' | 'all_extension_numbers_response' | 'list_services_response'
  > &
    Pick<ReflectionResponse, 'error_response'>
>;

function failure(error_code: number, error_message: string): Answer {
  return { error_response: { error_code, error_message } } as Answer;
}

function files(found: readonly Buffer[] | null, what: string): Answer {
  if (found === null) {
    return failure(NOT_FOUND, `${what} not found`);
  }
  return { file_descriptor_response: { file_descriptor_proto: found } } as unknown as Answer;
}

function answer(request: ReflectionRequest, descriptors: Descriptors, services: string[]): Answer {
  const { file_by_filename: file, file_containing_symbol: symbol } = request;
  const extended = request.all_extension_numbers_of_type;
  if (request.list_services !== undefined) {
    return { list_services_response: { service: services.map((name) => ({ name })) } } as Answer;
  }
  if (file !== undefined) {
    return files(descriptors.byFile(file), `file ${file}`);
  }
  if (symbol !== undefined) {
    return files(descriptors.bySymbol(symbol), `symbol ${symbol}`);
  }
  if (extended !== undefined) {
    // Nothing here has extensions: what is known has none.
    return descriptors.bySymbol(extended) === null
      ? failure(NOT_FOUND, `type ${extended} not found`)
      : ({ all_extension_numbers_response: { base_type_name: extended } } as Answer);
  }
  return request.file_containing_extension
    ? failure(NOT_FOUND, 'there are no extensions')
    : failure(INVALID_ARGUMENT, 'the request asks for nothing that is known');
}

/** @param services the full names of those that clients may call */
export function reflectionService(services: readonly string[]): Service {
  const sorted = [...services].sort();
  // Made for the first who asks: few ever do.
  let descriptors: Descriptors | null = null;
  const serve = async (call: ServerStream): Promise<void> => {
    for (;;) {
      const bytes = await call.receive();
      if (bytes === null) {
        return;
      }
      descriptors ??= new Descriptors();
      const request = reflectionRequest.decode(bytesOf(bytes));
      const response = {
        valid_host: request.host,
        original_request: request,
        ...answer(request, descriptors, sorted),
      };
      call.send(reflectionResponse.encode(response as Partially<ReflectionResponse>));
    }
  };
  return { ServerReflectionInfo: stream((_context, call) => serve(call)) };
}
