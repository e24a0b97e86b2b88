"""Configurations of ssh, drawn by hypothesis: several files, every directive, every spelling."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from hypothesis import strategies as st

HERE = "@HERE@"
"""Stands for the folder that the case is written to."""

HOSTS = ("box", "gpu1", "GPU2", "db.example.org", "10.0.0.5", "127.1", "web")
NAMES = ("real.example", "%h.example.org", "%h", "REAL.Example", "10.0.0.7", "::1", "h%%1", "n_1")
USERS = ("ada", "root", "none", "o'neil", "a b", "u1")
FILES = (
    *("~/.ssh/id_%h", "/keys/%r@%h:%p", "~root/k", "${KEYS}/k", "/k/%n-%u-%i", "%d/.ssh/%k"),
    *("/a b/key", "none", "/k/a~b", "rel/key", "~/~x", "/k/%%h", "/k/%l.%L", "~//twice", "/k/%C"),
)
KNOWN = ("/kh1", "~/kh2", "/k h/three", "${KEYS}/kh", "/kh/%h", "rel/kh")
PROXIES = (
    *("nc %h %p", 'nc -X "%h" %%p', "none", "ssh -W [%h]:%p %r@gate", "c # not a comment", "NONE"),
    *("sh -c 'nc %n %k'", "cat ${HOME}"),
)
JUMPS = (
    *("gate", "ada@gate:2222", "one,two", "ssh://ada@gate:22", "none", "None", "[::1]:2200"),
    *("10.1.1.1", "%r@gate.example", "a@one:1,b@two:2", "gate # why", "one,ssh://x@two:23/"),
)
AGENTS = (
    "none",
    "SSH_AUTH_SOCK",
    "~/agent.sock",
    "/run/%u/agent",
    "${KEYS}/a",
    "$KEYS",
    "$UNSET_X",
)
KEYS = ("ssh-ed25519,rsa-sha2-512", "+ssh-rsa", "^ecdsa-sha2-nistp256", "-*sha1*", "ssh-ed25519*")
FLAG = ("yes", "no", "YES", "No", "true", "False")
TIMES = ("5", "1m", "1h30m", "0", "10s", "none", "2D")
NUMBERS = ("1", "3", "+7", "12")
FORWARDS = ("8080 web:80", "127.0.0.1:8080 [::1]:80", "/tmp/a.sock /tmp/b%h.sock", "[::1]:99 h:ssh")
PATTERNS = (
    *("*", "box", "gpu?", "!box *", "*.example.org", "BOX", '"box" web', "!* box", "10.*"),
    *("db* !db.example.org", "b*x", "??b", "real.example", "gpu1 gpu2", "web box", "GPU? B*"),
)
COMMANDS = (
    *("true", "false", '"test %h = box"', "/bin/true", '"exit 3"'),
    '"test %r = ada -a %p = 22"',
)
CONDITIONS = (
    *("all", "final", "canonical", "!final", "!canonical"),
    *(
        "host box",
        "host real.example,web",
        "host *.example.*,10.*,n_1",
        "!host *.example.org",
        'HOST "gpu*"',
        "host=box,!web",
    ),
    *("originalhost box", "OriginalHost GPU2,gpu1", "!originalhost box", "originalhost gpu?"),
    *("user ada", "user *,!root", "!user root", "localuser root", "!localuser nobody", "User a*"),
)

VALUES: dict[str, tuple[str, ...]] = {
    "HostName": NAMES,
    "User": USERS,
    "Port": ("22", "2222", "ssh", "022", "1"),
    "AddressFamily": ("any", "inet", "INET6"),
    "BindAddress": ("127.0.0.1", "none", "::1"),
    "ConnectTimeout": TIMES,
    "ServerAliveInterval": TIMES,
    "ServerAliveCountMax": ("3", "0", "7"),
    "ProxyJump": JUMPS,
    "ProxyCommand": PROXIES,
    "HostKeyAlias": ("alias", "Alias.Example", "none"),
    "UserKnownHostsFile": KNOWN,
    "GlobalKnownHostsFile": ("/etc/k1", "~/gk", "none", "/g h/k"),
    "RevokedHostKeys": ("/revoked", "~/revoked_%h", "none"),
    "StrictHostKeyChecking": (*FLAG, "ask", "accept-new", "off", "Ask"),
    "IdentityFile": FILES,
    "CertificateFile": FILES,
    "IdentitiesOnly": FLAG,
    "IdentityAgent": AGENTS,
    "PubkeyAuthentication": (*FLAG, "unbound", "host-bound"),
    "PasswordAuthentication": FLAG,
    "KbdInteractiveAuthentication": FLAG,
    "PreferredAuthentications": ("publickey", "password,publickey", "keyboard-interactive", "none"),
    "BatchMode": FLAG,
    "RemoteCommand": ("tmux attach", "none", "echo %h", "echo '#'"),
    "ForwardAgent": (*FLAG, "$KEYS", "/tmp"),
    "LocalForward": FORWARDS,
    "RemoteForward": (*FORWARDS, "9000", "0 localhost:80"),
    "DynamicForward": ("1080", "127.0.0.1:1080", "[::1]:1080"),
    "SetEnv": ("A=1", "B='x y' C=2", '"D=a b"'),
    "Compression": ("yes", "no"),
    "ProxyUseFdpass": FLAG,
    "KnownHostsCommand": ("none", "/usr/bin/list %H"),
    "BindInterface": ("lo",),
    "HostbasedAuthentication": FLAG,
    "PKCS11Provider": ("none", "/usr/lib/p11.so"),
    "Tunnel": (*FLAG, "ethernet", "point-to-point"),
    "Tag": ("red",),
    "AddKeysToAgent": (*FLAG, "ask", "confirm", "confirm 5m", "1h"),
    "CASignatureAlgorithms": KEYS,
    "CheckHostIP": FLAG,
    "Ciphers": ("aes128-ctr", "+aes256-cbc", "-aes*", "^aes256-gcm@openssh.com"),
    "ClearAllForwardings": FLAG,
    "ConnectionAttempts": NUMBERS,
    "ControlMaster": (*FLAG, "auto", "ask", "autoask"),
    "ControlPath": ("~/.ssh/%C", "none", "/tmp/%r@%h:%p", "${KEYS}/c"),
    "ControlPersist": ("yes", "no", "10m", "0"),
    "EnableEscapeCommandline": FLAG,
    "EnableSSHKeysign": FLAG,
    "EscapeChar": ("~", "none", "^B", "%"),
    "ExitOnForwardFailure": FLAG,
    "FingerprintHash": ("md5", "sha256", "SHA512"),
    "ForkAfterAuthentication": FLAG,
    "ForwardX11": FLAG,
    "ForwardX11Timeout": TIMES,
    "ForwardX11Trusted": FLAG,
    "GatewayPorts": FLAG,
    "GSSAPIAuthentication": FLAG,
    "GSSAPIDelegateCredentials": FLAG,
    "HashKnownHosts": FLAG,
    "HostbasedAcceptedAlgorithms": KEYS,
    "HostKeyAlgorithms": KEYS,
    "IPQoS": ("af11", "lowdelay throughput", "0x10", "none"),
    "KbdInteractiveDevices": ("pam",),
    "KexAlgorithms": ("curve25519-sha256", "-diffie*", "+diffie-hellman-group14-sha1"),
    "LocalCommand": ("echo %h", "none"),
    "LogLevel": ("quiet", "INFO", "debug3", "verbose"),
    "LogVerbose": ("none", "kex.c:*:1000"),
    "MACs": ("hmac-sha2-256", "+hmac-md5", "umac-64@openssh.com"),
    "NoHostAuthenticationForLocalhost": FLAG,
    "NumberOfPasswordPrompts": NUMBERS,
    "PermitLocalCommand": FLAG,
    "PermitRemoteOpen": ("any", "none", "web:80 db:*", "[::1]:22"),
    "PubkeyAcceptedAlgorithms": KEYS,
    "RekeyLimit": ("1G", "default", "500M 1h", "1024 none"),
    "RequestTTY": (*FLAG, "force", "auto"),
    "RequiredRSASize": ("2048",),
    "SecurityKeyProvider": ("internal", "none"),
    "SendEnv": ("LANG LC_*", "-LC_*", "FOO"),
    "SessionType": ("none", "subsystem", "Default"),
    "StdinNull": FLAG,
    "StreamLocalBindMask": ("0177", "077"),
    "StreamLocalBindUnlink": FLAG,
    "SyslogFacility": ("USER", "daemon", "Local3"),
    "TCPKeepAlive": FLAG,
    "TunnelDevice": ("any", "1:2", "any:3"),
    "UpdateHostKeys": (*FLAG, "ask"),
    "VerifyHostKeyDNS": (*FLAG, "ask"),
    "VisualHostKey": FLAG,
    "XAuthLocation": ("/usr/bin/xauth",),
    "CanonicalizeHostname": ("yes", "no", "always", "true"),
    "CanonicalDomains": ("none", "Example.ORG", "a.example b.example."),
    "CanonicalizeMaxDots": ("0", "1", "2"),
    "CanonicalizeFallbackLocal": FLAG,
    "CanonicalizePermittedCNAMEs": ("none", "*.a:*.b", "*"),
    "IgnoreUnknown": ("Use*", "usekeychain,foo*"),
}
"""Directive → values that ssh accepts, mostly."""

OLD = (
    *("ChallengeResponseAuthentication yes", "PubkeyAcceptedKeyTypes +ssh-rsa", "Protocol 2"),
    *("DSAAuthentication no", "KeepAlive yes", "RSAAuthentication yes", "UseRoaming no"),
    *("UserKnownHostsFile2 /x", "IdentityFile2 /old/key", "TISAuthentication no"),
)
WRONG = (
    *("Port 70000", "Port 0x16", "Port x", "Prot 22", "BatchMode maybe", "IdentityFile"),
    *("User a b", "Host ''", "SetEnv A", "Ciphers nothing", "EscapeChar ab", "RekeyLimit 3"),
    *('HostName "open', "ConnectTimeout 5x", "ServerAliveCountMax -1", "ProxyJump a:b:c", "Match"),
    *("Match host", "Match sometimes", "Match all host box", "ProxyJump @x", "LocalForward 8080"),
    *("StrictHostKeyChecking maybe", "IdentityAgent ${UNSET_X}", "HostName %z", "UseKeychain yes"),
    *("UserKnownHostsFile none /x", "IdentityFile /a /b", "AddressFamily inet5"),
    *("Compression true", "Match user ada host box all", "Include ''"),
)
_COMMAND = {"ProxyCommand", "RemoteCommand", "KnownHostsCommand", "LocalCommand", "ProxyJump"}
_WORDS = {"SetEnv", "LocalForward", "RemoteForward", "AddKeysToAgent", "IPQoS", "PermitRemoteOpen"}
_WORDS |= {"RekeyLimit", "SendEnv", "CanonicalDomains"}
_OFTEN = (
    *("HostName", "User", "Port", "IdentityFile", "ProxyJump", "ProxyCommand"),
    *("IdentitiesOnly", "HostKeyAlias", "UserKnownHostsFile", "StrictHostKeyChecking"),
)
_RARELY = ("CanonicalizeHostname", "CanonicalizePermittedCNAMEs", "ForwardAgent")


@dataclass(frozen=True)
class Case:
    """Files by their names below the folder; the main one is "config"."""

    files: dict[str, str]
    host: str
    user: str | None = None
    port: int | None = None
    directives: frozenset[str] = field(default=frozenset(), compare=False)

    def write(self, folder: Path, main: str = "config") -> Path:
        """In place of what the folder held."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name, text in self.files.items():
            path = folder / (main if name == "config" else name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.replace(HERE, str(folder)), encoding="utf-8")
            path.chmod(0o644)
        return folder / main

    @property
    def typed(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host


class Writer:
    """Draws the lines of one case and remembers which directives they have."""

    def __init__(self, random: Random, known: tuple[str, ...]) -> None:
        self._random = random
        self._known = known
        self.used: set[str] = set()

    def pick(self, options: tuple[str, ...]) -> str:
        return self._random.choice(options)

    def chance(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    # --- lines -----------------------------------------------------------------------------------

    def settings(self, count: int) -> list[str]:
        return [self.setting() for _ in range(count)]

    def setting(self) -> str:
        if self.chance(40):
            return self.pick(OLD)
        if self.chance(500):
            return self.pick(WRONG)
        names = _OFTEN if self.chance(4) else self._known
        name = self.pick(names)
        if name in _RARELY and not self.chance(3):
            name = self.pick(self._known)
        self.used.add(name)
        return self.written(name, self.value(name))

    def value(self, name: str) -> str:
        chosen = self.pick(VALUES[name])
        if name == "UserKnownHostsFile" and self.chance(2):
            return f"{_quoted(chosen)} {_quoted(self.pick(KNOWN))}"
        if name in _COMMAND or name in _WORDS:
            return chosen
        return self.quoted(chosen)

    def quoted(self, value: str) -> str:
        plain = not set(value) & set(" '\"#\\")
        if plain and not self.chance(5):
            return value
        if "'" not in value and self.chance(3):
            return f"'{value}'"
        if plain and self.chance(3):
            return f'{value[:1]}"{value[1:]}"'
        if '"' not in value and self.chance(4):
            return value.replace("\\", "\\\\").replace("'", "\\'").replace(" ", "\\ ")
        return _quoted(value)

    def written(self, name: str, value: str) -> str:
        between = self.pick((" ", " ", " ", "=", " = ", "\t", "  ", " ="))
        cased = self.pick((name, name, name, name.lower(), name.upper()))
        indent = self.pick(("", "  ", "\t", " \t"))
        comment = "" if name in _COMMAND else self.pick(("", "", "", "", " # a comment", "\t#x"))
        end = self.pick(("", "", " ", "\t", "\r"))
        return f"{indent}{cased}{between}{value}{comment}{end}"

    # --- blocks ----------------------------------------------------------------------------------

    def block(self, depth: int) -> list[str]:
        lines = [self.opening(), *self.settings(self.number(1, 7))]
        if depth < 3 and self.chance(3):
            lines.insert(self.number(1, len(lines)), self.include(depth))
        return lines

    def opening(self) -> str:
        if self.chance(2):
            self.used.add("Host")
            return self.written("Host", self.pick(PATTERNS))
        self.used.add("Match")
        return self.written("Match", self.conditions())

    def conditions(self) -> str:
        if self.chance(6):
            return self.pick(("all", "!all", "canonical all", "final all"))
        found = [self.pick(CONDITIONS[1:]) for _ in range(self.number(1, 3))]
        if self.chance(6):
            found.append(f"{self.pick(('', '!'))}exec {self.pick(COMMANDS)}")
        return " ".join(found)

    def include(self, depth: int) -> str:
        """Files of one folder a depth, so that none includes itself."""
        self.used.add("Include")
        folder = f"{HERE}/d{depth + 1}"
        return self.written(
            "Include",
            self.pick(
                (
                    *(f"{folder}/a.conf", f"{folder}/*.conf", f"{folder}/[ab].conf", "no/such/*"),
                    *(f'"{folder}/b c.conf"', f"{folder}/a.conf {folder}/?.conf", f"{HERE}/none"),
                )
            ),
        )

    def file(self, depth: int) -> str:
        lines = self.settings(self.number(0, 4))
        if depth == 0 and self.chance(3):
            lines.insert(0, self.written("HostName", self.pick(NAMES)))
        if depth < 3 and self.chance(2):
            lines.append(self.include(depth))
        for _ in range(self.number(1, 4) if depth == 0 else self.number(0, 2)):
            lines += self.block(depth)
        for _ in range(self.number(0, 2)):
            lines.insert(self.number(0, len(lines)), self.pick(("", "# comment", "   ", "\t# x")))
        return "\n".join(lines) + self.pick(("\n", "", "\n\n"))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def cases(known: tuple[str, ...]) -> st.SearchStrategy[Case]:
    """``known``: the directives that the ssh of this machine has. Hypothesis draws the seed alone,
    for the widest spread; `smallest` does what its shrinking would."""
    return st.randoms(use_true_random=True).map(lambda random: case(random, known))


def case(random: Random, known: tuple[str, ...]) -> Case:
    writer = Writer(random, known)
    files = {"config": writer.file(0)}
    for depth in range(1, 4):
        if f"/d{depth}/" not in "".join(files.values()):
            break
        for name in ("a.conf", "b.conf", "b c.conf"):
            if writer.chance(2) or name == "a.conf":
                files[f"d{depth}/{name}"] = writer.file(depth)
    return Case(
        files,
        host=writer.pick(HOSTS),
        user="ada" if writer.chance(6) else None,
        port=2200 if writer.chance(6) else None,
        directives=frozenset(writer.used),
    )


def smallest(found: Case, fails: Callable[[Case], bool]) -> Case:
    """Without each line that the failure does not need."""
    for name, text in found.files.items():
        for line in text.split("\n"):
            shorter = "\n".join(each for each in found.files[name].split("\n") if each != line)
            smaller = replace(found, files={**found.files, name: shorter})
            if fails(smaller):
                found = smaller
    return found
