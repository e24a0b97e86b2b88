"""nvidia-smi's lines → Gpu values with the people who use them."""

from __future__ import annotations

import re
from dataclasses import replace

from gpuws.plan import answers
from gpuws.plan.answers import Fields, lines
from gpuws.plan.model import Gpu, GpuProcess

_UUID = re.compile(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_CARDS = 256
_MAX_MEMORY = 1 << 24  # MiB


def cards_from(fields: Fields) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """(cards by index, keys that could not be believed)."""
    cards: dict[int, Gpu] = {}
    uuids: set[str] = set()
    for line in lines(fields, "gpu")[:_MAX_CARDS]:
        card = _card(line)
        if card and card.index not in cards and card.uuid not in uuids:
            cards[card.index] = card
            uuids.add(card.uuid)
    doubts = ("gpu",) if len(cards) != len(fields.get("gpu", [])) else ()
    used = _processes(fields)
    found = (_with_users(cards[i], used.get(cards[i].uuid, ())) for i in sorted(cards))
    return tuple(found), doubts


def _card(line: str) -> Gpu | None:
    """``index, uuid, name, memory.total, memory.used, utilization.gpu`` of --query-gpu."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 6:
        return None
    index, name = answers.integer(parts[0], 0, 1023), answers.text(parts[2], 80)
    if index is None or name is None or not _UUID.fullmatch(parts[1]):
        return None
    total, used = _memory(parts[3]), _memory(parts[4])
    return Gpu(index, parts[1], name, total, used, _or_unknown(parts[5], 100))


def _memory(said: str) -> int:
    return _or_unknown(said, _MAX_MEMORY)


def _or_unknown(said: str, high: int) -> int:
    """-1 for "[N/A]", "[Not Supported]" and what cannot be true."""
    found = answers.integer(said, 0, high)
    return -1 if found is None else found


def _processes(fields: Fields) -> dict[str, tuple[GpuProcess, ...]]:
    """``gpu_process`` lines (card, pid, MiB) with the owners that ``owner`` lines tell."""
    owners = dict(line.split("\t", 1) for line in lines(fields, "owner") if "\t" in line)
    found: dict[str, tuple[GpuProcess, ...]] = {}
    for line in lines(fields, "gpu_process"):
        uuid, pid, memory = (part.strip() for part in (line + "\t\t").split("\t")[:3])
        number = answers.integer(pid, 1, 1 << 22)
        if number is not None:
            user = answers.text(owners.get(pid, "?"), 64) or "?"
            process = GpuProcess(number, user, _memory(memory))
            found[uuid] = (*found.get(uuid, ()), process)
    return found


def _with_users(card: Gpu, processes: tuple[GpuProcess, ...]) -> Gpu:
    users = dict.fromkeys(each.user for each in processes)
    return replace(card, users=tuple(users), processes=processes)
