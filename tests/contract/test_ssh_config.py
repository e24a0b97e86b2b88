"""ssh_config is read as ssh reads it: compared with ``ssh -G`` field by field, or refused by the
name of a feature. Rows 1 to 3 of the fault catalogue."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from gpuws.errors import GpuwsError
from gpuws.host import asked
from gpuws.host import profile as profiles
from gpuws.host.ssh_config import include, keywords, lexer, matching, patterns, reading
from gpuws.host.ssh_config.settings import Setting, Settings
from gpuws.host.tokens import Tokens
from tests.support.ssh_configs import KNOWN, VALUES, Case, case, cases, smallest
from tests.support.ssh_reading import Reading, Unexpandable, lines_of

SSH = shutil.which("ssh") or ""
pytestmark = pytest.mark.skipif(not SSH, reason="needs ssh")

NEEDS_DNS = ("CanonicalizeHostname", "CanonicalizePermittedCNAMEs")
AS_PRINTED = (
    *("controlmaster", "controlpath", "controlpersist", "gssapiauthentication", "checkhostip"),
    *("verifyhostkeydns", "connectionattempts", "bindinterface", "pkcs11provider"),
    *("knownhostscommand", "remotecommand", "proxyusefdpass", "forwardagent", "setenv", "tunnel"),
    *("hostbasedauthentication", "compression", "batchmode"),
)
"""What no field of the profile shows, or only as a note."""
KNOWN_HOSTS = (*KNOWN, "~/.ssh/known_hosts", "~/.ssh/known_hosts2", "~/gk", "/etc/k1", "/g h/k")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    made = Heard()
    made.listen(monkeypatch)
    return made


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", "/keys of %h")
    monkeypatch.delenv("UNSET_X", raising=False)


def version() -> tuple[int, int]:
    said = subprocess.run([SSH, "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"_(\d+)\.(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])


@cache
def known_here() -> tuple[str, ...]:
    """The directives of the table that the ssh of this machine has."""
    mine = version()
    names = {each.name for each in keywords.DIRECTIVES if each.since <= mine}
    return tuple(name for name in VALUES if name in names)


# --- one case ------------------------------------------------------------------------------------


Outcome = dict[str, Any] | GpuwsError


def outcome(find: Callable[[], profiles.Resolved]) -> Outcome:
    """The fields of the profile, without the one note that is about the resolver."""
    try:
        found = find()
    except GpuwsError as error:
        return error
    notes = found.profile.notes[found.resolver == "own" :]
    as_printed = {keyword: found.settings.values(keyword) for keyword in AS_PRINTED}
    only = ()  # what only ssh can do is asked of ssh alone
    return {**asdict(found.profile), "notes": notes, "only_ssh": only, **as_printed}


def which(one: Case, folder: Path) -> profiles.Asked:
    return profiles.asked_for(one.typed, one.write(folder), one.port)


def feature(error: GpuwsError) -> str:
    """Of a refusal by the own expander."""
    assert error.code == "profile-unsupported", error.message
    return error.message.rpartition("does not understand: ")[2]


class Heard:
    """What ``ssh -G`` said to the resolver, so that it need not be asked twice."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = asked.answer

        def answer(words: list[str]) -> str:
            said = real(words)
            self.said.append(said)
            return said

        monkeypatch.setattr(asked, "answer", answer)

    def fields(self, host: str) -> dict[str, Any] | None:
        """By the tests' own reader. None: ssh refuses, then or as soon as it uses a value."""
        try:
            return fields_of(self.said[0], host) if self.said else None
        except Unexpandable:
            return None


def fields_of(said: str, host: str) -> dict[str, Any]:
    return Reading(lines_of(said), host, KNOWN_HOSTS).fields()


def differing(one: Outcome, other: Outcome) -> list[str]:
    """What a silent difference is made of; a named refusal is none."""
    if isinstance(one, GpuwsError) or isinstance(other, GpuwsError):
        return [] if isinstance(one, GpuwsError) and isinstance(other, GpuwsError) else ["refusal"]
    return [name for name in one if name in other and one[name] != other[name]]


