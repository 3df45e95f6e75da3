// The reflection service as a tool meets it: off by default; where it is on, the descriptors that
// it gives are enough to make a call without any .proto file.

import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor.js';
import t from 'tap';
import {
  type ReflectionRequest,
  type ReflectionResponse,
  reflectionRequest,
  reflectionResponse,
} from '../../../src/api/services/standard/reflection.js';
import type { Partially } from '../../../src/base/proto/codec.js';
import { messageType } from '../../../src/base/proto/codec.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';

t.setTimeout(120_000);

const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const fileOf = (bytes: Buffer) =>
  descriptor.FileDescriptorProto.decode(view(bytes)) as unknown as descriptor.IFileDescriptorProto;
const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;

async function started(flags: readonly string[]) {
  const member = await MemberProcess.start({ engine: 'memory', flags });
  const client = new EtcdClient(member.endpoint);
  t.teardown(async () => {
    client.close();
    await member.kill();
  });
  const stream = client.stream(path);
  const ask = async (request: Partial<ReflectionRequest>): Promise<ReflectionResponse> => {
    stream.send(reflectionRequest.encode(request as Partially<ReflectionRequest>));
    return reflectionResponse.decode(view(await stream.next()));
  };
  return { client, stream, ask };
}

t.test('off by default', async (t) => {
  const { stream } = await started([]);
  stream.end();
  t.match(await stream.ended, {
    code: 12,
    details: 'unknown service grpc.reflection.v1.ServerReflection',
  });
});

t.test('services and their descriptors', async (t) => {
  const { client, stream, ask } = await started(['--enable-grpc-reflection']);
  const listed = await ask({ host: 'here', list_services: '*' });
  t.equal(listed.valid_host, 'here');
  t.match(listed.original_request, { host: 'here', list_services: '*' });
  t.same(
    listed.list_services_response?.service.map(({ name }) => name),
    [
      'etcdserverpb.Auth',
      'etcdserverpb.Cluster',
      'etcdserverpb.KV',
      'etcdserverpb.Lease',
      'etcdserverpb.Maintenance',
      'etcdserverpb.Watch',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'v3electionpb.Election',
      'v3lockpb.Lock',
    ],
  );

  const found = await ask({ file_containing_symbol: 'etcdserverpb.KV' });
  const bytes = found.file_descriptor_response?.file_descriptor_proto ?? [];
  const files = bytes.map(fileOf);
  const names = files.map(({ name }) => name);
  t.equal(names.at(-1), 'etcdserverpb.proto', 'what it needs comes before');
  t.ok(names.includes('mvccpb.proto') && names.includes('authpb.proto'));
  for (const [i, { dependency = [] }] of files.entries()) {
    t.ok(dependency.every((name: string) => names.indexOf(name) < i && names.includes(name)));
  }

  await t.test('they are those of the .proto files', async (t) => {
    const root = protobuf.Root.fromDescriptor({ file: files }, { keepCase: true });
    root.resolveAll();
    const request = root.lookupType('etcdserverpb.PutRequest');
    const encoded = request.encode({ key: Buffer.from('k'), value: Buffer.from('v') }).finish();
    await client.raw('/etcdserverpb.KV/Put', encoded);
    t.equal((await client.get('k'))?.value.toString(), 'v', 'a call by them alone');
    for (const name of ['TxnRequest', 'RangeResponse', 'WatchCreateRequest', 'StatusResponse']) {
      const [told, own] = [
        root.lookupType(`etcdserverpb.${name}`),
        messageType(`etcdserverpb.${name}`),
      ];
      const shape = (type: protobuf.Type) =>
        type.fieldsArray.map(({ name, id, repeated, resolvedType, type: scalar }) => [
          name,
          id,
          repeated,
          resolvedType?.fullName ?? scalar,
        ]);
      t.same(shape(told), shape(own.resolve() as protobuf.Type), name);
    }
  });

  await t.test('symbols of all kinds, maps, and what there is not', async (t) => {
    const symbols = [
      'etcdserverpb.KV.Range',
      'etcdserverpb.RangeRequest.SortOrder',
      'mvccpb.KeyValue',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ErrorResponse',
      'v3lockpb.Lock',
    ];
    for (const symbol of symbols) {
      const { file_descriptor_response } = await ask({ file_containing_symbol: symbol });
      t.ok((file_descriptor_response?.file_descriptor_proto.length ?? 0) > 0, symbol);
    }
    const health = await ask({ file_by_filename: 'grpc_health_v1.proto' });
    const [file = Buffer.alloc(0)] = health.file_descriptor_response?.file_descriptor_proto ?? [];
    const list = fileOf(file).messageType?.find(({ name }) => name === 'HealthListResponse');
    t.equal(list?.nestedType?.[0]?.name, 'StatusesEntry');
    t.equal(list?.field?.[0]?.typeName, '.grpc.health.v1.HealthListResponse.StatusesEntry');
    for (const request of [
      { file_containing_symbol: 'etcdserverpb.Nothing' },
      { file_by_filename: 'nothing.proto' },
      { all_extension_numbers_of_type: 'nothing' },
    ]) {
      t.match(await ask(request), { error_response: { error_code: 5 } });
    }
    t.match(await ask({ all_extension_numbers_of_type: 'mvccpb.KeyValue' }), {
      all_extension_numbers_response: { base_type_name: 'mvccpb.KeyValue' },
    });
    t.match(await ask({}), { error_response: { error_code: 3 } });
  });
  stream.end();
  t.match(await stream.ended, { code: 0 });
});
