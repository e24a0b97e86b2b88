"""Archives of environments: what is let in, what is refused, and what moving changes."""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import replace

import pytest

from gpuws.environments.packs import archive, members
from gpuws.environments.packs.archive import Packed, read, write
from gpuws.environments.packs.gz import Gunzip, Gzip
from gpuws.environments.packs.members import Member, leads_outside
from gpuws.environments.packs.relocate import Binary, Move, moved_text
from gpuws.environments.packs.secrets import may_hold_secrets, without_secrets
from gpuws.environments.packs.settle import Base, Settling
from gpuws.errors import GpuwsError
from gpuws.plan.packs import Manifest, check_fits, manifest_from, text_of
from tests.unit.environments.test_choose import HOST

OLD = "/old/envs/0123456789abcdef"
MANIFEST = Manifest(
    hash="0123456789abcdef",
    platform="linux-64",
    prefixes=(OLD,),
    bytes=1000,
    entries=10,
    base="/usr/bin/python3.12",
    python="3.12.4",
    glibc=17,
)
ONE = (
    (Member("env/conda-meta", "folder", 0o755), b""),
    (Member("env/bin/tool", "file", 0o755, 1_700_000_000, size=5), b"hello"),
    (Member("env/lib64", "link", 0o777, target="lib"), b""),
)
Plain = Iterable[tuple[Member, bytes]]


def packed(plain: Plain = ONE, manifest: Manifest = MANIFEST) -> bytes:
    out = io.BytesIO()
    write(Packed(manifest, iter([(each, (data,)) for each, data in plain])), out)
    return out.getvalue()


def unpacked(data: bytes) -> list[tuple[Member, bytes]]:
    found = read(io.BytesIO(data), "x.tar.gz")
    return [(each, b"".join(content)) for each, content in found.members]


def refused(data: bytes) -> str:
    with pytest.raises(GpuwsError) as caught:
        unpacked(data)
    assert caught.value.code == "pack-invalid"
    assert "gpuws env pack" in caught.value.hint
    return caught.value.message


# --- the archive ----------------------------------------------------------------------------------


def test_what_was_packed_is_what_comes_out() -> None:
    assert unpacked(packed()) == list(ONE)


def test_an_archive_that_was_cut_anywhere_is_refused() -> None:
    whole = packed()
    for size in range(len(whole)):
        refused(whole[:size])


def test_a_changed_bit_is_refused_or_changes_nothing() -> None:
    whole, harmless = packed(), 0
    for at in range(10, len(whole)):  # gzip's own header has a date and a system
        changed = bytearray(whole)
        changed[at] ^= 1
        try:
            assert unpacked(bytes(changed)) == list(ONE)  # zeros copied from other zeros
            harmless += 1
        except GpuwsError as error:
            assert error.code == "pack-invalid"
    assert harmless < len(whole) // 20


def test_a_changed_file_is_refused_also_in_a_new_gzip() -> None:
    tar = zlib.decompress(packed(), 31)
    for old, new in ((b"hello", b"hullo"), (b"0000755", b"0000777")):
        assert old in tar
        at = tar.index(b"env/bin/tool")
        changed = tar[:at] + tar[at:].replace(old, new, 1)
        assert refused(gzipped(_with_header_sums(changed)))


def _with_header_sums(data: bytes) -> bytes:
    """As whoever changes an archive would see to: the checksum of each header is right again."""
    out, at = bytearray(data), 0
    while at < len(out) and out[at : at + 512].strip(b"\0"):
        size = int(bytes(out[at + 124 : at + 135]), 8)
        out[at + 148 : at + 156] = b" " * 8
        out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
        at += 512 + (size + 511) // 512 * 512
    return bytes(out)


def gzipped(data: bytes) -> bytes:
    out = io.BytesIO()
    gzip = Gzip(out, 1)
    gzip.write(data)
    gzip.close()
    return out.getvalue()


def test_more_than_the_manifest_says_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MORE", 0)
    big = (Member("env/big", "file", size=2000), b"x" * 2000)
    assert "more than its manifest says" in refused(packed([big]))
    assert unpacked(packed([big], replace(MANIFEST, bytes=3000))) == [big]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04" * 100,
        b"\x1f\x8b" + b"\0" * 100,
        gzipped(b"no tar"),
        gzipped(b"\0" * 99999),
    ],
    ids=["nothing", "a zip", "no gzip", "no tar", "an empty tar"],
)
def test_what_is_no_archive_of_ours_is_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hash", "../../x"),
        ("hash", "0123"),
        ("platform", "win-64"),
        ("prefixes", []),
        ("prefixes", ["/"]),
        ("prefixes", ["/a/../b"]),
        ("bytes", -1),
        ("entries", "10"),
        ("base", "python"),
        ("tool", "rm -rf"),
        ("version", "1\n2"),
        ("schema", "gpuws-pack/2"),
    ],
)
def test_a_manifest_is_believed_only_where_it_can_be(key: str, value: object) -> None:
    said = json.loads(text_of(MANIFEST))
    assert manifest_from(json.dumps(said), "x") == MANIFEST
    with pytest.raises(GpuwsError, match=f"no valid {key}"):
        manifest_from(json.dumps({**said, key: value}), "x")


