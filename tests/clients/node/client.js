// A client that knows nothing but the server's address: asks the server for its own proto by reflection, makes a picture, follows
// the job early, late, twice and after its end.
//
//     node client.js HOST:PORT
//
// Prints one JSON object: the finished job, and for each stream its events. Needs @grpc/grpc-js and @grpc/proto-loader.
'use strict';

const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

// Enough that the job still runs when the late streams attach.
const STEPS = 400;
const LATE_STEP = 50;
const DEADLINE_MS = 120_000;
const OPTIONS = { longs: Number, enums: String, defaults: true, oneofs: true };

async function main(address) {
  const credentials = grpc.credentials.createInsecure();
  const { v1 } = (await reflect(address, credentials)).unitscope;
  const service = new v1.VisualizationService(address, credentials);
  const jobs = new v1.JobService(address, credentials);
  // Loaded from descriptors, a map is a list of entries, and names are those of the proto.
  const params = { fields: [{ key: 'layer', value: { string_value: 'conv1' } }, { key: 'channel', value: { number_value: 1 } }] };
  const spec = { model: 'twice', steps: STEPS, seed: 1, terms: [{ id: 'channel', params }] };
  const { name } = await call(service, 'Optimize', { spec });

  const early = follow(service, name);
  await untilLate(service, name);
  const streams = {};
  [streams.early, streams.late, streams.twice] = await Promise.all([early, follow(service, name), follow(service, name)]);
  streams.after = await follow(service, name);
  streams.resumed = await follow(service, name, LATE_STEP);

  const job = await call(jobs, 'GetJob', { name });
  const image = job.optimize_result.images[0];
  console.log(JSON.stringify({
    state: job.state,
    steps: job.steps_done,
    score: image.score,
    startScore: image.start_score,
    png: image.png.inline_data.toString('base64'),
    streams,
  }));
  service.close();
  jobs.close();
}

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    client[method](request, { deadline: Date.now() + DEADLINE_MS }, done);
  });
}

function open(service, name, afterSequence) {
  return service.StreamProgress({ name, after_sequence: afterSequence }, { deadline: Date.now() + DEADLINE_MS });
}

// Each event as [sequence, kind, step].
function follow(service, name, afterSequence = 0) {
  return new Promise((resolve, reject) => {
    const events = [];
    const stream = open(service, name, afterSequence);
    stream.on('data', (message) => {
      events.push([message.sequence, message.event, message.event === 'step' ? message.step.step : 0]);
    });
    stream.on('error', reject);
    stream.on('end', () => resolve(events));
  });
}

// Reads far enough into the job, and hangs up.
function untilLate(service, name) {
  return new Promise((resolve, reject) => {
    const stream = open(service, name, 0);
    stream.on('data', (message) => {
      if (message.event === 'step' && message.step.step >= LATE_STEP) {
        stream.cancel();
        resolve();
      }
    });
    // After the cancellation this changes nothing.
    stream.on('error', reject);
    stream.on('end', () => reject(new Error(`the job ended before step ${LATE_STEP}`)));
  });
}

// grpc/reflection/v1/reflection.proto, as far as it is needed.
const REFLECTION = {
  nested: { grpc: { nested: { reflection: { nested: { v1: { nested: {
    ServerReflection: { methods: { ServerReflectionInfo: {
      requestType: 'ServerReflectionRequest', requestStream: true,
      responseType: 'ServerReflectionResponse', responseStream: true,
    } } },
    ServerReflectionRequest: { oneofs: { messageRequest: { oneof: ['fileByFilename', 'fileContainingSymbol', 'listServices'] } }, fields: {
      fileByFilename: { type: 'string', id: 3 },
      fileContainingSymbol: { type: 'string', id: 4 },
      listServices: { type: 'string', id: 7 },
    } },
    ServerReflectionResponse: { oneofs: { messageResponse: { oneof: ['fileDescriptorResponse', 'listServicesResponse', 'errorResponse'] } }, fields: {
      fileDescriptorResponse: { type: 'FileDescriptorResponse', id: 4 },
      listServicesResponse: { type: 'ListServiceResponse', id: 6 },
      errorResponse: { type: 'ErrorResponse', id: 7 },
    } },
    FileDescriptorResponse: { fields: { fileDescriptorProto: { rule: 'repeated', type: 'bytes', id: 1 } } },
    ListServiceResponse: { fields: { service: { rule: 'repeated', type: 'ServiceResponse', id: 1 } } },
    ServiceResponse: { fields: { name: { type: 'string', id: 1 } } },
    ErrorResponse: { fields: { errorCode: { type: 'int32', id: 1 }, errorMessage: { type: 'string', id: 2 } } },
  } } } } } } },
};

// Fetches the files of all services of `unitscope`, and what they import.
async function reflect(address, credentials) {
  const { reflection } = grpc.loadPackageDefinition(loader.fromJSON(REFLECTION, OPTIONS)).grpc;
  const client = new reflection.v1.ServerReflection(address, credentials);
  const ask = (request) => new Promise((resolve, reject) => {
    const stream = client.ServerReflectionInfo({ deadline: Date.now() + DEADLINE_MS });
    stream.on('data', (answer) => (answer.errorResponse ? reject(new Error(answer.errorResponse.errorMessage)) : resolve(answer)));
    stream.on('error', reject);
    stream.end(request);
  });
  const files = new Map();
  const add = async (request) => {
    for (const bytes of (await ask(request)).fileDescriptorResponse.fileDescriptorProto) {
      const { name, dependency } = FileDescriptorProto.decode(bytes);
      if (files.has(name)) continue;
      files.set(name, bytes);
      for (const fileByFilename of dependency) {
        if (!files.has(fileByFilename)) await add({ fileByFilename });
      }
    }
  };
  const { service } = (await ask({ listServices: '' })).listServicesResponse;
  for (const { name } of service.filter(({ name }) => name.startsWith('unitscope.'))) {
    await add({ fileContainingSymbol: name });
  }
  client.close();
  const set = FileDescriptorSet.encode({ file: [...files.values()] }).finish();
  return grpc.loadPackageDefinition(loader.loadFileDescriptorSetFromBuffer(Buffer.from(set), OPTIONS));
}

// google/protobuf/descriptor.proto, as far as it is needed; a file's own bytes pass through untouched.
const protobuf = require('protobufjs');
const FileDescriptorProto = new protobuf.Type('FileDescriptorProto')
  .add(new protobuf.Field('name', 1, 'string'))
  .add(new protobuf.Field('dependency', 3, 'string', 'repeated'));
const FileDescriptorSet = new protobuf.Type('FileDescriptorSet').add(new protobuf.Field('file', 1, 'bytes', 'repeated'));
new protobuf.Root().add(FileDescriptorProto).add(FileDescriptorSet);

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
