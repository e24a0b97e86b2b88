"""The files of ssh_config, read once from the first line to the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gpuws.host.here import Here
from gpuws.host.ssh_config.include import DEEPEST, included, opens, text_of
from gpuws.host.ssh_config.keywords import BY_KEYWORD, OF_SOME_BUILDS, SILENT, Directive, Use
from gpuws.host.ssh_config.lexer import Line, line_of, numbered
from gpuws.host.ssh_config.matching import Facts, matched, wants_final
from gpuws.host.ssh_config.patterns import listed, matches
from gpuws.host.ssh_config.permissions import refuse_others
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood, unreadable, unsupported
from gpuws.host.ssh_config.settings import Settings
from gpuws.host.tokens import Tokens, expand, not_known


@dataclass(frozen=True)
class _Where:
    """``own``: a file of the user. ``never``: included where nothing counts, only checked."""

    own: bool
    never: bool = False
    around: tuple[Path, ...] = ()  # the files that include this one, the outermost first


class Reading:
    """One pass over all files. ``host`` is what Host patterns are held against."""

    def __init__(
        self,
        settings: Settings,
        here: Here,
        host: str,
        original: str,
        succeeds: Callable[[str], bool],
        *,
        final: bool,
    ) -> None:
        self.settings = settings
        self.wants_final = False
        self._here = here
        self._host = host
        self._original = original
        self._succeeds = succeeds
        self._final = final

    def files(self, config: Path | None) -> None:
        """That one file, or the user's and then the system's. Raises profile-unreadable and
        profile-unsupported with file:line."""
        system = self._here.system / "ssh_config"
        try:
            if config is not None:
                self._file(config, _Where(own=True), active=True)
                return
            if opens(self._here.config):
                refuse_others(self._here.config)
                self._file(self._here.config, _Where(own=True), active=True)
            if opens(system):
                self._file(system, _Where(own=False), active=True)
        except BadLine as error:
            raise unreadable("", str(error)) from None
        except NotUnderstood as error:
            raise unsupported("", str(error)) from None

    def _file(self, path: Path, where: _Where, *, active: bool) -> None:
        for number, raw in numbered(text_of(path)):
            place = f"{path}:{number}"
            try:
                line = line_of(number, raw)
                if line is not None:
                    active = self._line(line, path, where, active)
            except BadLine as error:
                raise unreadable(place, str(error)) from None
            except NotUnderstood as error:
                raise unsupported(place, str(error)) from None

    def _line(self, line: Line, path: Path, where: _Where, active: bool) -> bool:
        """Whether the lines below count."""
        if line.keyword == "host":
            return self._host_line(line, where)
        if line.keyword == "match":
            return self._match_line(line, where)
        directive = BY_KEYWORD.get(line.keyword)
        if directive is None:
            self._unknown(line)
        elif directive.use is Use.REFUSED:
            raise NotUnderstood(directive.name)
        elif line.keyword == "include":
            self._include(line, path, where, active)
        else:
            self._setting(directive, line, f"{path}:{line.number}", where, active)
        return active

    # --- blocks ----------------------------------------------------------------------------------

    def _host_line(self, line: Line, where: _Where) -> bool:
        found = False
        for pattern in line.words:
            if not pattern:
                raise BadLine("host has an empty argument")
            if where.never:
                return False
            if matches(self._host, pattern.removeprefix("!")):
                if pattern.startswith("!"):
                    return False
                found = True
        return found

    def _match_line(self, line: Line, where: _Where) -> bool:
        self.wants_final = self.wants_final or wants_final(line)
        return matched(line, self._facts(where)) and not where.never

    def _facts(self, where: _Where) -> Facts:
        host = self._host_so_far()
        return Facts(
            host=host,
            original=self._original,
            user=self.settings.one("user", self._here.user),
            local_user=self._here.user,
            tag=self.settings.one("tag"),
            final=self._final,
            command=lambda text: self._tokens(host).percent(text, "CLdhiklnpru"),
            succeeds=(lambda _: False) if where.never else self._succeeds,
        )

    def _host_so_far(self) -> str:
        name = self.settings.one("hostname")
        if self._final or not name:
            return name or self._host
        return expand(name, {"h": lambda: self._host}, None)

    def _tokens(self, host: str) -> Tokens:
        jump = self.settings.one("proxyjump", "none")
        return Tokens(
            here=self._here,
            original=self._original,
            host=host,
            port=int(self.settings.one("port", "22")),
            user=self.settings.one("user", self._here.user),
            key_alias=self.settings.one("hostkeyalias", host),
            hash_=None if jump == "none" else not_known("%C"),
        )

    # --- lines -----------------------------------------------------------------------------------

    def _unknown(self, line: Line) -> None:
        if line.keyword in SILENT or listed(
            line.keyword, self.settings.one("ignoreunknown"), caseless=True
        ):
            return
        if line.keyword in OF_SOME_BUILDS:
            raise NotUnderstood(line.keyword)
        raise BadLine(f"bad configuration option: {line.keyword}")

    def _setting(
        self, directive: Directive, line: Line, place: str, where: _Where, active: bool
    ) -> None:
        if directive.variables:
            line = self._with_variables(line)
        values = directive.read(line)
        if not active or not self._way_is_open(directive.keyword, values):
            return
        if directive.keyword == "forwardagent" and values[0] not in ("yes", "no"):
            self._agent_path(values, place)
        elif not directive.most:
            self.settings.first(directive.keyword, values, place)
        elif len(self.settings.all(directive.keyword)) >= directive.most:
            raise BadLine(f"more than {directive.most} lines with {directive.name}")
        else:
            self.settings.add(directive.keyword, values, place, own=where.own)

    def _agent_path(self, values: tuple[str, ...], place: str) -> None:
        """ssh keeps it apart from yes and no, and prints the first path whatever came before."""
        if self.settings.one("forwardagent") in ("", "yes", "no"):
            self.settings.put("forwardagent", values, place)

    def _with_variables(self, line: Line) -> Line:
        """Forwards are expanded where they are read; of an agent it is only looked whether it
        could be."""
        expanded = tuple(expand(text, None, self._here.environment) for text in line.words)
        return replace(line, words=expanded) if line.keyword.endswith("forward") else line

    def _way_is_open(self, keyword: str, values: tuple[str, ...]) -> bool:
        """Of ProxyJump and ProxyCommand the first one counts, whichever it is."""
        jump = self.settings.one("proxyjump")
        if keyword == "proxycommand":
            if jump == "none" and keyword not in self.settings:  # OpenSSH 10.2 changed what it is
                raise NotUnderstood("ProxyCommand behind ProxyJump none")
            return not jump
        return keyword != "proxyjump" or values == ("none",) or "proxycommand" not in self.settings

    # --- Include ---------------------------------------------------------------------------------

    def _include(self, line: Line, path: Path, where: _Where, active: bool) -> None:
        around = (*where.around, path)
        for pattern in line.words:
            if not pattern:
                raise BadLine("include has an empty argument")
            for file in included(pattern, self._here, own=where.own):
                if file in around:
                    raise BadLine(f"Include leads in a circle: {file} includes itself")
                if len(around) > DEEPEST:
                    raise BadLine(f"Include is nested more than {DEEPEST} deep")
                refuse_others(file)
                inner = _Where(where.own, where.never or not active, around)
                self._file(file, inner, active=active)
