"""A host and a laptop without a fault, and for each check what makes it say something else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gpuws.plan.doctor.laptop import Laptop, Place
from gpuws.plan.doctor.seen import (
    Examined,
    Failure,
    Folder,
    Jupyter,
    Outward,
    OwnKey,
    Seen,
    Server,
)
from gpuws.plan.model import Gpu, HostFacts, Profile, Quota, SharedRoot, Tool

GPU = Gpu(0, "GPU-1", "NVIDIA H100 80GB HBM3", 81_559, 0, 0)
CURL_ALONE = (Tool("curl", "/usr/bin/curl"),)
FACTS = HostFacts(
    system="Linux",
    machine="x86_64",
    user="you",
    uid=1000,
    home="/home/you",
    shell="/bin/bash",
    node="gpu1",
    boot_id="b",
    now=1_000_000,
    root="/home/you/gpuws",
    root_writable=True,
    root_filesystem="ext2/ext3",
    disk_free_mb=500_000,
    glibc="2.36",
    run_base="/home/you/gpuws/run",
    tools=(Tool("tmux", "/usr/bin/tmux", "3.3a"), *CURL_ALONE),
    gpus=(GPU,),
    driver="550.54.15",
    cuda="12.4",
    home_filesystem="ext2/ext3",
    linger=True,
)
FOLDERS = tuple(
    Folder(name, path, "ext2/ext3", 500_000, 900_000, 9_000_000, runs=True, writable=True)
    for name, path in (("root", FACTS.root), ("home", FACTS.home), ("tmp", "/tmp"))
)
SEEN = Seen(
    FOLDERS, (Jupyter("/home/you/gpuws/envs/a", "2.21.1"),), (Server(7, "loopback", 1, False),)
)
GOOD = Examined(
    "box",
    profile=Profile("box", "box.example", 22, "you"),
    facts=FACTS,
    seen=SEEN,
    forwarding=(("tcp", ""), ("socket", "")),
    outward=(
        Outward("channel", "https://channel.example/c"),
        Outward("index", "https://index.example/simple"),
        Outward("hub", "https://hub.example"),
    ),
    keys=(OwnKey("/home/me/.ssh/id_ed25519", "ssh-ed25519"),),
    agreed={"cipher": "aes", "host_key": "ssh-ed25519", "strict": "yes", "login": "publickey"},
)
LAPTOP = Laptop(
    python="3.11.7",
    gpuws="1",
    ssh="OpenSSH_9.2",
    folders=(Place("/home/me/.config/gpuws", 0o700, free_mb=9_000),),
    ssh_files=(Place("/home/me/.ssh", 0o700), Place("/home/me/.ssh/id_rsa", 0o600)),
    agent=1,
    ports=20,
    sockets="/home/me/.local/state/gpuws/run/0.sock",
    terminal="utf-8",
)


@dataclass(frozen=True)
class Case:
    """``change``: fields of GOOD or LAPTOP; ``code``: what the finding is called then."""

    id: str
    verdict: str
    change: dict[str, Any]
    code: str = ""


def ended(code: str, **more: Any) -> dict[str, Any]:
    """The way to the host ends with this error."""
    nothing: dict[str, Any] = {
        "facts": None,
        "seen": None,
        "forwarding": (),
        "outward": None,
        "agreed": {},
    }
    return {**nothing, "failure": Failure(code, "it ended here", "do this", **more)}


def facts(**more: Any) -> dict[str, Any]:
    return {"facts": replace(FACTS, **more)}


def seen(**more: Any) -> dict[str, Any]:
    return {"seen": replace(SEEN, **more)}


def folder(name: str, **more: Any) -> dict[str, Any]:
    changed = (replace(each, **more) if each.name == name else each for each in FOLDERS)
    return seen(folders=tuple(changed))


def outward(*failing: str) -> dict[str, Any]:
    every = GOOD.outward or ()
    return {"outward": tuple(replace(o, reason="no" if o.kind in failing else "") for o in every)}


def key(**more: Any) -> dict[str, Any]:
    return {"keys": (replace(GOOD.keys[0], **more),)}


def agreed(**more: str) -> dict[str, Any]:
    return {"agreed": {**GOOD.agreed, **more}}


def profile(**more: Any) -> dict[str, Any]:
    return {"profile": Profile("box", "box.example", 22, "you", **more)}


def quota(used: int) -> dict[str, Any]:
    return facts(quotas=(Quota("/dev/sda1", used, 10_000),))


def place(which: str, path: str, **more: Any) -> dict[str, Any]:
    return {which: (Place(path, **more),)}


HOST_CASES = (
    Case("profile-unreadable", "problem", ended("unknown-host"), "unknown-host"),
    Case("jump-failed", "problem", ended("proxy-command-failed"), "proxy-command-failed"),
    Case("jump-failed", "problem", ended("wrong-password", hop=True), "wrong-password"),
    Case("name-not-resolved", "problem", ended("name-not-resolved")),
    Case("connection-refused", "problem", ended("not-ssh"), "not-ssh"),
    Case("no-common-algorithm", "problem", ended("no-common-algorithm")),
    Case("host-key-unknown", "problem", ended("host-key-changed"), "host-key-changed"),
    Case("authentication-failed", "problem", ended("too-many-keys"), "too-many-keys"),
    Case("remote-shell", "problem", ended("remote-timeout", inside=True), "remote-timeout"),
    Case("remote-shell", "problem", ended("connection-lost", inside=True), "connection-lost"),
    Case("noisy-shell", "advice", {"noise": "welcome"}),
    Case("slow-answers", "warning", facts(unanswered=("gpus",))),
    Case("slow-answers", "warning", seen(unanswered=("folders",))),
    Case("forwarding-refused", "warning", {"forwarding": (("tcp", "no"), ("socket", ""))}),
    Case("forwarding-refused", "problem", {"forwarding": (("tcp", "no"), ("socket", "no"))}),
    Case("socket-forwarding-refused", "advice", {"forwarding": (("tcp", ""), ("socket", "no"))}),
    Case(
        "socket-forwarding-refused",
        "problem",
        {"forwarding": (("tcp", "no"), ("socket", "no"))},
        "forwarding-refused",
    ),
    Case("channel-unreachable", "warning", outward("channel")),
    Case("channel-unreachable", "problem", outward("channel", "index")),
    Case("index-unreachable", "warning", outward("index")),
    Case("hub-unreachable", "advice", outward("hub")),
    Case("unsupported-platform", "problem", facts(system="Darwin")),
    Case("unsupported-platform", "warning", facts(musl=True, glibc="")),
    Case("unsupported-platform", "warning", facts(glibc="2.12")),
    Case("no-gpu", "advice", facts(gpus=())),
    Case("no-gpu", "warning", facts(gpus=(), gpu_error="nvidia-smi failed")),
    Case("no-gpu", "problem", facts(gpus=(), slurm=True), "login-node"),
    Case("old-driver", "warning", facts(driver="440.33", cuda="10.2")),
    Case("wrong-clock", "warning", {"clock_s": -61.0}),
    Case("wrong-clock", "problem", {"clock_s": 90_000.0}),
    Case("no-engine", "advice", facts(tools=CURL_ALONE)),
    Case("no-engine", "advice", facts(tools=CURL_ALONE, tmux_missed="no channel")),
    Case("no-downloader", "problem", facts(tools=())),
    Case("ends-at-logout", "warning", facts(linger=False, kill_user_processes=True)),
    Case("broken-prologue", "warning", facts(prologue_error="status 1")),
    Case("broken-prologue", "warning", facts(shadowing=("/usr/local/cuda/lib64",))),
    Case("no-root-folder", "problem", facts(root_writable=False)),
    Case("no-root-folder", "problem", facts(root_state="link"), "root-not-private"),
    Case("no-root-folder", "problem", facts(shared=SharedRoot("/s", "open")), "shared-root-unsafe"),
    Case("disk-full", "problem", folder("root", free_mb=0)),
    Case("disk-full", "warning", folder("home", free_mb=1500)),
    Case("few-inodes", "problem", folder("root", inodes=0), "disk-full"),
    Case("few-inodes", "warning", folder("root", inodes=100)),
    Case("quota", "problem", quota(10_001), "disk-full"),
    Case("quota", "warning", quota(9_000)),
    Case("bad-tmp", "warning", folder("tmp", runs=False)),
    Case("bad-tmp", "warning", folder("tmp", writable=False)),
    Case("bad-tmp", "warning", folder("tmp", free_mb=100)),
    Case("network-home", "advice", facts(home_filesystem="nfs")),
    Case("network-home", "warning", facts(home_writable=False)),
    Case("jupyter-holes", "warning", seen(jupyters=(Jupyter("/e", "2.19.0"),))),
    Case("jupyter-holes", "warning", seen(jupyters=(Jupyter("/e", "2.17.3"),))),
    Case("jupyter-open", "advice", seen(servers=(Server(7, "every", 8888, False),))),
    Case("jupyter-open", "advice", seen(servers=(Server(7, "0A0000C0", 8888, False),))),
    Case("jupyter-open", "advice", seen(servers=(Server(7, "loopback", 8888, True),))),
    Case("weak-key", "advice", key(kind="ssh-rsa", bits=2048)),
    Case("weak-key", "advice", key(kind="ssh-dss")),
    Case("bare-key", "advice", key(encrypted=False)),
    Case(
        "unchecked-host-key",
        "advice",
        profile(notes=("StrictHostKeyChecking no is treated as accept-new",)),
    ),
    Case("no-strict-kex", "advice", agreed(strict="no")),
    Case("root-login", "advice", facts(uid=0)),
    Case("password-login", "advice", agreed(login="publickey,password")),
)

LAPTOP_CASES = (
    Case("no-ssh-program", "warning", {"ssh": ""}),
    Case("laptop-folders", "problem", place("folders", "/c", writable=False), "usage"),
    Case("laptop-folders", "warning", place("folders", "/c", mode=0o777)),
    Case("laptop-disk-full", "problem", place("folders", "/c", free_mb=0)),
    Case("laptop-disk-full", "warning", place("folders", "/c", free_mb=100)),
    Case("hosts-file-invalid", "problem", {"hosts_problems": (("line 3", "correct it"),)}),
    Case("open-ssh-files", "problem", place("ssh_files", "/h/.ssh/config", mode=0o664)),
    Case("open-ssh-files", "warning", place("ssh_files", "/h/.ssh", mode=0o775)),
    Case("open-ssh-files", "warning", place("ssh_files", "/h/.ssh/id_rsa", mode=0o644)),
    Case("no-agent", "advice", {"agent": 0}),
    Case("no-agent", "warning", {"agent": 0, "agent_trouble": "it did not answer in 5 s"}),
    Case("local-port-taken", "warning", {"ports": 0}),
    Case("keeper-sockets", "problem", {"sockets": "/" + "x" * 110}, "usage"),
    Case("keeper-sockets", "problem", {"sockets_trouble": "a link"}, "usage"),
    Case("no-solver", "advice", {"solver": False}),
    Case("no-browser", "advice", {"browser": "no display"}),
    Case("plain-terminal", "advice", {"terminal": "ANSI_X3.4-1968"}),
)
NEVER_FAILS = {"laptop-python": "gpuws would not run in an older one"}
