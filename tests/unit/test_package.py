import subprocess
import sys
from pathlib import Path

import pytest

import trajectory_diffuser
from trajectory_diffuser.planning import policy
from trajectory_diffuser.sharing import planner

SRC = Path(__file__).parents[2] / "src"


def test_planner_and_policy_are_what_the_package_offers():
    assert trajectory_diffuser.Planner is planner.Planner
    assert trajectory_diffuser.Policy is policy.Policy
    with pytest.raises(AttributeError, match="no attribute 'Plan'"):
        _ = trajectory_diffuser.Plan


def test_torch_is_imported_with_the_planner_only():
    code = "import sys, trajectory_diffuser; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=SRC, check=True)


def test_what_stages_plan_with_does_not_import_the_hub():
    code = "import sys, trajectory_diffuser.evaluation.cell; assert 'huggingface_hub' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=SRC, check=True)
