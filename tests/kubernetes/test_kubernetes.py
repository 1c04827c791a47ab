"""The graph through profiles/kubernetes: S3's and Kubernetes' stand-ins on loopback, no cluster."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from fake_cluster import FakeCluster
from graph.graphs import snakemake_graph
from moto.server import ThreadedMotoServer
from project import ROOT, Project

for plugin in ("snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_s3"):
    pytest.importorskip(plugin, reason="the group kubernetes of pyproject.toml is not installed")

TASK = "maze-umaze-smoke"
SEED = f"results/runs/{TASK}/seed0"
PREFIX = "smoke"
PROFILE = yaml.safe_load((ROOT / "profiles/kubernetes/config.yaml").read_text())
SCALAR = 0.95  # of its cores a pod requests


class Site:
    """A bucket, and a cluster whose pods find it; `instead` is what they run instead of their jobs."""

    def __init__(self, folder: Path, project: Project, instead: list[str] | None = None) -> None:
        self.project = project
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        endpoint = "http://{}:{}".format(*self.server.get_host_and_port())
        s3 = boto3.resource(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        self.bucket = s3.create_bucket(Bucket=f"bucket-of-{folder.parent.name}".replace("_", "-").lower())
        # pip would ask a registry; an image answers it with a file
        stub = folder / "bin" / "pip"
        stub.parent.mkdir(parents=True)
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
        path = f"{stub.parent}{os.pathsep}{project.environment()['PATH']}"
        variables = {"PATH": path, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
        self.cluster = FakeCluster(folder / "pods", variables, instead)
        self.environment = project.environment() | {
            "KUBECONFIG": str(self.cluster.kubeconfig()),
            "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": endpoint,
            "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "key",
            "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "secret",
        }

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake with the profile and this bucket."""
        prefix = f"s3://{self.bucket.name}/{PREFIX}"
        profile = ["--profile", "profiles/kubernetes", "--default-storage-prefix", prefix]
        command = [
            sys.executable,
            "-m",
            "snakemake",
            *arguments,
            *profile,
            "--seconds-between-status-checks=1",
        ]
        return subprocess.run(
            command, cwd=self.project.folder, env=self.environment, capture_output=True, text=True
        )

    def stored(self) -> set[str]:
        """What the bucket has, without the prefix."""
        return {each.key.removeprefix(f"{PREFIX}/") for each in self.bucket.objects.all()}

    def pretend(self, *folders: str) -> None:
        """Put a file into the bucket for each of these outputs."""
        for folder in folders:
            self.bucket.put_object(Key=f"{PREFIX}/{folder}/manifest.json", Body=b"{}")

    def stop(self) -> None:
        self.cluster.stop()
        self.server.stop()


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The smoke preset on CPUs."""
    project = Project(tmp_path_factory.mktemp("smoke") / "copy", preset="smoke")
    project.replace("device: auto", "device: cpu")
    project.commit()
    return project


@pytest.fixture(scope="module")
def jobs(smoke: Project) -> list[dict[str, Any]]:
    """The graph's jobs."""
    return snakemake_graph(smoke)


@pytest.fixture
def project(smoke: Project, tmp_path: Path) -> Project:
    return smoke.duplicate(tmp_path / "copy")


@pytest.fixture
def site(project: Project, tmp_path: Path) -> Iterator[Site]:
    """Pods that run their jobs."""
    site = Site(tmp_path / "site", project)
    yield site
    site.stop()


@pytest.fixture
def failing(project: Project, jobs: list[dict[str, Any]], tmp_path: Path) -> Iterator[Site]:
    """Pods that fail, of a project that computes on GPUs and whose results are all there."""
    project.replace("device: cpu", "device: cuda")
    project.commit()
    site = Site(tmp_path / "site", project, instead=["false"])
    done = site.snakemake("--dry-run")  # the code is stored, before any result
    assert done.returncode == 0, done.stderr
    site.pretend(*(path for job in jobs for path in job["outputs"]))
    yield site
    site.stop()