# --- hostile members ------------------------------------------------------------------------------


def raw(*infos: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> list[Member]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    out.seek(0)
    return [each for each, content in members.members(out, "x.tar") if list(content) or True]


def info(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", **more: int
) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    for key, value in more.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    "hostile",
    [
        [info("/etc/passwd")],
        [info("a/../../b")],
        [info("..")],
        [info("dev", tarfile.CHRTYPE)],
        [info("disk", tarfile.BLKTYPE)],
        [info("pipe", tarfile.FIFOTYPE)],
        [info("d", tarfile.SYMTYPE, "x"), info("d/file")],
        [info("d", tarfile.SYMTYPE, "x"), info("d")],
        [info("d", tarfile.SYMTYPE, "x"), info("./d/")],
        [info("d", tarfile.SYMTYPE, "x"), info("n", tarfile.LNKTYPE, "d")],
        [info("d", tarfile.SYMTYPE, "x"), info("n", tarfile.LNKTYPE, "d/y")],
        [info("n", tarfile.LNKTYPE, "../up")],
        [info("n", tarfile.LNKTYPE, "/etc/passwd")],
    ],
    ids=lambda each: " ".join(f"{one.name}:{one.linkname}" for one in each),
)
def test_a_member_that_could_leave_its_folder_is_refused(hostile: list[tarfile.TarInfo]) -> None:
    with pytest.raises(GpuwsError) as caught:
        raw(*hostile)
    assert caught.value.code == "pack-invalid"


@pytest.mark.parametrize(
    "said",
    [
        {"size": "-5"},
        {"size": str(10**30)},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "q"},
        {"GNU.sparse.map": "1,x"},
    ],
    ids=["negative", "huge", "sparse", "a map"],
)
def test_an_extended_header_that_lies_is_refused(said: dict[str, str]) -> None:
    file = info("q", size=700)
    file.pax_headers = said
    with pytest.raises(GpuwsError) as caught:
        raw(file, form=tarfile.PAX_FORMAT)
    assert caught.value.code == "pack-invalid"


def test_no_bit_but_the_permissions_survives() -> None:
    [found] = raw(info("sudo", mode=0o6755, uid=0))
    assert found.mode == 0o755


def test_a_name_of_absurd_length_is_not_read_into_memory() -> None:
    with pytest.raises(GpuwsError, match="absurd"):
        raw(info("a" * 200_000))


@pytest.mark.parametrize(
    ("name", "target", "outside"),
    [
        ("lib64", "lib", False),
        ("bin/python", "python3.12", False),
        ("a/b/c", "../../d", False),
        ("a/b/c", "../../../d", True),
        ("lib64", "..", True),
        ("a", "b/../../c", True),
        ("a", "b/../c", True),
        ("a", "", True),
        ("a/b", f"{OLD}/x", False),
        ("a/b", OLD, False),
        ("a/b", f"{OLD}/../x", True),
        ("a/b", f"{OLD}x", True),
        ("bin/python3", "/usr/bin/python3.12", False),
        ("bin/python3", "/usr/bin/python3.11", True),
        ("bin/sh", "/usr/bin/python3.12", True),
        ("a", "/etc/passwd", True),
    ],
)
def test_a_link_stays_in_the_environment(name: str, target: str, outside: bool) -> None:
    found = leads_outside(name, target, (OLD,), "/usr/bin/python3.12")
    assert found is outside
    member = Member(f"env/{name}", "link", target=target)
    if outside:
        assert "outside" in refused(packed([(member, b"")]))
    else:
        assert unpacked(packed([(member, b"")])) == [(member, b"")]


@pytest.mark.parametrize(
    "name",
    [
        "env/.gpuws-complete",
        "env/.gpuws-leaving",
        "elsewhere",
        "build/order.sh",
        "build/check.py",
        "build/a/imports",
        "environment",
    ],
)
def test_what_gpuws_itself_writes_is_in_no_archive(name: str) -> None:
    refused(packed([(Member(name, "file"), b"")]))


