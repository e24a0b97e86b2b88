"""Host certificates: gpuws and ssh give the same verdict on each, and each verdict is expected."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from gpuws.errors import GpuwsError
from gpuws.host import certificates
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from tests.support.fake_server import LoginServer, Rules, listening
from tests.support.people import Nobody
from tests.support.person import Ear, Person
from tests.support.sshd import Sshd, make_key, running_sshd

NAME = "box.example"  # the HostKeyAlias, which is what a certificate must be for
PAST, FUTURE = "20200101:20200102", "20900101:20910101"


@dataclass(frozen=True)
class Lab:
    """A server that shows ``certificate``, which is read anew for each connection."""

    server: Sshd
    folder: Path

    def authority(self, name: str) -> Path:
        return self.folder / name

    def certify(self, authority: str, *options: str, key: Path | None = None) -> None:
        certify(key or self.server.host_key, self.authority(authority), *options)

    def line(self, name: str, marker: str = "@cert-authority", pattern: str = NAME) -> str:
        return f"{marker} {pattern} {public(self.authority(name))}\n"


def certify(key: Path, authority: Path, *options: str) -> Path:
    """The certificate's path."""
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "the box", *options, f"{key}.pub"]
    subprocess.run(sign, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return key.with_name(key.name + "-cert.pub")


def public(key: Path) -> str:
    return " ".join(key.with_name(key.name + ".pub").read_text().split()[:2])


def blob_of(line: Path) -> bytes:
    return base64.b64decode(line.read_text().split()[1])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("ssh")
    for name, kind in (("ca", "ed25519"), ("other", "ed25519"), ("rsa", "rsa"), ("ec", "ecdsa")):
        make_key(folder / name, kind)
    lines = [f"HostCertificate {folder}/s/host_key-cert.pub"]
    with running_sshd(folder / "s", lines, home=folder) as server:
        yield Lab(server, folder)


def config_of(lab: Lab, folder: Path, known: str, *lines: str) -> Path:
    (folder / "known").write_text(known)
    first = [f'UserKnownHostsFile "{folder}/known"', f"HostKeyAlias {NAME}", *lines]
    config = folder / "ssh_config"
    config.write_text("\n".join([*first, lab.server.config.read_text()]))
    return config


def verdicts(lab: Lab, config: Path) -> tuple[str, bool]:
    """(the code of gpuws's error, "" where it gets in; whether ssh gets in)."""
    return code_of(lab, config)[0], ssh_gets_in(lab, config)


def code_of(lab: Lab, config: Path, answers: Sequence[str] | None = None) -> tuple[str, str]:
    """(the error's code, what was said)."""
    ear = Ear()
    ask = Nobody() if answers is None else Person(answers)
    try:
        connect(resolve(lab.server.alias, ssh_config=config), ask, ear).close()
    except GpuwsError as error:
        return error.code, error.message
    return "", "\n".join(ear.said)


def ssh_gets_in(lab: Lab, config: Path) -> bool:
    ssh = ["ssh", "-F", str(config), "-o", "BatchMode=yes", lab.server.alias, "true"]
    return subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


HOST = ("-h", "-n", NAME)
SIGNED = {
    "good": ("ca", HOST, ""),
    "one name of several": ("ca", ("-h", "-n", f"a,{NAME}"), ""),
    "without names": ("ca", ("-h",), ""),
    "by an RSA authority": ("rsa", HOST, ""),
    "by an ECDSA authority": ("ec", HOST, ""),
    "expired": ("ca", (*HOST, "-V", PAST), "it has expired"),
    "not valid yet": ("ca", (*HOST, "-V", FUTURE), "not valid yet"),
    "for another name": ("ca", ("-h", "-n", "other"), "it is for other, not for box.example"),
    "for a wildcard": ("ca", ("-h", "-n", "*.example"), "not for box.example"),
    "in other letters": ("ca", ("-h", "-n", "BOX.example"), "not for box.example"),
    "of a user": ("ca", ("-n", NAME), "it is a user's, not a host's"),
    "with a critical option": ("ca", (*HOST, "-O", "critical:x=y"), "critical options"),
    "signed with SHA-1": ("rsa", (*HOST, "-t", "ssh-rsa"), "signed with SHA-1"),
    "of another authority": ("other", HOST, "not of its authority"),
}


@pytest.mark.parametrize("case", SIGNED)
def test_a_certificate_counts_where_ssh_counts_it(lab: Lab, tmp_path: Path, case: str) -> None:
    """Row 17: the lines of authorities."""
    authority, options, why = SIGNED[case]
    lab.certify(authority, *options)
    known = lab.line("rsa") + lab.line("ec") + lab.line("ca", pattern="*.EXAMPLE,!other")
    config = config_of(lab, tmp_path, known)
    assert verdicts(lab, config) == ("host-key-unknown" if why else "", not why)
    assert why in code_of(lab, config)[1]


def test_a_certificate_that_counts_for_nothing_leaves_the_key_that_is_known(
    lab: Lab, tmp_path: Path
) -> None:
    lab.certify("ca", *HOST, "-V", PAST)
    known = lab.line("ca") + f"{NAME} {public(lab.server.host_key)}\n"
    config = config_of(lab, tmp_path, known)
    assert verdicts(lab, config) == ("", True)
    assert "it has expired; its key is known by itself" in code_of(lab, config)[1]


def test_a_changed_key_is_one_also_behind_a_bad_certificate(lab: Lab, tmp_path: Path) -> None:
    lab.certify("other", *HOST)
    known = lab.line("ca") + f"{NAME} {public(lab.authority('ca'))}\n"
    assert verdicts(lab, config_of(lab, tmp_path, known)) == ("host-key-changed", False)


def test_a_person_may_accept_the_key_of_a_bad_certificate_and_is_told_of_it(
    lab: Lab, tmp_path: Path
) -> None:
    lab.certify("ca", *HOST, "-V", PAST)
    config = config_of(lab, tmp_path, lab.line("ca"))
    person = Person(["yes"])
    connect(resolve(lab.server.alias, ssh_config=config), person, Ear()).close()
    assert "it has expired" in person.asked[0][1]
    assert (tmp_path / "known").read_text().splitlines()[1] == (
        f"{NAME} {public(lab.server.host_key)}"
    )


def test_no_certificate_is_asked_for_where_no_authority_speaks_of_the_host(
    lab: Lab, tmp_path: Path
) -> None:
    lab.certify("ca", *HOST)
    known = lab.line("ca", pattern="*.other") + f"{NAME} {public(lab.server.host_key)}\n"
    config = config_of(lab, tmp_path, known)
    assert code_of(lab, config) == ("", "")


def test_a_server_without_a_certificate_of_its_authority_is_unknown(
    lab: Lab, tmp_path: Path
) -> None:
    (lab.folder / "s" / "host_key-cert.pub").unlink(missing_ok=True)
    config = config_of(lab, tmp_path, lab.line("ca"))
    assert verdicts(lab, config) == ("host-key-unknown", False)
    assert f"no certificate of its authority, {tmp_path}/known:1" in code_of(lab, config)[1]
    assert code_of(lab, config, ["yes"])[0] == ""


REVOKED = {
    "the authority, in known_hosts": lambda lab, _: (lab.line("ca", "@revoked"), ""),
    "the key, in known_hosts": lambda lab, _: (
        f"@revoked {NAME} {public(lab.server.host_key)}\n",
        "",
    ),
    "the authority, in a text file": lambda lab, _: ("", public(lab.authority("ca"))),
    "the key, in a text file": lambda lab, _: ("", public(lab.server.host_key)),
    "the authority, in a KRL": lambda lab, folder: ("", krl(folder, f"{lab.authority('ca')}.pub")),
    "the serial number, in a KRL": lambda lab, folder: (
        "",
        krl(folder, "-s", f"{lab.authority('ca')}.pub", spec(folder, "serial: 5-9")),
    ),
    "another serial number, in a KRL": lambda lab, folder: (
        "",
        krl(folder, "-s", f"{lab.authority('ca')}.pub", spec(folder, "serial: 8")),
    ),
}


def spec(folder: Path, text: str) -> str:
    (folder / "spec").write_text(text + "\n")
    return str(folder / "spec")


def krl(folder: Path, *options: str) -> bytes:
    file = folder / "made"
    command = ["ssh-keygen", "-k", "-q", "-f", str(file), *options]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return file.read_bytes()


@pytest.mark.parametrize("case", REVOKED)
def test_a_certificate_falls_with_its_key_its_authority_or_its_number(
    lab: Lab, tmp_path: Path, case: str
) -> None:
    """Row 16. The key is also known by itself, which helps nothing."""
    lab.certify("ca", *HOST, "-z", "7")
    line, listed = REVOKED[case](lab, tmp_path)  # type: ignore[no-untyped-call]
    known = lab.line("ca") + line + f"{NAME} {public(lab.server.host_key)}\n"
    lines = []
    if listed:
        file = tmp_path / "revoked"
        file.write_bytes(listed if isinstance(listed, bytes) else f"{listed}\n".encode())
        lines = [f"RevokedHostKeys {file}"]
    refused = not case.startswith("another")
    assert verdicts(lab, config_of(lab, tmp_path, known, *lines)) == (
        "host-key-revoked" if refused else "",
        not refused,
    )


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_the_certified_key_may_be_of_any_kind(lab: Lab, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / "key", kind)
    lines = [f"HostKey {key}", f"HostCertificate {certify(key, lab.authority('ca'), *HOST)}"]
    with running_sshd(tmp_path / "s", lines) as server:
        of_kind = Lab(server, lab.folder)
        assert verdicts(of_kind, config_of(of_kind, tmp_path, lab.line("ca"))) == ("", True)


class _Borrowed(paramiko.Ed25519Key):
    """A key that shows a certificate of another one."""

    certificate = b""

    def get_name(self) -> str:
        return "ssh-ed25519-cert-v01@openssh.com"

    def asbytes(self) -> bytes:
        return self.certificate


def test_a_certificate_of_a_key_that_the_server_does_not_hold_proves_nothing(
    lab: Lab, tmp_path: Path
) -> None:
    """The certificate is no secret: whoever is in between can show it."""
    shown = certify(make_key(tmp_path / "real"), lab.authority("ca"), *HOST)
    key = _Borrowed.from_private_key_file(str(make_key(tmp_path / "own")))
    key.certificate = blob_of(shown)
    servers: list[LoginServer] = []
    with listening(lambda sock: servers[0].serve(sock)) as port:
        impostor = LoginServer(tmp_path / "i", Rules(), port)
        impostor.key = key
        servers.append(impostor)
        impostor.known_hosts.write_text(lab.line("ca"))
        impostor.write_config(f"HostKeyAlias {NAME}")
        with pytest.raises(GpuwsError) as refused:
            connect(resolve("asker", ssh_config=impostor.config), Person(["secret"]), Ear())
    assert (refused.value.code, refused.value.exit) == ("host-key-changed", 5)
    assert "did not prove" in refused.value.message
    assert impostor.rules.seen == []


@pytest.mark.parametrize("authority", ["ca", "rsa", "ec"])
def test_a_certificate_with_any_other_byte_is_refused(
    lab: Lab, tmp_path: Path, authority: str
) -> None:
    shown = certify(make_key(tmp_path / "key"), lab.authority(authority), *HOST)
    blob = blob_of(shown)
    assert certificates.read(blob).principals == (NAME,)
    for place in range(0, len(blob), 3):
        changed = bytearray(blob)
        changed[place] ^= 1
        with pytest.raises(certificates.CertificateTrouble):
            certificates.read(bytes(changed))
