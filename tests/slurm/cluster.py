"""A cluster of Slurm's with one node, this machine, on loopback and in a folder of its own."""

import re
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# Without an accounting database. One GPU in name only: /dev/null stands for its device.
SLURM_CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
ReturnToService=2
KillWait=10
MinJobAge=7200
NodeName={host} NodeAddr=127.0.0.1 {hardware} Gres=gpu:1 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


SITE = Path("/etc/slurm/slurm.conf")  # where Slurm's commands look first
LINK = Path("/run/slurm/conf")  # then; not in SLURM_CONF, which the executor hides from the srun inside a job


def until(what: Callable[[], object], seconds: float, failure: str) -> object:
    """The first truth that `what` returns, asked twice a second; fails after so many seconds without one."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < end, f"{failure} within {seconds:.0f} s"
        time.sleep(0.5)
    return answer


class Cluster:
    """munged, slurmctld and slurmd as children of this process; all commands of Slurm's here find them."""

    def __init__(self, folder: Path) -> None:
        for place in (SITE, LINK):
            assert not place.exists(), f"{place}: this machine is part of a cluster already"
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "state").mkdir(parents=True, mode=0o700)
        (folder / "spool").mkdir(mode=0o700)
        (folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (folder / "munge.key").chmod(0o400)
        # "NodeName=vm CPUs=2 Boards=1 ... RealMemory=24105"
        self.node, hardware = re.match(r"NodeName=(\S+) (.*)", call("slurmd", "-C")).groups()
        conf = SLURM_CONF.format(folder=folder, host=self.node, hardware=hardware)
        (folder / "slurm.conf").write_text(conf)
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        self.cpus = int(re.search(r"CPUs=(\d+)", hardware)[1])

    def start(self) -> None:
        """Start the three and wait until the node takes jobs."""
        LINK.parent.mkdir(exist_ok=True)
        LINK.unlink(missing_ok=True)  # of a cluster that is no more
        LINK.symlink_to(self.folder)
        munge = self.folder / "munge"
        files = [f"--socket={munge}.socket", f"--key-file={munge}.key", f"--log-file={munge}.log"]
        files += [f"--pid-file={munge}.pid", f"--seed-file={munge}.seed"]
        # --force: the folder of a test may be anybody's to look into
        self._spawn("munged", "--foreground", "--force", *files)
        until((self.folder / "munge.socket").exists, 20, "no socket of munged's")
        self.start_controller()
        self._spawn("slurmd", "-D", "-f", f"{self.folder}/slurm.conf")
        until(lambda: self.node_state() == "idle", 60, f"{self.node} is not idle: see {self.folder}")

    def start_controller(self) -> None:
        """Start slurmctld and wait until it answers."""
        self._spawn("slurmctld", "-D", "-f", f"{self.folder}/slurm.conf")
        until(lambda: "is UP" in call("scontrol", "ping", check=False), 30, "slurmctld does not answer")

    def stop_controller(self) -> None:
        """Stop slurmctld as an administrator does; it saves its state."""
        self._stop("slurmctld")

    def cancel_jobs(self) -> None:
        """Cancel all jobs and wait until they are gone."""
        call("scancel", "--user=root", check=False)
        until(lambda: not self.queue(), 60, "jobs are left")

    def stop(self) -> None:
        """Cancel what runs and stop the daemons, those that are left of a start that failed too."""
        try:
            if "slurmd" in self.daemons:
                self.cancel_jobs()
        finally:
            for name in list(self.daemons)[::-1]:
                self._stop(name)
            LINK.unlink(missing_ok=True)

    def node_state(self) -> str:
        """The node's: idle, mixed, allocated, drained, ..."""
        return call("sinfo", "--noheader", "--format=%t", check=False).strip()

    def update_node(self, state: str) -> None:
        """Set the node's state: drain or resume."""
        call("scontrol", "update", f"NodeName={self.node}", f"State={state}", "Reason=test")

    def queue(self, *states: str) -> list[str]:
        """Numbers of the jobs in these states, or of all that have not ended."""
        chosen = [f"--states={','.join(states)}"] if states else []
        return call("squeue", "--noheader", "--format=%i", *chosen, check=False).split()

    def job(self, number: str) -> dict[str, str]:
        """What scontrol says about a job."""
        return dict(re.findall(r"(\S+?)=(\S*)", call("scontrol", "show", "job", number)))

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen([name, *arguments], stdout=out, stderr=out)

    def _stop(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def call(*command: str, check: bool = True) -> str:
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
