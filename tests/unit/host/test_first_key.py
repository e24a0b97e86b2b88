"""The lines that set up a key after a login with a password."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from gpuws.host import first_key
from gpuws.host.first_key import Key, advice, lines
from gpuws.plan.model import Profile

BOX = Profile("ada@gpu.example.org", "gpu.example.org", 22, "ada")
MISSING = Key(PurePosixPath("/home/ada/.ssh/id_ed25519"), usual=True, there=False)
THERE = Key(MISSING.file, usual=True, there=True)
OWN = Key(PurePosixPath("/keys/for box"), usual=False, there=False)
OWN_THERE = Key(OWN.file, usual=False, there=True)


def at(alias: str, **changes: object) -> Profile:
    settings = {"hostname": "10.0.0.5", "port": 2222, "user": "ada", **changes}
    return Profile(alias, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("profile", "key", "is_alias", "told"),
    [
        (BOX, MISSING, False, ("ssh-keygen -t ed25519", "ssh-copy-id ada@gpu.example.org")),
        (BOX, THERE, False, ("ssh-copy-id ada@gpu.example.org",)),
        (at("ada@10.0.0.5:2222"), THERE, False, ("ssh-copy-id -p 2222 ada@10.0.0.5",)),
        (at("box"), THERE, True, ("ssh-copy-id box",)),
        (at("root@box:2200"), THERE, True, ("ssh-copy-id -p 2200 root@box",)),
        (at("box", ssh_config="/my conf"), THERE, True, ("ssh-copy-id -F '/my conf' box",)),
        (
            at("10.0.0.5", proxy_jump=("a", "me@b:22")),
            THERE,
            False,
            ("ssh-copy-id -p 2222 -o ProxyJump=a,me@b:22 ada@10.0.0.5",),
        ),
        (
            BOX,
            OWN,
            False,
            (
                "ssh-keygen -t ed25519 -f '/keys/for box'",
                "ssh-copy-id -i '/keys/for box.pub' ada@gpu.example.org",
            ),
        ),
        (at("box"), OWN_THERE, True, ("ssh-copy-id -i '/keys/for box.pub' box",)),
    ],
)
def test_on_linux_and_macos(
    profile: Profile, key: Key, is_alias: bool, told: tuple[str, ...]
) -> None:
    assert lines(profile, key, is_alias, windows=False) == told


def test_on_windows_powershell_appends_it() -> None:
    append = '"umask 077; mkdir -p .ssh; cat >> .ssh/authorized_keys"'
    usual = rf"type $env:USERPROFILE\.ssh\id_ed25519.pub | ssh -p 2222 ada@10.0.0.5 {append}"
    profile = at("ada@10.0.0.5:2222")
    assert lines(profile, MISSING, False, windows=True) == ("ssh-keygen -t ed25519", usual)
    own = Key(PureWindowsPath(r"C:\keys\box"), usual=False, there=True)
    assert lines(at("box"), own, True, windows=True) == (
        rf"type C:\keys\box.pub | ssh box {append}",
    )


def test_a_key_that_is_there_needs_no_ssh_keygen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_key, "home", lambda: str(tmp_path))
    folder = tmp_path / ".ssh"
    folder.mkdir()
    profile = at("box", identity_files=(str(folder / "id_rsa"), str(folder / "id_ed25519")))
    monkeypatch.setattr(first_key, "known_aliases", lambda _: ("box",))
    assert advice(profile, windows=False)[1:] == ("  ssh-keygen -t ed25519", "  ssh-copy-id box")
    (folder / "id_ed25519.pub").write_text("")
    assert advice(profile, windows=False)[1:] == ("  ssh-copy-id box",)
