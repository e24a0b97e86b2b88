"""What the host is: its system, cards, clock and tools. Pure."""

from __future__ import annotations

from gpuws.plan.doctor.finding import Check, Said, advice, ok, problem, warning
from gpuws.plan.doctor.seen import Examined
from gpuws.plan.drivers import allows, needed_by, shown
from gpuws.plan.model import HostFacts

_CLOCK_OFF, _CLOCK_WRONG = 60, 86_400  # seconds; certificates are refused from about a day on
_OLDEST_GLIBC = (2, 17)  # what today's packages of conda and PyPI are built for
_FETCHERS = ("curl", "wget", "python3")


def _system(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None:
        return None
    if facts.system != "Linux":
        return problem(f"the host runs {facts.system}; gpuws needs Linux there")
    if facts.musl:
        return warning(f"{facts.machine} with musl instead of glibc: conda's packages do not run")
    numbers = tuple(int(part) for part in facts.glibc.split(".") if part.isdigit())
    if numbers and numbers < _OLDEST_GLIBC:
        return warning(f"glibc {facts.glibc} is older than what most packages are built for")
    return ok(f"Linux {facts.machine}, glibc {facts.glibc or 'unknown'}")


def _cards(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None or "gpus" in facts.unanswered:
        return None
    if facts.gpu_error:
        return warning(facts.gpu_error, "run `nvidia-smi` on the host; its administrator mends it")
    if facts.gpus:
        return ok(_named(facts))
    if facts.slurm:
        return problem(
            "a Slurm login node: it has sbatch and no GPU of its own",
            "take a node with `salloc --gres=gpu:1` and give it a Host entry of its own; "
            f"`gpuws up {examined.host} --here` uses the login node itself",
            "login-node",
        )
    return advice("the host has no GPU that nvidia-smi knows")


def _named(facts: HostFacts) -> str:
    kinds = {gpu.name: 0 for gpu in facts.gpus}
    for gpu in facts.gpus:
        kinds[gpu.name] += 1
    return ", ".join(f"{count} × {name}" for name, count in kinds.items())


def _driver(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None or "gpus" in facts.unanswered:
        return None
    if not facts.gpus:
        return ok("nothing to drive")
    needed, card = needed_by(facts.gpus)
    if needed and not allows(facts, needed):
        return warning(
            f"driver {facts.driver} is too old for CUDA {shown(needed)} that {card} needs"
        )
    if not facts.driver:
        return None
    return ok(f"driver {facts.driver}, CUDA up to {facts.cuda or 'unknown'}")


def _clock(examined: Examined) -> Said | None:
    if examined.facts is None:
        return None
    off = abs(examined.clock_s)
    said = f"{off:.0f} s {'ahead of' if examined.clock_s > 0 else 'behind'} this laptop's"
    if off >= _CLOCK_WRONG:
        return problem(f"{said}: no certificate of a web site is valid then")
    return warning(said) if off >= _CLOCK_OFF else ok("as this laptop's")


def _tmux(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None or "tools" in facts.unanswered:
        return None
    tmux = facts.tool("tmux")
    if tmux:
        return ok(f"tmux {tmux.version} at {tmux.path}")
    if facts.tmux_missed:
        return advice(f"the host has no tmux, and none could be brought: {facts.tmux_missed}")
    return advice("the host has no tmux; `gpuws up` brings one, or runs without")


def _fetching(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None or "tools" in facts.unanswered:
        return None
    tool = facts.tool("curl", "wget")
    if tool or facts.pythons:
        return ok(tool.path if tool else facts.pythons[0].path)
    if facts.tool("conda", "mamba", "micromamba", "uv"):
        return ok("none, and none is needed: conda or uv is there")
    return problem(f"the host has none of {', '.join(_FETCHERS)}, and neither conda nor uv")


def _logout(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None or "home" in facts.unanswered:
        return None
    if facts.kill_user_processes and not facts.linger:
        return warning("logind ends your processes at logout (KillUserProcesses, no linger)")
    return ok("what you start goes on after the logout")


def _prologue(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None:
        return None
    if facts.prologue_error:
        return warning(f"the prologue of hosts.yaml fails on the host: {facts.prologue_error}")
    if facts.shadowing:
        return warning(f"LD_LIBRARY_PATH puts {facts.shadowing[0]} before an environment's own")
    return ok("nothing gets in the way")


MACHINE: tuple[Check[Examined], ...] = (
    Check(
        "unsupported-platform",
        "system",
        "The host is a Linux with a glibc that packages are built for (2.17 or newer). On musl, as "
        "of Alpine, only packages of PyPI that say so run.",
        "use a host, or a container image, with a newer glibc",
        _system,
    ),
    Check(
        "no-gpu",
        "GPUs",
        "nvidia-smi answers and names cards. On a Slurm login node `up` refuses (login-node).",
        "`gpuws up HOST --gpus none` says that this is what you want",
        _cards,
        codes=("login-node",),
    ),
    Check(
        "old-driver",
        "driver and CUDA",
        "The driver is new enough for the CUDA that the cards need.",
        "ask the administrator for a newer NVIDIA driver",
        _driver,
    ),
    Check(
        "wrong-clock",
        "clock",
        "The host's clock agrees with the laptop's within a minute: certificates and the times of "
        "files depend on it.",
        "ask the administrator to set the clock (`timedatectl` shows it), or set the laptop's",
        _clock,
    ),
    Check(
        "no-engine",
        "tmux",
        "Sessions run in tmux. Without one, gpuws brings it, or uses a detached process.",
        "install tmux on the host, where you may",
        _tmux,
    ),
    Check(
        "no-downloader",
        "downloads",
        "The host has something that fetches: curl, wget or Python, or conda or uv already.",
        "`gpuws up HOST --offline` sends the packages from this laptop",
        _fetching,
    ),
    Check(
        "ends-at-logout",
        "after the logout",
        "Jupyter goes on when the connection ends: logind does not end what a login leaves behind.",
        "`loginctl enable-linger` on the host, where you may",
        _logout,
    ),
    Check(
        "broken-prologue",
        "prologue",
        "The prologue of hosts.yaml runs, and no LD_LIBRARY_PATH hides an environment's libraries.",
        "correct `prologue:` of the host in hosts.yaml",
        _prologue,
    ),
)
