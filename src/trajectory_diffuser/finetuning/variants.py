"""Which networks train on in online fine-tuning, variant by variant."""

from collections.abc import Mapping

CONTROL = "nothing_collected"  # the variant that is always there


def trained_networks(variants: Mapping[str, list[str]], called: list[str]) -> dict[str, list[str]]:
    """What each variant trains of the networks that a planner calls.

    Left out are variants of which it calls none; one that names none is kept, to compare with. The last is
    the control, which trains what the first does, as long, but on the offline data alone.
    """
    trained = {name: [each for each in called if each in networks] for name, networks in variants.items()}
    trained = {name: networks for name, networks in trained.items() if networks or not variants[name]}
    training = [networks for networks in trained.values() if networks]
    return trained | ({CONTROL: training[0]} if training else {})
