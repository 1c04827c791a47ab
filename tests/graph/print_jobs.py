"""Print Snakemake's graph of the project in the current folder, as JSON."""

import contextlib
import io
import json
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, OutputSettings, Quietness, ResourceSettings

with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    workflow = api.workflow(ResourceSettings(cores=1), snakefile=Path("Snakefile"))
    with contextlib.redirect_stdout(io.StringIO()):
        workflow.dag(DAGSettings()).printrulegraph()  # builds the graph
    dag = workflow._workflow.dag
    needed = set(dag.needrun_jobs())
    jobs = [
        {
            "rule": job.rule.name,
            "wildcards": dict(job.wildcards_dict),
            "command": job.shellcmd,
            "log": list(map(str, job.log)),
            "inputs": list(map(str, job.input)),
            "outputs": list(map(str, job.output)),
            "settings": job.params[0] if job.params else {},
            "needed": job in needed,
        }
        for job in dag.jobs
    ]
print(json.dumps(jobs))
