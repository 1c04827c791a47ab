# Functions that the rules share.
import re
import shutil
import sys
from functools import cache, reduce
from pathlib import Path

from snakemake.settings.enums import Quietness

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from trajectory_diffuser.collecting.walking import walk
from trajectory_diffuser.common.company import dvc_at_work, stage_at_work
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import load_params, read_params
from trajectory_diffuser.common.stage_code import stage_code, stages
from trajectory_diffuser.common.storage import lead_here, store_changed
from trajectory_diffuser.common.time_left import TimeLeft


def checked_params():
    """The parameters with complete rows; ends with one line when params.yaml is not valid, before anything runs."""
    try:
        return load_params()
    except UserError as error:
        sys.exit(f"error: {error}")


def refuse_overrides():
    """End when --config or --configfile changed the parameters: the stages and DVC read params.yaml itself."""
    if config != read_params():
        sys.exit("error: --config and --configfile have no effect on the stages; edit params.yaml instead")


def code(stage):
    """The files of code that a stage runs (workflow/code.yaml)."""
    return list(map(str, stage_code(stage)))


def files(folder):
    """Every file below a folder, links to folders included; none if there is no such folder."""
    return sorted(str(path / name) for path, _, names in walk(folder) for name in names)


def settings(*keys):
    """A function of the wildcards: what params.yaml says under dotted keys, so that a change there re-runs the job."""

    def values(wildcards):
        names = [key.format(**wildcards) for key in keys]
        return {name: reduce(dict.__getitem__, name.split("."), config) for name in names}

    return values


def models(seed="{seed}"):
    """The directories of the four models of a task and a seed."""
    names = ("transformer", "diffusion", "inverse_dynamics", "value")
    return [f"results/runs/{{task}}/seed{seed}/{name}" for name in names]


def policies(seed="{seed}"):
    """The directories of the run's policies of a task and a seed."""
    return [f"results/runs/{{task}}/seed{seed}/policies/{name}" for name in config["run"]["policies"]]


def tunings(seed="{seed}"):
    """The directories in which the tuning of the run's planners is recorded, of a task and a seed."""
    return [f"results/runs/{{task}}/seed{seed}/tuning/{name}" for name in config["run"]["planners"]]


def policy_tunings(seed="{seed}"):
    """The same of the run's policies."""
    return [f"results/runs/{{task}}/seed{seed}/policy_tuning/{name}" for name in config["run"]["policies"]]


def cells(*patterns, **names):
    """The paths of the patterns for every task, seed, planner, policy and experiment of the run, or of these."""
    run = config["run"]
    every = {
        "task": run["tasks"],
        "seed": run["seeds"],
        "planner": run["planners"],
        "policy": run["policies"],
        "experiment": run["experiments"],
    }
    return expand(list(patterns), **every | names)


def kind_and_task(name):
    """What a file of the report shows, and the task that its name ends with; else it is of all tasks."""
    kind, _, task = name.rpartition("_")
    return (kind, task) if task in config["run"]["tasks"] else (name, "All tasks")


@cache
def gpu_count():
    """The GPUs that jobs on this machine may use; torch, slow to import, is asked only where there is a driver."""
    if shutil.which("nvidia-smi") is None:
        return 0
    import torch

    return torch.cuda.device_count()


def gpus_per_job():
    """What a job that computes on run.device asks for."""
    device = config["run"]["device"]
    return int(device == "cuda" or (device == "auto" and gpu_count() > 0))


def growing(amount):
    """What a job asks of a cluster in its first attempt, twice that in the second, and so on (`retries`)."""
    return lambda wildcards, attempt: amount * attempt


def on_cluster():
    """Whether this Snakemake submits jobs (--jobs is not --cores), or runs in a job that was submitted."""
    return workflow.remote_exec or workflow.global_resources["_nodes"].value is not None