def test_a_checksum_of_absurd_length_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def untouched(_: object) -> bytes:
        raise AssertionError("it was read")

    out = io.BytesIO()
    gzip = Gzip(out, 1)
    tar = members.Writer(gzip)
    text = text_of(MANIFEST).encode()
    tar.add(Member("gpuws-pack.json", "file", size=len(text)), (text,))
    tar.add(Member("gpuws-pack.sum", "file", size=1 << 24), (b"0" * (1 << 24),))
    tar.close()
    gzip.close()
    packed_up = read(io.BytesIO(out.getvalue()), "x.tar.gz")
    monkeypatch.setattr(tarfile.ExFileObject, "read", untouched)
    with pytest.raises(GpuwsError, match="checksum"):
        next(packed_up.members)


@pytest.mark.parametrize("record", [b"[" * 100_000, b"{", b"null", b'{"paths_data": [1]}'])
def test_a_record_that_is_none_teaches_nothing(record: bytes) -> None:
    settling = Settling(LONGER, Base())
    member = Member("env/conda-meta/a-1-0.json", "file", size=len(record))
    assert b"".join(settling.settled(member, (record,))[1]) == record
    assert without_secrets(record + b'"https://h"') == record + b'"https://h"'


def test_a_bomb_is_unpacked_a_piece_at_a_time() -> None:
    bomb = Gunzip(io.BytesIO(gzipped(b"\0" * (64 << 20))), "x")
    assert max(iter(lambda: len(bomb.read(1000)), 0)) == 1000


# --- another place --------------------------------------------------------------------------------

LONGER = Move((OLD,), "/home/somebody/gpuws/envs/0123456789abcdef")
SHORTER = Move((OLD,), "/r/e")


def binary(data: bytes, move: Move, *, padded: bool, block: int = 1 << 16) -> tuple[bytes, int]:
    through = Binary(move, padded=padded)
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    return b"".join(through.moved(blocks)), through.left


def test_text_names_the_new_place_and_no_longer_name_is_cut() -> None:
    text = f"a={OLD}/x:{OLD} b={OLD}0/y c={OLD}.bak d={OLD}."
    moved = moved_text(text.encode(), SHORTER).decode()
    assert moved == f"a=/r/e/x:/r/e b={OLD}0/y c={OLD}.bak d=/r/e."


@pytest.mark.parametrize("block", [7, 1000, 1 << 16])
@pytest.mark.parametrize("move", [LONGER, SHORTER], ids=["longer", "shorter"])
def test_a_binary_keeps_its_size_and_everything_that_is_no_path(move: Move, block: int) -> None:
    path = f"{OLD}/lib:{OLD}/x".encode()
    zeros = b"\0" * 100
    data = b"\x7fELF\0" + path + zeros + b"tail" * 500 + path + zeros + b"end"
    moved, left = binary(data, move, padded=True, block=block)
    new = path.replace(OLD.encode(), move.new.encode())
    pad = b"\0" * (len(path) + len(zeros) - len(new))
    assert moved == b"\x7fELF\0" + new + pad + b"tail" * 500 + new + pad + b"end"
    assert left == 0


def test_a_binary_without_room_stays_as_it_is_and_is_counted() -> None:
    data = b"\x7fELF\0" + OLD.encode() + b"\0next\0"
    assert binary(data, LONGER, padded=True) == (data, 1)
    roomy = b"\x7fELF\0" + OLD.encode() + b"\0" * 50
    assert binary(roomy, LONGER, padded=False) == (roomy, 1)


def test_a_first_line_that_no_kernel_would_run_is_written_another_way() -> None:
    script = f"#!{OLD}/bin/python3 -E\nprint({OLD!r})\n".encode()
    for new in ("/a b", "/" + "long/" * 30 + "e"):
        moved = moved_text(script, Move((OLD,), new)).decode()
        assert moved.startswith(f'#!/bin/sh\n\'\'\'exec\' "{new}/bin/python3" -E "$0" "$@"\n')
        assert moved.endswith(f"print({new!r})\n")
    assert moved_text(script, SHORTER).startswith(b"#!/r/e/bin/python3 -E\n")


def settled(name: str, data: bytes, records: dict[str, str]) -> tuple[bytes, Settling]:
    """One file after conda's record of it: file → mode."""
    settling = Settling(LONGER, Base("/usr/bin/python3.12", "/opt/py/bin/python3.12"))
    paths = [
        {"_path": path, "prefix_placeholder": "/opt/p", "file_mode": mode}
        for path, mode in records.items()
    ]
    record = json.dumps({"paths_data": {"paths": paths}}).encode()
    for each, content in (("env/conda-meta/a-1-0.json", record), (f"env/{name}", data)):
        member = Member(each, "file", size=len(content))
        member, moved = settling.settled(member, (content,))
        out = b"".join(moved)
        assert len(out) == member.size
    return out, settling


