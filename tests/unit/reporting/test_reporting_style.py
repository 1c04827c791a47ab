import seaborn

from trajectory_diffuser.reporting.style import planner_colours, planner_markers

PLANNERS = [f"planner_{index}" for index in range(25)]


def test_planners_look_different_also_when_there_are_more_than_colours():
    colours, markers = planner_colours(PLANNERS), planner_markers(PLANNERS)
    assert len({(colours[planner], markers[planner]) for planner in PLANNERS}) == len(PLANNERS)
    assert set(colours.values()) == set(seaborn.color_palette("colorblind", 10))


def test_a_further_planner_changes_no_others_colour_or_marker():
    fewer = PLANNERS[:10]
    for look in (planner_colours, planner_markers):
        assert look(fewer).items() <= look(PLANNERS).items()
