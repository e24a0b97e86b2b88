"""The value of each key of hosts.yaml: how it is read and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv6Address
from pathlib import PurePosixPath

from gpuws.config.source import quoted
from gpuws.config.variables import checked_variable
from gpuws.config.yaml_file import Items, Node, Scalar, Table, describe
from gpuws.plan.forwards import MOST, forward_from, reverse_from
from gpuws.plan.keeping import MOST as LONGEST_LOGIN
from gpuws.plan.keeping import duration
from gpuws.plan.model import Mirror, NamedForward, ReverseForward
from gpuws.plan.transport import TRANSPORTS

# Readers raise ValueError with "message" or "message, newline, hint"; the caller adds the place.
Reader = Callable[[Node], object]


class WrongPart(ValueError):
    """A fault in a part of the value, which has a place of its own."""

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]*(\\[A-Za-z0-9_.+@-]+)?\$?")  # DOMAIN\user too
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_TARGET = re.compile(
    r"(?:(?P<user>.+)@)?(?P<host>\[[^\[\]@]+\]|[^:\[\]@]+|[^\[\]@]*:[^\[\]@]*:[^\[\]@]*)"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_ENV_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")


def host_name(text: str) -> str:
    """The name of an entry, as typed after ``gpuws up``. Raises ValueError."""
    if _HOST.fullmatch(text):
        return text
    raise ValueError(f"{quoted(text)} cannot name a host: letters, digits, '.', '_' and '-' only")


def ssh_target(text: str) -> str:
    """An alias of the ssh configuration, or [user@]host[:port]. Raises ValueError."""
    found = _TARGET.fullmatch(text)
    good = (
        found
        and (found["user"] is None or _USER.fullmatch(found["user"]))
        and _is_host(found["host"])
        and (found["port"] is None or 0 < int(found["port"]) < 65536)
    )
    if not good:
        raise ValueError(f"{quoted(text)} is neither an ssh alias nor [user@]host[:port]")
    return text


def _is_host(text: str) -> bool:
    if ":" not in text:
        return bool(_HOST.fullmatch(text))
    address, _, zone = text.strip("[]").partition("%")
    try:
        IPv6Address(address)
    except (AddressValueError, ValueError):
        return False
    return bool(re.fullmatch(r"[A-Za-z0-9_.-]{0,15}", zone))


# --- readers ---------------------------------------------------------------------------------


def _scalar(node: Node) -> str:
    if not isinstance(node, Scalar):
        raise ValueError(f"one value, not {describe(node)}")
    if node.sort == "nothing":
        raise ValueError("a value is missing")
    return node.text


def one_line(node: Node) -> str:
    text = _scalar(node)
    if isinstance(node, Scalar) and node.sort == "boolean":
        raise ValueError(f"YAML reads {text} as yes/no, not as text\nquote it: '{text}'")
    if not text.strip():
        raise ValueError("the text is empty")
    if "\n" in text:
        raise ValueError("the text goes over several lines")
    return text


def _ssh(node: Node) -> str:
    return ssh_target(one_line(node))


def _number(lowest: int) -> Reader:
    def read(node: Node) -> int:
        text = _scalar(node)
        if re.fullmatch(r"[1-9][0-9]{0,4}", text) and lowest <= int(text) <= 65535:
            return int(text)
        raise ValueError(f"{quoted(text)} is no port from {lowest} to 65535")

    return read


def remote_folder(node: Node) -> str:
    text = one_line(node)
    if not re.match(r"/|~(/|$)", text):
        raise ValueError(f"{quoted(text)} must begin with '/' or '~/'")
    if re.search(r"[$`]", text):
        raise ValueError("variables are not filled in here\nwrite the folder out")
    if ".." in text.split("/"):
        raise ValueError("'..' is not allowed in it")
    return text


def _shared_folder(node: Node) -> str:
    """As the host's administrator made it: the same path for everybody."""
    text = remote_folder(node)
    if text.startswith("~"):
        raise ValueError("a folder in HOME is nobody else's\nwrite the whole path")
    return str(PurePosixPath("/" + text.lstrip("/")))


def _local_file(node: Node) -> str:
    """One that is found wherever the command is typed."""
    text = one_line(node)
    if not re.match(r"/|~|[A-Za-z]:[\\/]", text):
        raise ValueError(f"{quoted(text)} must begin with '/' or '~/'")
    return text


def _known_hosts(node: Node) -> str:
    text = one_line(node)
    if ".." in re.split(r"[\\/]", text) or text.startswith("-"):
        raise ValueError(f"{quoted(text)} is no file's name")
    return text


def _proxy_jump(node: Node) -> str:
    text = one_line(node)
    for hop in text.split(","):
        ssh_target(hop)
    return text


def _local_files(node: Node) -> tuple[str, ...]:
    found = tuple(map(one_line, listed(node)))
    if not found:
        raise ValueError("a file is missing")
    if any(text.startswith("-") for text in found):
        raise ValueError("a file cannot begin with '-'\nwrite ./ before it")
    return found


def _use_env(node: Node) -> str:
    text = one_line(node)
    if text.startswith(("/", "~/")):
        return remote_folder(node)
    if not _ENV_NAME.fullmatch(text):
        raise ValueError(f"{quoted(text)} is neither an environment's name nor its folder")
    return text