@dataclass
class Tally:
    ssh_refused: int = 0
    cases: int = 0
    by_resolver: Counter[str] = field(default_factory=Counter)  # refusals, by what they say
    by_expander: Counter[str] = field(default_factory=Counter)  # by the name of the feature
    directives: Counter[str] = field(default_factory=Counter)  # in how many cases


def compare(one: Case, folder: Path, tally: Tally, heard: Heard) -> list[str]:
    """The names of the fields in which one of the two readers differs silently from ssh."""
    meant = which(one, folder)
    own = outcome(lambda: profiles.by_itself(meant))
    tally.cases += 1
    tally.directives.update(one.directives)
    refused = isinstance(own, GpuwsError) and own.code == "profile-unsupported"
    if isinstance(own, GpuwsError) and refused:
        tally.by_expander[feature(own)] += 1
        if feature(own) in NEEDS_DNS:
            return []  # ssh would go and ask
    heard.said.clear()
    resolver = outcome(lambda: profiles.by_ssh(meant, SSH))
    expected = heard.fields(meant.address.host)
    if isinstance(resolver, GpuwsError) and resolver.code == "profile-unsupported":
        tally.by_resolver[resolver.message] += 1
        return []
    if expected is None:
        tally.ssh_refused += 1
        found = [] if isinstance(resolver, GpuwsError) else ["resolver"]
        return found + ([] if isinstance(own, GpuwsError) else ["own"])
    return differing(expected, resolver) + ([] if refused else differing(resolver, own))


def drawn(count: int, start: int | None, look: Callable[[Case], None]) -> None:
    """``start``: always the same cases; None: others each time."""

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(known_here()))
    def each(one: Case) -> None:
        look(one)

    if start is not None:
        seed(start)(each)
    each()


def run(count: int, folder: Path, heard: Heard, start: int | None) -> Tally:
    tally = Tally()

    def agrees(one: Case) -> None:
        found = compare(one, folder, tally, heard)
        if found:
            short = smallest(one, lambda each: compare(each, folder, Tally(), heard) == found)
            pytest.fail(f"{found} of {short.typed} port {short.port}: {short.files}")

    drawn(count, start, agrees)
    return tally


def check(tally: Tally) -> None:
    assert tally.ssh_refused < tally.cases * 0.15, "most must say something"
    assert sum(tally.by_resolver.values()) <= tally.cases * 0.02, tally.by_resolver
    assert sum(tally.by_expander.values()) <= tally.cases * 0.15, tally.by_expander


# --- the generator -------------------------------------------------------------------------------


def test_the_generator_has_every_directive_of_the_page() -> None:
    assert {*VALUES, "Host", "Match", "Include"} == {
        each.name
        for each in keywords.DIRECTIVES
        if each.since < (9, 5) and each.use is not keywords.Use.REFUSED
    }


PARTS, EACH = 4, 130  # so many tests of so many configurations


@pytest.mark.parametrize("part", range(PARTS))
def test_five_hundred_configurations_are_read_as_by_ssh_or_refused_by_name(
    part: int, tmp_path: Path, heard: Heard
) -> None:
    """Row 1 of the fault catalogue."""
    tally = run(EACH, tmp_path / "case", heard, part)
    assert tally.cases >= EACH
    check(tally)


def test_each_directive_is_in_twenty_of_these_configurations() -> None:
    seen: list[Case] = []
    for part in range(PARTS):
        drawn(EACH, part, seen.append)
    assert len(seen) >= 500
    counted = Counter(name for one in seen for name in one.directives)
    assert {name: counted[name] for name in known_here() if counted[name] < 20} == {}


@pytest.mark.endurance
def test_ten_thousand_fresh_configurations_are_read_as_by_ssh(tmp_path: Path, heard: Heard) -> None:
    tally = run(10_000, tmp_path / "case", heard, None)
    assert tally.cases >= 10_000
    check(tally)


# --- mutants -------------------------------------------------------------------------------------


def _last_value_wins(patch: pytest.MonkeyPatch) -> None:
    def first(self: Settings, keyword: str, values: tuple[str, ...], place: str) -> None:
        if values and (place != "default" or keyword not in self):
            self._found[keyword] = tuple(Setting(value, place) for value in values)

    patch.setattr(Settings, "first", first)


