"""A small model in training, for the tests of the loop and of its checkpoints."""

import torch
from safetensors.torch import save
from torch import nn

from trajectory_diffuser.training.checkpoint import Checkpoint
from trajectory_diffuser.training.loop import batch_seed, train

SETTINGS = {
    "steps": 23,
    "learning_rate": 0.05,
    "weight_decay": 0.01,
    "gradient_clip": 1.0,
    "ema_decay": 0.9,
    "warmup_steps": 3,
    "validate_every": 5,
    "checkpoint_every": 7,
    "keep_at": [0.125, 0.25, 0.5],
}
SEED = 11
IDENTITY = {"code": "1a", "learning_rate": 0.05, "channels": [2, 4], "torch": None}


class Killed(BaseException):
    pass


def noisy_loss(model, split):
    """Everything that training may draw: a batch, dropout (in the model) and noise."""
    x = torch.randn(8, 4) + (1.0 if split == "validation" else 0.0)
    return (model(x) - x.sum(dim=1, keepdim=True) + 0.1 * torch.randn(8, 1)).square().mean()


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))


def run(directory, *, loss=noisy_loss, identity=IDENTITY, seed=SEED, validate=True, log=None, **changed):
    saved = Checkpoint(directory, identity)
    log = (lambda row: None) if log is None else log
    return train(make_model(), loss, SETTINGS | changed, seed, saved, log, validate, "test")


def killed_at(step):
    """A loss that dies at a step, known by its seed."""

    def loss(model, split):
        if split == "train" and torch.initial_seed() == batch_seed(SEED, step):
            raise Killed
        return noisy_loss(model, split)

    return loss


def weights(result):
    return save(result.model.state_dict())


def kept(result):
    return [(each.fraction, each.step, save(each.model.state_dict())) for each in result.kept]
