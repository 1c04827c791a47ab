from hypothesis import given
from hypothesis import strategies as st

from trajectory_diffuser.computing.seeding import derive_seed


def test_a_seed_is_the_same_on_every_machine_and_for_ever():
    assert derive_seed("train_diffusion", 0) == 525476439912769121


@given(st.lists(st.one_of(st.integers(), st.text())))
def test_seeds_fit_every_generator(parts):
    assert 0 <= derive_seed(*parts) < 2**63


def test_seeds_tell_their_parts_apart():
    parts = [(), (0,), (1,), ("0",), (0, 0), ("a", "b"), ("ab",), ("b", "a")]
    assert len({derive_seed(*part) for part in parts}) == len(parts)
