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


def some_tokens(length, batch=2, seed=0):
    return torch.randn(batch, length, STATE + 1, generator=torch.Generator().manual_seed(seed))


def history(length):
    tokens = some_tokens(length)
    return tokens[..., :-1], tokens[..., -1]


@pytest.mark.parametrize("changed", range(1, 8))
@pytest.mark.parametrize("number", range(STATE + 1))  # of the state, and the return-to-go
def test_changing_a_token_changes_nothing_before_it_and_everything_from_it_on(transformer, changed, number):
    tokens = some_tokens(8)
    before = transformer(tokens)
    tokens[:, changed, number] += 1.0
    after = transformer(tokens)
    assert torch.equal(before[:, :changed], after[:, :changed])
    moved = (before - after)[..., [other for other in range(STATE + 1) if other != number]]
    moved = moved.abs().amax(dim=(0, 2))  # [T]
    assert (moved[changed:] > 1e-6).all()


def test_causality_holds_with_a_cache_of_earlier_tokens(transformer):
    tokens = some_tokens(9)
    predicted = []
    for change in (0.0, 1.0):
        cache = transformer.new_cache(len(tokens))
        transformer(tokens[:, :4], cache)
        tokens[:, 7] += change
        predicted.append(transformer(tokens[:, 4:], cache))
    before, after = predicted
    assert torch.equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] - after[:, 3:]).abs().amax() > 1e-6


def test_causality_holds_in_training_mode():
    transformer = CausalTransformer(STATE, CONTEXT, width=16, layers=2, heads=2, dropout=0.0).train()
    tokens = some_tokens(6)
    before = transformer(tokens)
    tokens[:, 4] += 1.0
    torch.testing.assert_close(before[:, :4], transformer(tokens)[:, :4])


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 4), min_size=1, max_size=5).filter(lambda cuts: sum(cuts) <= CONTEXT))
def test_tokens_in_pieces_give_what_they_give_at_once(transformer, cuts):
    tokens = some_tokens(sum(cuts))
    expected = transformer(tokens)
    cache, position = transformer.new_cache(len(tokens)), 0
    for length in cuts:
        piece = slice(position, position + length)
        torch.testing.assert_close(
            transformer(tokens[:, piece], cache), expected[:, piece], atol=1e-5, rtol=0
        )
        position += length


@pytest.mark.parametrize("past", [1, 4])
def test_drafting_with_the_cache_is_drafting_without_it(transformer, past):
    drafted, drafted_returns = transformer.draft(*history(past), 7)
    tokens = some_tokens(past)
    for _ in range(7):
        following = transformer(tokens)[:, -1:]  # the whole sequence again, no cache
        tokens = torch.cat([tokens, following], dim=1)
    torch.testing.assert_close(drafted, tokens[:, past:, :-1], atol=1e-5, rtol=0)
    torch.testing.assert_close(drafted_returns, tokens[:, past:, -1], atol=1e-5, rtol=0)


def test_shapes(transformer):
    cache = transformer.new_cache(4)
    assert transformer(some_tokens(5, batch=4), cache).shape == (4, 5, STATE + 1)
    assert cache.length == 5
    assert [stored.shape for stored in cache.layers] == [(2, 4, 2, CONTEXT, 8)] * 2
    drafted, drafted_returns = transformer.draft(*history(5), 3)
    assert drafted.shape == (2, 3, STATE)
    assert drafted_returns.shape == (2, 3)


def test_the_whole_context_can_be_used_and_not_a_token_more(transformer):
    transformer(some_tokens(CONTEXT))
    with pytest.raises(
        ValueError, match=f"{CONTEXT + 1} tokens do not fit the transformer's context of {CONTEXT}"
    ):
        transformer(some_tokens(CONTEXT + 1))


def test_a_draft_that_outgrows_the_context_is_refused(transformer):
    transformer.draft(*history(5), CONTEXT - 4)  # the last prediction is not read again
    with pytest.raises(ValueError, match="do not fit"):
        transformer.draft(*history(5), CONTEXT - 3)


def test_the_same_token_means_something_else_at_another_position(transformer):
    predicted = transformer(torch.ones(1, 3, STATE + 1))
    assert (predicted[:, 0] - predicted[:, 1]).abs().max() > 1e-4


def test_dropout_acts_in_training_only(transformer):
    tokens = some_tokens(5)
    noisy = CausalTransformer(STATE, CONTEXT, 16, 1, 2, dropout=0.5)
    assert not torch.equal(noisy.train()(tokens), noisy(tokens))
    assert torch.equal(noisy.eval()(tokens), noisy(tokens))
