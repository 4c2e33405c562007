"""Asks a real `unitscope-server` for rankings over gRPC, with nothing but the proto files. Knows nothing of PyTorch.

Needs grpcio and grpcio-tools: `python scripts/test_clients.py`, which the Makefile's targets run, puts them into `.test-clients/python`.
"""

import argparse
import csv
import functools
import io
import json
import os
import pathlib
import sys
import tempfile
import time

import numpy
import server

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENT = ROOT / ".test-clients/python"
# Of one call of WaitJob, and of all other calls.
WAIT_S, CALL_S = 3600, 600
# Units of one request: the server's limit.
UNITS = 256


def common(description):
    """What every script takes that asks for rankings."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=pathlib.Path, default=ROOT / "target/release")
    parser.add_argument("--plugins", type=pathlib.Path, default=ROOT / "target/plugins", help="for cards, which hold optimized pictures")
    parser.add_argument("--threads", type=int, help="of the server, and of PyTorch [default: all cores]")
    return parser


class Api:
    """The generated messages and stubs."""

    def __init__(self):
        # Behind what is installed: only what is missing comes from there.
        sys.path.append(str(CLIENT))
        try:
            import grpc
            from grpc_tools import protoc
        except ImportError as error:
            sys.exit(f"error: {error}; run `{sys.executable} scripts/test_clients.py` first")
        proto = ROOT / "proto"
        files = [str(path.relative_to(proto)) for path in sorted(proto.rglob("*.proto"))]
        includes = [f"-I{proto}", f"-I{pathlib.Path(protoc.__file__).parent / '_proto'}"]
        self.grpc = grpc
        with tempfile.TemporaryDirectory() as stubs:
            if protoc.main(["protoc", *includes, f"--python_out={stubs}", f"--grpc_python_out={stubs}", *files]) != 0:
                sys.exit("error: protoc failed; its message is above")
            sys.path.insert(0, stubs)
            from unitscope.v1 import artifact_pb2, artifact_pb2_grpc, card_pb2, card_service_pb2, card_service_pb2_grpc
            from unitscope.v1 import dataset_pb2, dataset_pb2_grpc, job_pb2, job_pb2_grpc, model_pb2, model_pb2_grpc
            from unitscope.v1 import rank_pb2, visualization_pb2, visualization_pb2_grpc

            sys.path.remove(stubs)
        self.artifact, self.artifacts = artifact_pb2, artifact_pb2_grpc.ArtifactServiceStub
        self.card, self.card_service, self.cards = card_pb2, card_service_pb2, card_service_pb2_grpc.CardServiceStub
        self.dataset, self.datasets = dataset_pb2, dataset_pb2_grpc.DatasetServiceStub
        self.job, self.jobs = job_pb2, job_pb2_grpc.JobServiceStub
        self.model, self.models = model_pb2, model_pb2_grpc.ModelServiceStub
        self.rank, self.visualization = rank_pb2, visualization_pb2
        self.visualizations = visualization_pb2_grpc.VisualizationServiceStub


@functools.cache
def api():
    return Api()


class Ranker:
    """A server with an index folder and datasets, and a client of it; a context manager.

    `datasets`: by name a folder or file, or a dictionary of what the settings file may say about one."""

    def __init__(self, options, models, index, datasets, log, threads=None):
        self.log, self.settings = log, tempfile.TemporaryDirectory()
        settings = pathlib.Path(self.settings.name) / "settings.toml"
        settings.write_text("[datasets]\n" + "".join(f"{toml(name)} = {toml(of)}\n" for name, of in datasets.items()))
        self.command = [options.binaries / "unitscope-server", "--models", models, "--index", index, "--config", settings]
        self.command += ["--listen", "127.0.0.1:0"]
        self.command += ["--plugins", options.plugins] if options.plugins.is_dir() else []
        threads = threads or options.threads
        self.command += ["--threads", str(threads)] if threads else []
        self.server = self.channel = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.server, address = server.start(self.command, self.log)
        self.channel = api().grpc.insecure_channel(address)
        self.artifacts, self.datasets, self.jobs = (of(self.channel) for of in (api().artifacts, api().datasets, api().jobs))
        self.models, self.visualizations = api().models(self.channel), api().visualizations(self.channel)
        self.cards = api().cards(self.channel)

    def stop(self):
        if self.server is not None:
            self.channel.close()
            server.stop(self.server)
            self.server = None

    def kill(self):
        """As a power cut would: nothing is finished, nothing is flushed."""
        self.server.kill()
        self.server.wait()
        self.channel.close()
        self.server = None

    def memory_bytes(self, part):
        """Of the server: `VmHWM`, the most that was resident so far, or another field of proc(5)."""
        for line in pathlib.Path(f"/proc/{self.server.pid}/status").read_text().splitlines():
            if line.startswith(f"{part}:"):
                return int(line.split()[1]) * 1024
        sys.exit("error: this system does not say how much memory the server used")

    def core_seconds(self):
        """That the server's threads have run for, so far."""
        # Behind the command in brackets, which may hold spaces: the 14th and 15th field of proc(5).
        fields = pathlib.Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def layers(self, model):
        """Of a model, which is loaded then: the listed layers that have channels."""
        found = self.models.GetModel(api().model.GetModelRequest(name=model), timeout=CALL_S)
        return [layer for layer in found.layers if "channel" in layer.axes]

    def spec(self, model, dataset, units, reducer="max", **others):
        """`units`: (layer, channel), or (layer, channel, (row, column)). Neither images nor bands, if nothing else is said."""
        spec = api().rank.RankSpec(model=model, dataset=dataset, reducer=f"REDUCER_{reducer.upper()}", **{"top_k": 0} | others)
        for layer, channel, *position in units:
            unit = spec.units.add(layer=layer, channel=channel)
            if position:
                unit.position.row, unit.position.column = position[0]
        return spec

    def submit(self, *arguments, **others):
        """The job, which may have ended."""
        request = api().visualization.RankRequest(spec=self.spec(*arguments, **others))
        return self.visualizations.Rank(request, timeout=CALL_S)

    def rank(self, *arguments, **others):
        """The job, once it has ended well."""
        return self.ended(self.submit(*arguments, **others))

    def ended(self, job):
        state = api().job.Job
        if job.state in (state.STATE_QUEUED, state.STATE_RUNNING, state.STATE_CANCELLING):
            request = api().job.WaitJobRequest(name=job.name)
            request.timeout.FromSeconds(WAIT_S)
            job = self.jobs.WaitJob(request, timeout=WAIT_S + CALL_S)
        if job.state != state.STATE_SUCCEEDED:
            sys.exit(f"error: the job ended as {state.State.Name(job.state)}: {job.error.message}")
        return job

    def forget(self, job):
        """With its files, so that a run of many requests does not fill the server's memory."""
        self.jobs.DeleteJob(api().job.DeleteJobRequest(name=job.name), timeout=CALL_S)

    def read(self, artifact):
        """An artifact's bytes."""
        if artifact.inline_data:
            return artifact.inline_data
        request = api().artifact.ReadArtifactRequest(name=artifact.name)
        return b"".join(chunk.data for chunk in self.artifacts.ReadArtifact(request, timeout=CALL_S))

    def scores(self, job):
        """Of a job with `return_scores`: units × images, and the images, a dictionary with `id`, `path` and `class` each."""
        result = job.rank_result
        scores = numpy.load(io.BytesIO(self.read(result.scores)))
        return scores, list(csv.DictReader(io.StringIO(self.read(result.images_csv).decode())))

    def ranking(self, job):
        """What the job's JSON file says, which never lacks a hit."""
        return json.loads(self.read(job.rank_result.json))

    def all_scores(self, model, dataset, layer, reducer="max", **others):
        """Of every channel of a layer (as `layers` has it), in as many requests as it takes: as `scores`."""
        parts, images = [], None
        for first in range(0, layer.units, UNITS):
            units = [(layer.path, channel) for channel in range(first, min(first + UNITS, layer.units))]
            job = self.rank(model, dataset, units, reducer, return_scores=True, **others)
            part, listed = self.scores(job)
            if images is not None and images != listed:
                sys.exit("error: two answers list other images")
            parts, images = [*parts, part], listed
            self.forget(job)
        return numpy.concatenate(parts), images

    def tables(self):
        """Of the index."""
        return list(self.datasets.ListIndexes(api().dataset.ListIndexesRequest(), timeout=CALL_S).indexes)

    def delete(self, table):
        self.datasets.DeleteIndex(api().dataset.DeleteIndexRequest(id=table.id), timeout=CALL_S)


def toml(value):
    """Strings, booleans and dictionaries of them."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(of)}" for key, of in value.items()) + " }"
    return json.dumps(value if isinstance(value, bool) else str(value))


def seconds_of(call):
    """What a call returns, and how long it took."""
    begin = time.perf_counter()
    found = call()
    return found, time.perf_counter() - begin
