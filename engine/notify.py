"""Telling people outside: what is new about a home's backups, through which services, and how.

A backup never fails because of what is told here: `send` and `ping` raise nothing for what a
service does or a URL holds, end within a given time, and say in words what went wrong. Their words
and logs hold nothing of a URL but its scheme and, where that cannot be a secret, its host.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from types import ModuleType
from typing import NamedTuple

from engine.health import Health, HealthState, moment_text
from engine.model import Delivery
from engine.secret import Secret

SEND_WITHIN = 30.0  # seconds
PING_WITHIN = 10.0  # seconds

_KINDS = (HealthState.FAILING.value, HealthState.LATE.value)  # of incidents


class Tone(StrEnum):
    """How a service may mark a message, as apprise calls it: by a colour, a sign, a priority."""

    PLAIN = "info"
    GOOD = "success"
    WARNING = "warning"
    BAD = "failure"


class News(NamedTuple):
    """What is to be told now of one incident: it begins, or it is over.

    `since` is when what is wrong began; the catalog notes it. A silent one is only to be noted.
    """

    project: str  # id
    kind: str  # failing | late
    begins: bool
    title: str
    body: str
    since: datetime

    @property
    def tone(self) -> Tone:
        """What a service may mark it as."""
        if not self.begins:
            return Tone.GOOD
        return Tone.BAD if self.kind == HealthState.FAILING else Tone.WARNING

    @property
    def silent(self) -> bool:
        """Whether nobody is to be told: other news of the project says it."""
        return not self.title


def news(
    healths: Sequence[Health], open_incidents: Mapping[tuple[str, str], datetime], now: datetime
) -> list[News]:
    """What to tell now: each incident once when it begins, and once when it is over.

    `open_incidents` are those that were told, by project (id) and kind, each with its `since`. One
    project has one incident at a time: one that turns into the other kind ends silently. While a
    backup is due and may still come in time, one that was missed before stays open. The incidents
    of a project that is gone are not mentioned.
    """
    told: list[News] = []
    for health in healths:
        known = {
            kind: open_incidents[health.project, kind]
            for kind in _KINDS
            if (health.project, kind) in open_incidents
        }
        if health.alarming:
            kind = health.state.value
            if kind not in known:
                told.append(_beginning(health, kind, now))
            told += [
                _silent(health, other, since) for other, since in known.items() if other != kind
            ]
        elif not (health.waiting and HealthState.LATE.value in known):
            for number, (kind, since) in enumerate(known.items()):
                told.append(_silent(health, kind, since) if number else _over(health, kind, since))
    return told


async def send(
    urls: Sequence[Secret],
    title: str,
    body: str,
    *,
    tone: Tone = Tone.PLAIN,
    within: float = SEND_WITHIN,
) -> list[str]:
    """Send a plain text to all URLs at once, in `within` seconds; a line for each that failed.

    Where title and body are empty, nothing is sent.
    """
    if not (title or body):
        return []
    deliveries = await deliver(urls, title, body, tone=tone, within=within)
    return [
        f"The notification to {to} (number {number} of {len(urls)}) failed: {problem}."
        for number, (to, problem) in enumerate(deliveries, 1)
        if problem
    ]


async def deliver(
    urls: Sequence[Secret],
    title: str,
    body: str,
    *,
    tone: Tone = Tone.PLAIN,
    within: float = SEND_WITHIN,
) -> list[Delivery]:
    """Send a plain text to all URLs at once, in `within` seconds; what became of each."""
    answers = await asyncio.gather(
        *(_within(within, partial(_deliver, url.text, title, body, tone)) for url in urls)
    )
    return [Delivery(_place(url.text), problem) for url, problem in zip(urls, answers, strict=True)]


async def ping(url: Secret, *, within: float = PING_WITHIN) -> str:
    """Call a healthcheck's URL, in `within` seconds; gives what went wrong, or an empty text."""
    why = await _within(within, partial(_get, url.text, within))
    return f"The healthcheck at {_place(url.text)} could not be called: {why}." if why else ""


def _beginning(health: Health, kind: str, now: datetime) -> News:
    what = "failed" if kind == HealthState.FAILING else "is late"
    title = f"Backstay: the backup of {health.project_name} {what}"
    if health.damaged:
        title = f"Backstay: a backup of {health.project_name} is damaged"
    if health.absent:
        title = f"Backstay: {health.project_name} is not present"
    body = _lines(health.reason, _last_good(health), health.hint)
    return News(health.project, kind, True, title, body, health.since or now)