def test_conda_knows_which_of_its_files_have_room() -> None:
    roomy = b"\x7fELF\0" + OLD.encode() + b"\0" * 50
    moved, _ = settled("lib/a.so", roomy, {"lib/a.so": "binary"})
    assert LONGER.new.encode() in moved
    same, settling = settled("lib/a.so", roomy, {})
    assert (same, settling.left) == (roomy, ["lib/a.so"])
    with pytest.raises(GpuwsError) as caught:
        settled("lib/a.so", roomy[:-45], {"lib/a.so": "binary"})
    assert caught.value.code == "not-relocatable"


def test_compiled_files_are_left_to_python() -> None:
    data = b"\0" + OLD.encode()
    moved, settling = settled("lib/x.pyc", data, {})
    assert (moved, settling.left) == (data, [])


def test_what_was_compiled_of_a_text_that_changes_is_compiled_anew() -> None:
    """Python compares size and time; two people's paths may be of one length."""
    settling = Settling(Move(("/home/anna/e",), "/home/otto/e"), Base())
    for text, mtime in ((b"x = '/home/anna/e'\n", 101), (b"x = 1\n", 100)):
        member = Member("env/lib/x.py", "file", mtime=100, size=len(text))
        moved, content = settling.settled(member, (text,))
        assert (moved.mtime, moved.size, len(b"".join(content))) == (mtime, len(text), len(text))


def test_a_virtual_environment_names_the_python_that_is_there() -> None:
    config = b"home = /usr/bin\nversion = 3.12.4\nexecutable = /usr/bin/python3.12\n"
    moved, settling = settled("pyvenv.cfg", config, {})
    assert moved == (b"home = /opt/py/bin\nversion = 3.12.4\nexecutable = /opt/py/bin/python3.12\n")
    link, _ = settling.settled(Member("env/bin/python", "link", target="/usr/bin/python3.12"), ())
    assert link.target == "/opt/py/bin/python3.12"
    own, _ = settling.settled(Member("env/bin/x", "link", target=f"{OLD}/bin/y"), ())
    assert own.target == f"{LONGER.new}/bin/y"


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"url":"https://me:pw@h/c","files":["share/t/a/b"]}', '"https://h/c"'),
        ('{"channel": "https://h/t/to-ken/c"}', '"https://h/c"'),
        (
            "# cmd: conda create -c https://me:pw@h/c -c http://h/t/x/d\n",
            "-c https://h/c -c http://h/d",
        ),
        ("[global]\n  index-url = https://me:pw@h/simple\n", "  index-url = https://h/simple\n"),
    ],
)
def test_credentials_do_not_travel(text: str, clean: str) -> None:
    found = without_secrets(text.encode()).decode()
    assert clean in found
    assert not any(secret in found for secret in ("me:pw", "to-ken", "/t/x/"))
    if "files" in text:
        assert json.loads(found)["files"] == ["share/t/a/b"]


def test_what_has_no_address_is_not_touched() -> None:
    data = b'{"a":   "b", "u": "https://h/c"}'
    assert without_secrets(data) == data


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("env/conda-meta/a-1-0.json", True),
        ("env/conda-meta/history", True),
        ("env/conda-meta/state", False),  # the declared variables, which are part of it
        ("env/pip.conf", True),
        ("env/.condarc", True),
        ("env/lib/python3.12/site-packages/a.dist-info/direct_url.json", True),
        ("env/lib/a.py", False),
        ("build/environment-plain.yml", True),
    ],
)
def test_files_that_keep_addresses_are_known(name: str, may: bool) -> None:
    assert may_hold_secrets(name, 10) is may


# --- where it goes --------------------------------------------------------------------------------


def fits(manifest: Manifest = MANIFEST, **facts: object) -> str:
    here = replace(HOST, glibc="2.31", disk_free_mb=1000, inodes_free=1000, **facts)  # type: ignore[arg-type]
    try:
        check_fits(manifest, here, "gpubox")
    except GpuwsError as error:
        assert "gpubox" in error.hint
        return error.code
    return ""


def test_a_host_that_cannot_have_it_is_told_before_anything_is_changed() -> None:
    assert fits() == ""
    assert fits(machine="aarch64") == "pack-other-platform"
    assert fits(replace(MANIFEST, glibc=35)) == "pack-unmet"
    assert fits(musl=True) == "pack-unmet"
    assert fits(replace(MANIFEST, bytes=2000 << 20)) == "disk-full"
    assert fits(replace(MANIFEST, entries=2000)) == "disk-full"
    assert fits(replace(MANIFEST, glibc=0), musl=True) == ""