def _one_identity_file(patch: pytest.MonkeyPatch) -> None:
    row = keywords.BY_KEYWORD["identityfile"]
    patch.setitem(keywords.BY_KEYWORD, "identityfile", replace(row, most=0))


def _host_negation_is_nothing(patch: pytest.MonkeyPatch) -> None:
    real = reading.Reading._host_line

    def host_line(self: reading.Reading, line: lexer.Line, where: Any) -> bool:
        kept = tuple(each for each in line.words if not each.startswith("!"))
        return real(self, replace(line, words=kept), where)

    patch.setattr(reading.Reading, "_host_line", host_line)


def _match_negation_is_nothing(patch: pytest.MonkeyPatch) -> None:
    real = matching._conditions
    patch.setattr(
        matching,
        "_conditions",
        lambda line: [(False, name, value) for _, name, value in real(line)],
    )
    patch.setattr(matching, "_same_for_both_lexers", lambda *_: None)


def _match_host_is_what_was_typed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading.Reading, "_host_so_far", lambda self: self._original)


def _no_second_reading(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading, "wants_final", lambda _: False)


def _include_opens_its_own_block(patch: pytest.MonkeyPatch) -> None:
    real = reading.Reading._file

    def file(self: reading.Reading, path: Path, where: Any, *, active: bool) -> None:
        real(self, path, replace(where, never=False), active=True)

    patch.setattr(reading.Reading, "_file", file)


def _include_is_not_sorted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        f"{reading.__name__}.included",
        lambda pattern, here, own: reversed(list(include.included(pattern, here, own=own))),
    )


def _comments_are_values(patch: pytest.MonkeyPatch) -> None:
    real = lexer.words
    patch.setattr(lexer, "words", lambda text: real(text.replace(" #", " -#")))


def _single_quotes_are_letters(patch: pytest.MonkeyPatch) -> None:
    real = lexer.words
    patch.setattr(lexer, "words", lambda text: real(text.replace("'", "\\'")))


def _hosts_are_found_in_any_case(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        f"{reading.__name__}.matches",
        lambda text, pattern: patterns.matches(text.lower(), pattern.lower()),
    )


def _proxy_command_beats_jump(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading.Reading, "_way_is_open", lambda *_: True)


def _token_n_is_the_real_name(patch: pytest.MonkeyPatch) -> None:
    real = Tokens.values

    def values(self: Tokens, accepted: str = "CLdhijklnpru") -> Any:
        return {**real(self, accepted), "n": lambda: self.host}

    patch.setattr(Tokens, "values", values)


MUTANTS = (
    *(_last_value_wins, _one_identity_file, _host_negation_is_nothing, _match_negation_is_nothing),
    *(_match_host_is_what_was_typed, _no_second_reading, _include_opens_its_own_block),
    *(_include_is_not_sorted, _comments_are_values, _single_quotes_are_letters),
    *(_hosts_are_found_in_any_case, _proxy_command_beats_jump, _token_n_is_the_real_name),
)


@dataclass(frozen=True)
class Answered:
    """Cases with what gpuws makes of ssh's answer, which no mutant of the expander changes."""

    folder: Path
    cases: tuple[tuple[Case, Outcome], ...]

    def differing(self) -> Iterator[list[str]]:
        for one, by_ssh in self.cases:
            meant = which(one, self.folder)
            yield differing(by_ssh, outcome(partial(profiles.by_itself, meant)))


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    folder = tmp_path_factory.mktemp("mutants") / "case"
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEYS", "/keys of %h")
        patch.delenv("UNSET_X", raising=False)
        for number in range(130):
            one = case(Random(number), known_here())
            meant = which(one, folder)
            own = outcome(partial(profiles.by_itself, meant))
            if not isinstance(own, GpuwsError) or own.code == "profile-unreadable":
                found.append((one, outcome(partial(profiles.by_ssh, meant, SSH))))
    return Answered(folder, tuple(found))


def test_without_a_mistake_the_expander_differs_in_none_of_these(answered: Answered) -> None:
    assert len(answered.cases) > 100
    assert not any(answered.differing())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.__name__.strip("_"))
def test_the_generator_catches_a_mistake_in_the_expander(
    mutant: Callable[[pytest.MonkeyPatch], None],
    answered: Answered,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutant(monkeypatch)
    assert any(answered.differing())
