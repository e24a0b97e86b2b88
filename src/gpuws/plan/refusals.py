"""What keeps `up` from beginning on a host, and what it warns of. Pure."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.plan.model import HostFacts, Workspace
from gpuws.plan.requests import Caller, UpRequest

_ROOT_FAULTS = {
    "link": "a link, and gpuws does not follow links",
    "foreign": "somebody else's",
    "file": "a file",
}


def refuse_login_node(request: UpRequest, facts: HostFacts) -> None:
    if not facts.slurm or facts.gpus or request.here:
        return
    host = request.reach.host
    raise GpuwsError(
        "login-node",
        f"{host} is a Slurm login node: it has sbatch and no GPU of its own",
        hint=(
            "take a node with `salloc --gres=gpu:1`, then put these lines into ~/.ssh/config:\n"
            f"  Host my-node\n    HostName NODE\n    ProxyJump {host}\n"
            f"and run `gpuws up my-node`; to use {host} itself: `gpuws up {host} --here`"
        ),
        stage="probe",
    )


def refuse_bad_root(facts: HostFacts) -> None:
    if facts.system != "Linux":
        raise GpuwsError(
            "unsupported-platform",
            f"the host runs {facts.system}; gpuws needs Linux on the server",
            stage="probe",
        )
    if facts.root_state in ("link", "foreign", "file"):
        raise GpuwsError(
            "root-not-private",
            f"the host's folder {facts.root} is {_ROOT_FAULTS[facts.root_state]}",
            hint=_mend(facts),
            stage="probe",
        )
    if not facts.root_writable:
        raise GpuwsError(
            "no-root-folder",
            f"the host's folder {facts.root} cannot be written by {facts.user}",
            hint="name a folder that you can write with `root:` in hosts.yaml",
            stage="probe",
        )
    if not facts.run_base:
        raise GpuwsError(
            "root-not-private",
            "the host has no private local folder for sockets",
            hint="name a local folder of your own with `root:` in hosts.yaml",
            stage="probe",
        )


def _mend(facts: HostFacts) -> str:
    """A volume keeps the number of the user who wrote it on the machine before."""
    if facts.root_state != "foreign":
        return "remove it, or name another folder with `root:` in hosts.yaml"
    return (
        "name another folder with `root:` in hosts.yaml; on a volume that you wrote as another "
        f"user: `chown -R {facts.user}: {facts.root}` there, as root"
    )


def refuse_full_disk(facts: HostFacts) -> None:
    """Before anything is begun that could only be left half done."""
    if facts.disk_free_mb != 0 and facts.inodes_free != 0:
        return
    what = "space" if facts.disk_free_mb == 0 else "inode"
    raise GpuwsError(
        "disk-full",
        f"the disk of the host is full: no {what} is free for {facts.root}",
        hint="`df -h`, `df -i` and `quota` on the host say where; root: in hosts.yaml names "
        "another place",
        stage="probe",
    )


def refuse_other_folder(existing: Workspace, caller: Caller, host: str) -> None:
    """The same name from another folder is another project: never overwritten."""
    owner = existing.raw.get("owner")
    if not isinstance(owner, dict):
        return
    theirs = (owner.get("person"), owner.get("laptop"), owner.get("folder"))
    if theirs == (caller.person, caller.laptop, caller.folder):
        return
    raise GpuwsError(
        "other-folder",
        f"the workspace {host}/{existing.name} belongs to {owner.get('folder')} "
        f"({owner.get('person')} on {owner.get('laptop')}), this folder is {caller.folder}",
        hint=(
            f"`gpuws attach {host}/{existing.name}` opens that one; "
            f"`gpuws up {host} --name OTHER` makes one for this folder"
        ),
        stage="probe",
    )


def host_warnings(facts: HostFacts) -> tuple[str, ...]:
    """What the probe could not do or saw, said in words that tell what to do."""
    said = []
    if facts.prologue_error:
        said.append(f"the prologue of hosts.yaml fails on the host: {facts.prologue_error}")
    if facts.gpu_error:
        said.append(f"the host's GPUs cannot be asked: {facts.gpu_error}")
    if facts.kill_user_processes and not facts.linger:
        said.append(
            "the host ends your processes at logout (KillUserProcesses): Jupyter would die with "
            "the tunnel; `loginctl enable-linger` on the host keeps it, if you may"
        )
    if 0 <= facts.disk_free_mb < 1024:
        said.append(f"only {facts.disk_free_mb} MB are free in {facts.root}")
    return tuple(said)
