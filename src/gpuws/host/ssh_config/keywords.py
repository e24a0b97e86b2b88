"""Every directive of ssh_config: how its value is read, and what gpuws does with it.

docs/reference/ssh-config.md is made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gpuws.host.ssh_config import algorithms, grammars, jumps
from gpuws.host.ssh_config.values import (
    Reader,
    anything,
    choice,
    command,
    files,
    flag,
    names,
    number,
    port,
    span,
    switch,
    word,
)


class Use(str, Enum):
    USED = "used"
    EXPANDED = "used, tokens and variables expanded"
    FOLLOWED = "followed while the files are read"
    NOTED = "not used; a note says so when the host is reached"
    IGNORED = "not used"
    REFUSED = "refused where there is no ssh program"


@dataclass(frozen=True)
class Directive:
    name: str  # as the manual spells it
    use: Use
    read: Reader
    note: str = ""  # for the page
    aliases: tuple[str, ...] = ()
    most: int = 0  # lines add up, to at most so many values; 0: the first line wins
    off: tuple[str, ...] = ()  # of a NOTED one: the values that ask for nothing
    variables: bool = False  # ${NAME} in its words must be set while it is read
    since: tuple[int, int] = (0, 0)  # the version of OpenSSH

    @property
    def keyword(self) -> str:
        return self.name.lower()


def _used(name: str, read: Reader, note: str = "", **more: object) -> Directive:
    return Directive(name, Use.USED, read, note, **more)  # type: ignore[arg-type]


def _expanded(name: str, read: Reader, note: str = "", **more: object) -> Directive:
    return Directive(name, Use.EXPANDED, read, note, **more)  # type: ignore[arg-type]


def _followed(name: str, read: Reader, note: str = "", **more: object) -> Directive:
    return Directive(name, Use.FOLLOWED, read, note, **more)  # type: ignore[arg-type]


def _noted(name: str, read: Reader, *off: str, **more: object) -> Directive:
    return Directive(name, Use.NOTED, read, off=off, **more)  # type: ignore[arg-type]


def _ignored(name: str, read: Reader, note: str = "", **more: object) -> Directive:
    return Directive(name, Use.IGNORED, read, note, **more)  # type: ignore[arg-type]


_STRICT = switch(ask="ask", off="false", accept_new="accept-new")
_MASTER = switch(auto="auto", ask="ask", autoask="autoask")
_TUNNEL = choice(
    yes="point-to-point",
    true="point-to-point",
    no="false",
    false="false",
    ethernet="ethernet",
    point_to_point="point-to-point",
)
_PUBKEY = switch(unbound="unbound", host_bound="host-bound")
_CANONICALIZE = switch(always="always")
_ASK = switch(ask="ask")
_LEVEL = choice(
    **{each: each.upper() for each in ("quiet", "fatal", "error", "info", "verbose")},
    **{each: each.upper() for each in ("debug", "debug1", "debug2", "debug3", "silent")},
)
_FACILITY = choice(
    **{each: each.upper() for each in ("daemon", "user", "auth", "authpriv")},
    **{f"local{n}": f"LOCAL{n}" for n in range(8)},
)
_DIGEST = choice(md5="MD5", sha1="SHA1", sha256="SHA256", sha384="SHA384", sha512="SHA512")
_QUALITY = grammars.quality(
    (
        *(f"af{major}{minor}" for major in range(1, 5) for minor in range(1, 4)),
        *(f"cs{n}" for n in range(8)),
        *("ef", "le", "lowdelay", "throughput", "reliability", "none"),
    )
)
_CIPHERS = grammars.algorithms(algorithms.CIPHERS)
_MACS = grammars.algorithms(algorithms.MACS)
_EXCHANGES = grammars.algorithms(algorithms.EXCHANGES)
_KEYS = grammars.algorithms(algorithms.KEYS, wildcards=True)

_BY_SSH = "by the system's ssh, which is chosen for it"
_OWN_LIST = "gpuws has a list of its own"

DIRECTIVES: tuple[Directive, ...] = (
    # which lines count
    _followed("Host", anything),
    _followed(
        "Match",
        anything,
        "all, host, originalhost, user, localuser, exec (10 s for all of them), tagged, canonical,"
        " final; without an ssh program localnetwork, sessiontype, command and version are refused",
    ),
    _followed("Include", names),
    _followed("IgnoreUnknown", word),
    _followed("Tag", word, since=(9, 4)),
    _followed(
        "CanonicalizeHostname",
        _CANONICALIZE,
        "without an ssh program it is refused where DNS would have to be asked",
    ),
    _followed("CanonicalDomains", grammars.domains),
    _followed("CanonicalizeMaxDots", number),
    _followed("CanonicalizeFallbackLocal", flag),
    _followed("CanonicalizePermittedCNAMEs", grammars.aliased, "the same"),
    # where the host is
    _used("HostName", word, "%h and %% only, as with ssh"),
    _used("User", word),
    _used("Port", port),
    _used("AddressFamily", choice(any="any", inet="inet", inet6="inet6")),
    _used("BindAddress", word),
    _used("BindInterface", word),
    _used("ConnectionAttempts", number),
    _used("ConnectTimeout", span, "15 s where it is not set"),
    _used("ServerAliveInterval", span, "4.5 s where it is 0 or not set"),
    _used("ServerAliveCountMax", number),
    _expanded("ProxyJump", jumps.jump, "%h %k %n %p %r; each hop with a profile of its own"),
    _expanded("ProxyCommand", command, "%h %k %n %p %r; run by your shell, as with ssh"),
    # host keys
    _expanded(
        "HostKeyAlias", word, "tokens count here; ssh itself takes the value as it is written"
    ),
    _expanded("UserKnownHostsFile", files),
    _used("GlobalKnownHostsFile", files, "~ is expanded"),
    _expanded("RevokedHostKeys", word),
    _used("StrictHostKeyChecking", _STRICT, "no and off count as accept-new, with a note"),
    # login
    _expanded("IdentityFile", word, most=100, aliases=("IdentityFile2",)),
    _expanded("CertificateFile", word, most=100),
    _used("IdentitiesOnly", flag),
    _expanded("IdentityAgent", grammars.agent, variables=True),
    _used("PubkeyAuthentication", _PUBKEY, aliases=("DSAAuthentication",)),
    _used("PasswordAuthentication", flag),
    _used(
        "KbdInteractiveAuthentication",
        flag,
        aliases=("ChallengeResponseAuthentication", "SKeyAuthentication", "TISAuthentication"),
    ),
    _used("PreferredAuthentications", word),
    _used("BatchMode", flag, "no password and no code is asked for"),
    _used("ControlMaster", _MASTER, "how long a login is kept, with ControlPersist"),
    _used("ControlPersist", grammars.persisted, "how long a login is kept that a person did"),
    _used("ControlPath", word, "a connection that is open there is used"),
    # what the system's ssh does for it (--transport openssh is chosen)
    _used("ProxyUseFdpass", flag, _BY_SSH),
    _used("KnownHostsCommand", command, _BY_SSH),
    _used("HostbasedAuthentication", flag, _BY_SSH),
    _used("PKCS11Provider", word, _BY_SSH, aliases=("SmartcardDevice",)),
    _used("GSSAPIAuthentication", flag, _BY_SSH + ", where there is a ticket"),
    # what gpuws does not do
    _noted("RemoteCommand", command, "none"),
    _noted("ForwardAgent", grammars.forwarded_agent, "no", "false", variables=True),
    _noted("LocalForward", grammars.forward, most=10_000, variables=True),
    _noted("RemoteForward", grammars.remote_forward, most=10_000, variables=True),
    _noted("DynamicForward", grammars.dynamic_forward, most=10_000, variables=True),
    _noted("SetEnv", grammars.assigned),
    _noted("Compression", choice(yes="yes", no="no"), "no"),
    _noted("CheckHostIP", flag, "no"),
    _noted("VerifyHostKeyDNS", _ASK, "no", "false"),
    _noted("Tunnel", _TUNNEL, "false"),
    # what does not concern it
    _ignored("AddKeysToAgent", grammars.added_to_agent),
    _ignored("CASignatureAlgorithms", _KEYS, _OWN_LIST),
    _ignored("Ciphers", _CIPHERS, _OWN_LIST),
    _ignored("ClearAllForwardings", flag),
    _ignored("EnableEscapeCommandline", flag),
    _ignored("EnableSSHKeysign", flag),
    _ignored("EscapeChar", grammars.escape),
    _ignored("ExitOnForwardFailure", flag),
    _ignored("FingerprintHash", _DIGEST, "SHA256 is shown"),
    _ignored("ForkAfterAuthentication", flag),
    _ignored("ForwardX11", flag),
    _ignored("ForwardX11Timeout", span),
    _ignored("ForwardX11Trusted", flag),
    _ignored("GatewayPorts", flag),
    _ignored("GSSAPIDelegateCredentials", flag),
    _ignored("HashKnownHosts", flag),
    _ignored("HostbasedAcceptedAlgorithms", _KEYS, aliases=("HostbasedKeyTypes",)),
    _ignored("HostKeyAlgorithms", _KEYS, _OWN_LIST),
    _ignored("IPQoS", _QUALITY),
    _ignored("KbdInteractiveDevices", word),
    _ignored("KexAlgorithms", _EXCHANGES, _OWN_LIST),
    _ignored("LocalCommand", command),
    _ignored("LogLevel", _LEVEL),
    _ignored("LogVerbose", names),
    _ignored("MACs", _MACS, _OWN_LIST),
    _ignored("NoHostAuthenticationForLocalhost", flag, "host keys are always checked"),
    _ignored("NumberOfPasswordPrompts", number),
    _ignored("PermitLocalCommand", flag),
    _ignored("PermitRemoteOpen", grammars.permitted),
    _ignored("PubkeyAcceptedAlgorithms", _KEYS, _OWN_LIST, aliases=("PubkeyAcceptedKeyTypes",)),
    _ignored("RekeyLimit", grammars.rekey),
    _ignored("RequestTTY", switch(force="force", auto="auto")),
    _ignored("RequiredRSASize", number),
    _ignored("SecurityKeyProvider", word),
    _ignored("SendEnv", grammars.sent, most=1000),
    _ignored("SessionType", choice(none="none", subsystem="subsystem", default="default")),
    _ignored("StdinNull", flag),
    _ignored("StreamLocalBindMask", grammars.mask),
    _ignored("StreamLocalBindUnlink", flag),
    _ignored("SyslogFacility", _FACILITY),
    _ignored("TCPKeepAlive", flag, aliases=("KeepAlive",)),
    _ignored("TunnelDevice", grammars.device),
    _ignored("UpdateHostKeys", _ASK),
    _ignored("VisualHostKey", flag),
    _ignored("XAuthLocation", word),
    _ignored("ChannelTimeout", anything, since=(9, 5)),
    _ignored("ObscureKeystrokeTiming", anything, since=(9, 5)),
    _ignored("VersionAddendum", command, since=(10, 0)),
    _ignored("WarnWeakCrypto", anything, since=(10, 1)),
    Directive("RefuseConnection", Use.REFUSED, command, since=(10, 0)),
)

SILENT = frozenset(
    (
        *("protocol", "cipher", "fallbacktorsh", "globalknownhostsfile2", "userknownhostsfile2"),
        *("rhostsauthentication", "useblacklistedkeys", "useroaming", "usersh"),
        *("useprivilegedport", "afstokenpassing", "kerberosauthentication", "kerberostgtpassing"),
        *("rsaauthentication", "rhostsrsaauthentication", "compressionlevel"),
    )
)
"""Old keywords that ssh still accepts with any value."""

OF_SOME_BUILDS = frozenset(
    (
        *("gssapikeyexchange", "gssapitrustdns", "gssapiclientidentity", "gssapiserveridentity"),
        *("gssapirenewalforcesrekey", "gssapikexalgorithms", "protocolkeepalives", "setuptimeout"),
    )
)
"""Keywords of some systems' own ssh: refused by their names."""

BY_KEYWORD: dict[str, Directive] = {
    keyword.lower(): each for each in DIRECTIVES for keyword in (each.name, *each.aliases)
}
