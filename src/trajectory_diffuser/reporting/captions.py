"""What each kind of figure shows, and what a figure was made with: seeds, device, parameters, commit."""

from typing import Any

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.studies import shown_studies

EXPERIMENT = (
    "Means over seeds. The distance is between two plans for the same situation of the data, root mean "
    "square over states and dimensions, in standard deviations of the data; entropy and cells (of a grid "
    "over two principal components) are of sixteen plans for a situation."
)
GRID_FRONTIER = (
    "Small dots are points of the experiment, in few episodes each; the line joins those than which none is "
    "both faster and better, with the values of what is varied. Larger markers are the run's planners, as "
    "tuned, their times means over seeds; the dots' are the first seed's."
)
STUDY = (
    "Means over episodes (the distance from planned to reached states: over plans of each seed's first) and "
    "seeds, bars from the lowest seed to the highest; times are those of the smallest batch. Each point is a "
    "task of its own, with networks and tuning of its own."
)
FINETUNING = (
    "In each round the planner collects episodes, and a variant's networks train on with the data and these; "
    "the others stay as they are. What collects nothing trains as long as the first variant, on the data "
    "alone. Lines go through the means over seeds, bars from the lowest to the highest."
)


def captions(results: Results) -> dict[str, str]:
    """A sentence or two for every kind of figure: what its axes and legend do not say."""
    episode = f"evaluation episode 0 of seed {results.seeds[0]}"
    frontier = (
        "Up and to the left is better: the line joins those than which none is both faster and better. Bars "
        "reach from the lowest to the highest seed, times are means over seeds, at the smallest batch."
    )
    if results.rivals:
        frontier += f" Not timed: {_listed(results.rivals)}."
    return {
        "episode_scores": "Each marker is an episode; the boxes are medians and quartiles.",
        "speed_against_return": frontier,
        "speed_against_return_over_tasks": frontier,
        "performance_profiles": "Higher is better. A run is a training seed on a task, its score the mean "
        "of its episodes.",
        "scaling": "Time per plan against one thing at a time, about the task's own settings, "
        "with untrained networks of the run's sizes and the middle of the tuned values (of two the greater).",
        "plans": f"Plans of {results.subject} in {episode}, beside what was executed.",
        "films": "Planners side by side in one episode: the body (orange), and three states of the plan in "
        "force (blue). A step lasts as long as in the environment or, if longer, as its decision was timed "
        "to take: who cannot keep up is seen to be slow. In each picture are the environment's time and how "
        "far the body is from its start.",
        "planners": f"Each planner's first plan (thick) and the path that it went (thin) in {episode}.",
        "fans": "How plans come about: many at the start of one held-out episode, from what denoising begins "
        "with to what it makes of it, at temperature 1 whatever was tuned, "
        f"with the models of seed {results.seeds[0]}.",
        "ways": "What the data do in their first steps (dark), and plans of every planner at the start of "
        f"held-out episodes, with the models of seed {results.seeds[0]}.",
        "training_curves": "Validation is on held-out episodes, with the averaged weights that are used.",
        "tuning": "Mean scores over the trials of all seeds at each point of a planner's grid; what a seed "
        "chose is framed.",
        **{f"study_{name}": STUDY for name in shown_studies(results)},
        **{f"experiment_{name}": EXPERIMENT for name in results.params["run"]["experiments"]},
        **{f"frontier_{name}": GRID_FRONTIER for name in results.params["run"]["experiments"]},
        "finetuning": FINETUNING,
        "score_against_training": "The score after a part of the steps of all networks, against the minutes "
        "that those which the planner itself uses had taken by then; bars go from the lowest to the highest "
        "seed. Kept weights are averages from the middle of one training, whose learning rate falls along "
        "one cosine, and they act with what was tuned for the finished networks: a training that is over by "
        "then, with a cosine and tuning of its own, may do better.",
        "draft_errors": "How far drafts are from what held-out episodes did next, told the return that came: "
        "root mean square over drafts and dimensions, in standard deviations of the data. The spread is what "
        "the states' mean would be wrong by.",
        "data": "Darker states are visited less: positions in a maze, else principal components.",
    }


