"""What a task may be: its source, its plans, and its own settings of a training."""

import pytest
import yaml
from mistakes import BASE, TASK, Mistakes, changed, is_refused, message

from trajectory_diffuser.common.completion import for_task
from trajectory_diffuser.common.params import load_params

BEHAVIOUR = {
    "kind": "behaviour",
    "ladder": "hopper",
    "mixture": [{"actors": ["expert"], "noise": 1.0, "steps": 100}],
}
MINARI = {"kind": "minari", "dataset": "D4RL/pen/human-v2", "clip_actions": True, "licence": "x"}
D4RL = {"kind": "d4rl", "file": "a.hdf5", "sha256": None, "clip_actions": True, "licence": "x"}

MISTAKES: Mistakes = {
    "a horizon that a task's own denoiser cannot halve": (
        {"tasks.TASK.training": {"train_diffusion": {"channel_multipliers": [1] * 8}}},
        "tasks.TASK.horizon",
        [
            "16 with train_diffusion.past_states (4) must be a multiple of 128",
            f"(tasks.{TASK}.training.train_diffusion.channel_multipliers)",
        ],
    ),
    "heads that do not divide a task's own width": (
        {"tasks.TASK.training": {"train_transformer": {"width": 30}}},
        "tasks.TASK.training.train_transformer.width",
        ["30 must be even and a multiple of heads (4)"],
    ),
    "heads of a task's own that do not divide the width of all": (
        {"tasks.TASK.training": {"train_transformer": {"heads": 3}}},
        "train_transformer.width",
        ["128 must be even and a multiple of heads (3)"],
    ),
    "more past states of a task's own than its history has": (
        {"tasks.TASK.training": {"train_diffusion": {"past_states": 8}}},
        "tasks.TASK.training.train_diffusion.past_states",
        [f"8 are too many for tasks.{TASK}.history (8)"],
    ),
    "threads of a task's own": (
        {"tasks.TASK.training": {"train_value": {"threads": 2}}},
        "tasks.TASK.training.train_value.threads",
        ["say it in train_value"],
    ),
    "misspelt training of a task": (
        {"tasks.TASK.training": {"train_values": {}}},
        "tasks.TASK.training",
        ["unknown key 'train_values'", "did you mean 'train_value'?"],
    ),
    "misspelt key in a training of a task": (
        {"tasks.TASK.training": {"train_value": {"step": 3}}},
        "tasks.TASK.training.train_value",
        ["unknown key 'step'", "did you mean 'steps'?"],
    ),
    "task name with a strange character": (
        {"tasks.my_task": BASE["tasks"][TASK]},
        "tasks",
        ["'my_task' is not valid", "use a letter, then letters, digits and hyphens"],
    ),
    "unknown key of a source": (
        {"tasks.TASK.source": BEHAVIOUR | {"stairs": 1}},
        "tasks.TASK.source",
        ["'stairs'", "known: kind, ladder, mixture"],
    ),
    "unknown kind of source": (
        {"tasks.TASK.source": BEHAVIOUR | {"kind": "behavior"}},
        "tasks.TASK.source.kind",
        ["'behavior'", "one of: behaviour, controller, minari, d4rl, ogbench, ogbench_file, file"],
    ),
    "steps of a mixture left out": (
        {"tasks.TASK.source": BEHAVIOUR | {"mixture": [{"actors": ["expert"], "noise": 1.0}]}},
        "tasks.TASK.source.mixture.0",
        ["key 'steps' is missing"],
    ),
    "Minari dataset without a version": (
        {"tasks.TASK.source": MINARI | {"dataset": "D4RL/pen/human"}},
        "tasks.TASK.source.dataset",
        ["'D4RL/pen/human'", "with its version"],
    ),
    "Minari dataset that leaves its folder": (
        {"tasks.TASK.source": MINARI | {"dataset": "../pen/human-v2"}},
        "tasks.TASK.source.dataset",
        ["'../pen/human-v2'", "with its version"],
    ),
    "Minari dataset with dots inside": (
        {"tasks.TASK.source": MINARI | {"dataset": "D4RL/../human-v2"}},
        "tasks.TASK.source.dataset",
        ["'D4RL/../human-v2'"],
    ),
    "Minari dataset with a line break": (
        {"tasks.TASK.source": MINARI | {"dataset": "human-v2\n"}},
        "tasks.TASK.source.dataset",
        ["'human-v2\\n'"],
    ),
    "ladder that leaves its folder": (
        {"tasks.TASK.source": BEHAVIOUR | {"ladder": "../hopper"}},
        "tasks.TASK.source.ladder",
        ["'../hopper'", "use a letter, then letters"],
    ),
    "actor that leaves its folder": (
        {"tasks.TASK.source": BEHAVIOUR | {"mixture": [BEHAVIOUR["mixture"][0] | {"actors": ["../expert"]}]}},
        "tasks.TASK.source.mixture.0.actors.0",
        ["'../expert'", "letters, digits, dots"],
    ),
    "file with a line break": (
        {"tasks.TASK.source": D4RL | {"file": "a.hdf5\n"}},
        "tasks.TASK.source.file",
        ["'a.hdf5\\n'", "the name of a file in data/external/"],
    ),
    "checksum with a line break": (
        {"tasks.TASK.source": D4RL | {"sha256": "0" * 64 + "\n"}},
        "tasks.TASK.source.sha256",
        ["0\\n' is not valid; use 64 hexadecimal digits"],
    ),
    "plain http without a checksum": (
        {"tasks.TASK.source": D4RL | {"file": "http://a.org/a.hdf5"}},
        "tasks.TASK.source.file",
        ["'http://a.org/a.hdf5'", "use https, or give the file's sha256"],
    ),
    "address of a machine's own file": (
        {"tasks.TASK.source": D4RL | {"file": "file:///etc/a.hdf5"}},
        "tasks.TASK.source.file",
        ["'file:///etc/a.hdf5' is not an https address", "or the name of a file"],
    ),
    "reference scores the wrong way round": (
        {"tasks.TASK.reference_scores": {"minimum": 2.0, "maximum": 1.0, "origin": "me"}},
        "tasks.TASK.reference_scores",
        ["maximum must be above minimum"],
    ),
    "a reference score that is no number": (
        {"tasks.TASK.reference_scores": {"minimum": float("nan"), "maximum": 1.0, "origin": "me"}},
        "tasks.TASK.reference_scores.minimum",
        ["nan is not of type 'number'"],
    ),
    "neither measured nor two scores": (
        {"tasks.TASK.reference_scores": "measure"},
        "tasks.TASK.reference_scores",
        ["measure", "measured: random policy"],
    ),
    "horizon that cannot be halved": (
        {"train_diffusion.channel_multipliers": [1, 2, 4], "tasks.TASK.horizon": 18},
        "tasks.TASK.horizon",
        ["18 with train_diffusion.past_states (4) must be a multiple of 4", "channel_multipliers"],
    ),
    "horizon that cannot be halved with the past": (
        {"train_diffusion.past_states": 2},
        "tasks.TASK.horizon",
        ["with train_diffusion.past_states (2) must be a multiple of 4"],
    ),
    "more past states than are remembered": (
        {"train_diffusion.past_states": 4, "tasks.TASK.history": 4},
        "train_diffusion.past_states",
        ["4 are too many for tasks.", ".history (4)"],
    ),
    "width that heads do not divide": (
        {"train_transformer.width": 20, "train_transformer.heads": 8},
        "train_transformer.width",
        ["20", "multiple of heads (8)"],
    ),
    "odd width": (
        {"train_transformer.width": 15, "train_transformer.heads": 3},
        "train_transformer.width",
        ["15 must be even"],
    ),
}


