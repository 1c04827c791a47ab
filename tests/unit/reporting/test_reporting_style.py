from types import SimpleNamespace

from trajectory_diffuser.reporting.style import CONTROLS, REST, SUBJECT, planner_looks

PLANNERS = [f"planner_{index}" for index in range(25)]
PAGES = ("#ffffff", "#15181c")  # light, dark


def looks(planners: list[str]) -> dict[str, dict]:
    roles = {"subject": "planner_1", "controls": ["planner_0", "planner_3"]}
    return planner_looks(SimpleNamespace(known_planners=planners, **roles))


def luminance(colour: str) -> float:
    """Relative, by WCAG 2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_colour_stands_out_from_a_light_and_a_dark_page():
    for colour in (SUBJECT, *CONTROLS, REST):
        for page in PAGES:
            lower, higher = sorted((luminance(colour), luminance(page)))
            assert (higher + 0.05) / (lower + 0.05) >= 3, (colour, page)


def test_subject_and_controls_are_coloured_and_the_rest_is_grey():
    colours = [look["color"] for look in looks(PLANNERS).values()]
    assert colours[:5] == [CONTROLS[0], SUBJECT, REST, CONTROLS[1], REST] and set(colours[4:]) == {REST}


def test_no_two_planners_have_the_same_marker():
    markers = {(look["marker"], look.get("markerfacecolor")) for look in looks(PLANNERS).values()}
    assert len(markers) == len(PLANNERS)


def test_a_further_planner_changes_no_others_look():
    assert looks(PLANNERS[:10]).items() <= looks(PLANNERS).items()
