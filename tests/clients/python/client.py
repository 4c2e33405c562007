"""A client that knows nothing but the proto files: makes a picture, follows the job early, late, twice and after its end.

    python client.py HOST:PORT PROTO_FOLDER

Prints one JSON object: the finished job, and for each stream its events. Needs grpcio and grpcio-tools.
"""

import base64
import json
import sys
import tempfile
import threading
from pathlib import Path

import grpc
from grpc_tools import protoc

# Enough that the job still runs when the late streams attach.
STEPS = 400
LATE_STEP = 50
DEADLINE_S = 120


def main(address, proto):
    with tempfile.TemporaryDirectory() as stubs:
        generate(Path(proto), stubs)
        sys.path.insert(0, stubs)
        from unitscope.v1 import job_pb2_grpc, optimize_pb2, visualization_pb2, visualization_pb2_grpc

        with grpc.insecure_channel(address) as channel:
            service = visualization_pb2_grpc.VisualizationServiceStub(channel)
            jobs = job_pb2_grpc.JobServiceStub(channel)
            spec = optimize_pb2.OptimizeSpec(model="twice", steps=STEPS, seed=1)
            spec.terms.add(id="channel").params.update({"layer": "conv1", "channel": 1})
            job = service.Optimize(visualization_pb2.OptimizeRequest(spec=spec), timeout=DEADLINE_S)
            Client(service, jobs, visualization_pb2, job.name).run()


def generate(proto, out):
    files = [str(path.relative_to(proto)) for path in sorted(proto.rglob("*.proto"))]
    includes = [f"-I{proto}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
    if protoc.main(["protoc", *includes, f"--python_out={out}", f"--grpc_python_out={out}", *files]) != 0:
        sys.exit("protoc failed; its message is above")


class Client:
    def __init__(self, service, jobs, messages, name):
        self.service, self.jobs, self.messages, self.name = service, jobs, messages, name

    def run(self):
        streams = {}
        early = threading.Thread(target=lambda: streams.update(early=self.follow()))
        early.start()
        self.until_late()
        twice = threading.Thread(target=lambda: streams.update(twice=self.follow()))
        twice.start()
        streams["late"] = self.follow()
        early.join()
        twice.join()
        streams["after"] = self.follow()
        streams["resumed"] = self.follow(after_sequence=LATE_STEP)
        from unitscope.v1 import job_pb2

        job = self.jobs.GetJob(job_pb2.GetJobRequest(name=self.name), timeout=DEADLINE_S)
        image = job.optimize_result.images[0]
        print(
            json.dumps(
                {
                    "state": job_pb2.Job.State.Name(job.state),
                    "steps": job.steps_done,
                    "score": image.score,
                    "startScore": image.start_score,
                    "png": base64.b64encode(image.png.inline_data).decode(),
                    "streams": streams,
                }
            )
        )

    def open(self, after_sequence=0):
        request = self.messages.StreamProgressRequest(name=self.name, after_sequence=after_sequence)
        return self.service.StreamProgress(request, timeout=DEADLINE_S)

    def follow(self, after_sequence=0):
        """Each event as [sequence, kind, step]."""
        events = []
        for message in self.open(after_sequence):
            kind = message.WhichOneof("event")
            events.append([message.sequence, kind, message.step.step if kind == "step" else 0])
        return events

    def until_late(self):
        """Reads far enough into the job, and hangs up."""
        stream = self.open()
        for message in stream:
            if message.step.step >= LATE_STEP:
                break
        stream.cancel()


if __name__ == "__main__":
    main(*sys.argv[1:])
