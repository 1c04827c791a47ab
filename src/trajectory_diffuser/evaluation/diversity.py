"""How many different things plans for the same situation would do, and where they lead."""

from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.situations import by_situation
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.trajectory_planner import Plan

ACTION_BINS = 16  # between the lowest and the highest action, of each dimension
CELLS = 40  # between the data's lowest and highest value, along each of two principal components
SHOWN_STATES = 20_000  # of the data, evenly


def action_entropy(plan: Plan, models: PlanningModels) -> float:
    """Shannon entropy of the first actions [bits], a mean over situations and dimensions.

    Each dimension's actions fall into `ACTION_BINS` equal bins: 0 if all are in one, at most the logarithm of
    how many plans there are. Of plans of `plans_in_situations`.
    """
    low, high = models.action_bounds
    actions = by_situation(plan.action).cpu().numpy()  # [situations, plans each, action]
    bins = np.clip((actions - low) / (high - low) * ACTION_BINS, 0, ACTION_BINS - 1).astype(int)
    counts = (bins[..., None] == np.arange(ACTION_BINS)).sum(axis=1)  # [situations, action, bins]
    shares = counts / counts.sum(axis=-1, keepdims=True)
    return abs(float(entr(shares).sum(axis=-1).mean() / np.log(2)))  # 0, not -0


@dataclass(frozen=True)
class Plane:
    """A grid over the data's two first principal components, of normalised states as plans are.

    Attributes:
        centre: the data's mean [state].
        axes: the components' directions [state, 2].
        low: lowest value along each [2].
        width: from there to the highest [2].
    """

    centre: np.ndarray
    axes: np.ndarray
    low: np.ndarray
    width: np.ndarray

    @classmethod
    def of(cls, dataset: PreparedDataset) -> "Plane":
        """The one of these data."""
        rows = np.linspace(0, len(dataset.observations) - 1, SHOWN_STATES).astype(int)
        states = np.asarray(dataset.observations[np.unique(rows)], dtype=np.float32)
        states = dataset.normaliser.normalise(states)
        centre = states.mean(axis=0)
        _, _, directions = np.linalg.svd(states - centre, full_matrices=False)
        along = (states - centre) @ directions[:2].T
        width = np.ptp(along, axis=0)
        width[width == 0] = 1.0
        return cls(centre, directions[:2].T, along.min(axis=0), width)


def state_coverage(plan: Plan, plane: Plane) -> float:
    """Cells of the state space that the plans for a situation reach, a mean over situations.

    Of plans of `plans_in_situations`.
    """
    states = by_situation(plan.states[:, 1:]).cpu().numpy()  # [situations, plans each, H - 1, state]
    cells = np.floor(((states - plane.centre) @ plane.axes - plane.low) / plane.width * CELLS).astype(int)
    return float(np.mean([len(np.unique(own.reshape(-1, 2), axis=0)) for own in cells]))