def _over(health: Health, kind: str, since: datetime) -> News:
    good = health.last_good is not None and health.last_good >= since
    if good:
        title = f"Backstay: {health.project_name} is backed up again"
    else:  # its schedule was changed, say: nothing has to be there any more
        title = f"Backstay: {health.project_name} is no longer {kind}"
    coming = (
        f"The next backup is due {moment_text(health.next_run, health.zone)}."
        if health.next_run
        else "No further backup is scheduled."
    )
    nothing = "Nothing needs to be done." if good and not health.reason else ""
    body = _lines(health.reason, _last_good(health), coming, health.hint or nothing)
    return News(health.project, kind, False, title, body, since)


def _silent(health: Health, kind: str, since: datetime) -> News:
    return News(health.project, kind, False, "", "", since)


def _last_good(health: Health) -> str:
    if health.last_good is None:
        return "There is no good backup of it yet."
    return f"The last good backup is of {moment_text(health.last_good, health.zone)}."


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


async def _within(seconds: float, work: Callable[[], str]) -> str:
    """Do blocking work in a thread of its own; why it failed, or an empty text.

    The thread is left to itself when its time is up, and no process waits for it when it ends: the
    threads of an executor would hold up both.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def settle(why: str) -> None:
        if not answer.done():
            answer.set_result(why)

    def run() -> None:
        try:
            why = work()
        except Exception as error:  # noqa: BLE001  # whatever a service does, the backup is good
            why = _in_words(error)
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(settle, why)

    try:
        threading.Thread(target=run, name="backstay-notify", daemon=True).start()
    except RuntimeError:
        return "this machine could not start another thread"
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        return f"there was no answer within {seconds:g} seconds"


def _deliver(url: str, title: str, body: str, tone: Tone) -> str:
    apprise = _apprise()
    asset = apprise.AppriseAsset(
        app_id="Backstay",
        app_desc="Backstay",
        async_mode=False,  # it is in a thread of its own already
        http_redirects=False,  # else a message that went elsewhere, or nowhere, counts as sent
        storage_mode="memory",
    )
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        return "apprise does not take this URL, or lacks a package for it"
    box = apprise.Apprise(asset=asset)
    box.add(service)
    marked = apprise.NotifyType(tone.value)
    if box.notify(
        body=body, title=title, notify_type=marked, body_format=apprise.NotifyFormat.TEXT
    ):
        return ""
    return "the service could not be reached, or did not accept it"


_LOADING = threading.Lock()


def _apprise() -> ModuleType:
    """The library, loaded when something is sent: that takes half a second and 40 MB."""
    import logging

    with _LOADING:
        import apprise

        # They log whole URLs, passwords and tokens included.
        for name in ("apprise", "requests", "urllib3"):
            logging.getLogger(name).propagate = False
    return apprise


def _get(url: str, within: float) -> str:
    import base64
    from urllib import request as web
    from urllib.error import HTTPError
    from urllib.parse import unquote_to_bytes, urlsplit

    parts = urlsplit(url)
    user, signed_in, place = parts.netloc.rpartition("@")
    call = web.Request(  # noqa: S310  # the opener below knows http and https only
        parts._replace(netloc=place, fragment="").geturl(), headers={"User-Agent": "Backstay"}
    )
    if signed_in:
        password = base64.b64encode(unquote_to_bytes(user)).decode("ascii")
        # Not sent along to where the server may redirect to.
        call.add_unredirected_header("Authorization", f"Basic {password}")
    # Not urllib's usual opener: that would follow a redirect to ftp, too.
    opener = web.OpenerDirector()
    for handler in (
        web.ProxyHandler(),
        web.HTTPHandler(),
        web.HTTPSHandler(),
        web.HTTPRedirectHandler(),
        web.HTTPErrorProcessor(),
        web.HTTPDefaultErrorHandler(),
        web.UnknownHandler(),
    ):
        opener.add_handler(handler)
    try:
        with opener.open(call, timeout=within):
            return ""
    except HTTPError as error:
        error.close()
        if 300 <= error.code < 400:
            return f"it redirects ({error.code}) to where it must not or without an end"
        return f"it answered {error.code}"


def _in_words(error: Exception) -> str:
    """What an error means, without its own text: that may quote a URL."""
    import ssl
    from urllib.error import URLError

    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "there was no answer in time"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "its certificate cannot be trusted"
    if isinstance(cause, OSError) and cause.errno is not None and cause.strerror:
        return cause.strerror[0].lower() + cause.strerror[1:]
    return type(error).__name__


# With these the part behind the scheme is a host; with others it may be a token or a private topic.
_WITH_HOST = frozenset(
    ("http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos")
)
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,29})://"
    r"(?:(?:[^@/?#\s]*@)?(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#][^@]*)?\Z)?"  # an @ there: a password was not written as it has to be
)


def _place(url: str) -> str:
    """What of a URL may be shown: its scheme, and its host where that is one for sure."""
    found = _ADDRESS.match(url)
    if found is None:
        return "a URL"
    scheme = found["scheme"].lower()
    host = found["host"] if scheme in _WITH_HOST else None
    return f"{scheme}://{host or '…'}"
