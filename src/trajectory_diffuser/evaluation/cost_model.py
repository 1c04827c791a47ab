"""What a plan should take on this machine: a linear model of calls and operations, fitted to timings."""

import numpy as np
import pandas as pd
from scipy.optimize import nnls

FEATURES = ("transformer_calls", "denoiser_calls", "transformer_flops", "denoiser_flops")


def fit_cost_model(table: pd.DataFrame) -> dict[str, float]:
    """Seconds per plan = constant + per call + per operation, for transformer and denoiser, none negative.

    Args:
        table: timed plans, with columns FEATURES and `seconds_per_plan`; relative errors weigh the same.

    Returns:
        `constant` (seconds) and for each of FEATURES the seconds that one of it costs.
    """
    features = _features(table)  # [N, 1 + FEATURES]
    seconds = table["seconds_per_plan"].to_numpy(float)
    scale = features.max(axis=0).clip(min=1e-300)  # operations are counted in billions, calls in ones
    solution, _ = nnls(features / scale / seconds[:, None], np.ones(len(seconds)))
    return dict(zip(("constant", *FEATURES), (solution / scale).tolist(), strict=True))


def predict_seconds(model: dict[str, float], table: pd.DataFrame) -> np.ndarray:
    """Seconds per plan [N] for rows that have the columns FEATURES."""
    return _features(table) @ np.array([model[name] for name in ("constant", *FEATURES)])


def _features(table: pd.DataFrame) -> np.ndarray:
    return np.column_stack([np.ones(len(table)), table[list(FEATURES)].to_numpy(float)])
