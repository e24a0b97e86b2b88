"""(--gpus, the cards) → which cards the workspace sees. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.plan.model import Gpu

_QUIET_MEMORY = 512  # MiB that a driver or a display takes without anybody computing


@dataclass(frozen=True)
class GpuChoice:
    """``indices`` as nvidia-smi counts, None for all. ``visible`` is CUDA_VISIBLE_DEVICES: UUIDs,
    because CUDA's own order of indices differs from nvidia-smi's; "" hides every card; None leaves
    the variable alone."""

    indices: tuple[int, ...] | None
    visible: str | None
    warnings: tuple[str, ...] = ()


def choose_gpus(wanted: str | None, gpus: tuple[Gpu, ...], me: str) -> GpuChoice:
    """The cards for the workspace of the login ``me``.

    None: all, with a warning for each card that others use. ``"2"``: a count, the two least busy
    (fewest processes of others, then memory used, then utilisation). ``"2,"`` or ``"0,2"``: these
    indices. ``"none"``: no card. Raises GpuwsError no-gpu (not there) or usage (not a choice).
    """
    if wanted is None:
        return GpuChoice(None, None, _warnings(gpus, me))
    said = wanted.strip()
    if said.lower() == "none":
        return GpuChoice((), "")
    if re.fullmatch(r"[0-9]{1,4}", said):
        chosen = _least_busy(int(said), gpus, me)
    elif re.fullmatch(r"[0-9]{1,4}(\s*,\s*[0-9]{1,4})*\s*,?", said) and "," in said:
        chosen = _by_index(said, gpus)
    else:
        raise _usage(f"--gpus {said[:40]!r} is neither a count, nor indices, nor none")
    indices = tuple(card.index for card in chosen)
    visible = ",".join(card.uuid for card in chosen)
    return GpuChoice(indices, visible, _warnings(chosen, me))


def _least_busy(count: int, gpus: tuple[Gpu, ...], me: str) -> tuple[Gpu, ...]:
    if count == 0:
        raise _usage("--gpus 0 asks for no card at all")
    if count > len(gpus):
        raise _missing(f"--gpus {count} asks for {_cards(count)}", gpus, f"--gpus {count},")
    ordered = sorted(gpus, key=lambda card: (_foreign(card, me), *_load(card), card.index))
    return tuple(sorted(ordered[:count], key=lambda card: card.index))


def _load(card: Gpu) -> tuple[int, int]:
    """Memory, then utilisation; a card that tells neither counts as full."""
    memory = card.memory_used if card.memory_used >= 0 else max(card.memory_total, 0)
    return memory, card.utilisation if card.utilisation >= 0 else 100


def _by_index(said: str, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    there = {card.index: card for card in gpus}
    indices = list(dict.fromkeys(int(part) for part in said.split(",") if part.strip()))
    missing = [str(index) for index in indices if index not in there]
    if missing:
        raise _missing(f"there is no GPU {', '.join(missing)} on the host", gpus)
    return tuple(there[index] for index in indices)


def _foreign(card: Gpu, me: str) -> int:
    return sum(process.user != me for process in card.processes)


def _warnings(cards: tuple[Gpu, ...], me: str) -> tuple[str, ...]:
    return tuple(said for card in cards if (said := _warning(card, me)))


def _warning(card: Gpu, me: str) -> str:
    """Who else is on the card and how much memory is gone; "" for a card that is free."""
    others = Counter(each.user for each in card.processes if each.user != me)
    hidden = others.pop("?", 0)
    names = ", ".join(sorted(others)) + (" and others" if hidden and others else "")
    memory = _memory(card)
    if names or hidden:
        return f"GPU {card.index} ({card.name}) is used by {names or 'somebody else'}{memory}"
    if not card.processes and card.memory_used > _QUIET_MEMORY:
        return f"GPU {card.index} ({card.name}) is used by a process the host does not show{memory}"
    return ""


def _memory(card: Gpu) -> str:
    if card.memory_used < 0 or card.memory_total <= 0:
        return ""
    return f": {card.memory_used / 1024:.1f} of {card.memory_total / 1024:.1f} GiB taken"


def _missing(fault: str, gpus: tuple[Gpu, ...], as_index: str = "") -> GpuwsError:
    there = ", ".join(f"{card.index} ({card.name})" for card in gpus)
    hint = f"choose from {there}" if there else "leave --gpus out, or say --gpus none"
    if as_index and there:
        hint += f"; for the card with that index write {as_index}"
    found = f"the host has {there}" if there else "the host has no GPU that nvidia-smi shows"
    return GpuwsError("no-gpu", f"{fault}; {found}", hint=hint, stage="probe")


def _usage(fault: str) -> GpuwsError:
    hint = "--gpus 2: the two least busy; --gpus 0,2 or 0,: these indices; --gpus none: no card"
    return GpuwsError("usage", fault, hint=hint, stage="probe")


def _cards(count: int) -> str:
    return "1 card" if count == 1 else f"{count} cards"
