"""What came of online fine-tuning: scores against the steps that were collected, and which network limits."""

from itertools import cycle

import pandas as pd
from matplotlib.figure import Figure

from trajectory_diffuser.finetuning.variants import CONTROL
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.style import CONTROLS, REST, SUBJECT, looks, panels, seeds_line
from trajectory_diffuser.reporting.tables import NOTHING, Table, number

QUESTION = "Does a planner gain by training on with what it collects, and which network limits it?"
CELL = ["planner", "variant", "trained", "round", "seed"]


def finetuning_table(results: Results, task: str) -> pd.DataFrame:
    """A row per planner, variant, round and seed: CELL, environment_steps, score (mean over episodes)."""
    rows = results.finetuning[results.finetuning["task"] == task]
    rows = rows.assign(trained=rows["trained"].astype(object).fillna(""))  # nothing, in a CSV
    measured = {"environment_steps": ("environment_steps", "first"), "score": ("normalised_score", "mean")}
    return rows.groupby(CELL, sort=False).agg(**measured).reset_index()


def finetuning_figure(results: Results, task: str) -> Figure:
    """A panel per planner: environment steps against score, a line per variant.

    The control, which collects nothing, stands where the variant does that trains the same.
    """
    settings, table = results.params["finetune"], finetuning_table(results, task)
    names = [*settings["variants"], CONTROL]
    variants = looks(dict(zip(names, cycle((SUBJECT, *CONTROLS, REST)), strict=False)))
    figure, axes = panels(len(settings["planners"]), columns=2, width=4.2, height=3.2)
    for axis, planner in zip(axes, settings["planners"], strict=True):
        own = table[table["planner"] == planner]
        for variant in own["variant"].unique():
            scores = own[own["variant"] == variant].groupby("round")["score"]
            steps = (
                own[own["variant"] == _placed_as(own, variant)].groupby("round")["environment_steps"].mean()
            )
            seeds_line(axis, variant, variants[variant], steps, scores)
        axis.set(title=planner, xlabel="environment steps collected", ylabel="normalised score")
        axis.legend(fontsize="small")
    return figure


def round_table(results: Results, task: str) -> Table:
    """A row for each planner and variant: what trains, steps collected in the end, score after each round."""
    table = finetuning_table(results, task)
    rounds = sorted(table["round"].unique())
    rows = []
    for (planner, variant, trained), own in table.groupby(CELL[:3], sort=False):
        scores = own.groupby("round")["score"].mean()
        steps = own.loc[own["round"] == rounds[-1], "environment_steps"].mean()
        names = ", ".join(trained.split()) or NOTHING
        rows.append([planner, variant, names, f"{steps:,.0f}", *(number(scores[each], 1) for each in rounds)])
    after = ["score before", *(f"after round {each}" for each in rounds[1:])]
    return Table(["planner", "variant", "networks in training", "steps collected", *after], rows, names=3)


def finetuning_answer(results: Results, task: str) -> str:
    """For each planner the variant that gains most, and the network that limits it if one stands out.

    Beside it what the control gains, which trains on as long with nothing collected.
    """
    table, margin = finetuning_table(results, task), results.params["make_report"]["equivalence_margin"]
    sentences = []
    for planner in results.params["finetune"]["planners"]:
        own = table[table["planner"] == planner]
        means = own.groupby(["round", "variant", "trained"], sort=False)["score"].mean()
        last = own["round"].max()
        gains = (means.loc[last] - means.loc[0]).reset_index("trained", name="gain")
        gains["steps"] = own[own["round"] == last].groupby("variant")["environment_steps"].mean()
        control, gains = gains[gains.index == CONTROL], gains[gains.index != CONTROL]
        each = ", ".join(f"{row.Index} {row.gain:+.1f} ({row.steps:,.0f})" for row in gains.itertuples())
        before = f"{planner} scores {means.iloc[0]:.1f} before, and after so many collected steps {each}"
        if gains["gain"].max() <= margin:
            sentences.append(f"{before}: no variant gains more than the margin, {margin:g}.")
        else:
            by_networks = dict(zip(gains["trained"], gains["gain"], strict=True))
            limit = _limiting(by_networks, control["gain"].max(), margin)
            sentences.append(f"{before}: {gains['gain'].idxmax()} gains most. {limit}".rstrip())
        if len(control):
            alike, for_nothing = _placed_as(own, CONTROL), control["gain"].item()
            adds = gains["gain"][alike] - for_nothing
            within = "" if abs(adds) > margin else ", within the margin"
            sentences.append(
                f"Trained as long with nothing collected {alike} gains {for_nothing:+.1f}, so that what is "
                f"collected adds {adds:+.1f} to it{within}."
            )
    return " ".join(sentences)


def _placed_as(own: pd.DataFrame, variant: str) -> str:
    """A variant of a planner's table itself; of the control the first one that trains what it trains."""
    if variant != CONTROL:
        return variant
    (trained,) = own.loc[own["variant"] == CONTROL, "trained"].unique()
    return own.loc[own["trained"] == trained, "variant"].iloc[0]


def _limiting(gains: dict[str, float], for_nothing: float, margin: float) -> str:
    """Which network gains most when it alone is trained, and costs most when it alone is not.

    It limits if it does so by more than the margin, and gains so much more than `for_nothing`: what training
    as long with nothing collected gains. `gains` are by the trained networks, separated by spaces.
    """
    alone = {trained: gain for trained, gain in gains.items() if len(trained.split()) == 1}
    all_of_them = max(gains, key=lambda trained: len(trained.split()))
    networks, costs = all_of_them.split(), {}
    for name in networks if len(networks) > 2 else []:  # of two, what the one costs is what the other gains
        rest = " ".join(each for each in networks if each != name)
        if rest in gains:
            costs[name] = gains[all_of_them] - gains[rest]
    sentences = []
    for found, what in ((alone, "Trained alone {} gains most"), (costs, "Left as it was {} costs most")):
        if len(found) > 1:
            first, second = sorted(found, key=found.get, reverse=True)[:2]
            end = "it limits"
            if found[first] <= margin:
                end = "within the margin"
            elif found[first] <= found[second] + margin:
                end = f"not clearly more than {second}, {found[second]:+.1f}"
            elif found is alone and found[first] <= for_nothing + margin:
                end = f"not clearly more than with nothing collected, {for_nothing:+.1f}"
            sentences.append(f"{what.format(first)}, {found[first]:+.1f}: {end}.")
    return " ".join(sentences)
