import pytest
import torch
from small_models import as_module

from train_inverse_dynamics import inverse_dynamics_loss
from train_policy import cloning_loss
from train_transformer import transformer_loss
from train_value import value_loss


def test_the_transformers_loss_is_over_known_successors_of_what_it_has_read():
    generator = torch.Generator().manual_seed(0)
    states, returns = torch.randn(2, 5, 3, generator=generator), torch.randn(2, 5, generator=generator)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    read = {}

    def predict(tokens):
        read["states"], read["returns"] = tokens[..., :-1], tokens[..., -1]
        return torch.cat([2 * tokens[..., :-1], tokens[..., -1:] + 1], dim=-1)

    loss = transformer_loss(as_module(predict).eval(), states, returns, mask, state_noise=1.0)
    assert torch.equal(read["states"], states[:, :-1])
    assert torch.equal(read["returns"], returns[:, :-1])
    terms = []
    for row in range(2):
        for time in range(4):
            if mask[row, time + 1]:
                error = sum((2 * states[row, time, i] - states[row, time + 1, i]) ** 2 for i in range(3)) / 3
                terms.append(float(error + (returns[row, time] + 1 - returns[row, time + 1]) ** 2))
    assert len(terms) == 4 + 2
    assert float(loss) == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_the_transformer_reads_noisy_states_in_training_only_and_is_held_to_the_true_ones():
    states, returns = torch.zeros(400, 6, 2), torch.zeros(400, 6)
    read = {}

    def predict(tokens):
        read["states"] = tokens[..., :-1]
        return torch.zeros_like(tokens)

    model = as_module(predict)
    mask = torch.ones(400, 6, dtype=torch.bool)
    torch.manual_seed(0)
    assert transformer_loss(model.train(), states, returns, mask, state_noise=0.5) == 0
    deviation = read["states"].std(dim=(0, 1))
    torch.testing.assert_close(deviation, torch.tensor([0.5, 0.5]), rtol=0.05, atol=0.0)
    transformer_loss(model.eval(), states, returns, mask, state_noise=0.5)
    assert torch.equal(read["states"], states[:, :-1])


def test_what_lies_past_an_episodes_end_does_not_matter():
    states, returns = torch.randn(1, 4, 3), torch.randn(1, 4)
    mask = torch.tensor([[True, True, False, False]])
    model = as_module(lambda tokens: tokens).eval()
    before = transformer_loss(model, states, returns, mask, state_noise=0.0)
    states[:, 2:], returns[:, 2:] = 100.0, 100.0
    assert torch.equal(transformer_loss(model, states, returns, mask, state_noise=0.0), before)


def test_inverse_dynamics_value_and_cloning_losses_are_mean_squared_errors():
    state, next_state, action = torch.randn(3, 4, 2).unbind()
    returns = torch.randn(4)
    inverse = as_module(lambda state, next_state: next_state - state)
    expected = ((next_state - state - action) ** 2).mean()
    torch.testing.assert_close(inverse_dynamics_loss(inverse, state, next_state, action, returns), expected)
    value = as_module(lambda state, action: (state * action).sum(-1))
    expected = (((state * action).sum(-1) - returns) ** 2).mean()
    torch.testing.assert_close(value_loss(value, state, next_state, action, returns), expected)
    policy = as_module(lambda tokens: tokens[..., :2] * tokens[..., 2:])  # the state, times the return-to-go
    expected = ((state * returns[:, None] - action) ** 2).mean()
    torch.testing.assert_close(cloning_loss(policy, state, next_state, action, returns), expected)