@pytest.mark.parametrize(("changes", "key", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_file_key_and_remedy(tmp_path, changes, key, says):
    is_refused(tmp_path, changes, key, says)


@pytest.mark.parametrize("file", ["/a", "../a", "a/../../a", "..", "https://a.org/../a", "https://a.org/.."])
def test_a_file_that_leaves_the_folder_of_its_task_is_refused(tmp_path, file):
    line = message(tmp_path, yaml.safe_dump(changed({"tasks.TASK.source": D4RL | {"file": file}})))
    assert line.startswith(f"tasks.{TASK}.source.file: {file!r} leaves data/external/{TASK}/; ")


@pytest.mark.parametrize("file", [".", "a/", "https://a.org/", "a" * 201])
def test_a_file_without_a_name_of_its_own_is_refused(tmp_path, file):
    line = message(tmp_path, yaml.safe_dump(changed({"tasks.TASK.source": D4RL | {"file": file}})))
    assert line.startswith(f"tasks.{TASK}.source.file: {file!r} must end in the name of a file")


@pytest.mark.parametrize(
    "file", ["a..b.hdf5", "folder/a b.hdf5", "https://a.org/a.hdf5", "http://a.org/a.hdf5"]
)
def test_files_in_the_folder_and_safe_addresses_are_accepted(tmp_path, file):
    sha256 = "0" * 64 if file.startswith("http:") else None
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(changed({"tasks.TASK.source": D4RL | {"file": file, "sha256": sha256}})))
    assert load_params(path)["tasks"][TASK]["source"]["file"] == file


def test_a_task_has_its_own_settings_of_a_training_and_the_others_do_not(tmp_path):
    changes = {"tasks.TASK.training": {"train_diffusion": {"steps": 7, "learning_rate": 0.5}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed(changes), sort_keys=False))
    params = load_params(tmp_path / "params.yaml")
    own = for_task(params, TASK)
    assert own["train_diffusion"] == params["train_diffusion"] | {"steps": 7, "learning_rate": 0.5}
    assert {key for key in own if own[key] != params[key]} == {"train_diffusion"}
    assert for_task(params, "maze-umaze") == params