def _gpus(node: Node) -> str:
    if isinstance(node, Items):
        text = ",".join(_scalar(each) for each in node.values) + ","
    else:
        text = _scalar(node).replace(" ", "")
    if text == "none" or re.fullmatch(r"[1-9][0-9]{0,2}|([0-9]{1,3},)+([0-9]{1,3})?", text):
        return text
    hint = "2: the two least busy; '0,2' or '0,': these cards; none: no card"
    raise ValueError(f"{quoted(text)} is neither a count, nor cards, nor none\n{hint}")


def listed(node: Node) -> tuple[Node, ...]:
    """A list's values; one value alone counts as a list of one."""
    return node.values if isinstance(node, Items) else (node,)


def _prologue(node: Node) -> tuple[str, ...]:
    lines = tuple(_scalar(each).rstrip() for each in listed(node))
    if not all(lines):
        raise ValueError("a command is missing")
    return lines


def _pass_env(node: Node) -> tuple[str, ...]:
    return tuple(dict.fromkeys(checked_variable(_scalar(each)) for each in listed(node)))


def _check(node: Node) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(one_line(each).strip() for each in listed(node)))
    for each in found:
        if len(each) > 200 or not all(part.isidentifier() for part in each.split(".")):
            raise ValueError(
                f"{quoted(each)} is no module that Python can import\n"
                "write what stands behind `import`: torch, or numpy.linalg"
            )
    return found


def _channels(node: Node) -> tuple[str, ...]:
    from gpuws.config.conda_specs import checked_channel  # late: completion has no time for it

    return tuple(checked_channel(one_line(each)) for each in listed(node))


def _mirror(node: Node) -> Mirror:
    from gpuws.config.mirror import mirror  # late: as above

    return mirror(node)


def address(node: Node) -> str:
    text = one_line(node)
    # No message repeats it: it may hold a password.
    if not re.fullmatch(r"(https?://|file:///)[^\s\"'`\\<>;|]+", text) or not text.isascii():
        raise ValueError("a URL is needed that begins with https://, http:// or file:///")
    return text


def _yes_or_no(node: Node) -> bool:
    text = _scalar(node)
    if not isinstance(node, Scalar) or node.sort != "boolean":
        raise ValueError(f"true or false, without quotes, not {quoted(text)}")
    return text.lower() in ("true", "yes", "on")


def _forwards(node: Node) -> tuple[NamedForward, ...]:
    if not isinstance(node, Table):
        raise ValueError(
            f"a map of names, not {describe(node)}\ntensorboard: 6006 opens one named tensorboard"
        )
    if len(node.values) > MOST:
        raise ValueError(f"{len(node.values)} forwards, {MOST} at most")
    return tuple(forward_from(one_line(value), key.text) for key, value in node.values.values())


def _reverse(node: Node) -> tuple[ReverseForward, ...]:
    if not isinstance(node, Table):
        raise ValueError(
            f"a map of names, not {describe(node)}\nproxy: 3128:3128 leads to the laptop's 3128"
        )
    found = [reverse_from(one_line(value), key.text) for key, value in node.values.values()]
    if len({each.remote_port for each in found}) < len(found) or len(found) > MOST:
        raise ValueError(f"each port of the host can lead to one place, and {MOST} at most")
    return tuple(found)


def _keep_login(node: Node) -> float:
    """Seconds. YAML's own no is one of the words, so it needs no quotes."""
    text = _scalar(node)
    found = 0.0 if text.lower() in ("no", "false", "off") else duration(text)
    if found is None or found > LONGEST_LOGIN:
        hint = "8h, 90m: so long after its last use, a week at most; no: not at all"
        raise ValueError(f"{quoted(text)} is no such time\n{hint}")
    return found


def bridge_word(text: str) -> str | None:
    """Raises ValueError."""
    if text not in ("stdio", "none"):
        raise ValueError(f"{quoted(text)} is neither stdio nor none")
    return None if text == "none" else text


def _transport(node: Node) -> str:
    text = _scalar(node)
    if text not in TRANSPORTS:
        raise ValueError(f"{quoted(text)} is neither paramiko nor openssh")
    return text


READERS: dict[str, Reader] = {
    "ssh": _ssh,
    "port": _number(1),
    "identity_file": _local_file,
    "proxy_jump": _proxy_jump,
    "known_hosts": _known_hosts,
    "root": remote_folder,
    "shared_root": _shared_folder,
    "environment": _local_files,
    "use_env": _use_env,
    "dir": remote_folder,
    "gpus": _gpus,
    "local_port": _number(1024),
    "prologue": _prologue,
    "pass_env": _pass_env,
    "cache_dir": remote_folder,
    "channels": _channels,
    "check": _check,
    "pip_index": address,
    "mirror": _mirror,
    "login_env": _yes_or_no,
    "forwards": _forwards,
    "reverse": _reverse,
    "keep_login": _keep_login,
    "bridge": lambda node: bridge_word(one_line(node)),
    "transport": _transport,
}
"""Key of hosts.yaml → its reader; ``env`` is read by checked_variables."""