def limit_gpu_jobs():
    """Start no more GPU jobs at a time than this machine's GPUs have places, unless --resources gpu=N is given.

    A cluster sees to that itself, but whether its jobs get GPUs cannot be seen from here: run.device has to say it.
    """
    if on_cluster():
        if config["run"]["device"] == "auto":
            problem = "auto looks for a GPU on this machine; for a cluster's jobs (--jobs) use cuda or cpu"
            sys.exit(f"error: params.yaml: run.device: {problem}")
    elif gpus_per_job() and "gpu" not in workflow.global_resources:
        if gpu_count() == 0:
            sys.exit("error: params.yaml: run.device: cuda, but there is no GPU here; use auto or cpu")
        workflow.register_resource("gpu", gpu_count() * PARAMS["run"]["jobs_per_gpu"])


def meet_storage():
    """With a default storage (--default-storage-provider), let it and the stages find each other's files.

    Snakemake looks there for inputs that nothing makes, too, so they are stored from here. A job has its copies of stored
    files in a folder of Snakemake's, which is made to be the folder that the stages work in.
    """
    provider = workflow.storage_registry.default_storage_provider
    if provider is None:
        return
    # Where a folder is shared Snakemake would remove its copies in it: the files themselves.
    if not on_cluster() or (workflow.remote_exec and workflow.storage_settings.shared_fs_usage):
        sys.exit(
            "error: --default-storage-provider is for jobs that share no files, as those of profiles/kubernetes"
        )
    # snakemake-storage-plugin-s3 0.3.6 keeps in mind that a folder was not there, and so never sees a job's output.
    provider.get_storage_object_cls().is_dir = lambda stored: any(stored.get_subkeys())
    folder = provider.object(f"{workflow.storage_settings.default_storage_prefix.rstrip('/')}/results")
    if workflow.remote_exec:
        lead_here(folder.local_path().parent, ROOT)
    else:
        inputs = [file for stage in stages() for file in code(stage)] + files("data/behaviour")
        inputs += [file for task in config["run"]["tasks"] for file in files(f"data/external/{task}")]
        store_changed(folder.s3bucket(), folder.key.removesuffix("results"), ROOT, inputs)


def whole_machine(threads):
    """All cores of the scheduler (1 where none are given, as in --report): nothing else runs beside such a job.

    A cluster's job is alone on its node by other means, and asks for the threads that it has.
    """
    return threads if on_cluster() else workflow.global_resources["_cores"].value or 1


def refuse_company():
    """End when a stage or DVC is at work here: none of this Snakemake's, which has the folder's lock and just begun."""
    if company := stage_at_work(ROOT) or dvc_at_work(ROOT):
        sys.exit(f"error: {company}")


def lift_rate_limit():
    """Start jobs at any rate, unless --max-jobs-per-timespan asks for another than Snakemake's own, 100 a second.

    The limit leaves a timer behind each job that has ended, and each of these has the scheduler look at all ready jobs
    once a timespan, to the end (Snakemake 9.27: a fifth of a core after a hundred jobs).
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def tell_time_left():
    """Say with Snakemake's progress how long it will still take, unless it is to be quiet."""
    if (workflow.output_settings.quiet or set()) & {Quietness.PROGRESS, Quietness.ALL}:
        return
    ahead = [job for job in workflow.dag.needrun_jobs() if not job.is_norun]
    waiting = {workflow.dag.jobid(job): (job.rule.name, job.wildcards_dict) for job in ahead}
    logger.addHandler(TimeLeft(waiting, logger.info))


def last_words(snakemake_logs):
    """The last line of each failed job's log, which names what is wrong; in the output above it may be buried."""
    text = "".join(Path(log).read_text() for log in snakemake_logs)
    logs = map(Path, dict.fromkeys(re.findall(r"log: (\S+) \(check log", text)))
    return [log.read_text().splitlines()[-1] for log in logs if log.exists() and log.stat().st_size]
