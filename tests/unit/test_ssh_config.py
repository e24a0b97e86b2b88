"""The parts of the own reader of ssh_config: what needs no comparison with a real ssh, or has a
newer one than this machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.host.address import Address
from gpuws.host.here import Here
from gpuws.host.ssh_config.expander import expanded
from gpuws.host.ssh_config.lexer import line_of
from gpuws.host.ssh_config.patterns import listed, matches
from gpuws.host.ssh_config.refusing import BadLine
from gpuws.host.ssh_config.settings import Settings
from gpuws.host.ssh_config.values import seconds


def read(folder: Path, text: str, host: str = "box") -> Settings:
    config = folder / "config"
    config.write_text(text)
    here = Here(
        home="/home/ada",
        user="ada",
        uid="1000",
        hostname="laptop.example",
        environment={"HOME": "/home/ada"},
        system=folder / "etc",
    )
    return expanded(Address(host), here, lambda command: command == "yes", config=config)


def refusal(folder: Path, text: str, host: str = "box") -> GpuwsError:
    with pytest.raises(GpuwsError) as refused:
        read(folder, text, host)
    return refused.value


# --- lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "keyword", "words"),
    [
        ("Port 22", "port", ("22",)),
        ("\t PORT=22 ", "port", ("22",)),
        ("Port = 22\r", "port", ("22",)),
        ('"Port" 22', "port", ("22",)),
        ("Host a 'b c' \"d\" e\\ f", "host", ("a", "b c", "d", "e f")),
        ("Host a#b # c", "host", ("a#b",)),
        ('Host "a # b"', "host", ("a # b",)),
        ('Host a\\b \'it\\\'s\' "say \\"x\\""', "host", ("a\\b", "it's", 'say "x"')),
        ("Host x\"y z\"w ''", "host", ("xy zw", "")),
    ],
)
def test_a_line_has_words_as_for_ssh(raw: str, keyword: str, words: tuple[str, ...]) -> None:
    line = line_of(1, raw)
    assert line is not None
    assert (line.keyword, line.words) == (keyword, words)


@pytest.mark.parametrize("raw", ["", "   ", "# x", "\t#", "\r", '"open'])
def test_some_lines_say_nothing(raw: str) -> None:
    assert line_of(1, raw) is None


@pytest.mark.parametrize("raw", ["Port", "Port =", "Host 'a", 'Host "a', "\f"])
def test_some_lines_are_mistakes(raw: str) -> None:
    with pytest.raises(BadLine):
        line_of(1, raw)


@pytest.mark.parametrize(
    ("text", "pattern", "does"),
    [
        *(("box", "b*", True), ("box", "b?x", True), ("box", "?", False), ("", "*", True)),
        *(("a.b", "a[.]b", False), ("box", "Box", False), ("a\nb", "a*b", True)),
    ],
)
def test_a_pattern_knows_stars_and_question_marks_alone(
    text: str, pattern: str, does: bool
) -> None:
    assert matches(text, pattern) is does


def test_a_list_of_patterns_fails_at_the_first_that_is_negated() -> None:
    assert listed("box", "a,b*") and not listed("box", "b*,!box") and not listed("box", "!a")
    assert listed("box", "BOX", caseless=True)


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("1m30s", 90), ("2H", 7200), ("1w", 604800)]
)
def test_a_time_is_in_seconds(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["5x", "-1", "1.5", "99999999999"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadLine):
        seconds(text)


# --- what is not understood ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "feature"),
    [
        ("Match localnetwork 10.0.0.0/8", "Match localnetwork"),
        ("Match !sessiontype shell", "Match sessiontype"),
        ("Match command x", "Match command"),
        ("Match version OpenSSH_10*", "Match version"),
        ('Match exec "a \\" b"', "quotes, backslashes or equal signs in a Match line"),
        ("Match host 'box'", "quotes, backslashes or equal signs in a Match line"),
        ("Include a\\*b", "a backslash in Include"),
        ("Include [^a]*", "such a class of characters in Include"),
        ("ProxyJump a, b", "a blank in ProxyJump"),
        ("ProxyJump ssh://a%20b@c", "an encoded user in ssh://"),
        ("LocalForward 80\\:1 x:1", "a backslash in a forward"),
        ("Ciphers aes1024", "the algorithm 'aes1024' of ciphers"),
        ("GSSAPIKeyExchange yes", "gssapikeyexchange"),
        ("RefuseConnection no", "RefuseConnection"),
        ("CanonicalizePermittedCNAMEs *:*", "CanonicalizePermittedCNAMEs"),
        ("CanonicalizeHostname yes\nCanonicalDomains example.org", "CanonicalizeHostname"),
        ("ProxyJump gate\nControlPath /tmp/%C", "the token %C with a jump host"),
        ("ProxyJump none\nProxyCommand x", "ProxyCommand behind ProxyJump none"),
    ],
)
def test_what_is_not_understood_is_refused_by_its_name_and_line(
    line: str, feature: str, tmp_path: Path
) -> None:
    error = refusal(tmp_path, f"# first\n{line}\n")
    assert (error.code, error.exit) == ("profile-unsupported", 3)
    assert error.message.startswith(f"{tmp_path}/config:")
    assert error.message.endswith(f"does not understand: {feature}")


def test_a_tag_can_be_matched(tmp_path: Path) -> None:
    text = (
        "Host box\n  Tag red\nMatch tagged re*,!reddish\n  Port 7\nMatch tagged blue\n  User no\n"
    )
    found = read(tmp_path, text)
    assert (found.one("port"), found.one("user")) == ("7", "ada")
    assert found.place("port").endswith("config:4")


def test_unknown_keywords_may_be_ignored_from_there_on(tmp_path: Path) -> None:
    found = read(tmp_path, "IgnoreUnknown use*,Foo\nUseKeychain yes\nfoo\t1\nPort 7\n")
    assert found.one("port") == "7"
    error = refusal(tmp_path, "UseKeychain yes\nIgnoreUnknown UseKeychain\n")
    assert error.code == "profile-unreadable" and "config:1: bad conf" in error.message


# --- names without DNS ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("a.b.c", "CanonicalDomains example.org\n"),
        ("10.0.0.1", "CanonicalDomains example.org\n"),
        ("box", "CanonicalDomains none\n"),
        ("box", ""),
        ("box", "CanonicalDomains example.org\nProxyCommand nc %h %p\n"),
    ],
)
def test_a_canonical_name_that_needs_no_dns_is_found_and_the_files_are_read_again(
    host: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def numeric_only(*words: object) -> object:
        assert int(str(words[5])) & socket.AI_NUMERICHOST, "DNS was asked"
        return real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", numeric_only)
    found = read(tmp_path, f"CanonicalizeHostname yes\n{text}Match canonical\n  Port 7\n", host)
    assert (found.one("hostname"), found.one("port")) == (host, "7")


def test_a_name_that_may_not_fall_back_is_refused(tmp_path: Path) -> None:
    text = "CanonicalizeHostname yes\nCanonicalizeFallbackLocal no\n"
    assert refusal(tmp_path, text).code == "profile-unreadable"


def test_the_place_of_every_value_is_known(tmp_path: Path) -> None:
    found = read(tmp_path, "Host box\n  IdentityFile a\nMatch exec yes\n  IdentityFile b\n")
    assert [(each.value, each.place[-1]) for each in found.all("identityfile")] == [
        ("a", "2"),
        ("b", "4"),
    ]
    assert found.place("user") == "default" and found.place("hostname") == "command line"


@pytest.mark.parametrize(
    ("lines", "printed"),
    [
        (("no", "/a"), "/a"),
        (("/a", "no"), "/a"),
        (("yes", "/a", "/b"), "/a"),
        (("no", "yes"), "no"),
    ],
)
def test_a_path_of_forward_agent_is_kept_apart_from_yes_and_no(
    tmp_path: Path, lines: tuple[str, ...], printed: str
) -> None:
    """As seen of ssh 9.2."""
    text = "".join(f"ForwardAgent {each}\n" for each in lines)
    assert read(tmp_path, text).values("forwardagent") == (printed,)
