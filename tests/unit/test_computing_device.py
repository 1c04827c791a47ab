import os
import platform
import stat
import threading
from contextlib import ExitStack

import pytest
import torch

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing import device

RUN = {"device": "auto", "jobs_per_gpu": 1}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The folder of the locks, on a machine without a scheduler, all of whose GPUs are visible."""
    for name in ("CUDA_VISIBLE_DEVICES", *device.SCHEDULED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device.platformdirs, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "trajectory-diffuser"


def lease(stack, count=2, places=1):
    return device._lease_gpu(stack, count, places, poll_seconds=0.01)


def test_two_leases_take_different_gpus_and_a_third_waits_until_one_is_free(folder, capfd):
    taken = []

    def third():
        with ExitStack() as stack:
            taken.append(lease(stack))

    with ExitStack() as outer:
        assert lease(outer) == 0
        with ExitStack() as inner:
            assert lease(inner) == 1
            thread = threading.Thread(target=third, daemon=True)
            thread.start()
            thread.join(timeout=0.2)
            assert thread.is_alive()
            assert taken == []
        thread.join(timeout=10)
        assert taken == [1]
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1  # however often it looked
    assert said[0].startswith("waiting for a GPU: other jobs hold gpu0-") and str(folder) in said[0]


def test_jobs_share_gpus_only_when_each_has_one():
    with ExitStack() as stack:
        assert [lease(stack, places=2) for _ in range(4)] == [0, 1, 0, 1]


def test_locks_are_the_users_own(folder):
    with ExitStack() as stack:
        lease(stack)
        (file,) = folder.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]
    assert platform.node() in file.name  # another machine with the same folder has GPUs of its own


def test_a_folder_that_cannot_be_made_is_one_line(folder):
    folder.parent.write_text("a file in its place")
    with pytest.raises(UserError, match=r"trajectory-diffuser: not to be written to .*set XDG_CACHE_HOME$"):
        lease(ExitStack())


def test_processes_that_see_different_gpus_do_not_stand_in_each_others_way(monkeypatch):
    with ExitStack() as stack:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 2")
        assert lease(stack) == 0  # torch's number for GPU 4
        assert lease(stack) == 1  # GPU 2
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
        assert lease(stack) == 0  # GPU 3
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
        assert lease(stack) == 1  # GPU 5, because 2 is taken
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1/0,MIG-1/1")
        assert [lease(stack), lease(stack)] == [0, 1]


@pytest.mark.parametrize("scheduler", device.SCHEDULED)
def test_jobs_of_a_scheduler_do_not_wait_for_each_other(monkeypatch, folder, scheduler):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # what each of them sees
    monkeypatch.setenv(scheduler, "17")
    with ExitStack() as stack:
        assert [lease(stack, count=1), lease(stack, count=1)] == [0, 0]
    assert not folder.exists()


def test_several_gpus_of_a_schedulers_job_are_shared_out_in_it_alone(monkeypatch):
    with ExitStack() as stack:
        for job in ("17", "18"):
            monkeypatch.setenv("SLURM_JOB_ID", job)
            assert [lease(stack), lease(stack)] == [0, 1]


def test_a_gpu_is_held_for_as_long_as_the_block_lasts(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with (
        device.computing_device(RUN, 1) as first,
        device.computing_device(RUN | {"device": "cuda"}, 1) as second,
    ):
        assert (str(first), str(second)) == ("cuda:0", "cuda:1")
    with device.computing_device(RUN, 1) as again:
        assert str(again) == "cuda:0"


def test_the_processor_is_used_without_a_lease(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device, "_lease_gpu", lambda *_: pytest.fail("leased"))
    with device.computing_device(RUN | {"device": "cpu"}, 1) as where:
        assert where == torch.device("cpu")


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    for available, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert device.device_type("auto") == expected


def test_asking_for_a_gpu_where_there_is_none_names_the_key(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"params\.yaml: run\.device: cuda.*use auto or cpu"):
        device.device_type("cuda")


def test_threads_never_exceed_the_cores(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(device, "available_cores", lambda: 1)
    with device.computing_device(RUN | {"device": "cpu"}, 64):
        assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def test_where_the_system_does_not_tell_which_cores_a_process_has_it_has_all(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for told, has in ((3, 3), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda told=told: told)
        assert device.available_cores() == has


def test_a_missing_compiler_is_named_with_the_key_that_asks_for_it(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    device.check_compiler("train_value.compile", False, "cpu")
    device.check_compiler("train_value.compile", True, "cuda")
    with pytest.raises(UserError, match=r"train_value.compile: true needs .* there is no no-such-compiler"):
        device.check_compiler("train_value.compile", True, "cpu")
    monkeypatch.setenv("CXX", "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"there is no g\+\+"):
        device.check_compiler("train_value.compile", True, "cpu")
