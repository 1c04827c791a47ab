import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectory_diffuser.models.causal_transformer import CausalTransformer

STATE, CONTEXT = 3, 12


@pytest.fixture(scope="module")
def transformer():
    torch.manual_seed(0)
    return (
        CausalTransformer(STATE, CONTEXT, width=16, layers=2, heads=2, dropout=0.1)
        .eval()
        .requires_grad_(False)
    )


def tokens(length, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, length, STATE, generator=generator), torch.randn(
        batch, length, generator=generator
    )


@pytest.mark.parametrize("changed", range(1, 8))
@pytest.mark.parametrize("what", ["states", "returns"])
def test_changing_a_token_changes_nothing_before_it_and_everything_from_it_on(transformer, changed, what):
    states, returns = tokens(8)
    before_states, before_returns = transformer(states, returns)
    (states if what == "states" else returns)[:, changed] += 1.0
    after_states, after_returns = transformer(states, returns)
    assert torch.equal(before_states[:, :changed], after_states[:, :changed])
    assert torch.equal(before_returns[:, :changed], after_returns[:, :changed])
    moved = (before_states - after_states).abs().amax(dim=(0, 2))  # [T]
    assert (moved[changed:] > 1e-6).all()


def test_causality_holds_with_a_cache_of_earlier_tokens(transformer):
    states, returns = tokens(9)
    predicted = []
    for change in (0.0, 1.0):
        cache = transformer.new_cache(len(states))
        transformer(states[:, :4], returns[:, :4], cache)
        states[:, 7] += change
        predicted.append(transformer(states[:, 4:], returns[:, 4:], cache)[0])
    before, after = predicted
    assert torch.equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] - after[:, 3:]).abs().amax() > 1e-6


def test_causality_holds_in_training_mode():
    transformer = CausalTransformer(STATE, CONTEXT, width=16, layers=2, heads=2, dropout=0.0).train()
    states, returns = tokens(6)
    before = transformer(states, returns)[0]
    states[:, 4] += 1.0
    torch.testing.assert_close(before[:, :4], transformer(states, returns)[0][:, :4])


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 4), min_size=1, max_size=5).filter(lambda cuts: sum(cuts) <= CONTEXT))
def test_tokens_in_pieces_give_what_they_give_at_once(transformer, cuts):
    states, returns = tokens(sum(cuts))
    expected_states, expected_returns = transformer(states, returns)
    cache, position = transformer.new_cache(len(states)), 0
    for length in cuts:
        piece = slice(position, position + length)
        got_states, got_returns = transformer(states[:, piece], returns[:, piece], cache)
        torch.testing.assert_close(got_states, expected_states[:, piece], atol=1e-5, rtol=0)
        torch.testing.assert_close(got_returns, expected_returns[:, piece], atol=1e-5, rtol=0)
        position += length


@pytest.mark.parametrize("past", [1, 4])
def test_drafting_with_the_cache_is_drafting_without_it(transformer, past):
    states, returns = tokens(past)
    drafted, drafted_returns = transformer.draft(states, returns, 7)
    for _ in range(7):
        next_states, next_returns = transformer(states, returns)  # the whole sequence again, no cache
        states = torch.cat([states, next_states[:, -1:]], dim=1)
        returns = torch.cat([returns, next_returns[:, -1:]], dim=1)
    torch.testing.assert_close(drafted, states[:, past:], atol=1e-5, rtol=0)
    torch.testing.assert_close(drafted_returns, returns[:, past:], atol=1e-5, rtol=0)


def test_shapes(transformer):
    cache = transformer.new_cache(4)
    states, returns = transformer(*tokens(5, batch=4), cache)
    assert states.shape == (4, 5, STATE)
    assert returns.shape == (4, 5)
    assert cache.length == 5
    assert [stored.shape for stored in cache.layers] == [(2, 4, 2, CONTEXT, 8)] * 2
    drafted, drafted_returns = transformer.draft(*tokens(5, batch=4), 3)
    assert drafted.shape == (4, 3, STATE)
    assert drafted_returns.shape == (4, 3)


def test_the_whole_context_can_be_used_and_not_a_token_more(transformer):
    transformer(*tokens(CONTEXT))
    with pytest.raises(
        ValueError, match=f"{CONTEXT + 1} tokens do not fit the transformer's context of {CONTEXT}"
    ):
        transformer(*tokens(CONTEXT + 1))


def test_a_draft_that_outgrows_the_context_is_refused(transformer):
    transformer.draft(*tokens(5), CONTEXT - 4)  # the last prediction is not read again
    with pytest.raises(ValueError, match="do not fit"):
        transformer.draft(*tokens(5), CONTEXT - 3)


def test_the_same_token_means_something_else_at_another_position(transformer):
    states, returns = torch.ones(1, 3, STATE), torch.ones(1, 3)
    predicted, _ = transformer(states, returns)
    assert (predicted[:, 0] - predicted[:, 1]).abs().max() > 1e-4


def test_dropout_acts_in_training_only(transformer):
    inputs = tokens(5)
    noisy = CausalTransformer(STATE, CONTEXT, 16, 1, 2, dropout=0.5)
    assert not torch.equal(noisy.train()(*inputs)[0], noisy(*inputs)[0])
    assert torch.equal(noisy.eval()(*inputs)[0], noisy(*inputs)[0])