def provenance_line(results: Results, tasks: list[str], planners: list[str]) -> str:
    """Seeds, tasks, devices, commits, versions and the settings of `planners` (none: nobody's)."""
    parts = [
        f"Seeds {_listed(results.seeds)}",
        f"device {_listed(_machines(results, tasks))}",
        "; ".join(_task(results, task) for task in tasks),
    ]
    parts += [planner_settings(results, planner) for planner in planners]
    parts.append(f"commit {_listed(_commits(results, tasks))}")
    parts.append(f"evaluated with {_listed(_versions(results, tasks))}")
    return "; ".join(parts) + "."


def planner_settings(results: Results, planner: str) -> str:
    """A row as it was evaluated: where a planner starts, k denoising steps, sampler, and what differs."""
    record = results.evaluations[results.tasks[0], results.seeds[0], planner]
    if "policy_row" in record:
        row = record["policy_row"]
        told = ", told the return" if row["return_conditioned"] else ""
        return f"{planner}: cloned from {100 * row['best_fraction']:g} % of the episodes{told}"
    if "rival_row" in record:
        training = record["training"]
        took = f" in {training['seconds'] / 60:.0f} min" if "seconds" in training else ""
        return f"{planner}: d3rlpy {training['versions']['d3rlpy']}, {training['steps']:,} steps{took}"
    row = record["planner_row"]
    parts = [f"from {row['start'].replace('_', ' ')}", f"k = {row['refine_steps']}", row["sampler"]]
    parts += [f"over the last {row['last_steps']} steps"] if "last_steps" in row else []
    parts += [f"drafted every {row['redraft_every']} plans"] if row["redraft_every"] > 1 else []
    parts += [f"{row['actions_per_plan']} actions per plan"] if row["actions_per_plan"] > 1 else []
    parts += ["forward noise"] if row["forward_noise"] else []
    selected = " by softmax" if row.get("selection") == "softmax" else ""
    parts += [f"{row['candidates']} candidates{selected}"] if row["candidates"] > 1 else []
    named = ("guidance", "temperature", "target_return")
    parts += [f"{key.replace('_', ' ')} {row[key]:g}" for key in named if row[key] != "tuned"]
    return f"{planner}: {', '.join(parts)}"


def _task(results: Results, task: str) -> str:
    return f"{task}: H = {results.params['tasks'][task]['horizon']}"


def _machines(results: Results, tasks: list[str]) -> list[str]:
    """Devices with their threads, each once: where planners were evaluated and timed and models trained."""
    training = results.training[results.training["task"].isin(tasks)]
    used = [
        f"{record['device']} ({_threads(record['threads'])}{_planning(record)})"
        for record in _of_tasks(results.evaluations, tasks)
    ]
    used += [f"{row.device} ({_threads(row.threads)})" for row in training.itertuples()]
    names = [results.latency_machines[task, seed]["device_name"] for task in tasks for seed in results.seeds]
    return _once(used + names)


def _commits(results: Results, tasks: list[str]) -> list[str]:
    tuning, evaluations, kept = (
        [record["commit"] for record in _of_tasks(records, tasks)]
        for records in (results.tuning, results.evaluations, results.training_evaluations)
    )
    training = results.training.loc[results.training["task"].isin(tasks), "commit"]
    latency = [results.latency_machines[task, seed]["commit"] for task in tasks for seed in results.seeds]
    return _once(tuning + evaluations + kept + latency + training.tolist())


def _versions(results: Results, tasks: list[str]) -> list[str]:
    used = [record["versions"] for record in _of_tasks(results.evaluations, tasks)]
    return _once([f"{library} {number}" for each in used for library, number in each.items()])


def _of_tasks(records: dict[tuple[str, int, str], dict[str, Any]], tasks: list[str]) -> list[dict[str, Any]]:
    """Those of the records by (task, seed, planner) that are of these tasks."""
    return [record for (task, _, _), record in records.items() if task in tasks]


def _planning(record: dict[str, Any]) -> str:
    """What the networks ran on."""
    return f", {record['runtime']}" + ("" if record["precision"] == "float32" else f", {record['precision']}")


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"


def _once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _listed(values: list[Any]) -> str:
    return ", ".join(str(value) for value in values)
