"""Passwords and codes: what the server asks is shown as its own words, and answered hidden."""

from __future__ import annotations

from paramiko.message import Message

from gpuws.errors import GpuwsError
from gpuws.host import keys
from gpuws.host.sanitise import one_line, sanitise
from gpuws.host.userauth import Answer, Conversation
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Progress

_MOST_ROUNDS = 10  # of questions in one try
_MOST_QUESTIONS = 8  # at once
_INFO_RESPONSE = b"\x3d"  # SSH_MSG_USERAUTH_INFO_RESPONSE


def by_password(talk: Conversation, profile: Profile, ask: Ask) -> Answer:
    """One try. Raises prompt-needed, authentication-failed for an expired password."""
    where = f"{profile.user}@{profile.hostname}"
    body = Message()
    body.add_boolean(False)
    body.add_string(ask.secret(f"{where}'s password: "))
    answer = talk.request(profile.user, "password", body.asbytes())
    if answer.kind == "more":
        raise _refused(
            f"the password of {where} has expired and must be changed",
            f"change it by hand: ssh {profile.alias}",
        )
    return answer


def by_questions(
    talk: Conversation, profile: Profile, ask: Ask, progress: Progress, asked: list[str]
) -> Answer:
    """One keyboard-interactive try: a password, a one-time code, or both in turn. ``asked``: where
    the questions are noted."""
    answer = talk.request(profile.user, "keyboard-interactive", keys.string(b"") * 2)
    for _ in range(_MOST_ROUNDS):
        if answer.kind != "more":
            return answer
        answer = talk.send(_reply(Message(answer.body), profile, ask, progress, asked))
    raise _refused(
        f"{profile.alias} asks one question after another",
        f"see what it wants: ssh {profile.alias}",
    )


def _reply(
    request: Message, profile: Profile, ask: Ask, progress: Progress, asked: list[str]
) -> Message:
    title, text, _ = request.get_text(), request.get_text(), request.get_text()
    count = request.get_int()
    if count > _MOST_QUESTIONS:
        raise _refused(
            f"{profile.alias} asks {count} questions at once",
            f"see what it wants: ssh {profile.alias}",
        )
    for line in (title, text):
        if line.strip():
            progress.note(f"{profile.hostname}: {sanitise(line, 1000).strip()}")
    reply = Message()
    reply.add_byte(_INFO_RESPONSE)
    reply.add_int(count)
    for _ in range(count):
        question = one_line(request.get_text(), 200)
        asked.append(question)
        prompt = f"({profile.hostname}) {question} "
        shown = request.get_boolean()
        reply.add_string(ask.text(prompt) if shown else ask.secret(prompt))
    return reply


def _refused(message: str, hint: str) -> GpuwsError:
    return GpuwsError("authentication-failed", message, hint=hint, stage="connect")