def resources(manifest: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What a job's container requests, and what it is limited to."""
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return container["resources"]


def submit_again(site: Site, output: str, *arguments: str) -> list[dict[str, Any]]:
    """The manifests of all attempts at the job of an output, which is taken away first."""
    site.bucket.objects.filter(Prefix=f"{PREFIX}/{output}/").delete()
    done = site.snakemake(output, "--rerun-triggers", "mtime", *arguments)
    assert done.returncode != 0
    assert site.cluster.manifests, done.stderr
    return site.cluster.manifests


def test_the_whole_graph_is_built_from_the_bucket(site: Site, jobs: list[dict[str, Any]]) -> None:
    done = site.snakemake("--dry-run")
    assert done.returncode == 0, done.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    rules = [job["rule"] for job in jobs]
    assert counts.pop("total") == str(len(rules) + 1) and counts.pop("all") == "1"
    assert counts == {rule: str(rules.count(rule)) for rule in rules}
    stored = site.stored()
    assert "src/train_value.py" in stored and any(key.startswith("data/behaviour/") for key in stored)
    assert not any(key.startswith(("results", "data/raw", "profiles")) for key in stored)


def test_a_training_that_fails_is_submitted_again_with_more_memory_and_its_gpu(failing: Site) -> None:
    folder = "/workdir/results/checkpoints"
    volume = ("--kubernetes-persistent-volumes", f"checkpoints:{folder}")
    attempts = submit_again(failing, f"{SEED}/transformer", *volume)
    assert len(attempts) == 1 + PROFILE["retries"]
    for number, manifest in enumerate(attempts, 1):
        assert resources(manifest)["limits"] == {
            "cpu": "1000m",
            "memory": f"{4000 * number}M",
            "ephemeral-storage": f"{PROFILE['default-resources']['disk_mb']}M",
            "nvidia.com/gpu": "1",
        }
        asked = resources(manifest)["limits"] | {"cpu": f"{1000 * SCALAR:.0f}m"}
        assert resources(manifest)["requests"] == asked
    pod = attempts[0]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never" and attempts[0]["spec"]["backoffLimit"] == 0
    assert [each["key"] for each in pod["tolerations"]] == ["nvidia.com/gpu"]
    (container,) = pod["containers"]
    assert {"name": "checkpoints", "mountPath": folder} in container["volumeMounts"]
    assert container["image"] == PROFILE["container-image"]
    assert f"train_transformer:task={TASK},seed=0" in container["args"][1]
    names = {"ENDPOINT_URL", "REGION", "ACCESS_KEY", "SECRET_KEY"}
    assert {each["name"] for each in container["env"]} == {f"SNAKEMAKE_STORAGE_S3_{name}" for name in names}
    assert all(set(each) == {"name", "valueFrom"} for each in container["env"])  # no credential in a manifest
    assert not failing.cluster.secrets  # removed at the end


@pytest.mark.parametrize(
    ("stage", "output"),
    [
        ("measure_latency", "seed0/latency"),
        ("measure_experiment", "experiment_latency/refinement"),
        ("measure_scaling", "scaling"),
    ],
)
def test_times_are_measured_on_all_cores_of_a_node(failing: Site, stage: str, output: str) -> None:
    alone = ("--retries", "0", "--allowed-rules", stage)
    manifest = submit_again(failing, f"results/runs/{TASK}/{output}", *alone)[0]
    cores = PROFILE["set-threads"][stage]
    assert resources(manifest)["limits"]["cpu"] == f"{1000 * cores}m"
    assert resources(manifest)["requests"]["cpu"] == f"{1000 * cores * SCALAR:.0f}m"
    assert resources(manifest)["limits"]["nvidia.com/gpu"] == "1"


def test_jobs_without_a_gpu_have_none(failing: Site) -> None:
    manifest = submit_again(failing, f"data/processed/{TASK}", "--retries", "0")[0]
    assert "nvidia.com/gpu" not in resources(manifest)["limits"]


def test_a_training_in_pods_has_the_weights_of_a_local_one_and_is_not_run_twice(
    site: Site, tmp_path: Path
) -> None:
    local = site.project.duplicate(tmp_path / "local")
    done = local.run("snakemake", "--cores", "1", f"{SEED}/value")
    assert done.returncode == 0, done.stderr

    done = site.snakemake(f"{SEED}/value")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(site.cluster.manifests) == 3  # fetch_dataset, prepare_dataset, train_value
    assert not (site.project.folder / "results" / "runs").exists()
    weights = f"{SEED}/value/model.safetensors"
    stored = site.bucket.Object(f"{PREFIX}/{weights}").get()["Body"].read()
    assert stored == (local.folder / weights).read_bytes()
    assert f"results/logs/train_value/{TASK}-seed0.log" in site.stored()
    assert not [key for key in site.stored() if "workflow-sources" in key]

    done = site.snakemake(f"{SEED}/value")
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
    assert len(site.cluster.manifests) == 3


def test_storage_is_refused_where_jobs_share_files(site: Site) -> None:
    arguments = ["--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{site.bucket.name}"]
    done = subprocess.run(
        ["snakemake", "--cores", "1", *arguments],
        cwd=site.project.folder,
        env=site.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "error: --default-storage-provider is for jobs that share no files" in done.stderr
