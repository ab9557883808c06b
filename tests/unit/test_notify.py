"""What is told outside: once per incident, through real servers, and never a secret."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.health import Health, HealthState, with_absence
from engine.notify import News, Tone, news, ping, send
from engine.secret import Secret

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PLANT = "aaaaaaaaaaaa"
Incidents = dict[tuple[str, str], datetime]


def health(
    state: HealthState,
    *,
    project: str = PLANT,
    last_good: datetime | None = NOW - DAY,
    next_run: datetime | None = NOW + DAY,
    waiting: bool = False,
) -> Health:
    alarming = state in (HealthState.LATE, HealthState.FAILING)
    return Health(
        project=project,
        project_name="Plant 7",
        state=state,
        reason="" if state is HealthState.FINE else "It is so because of this.",
        last_good=last_good,
        next_run=next_run,
        zone="Europe/Lisbon",
        running=None,
        hint="" if state is HealthState.FINE else "Do that next.",
        since=NOW - timedelta(hours=2) if alarming else None,
        waiting=waiting,
    )


def noted(incidents: Incidents, told: list[News]) -> None:
    """Note what was told, as the catalog does."""
    for each in told:
        if each.begins:
            incidents[each.project, each.kind] = each.since
        else:
            del incidents[each.project, each.kind]


class Told(NamedTuple):
    titles: list[str]
    bodies: list[str]


def tell(incidents: Incidents, *healths: Health) -> Told:
    """What is told of these healths; afterwards it is noted."""
    told = news(healths, incidents, NOW)
    noted(incidents, told)
    loud = [each for each in told if not each.silent]
    return Told([each.title for each in loud], [each.body for each in loud])


def test_a_failure_is_told_once_and_once_when_it_is_over() -> None:
    incidents: Incidents = {}
    failing = health(HealthState.FAILING)
    begun = tell(incidents, failing)
    assert begun.titles == ["Backstay: the backup of Plant 7 failed"]
    assert begun.bodies[0].splitlines() == [
        "It is so because of this.",
        "The last good backup is of Mon 23 Nov 2026 12:00 (Europe/Lisbon).",
        "Do that next.",
    ]
    assert incidents == {(PLANT, "failing"): failing.since}
    assert tell(incidents, failing).titles == []
    over = tell(incidents, health(HealthState.FINE, last_good=NOW))
    assert over.titles == ["Backstay: Plant 7 is backed up again"]
    assert over.bodies[0].splitlines() == [
        "The last good backup is of Tue 24 Nov 2026 12:00 (Europe/Lisbon).",
        "The next backup is due Wed 25 Nov 2026 12:00 (Europe/Lisbon).",
        "Nothing needs to be done.",
    ]
    assert incidents == {}
    assert tell(incidents, health(HealthState.FINE)).titles == []


def test_each_news_has_its_tone() -> None:
    def tones(state: HealthState, incidents: Incidents) -> list[str]:
        return [each.tone.value for each in news([health(state)], incidents, NOW)]

    assert tones(HealthState.FAILING, {}) == ["failure"]
    assert tones(HealthState.LATE, {}) == ["warning"]
    assert tones(HealthState.FINE, {(PLANT, "late"): NOW}) == ["success"]


def test_a_project_that_is_not_present_is_told_as_such() -> None:
    told = tell({}, with_absence(health(HealthState.FINE)))
    assert told.titles == ["Backstay: Plant 7 is not present"]
    assert "backstay adopt PATH --name 'Plant 7'" in told.bodies[0]


def test_lateness_is_told_and_turning_into_a_failure_is_one_more() -> None:
    incidents: Incidents = {}
    assert tell(incidents, health(HealthState.LATE)).titles == [
        "Backstay: the backup of Plant 7 is late"
    ]
    assert tell(incidents, health(HealthState.LATE)).titles == []
    assert tell(incidents, health(HealthState.FAILING)).titles == [
        "Backstay: the backup of Plant 7 failed"
    ]
    assert list(incidents) == [(PLANT, "failing")]
    over = tell(incidents, health(HealthState.FINE, last_good=NOW))
    assert over.titles == ["Backstay: Plant 7 is backed up again"]


def test_two_incidents_that_were_noted_are_over_with_one_message() -> None:
    incidents = {(PLANT, "late"): NOW - DAY, (PLANT, "failing"): NOW - DAY}
    assert len(tell(incidents, health(HealthState.FINE, last_good=NOW)).titles) == 1
    assert incidents == {}


def test_a_missed_backup_is_not_over_because_the_next_is_due() -> None:
    incidents = {(PLANT, "late"): NOW - DAY}
    waiting = health(HealthState.FINE, last_good=NOW - 2 * DAY, waiting=True)
    assert tell(incidents, waiting).titles == []
    assert tell(incidents, waiting._replace(waiting=False, last_good=NOW)).titles == [
        "Backstay: Plant 7 is backed up again"
    ]


def test_lateness_that_ends_without_a_backup_does_not_claim_one() -> None:
    incidents = {(PLANT, "late"): NOW - timedelta(hours=2)}
    over = tell(incidents, health(HealthState.FINE, next_run=None))
    assert over.titles == ["Backstay: Plant 7 is no longer late"]
    assert "No further backup is scheduled." in over.bodies[0]
    assert "Nothing needs" not in over.bodies[0]


def test_what_is_still_wrong_is_in_the_message_that_something_is_over() -> None:
    incidents = {(PLANT, "late"): NOW - DAY}
    body = tell(incidents, health(HealthState.NO_WORKER, last_good=NOW)).bodies[0]
    assert "It is so because of this." in body
    assert body.endswith("Do that next.")


def test_a_project_that_was_never_backed_up_is_told_as_such() -> None:
    body = tell({}, health(HealthState.FAILING, last_good=None)).bodies[0]
    assert "There is no good backup of it yet." in body


def test_projects_are_told_apart_and_one_that_is_gone_is_not_mentioned() -> None:
    incidents = {("cccccccccccc", "late"): NOW - DAY}
    other = health(HealthState.LATE, project="bbbbbbbbbbbb")
    told = news([health(HealthState.FAILING), other], incidents, NOW)
    assert [(each.project, each.kind, each.begins) for each in told] == [
        (PLANT, "failing", True),
        ("bbbbbbbbbbbb", "late", True),
    ]


@pytest.mark.parametrize("state", [HealthState.NEVER, HealthState.NO_WORKER, HealthState.FINE])
def test_what_is_not_alarming_is_not_told(state: HealthState) -> None:
    assert news([health(state)], {}, NOW) == []


@given(st.lists(st.sampled_from(list(HealthState)), max_size=12))
def test_every_message_that_something_is_over_has_one_that_it_began(
    states: list[HealthState],
) -> None:
    incidents: Incidents = {}
    wrong = False
    last = None
    for state in states:
        titles = tell(incidents, health(state, last_good=NOW)).titles
        alarming = state in (HealthState.LATE, HealthState.FAILING)
        assert len(titles) == (state != last if alarming else wrong)
        assert len(incidents) == alarming
        wrong, last = alarming, state


class Call(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: str


class Service:
    """A web server on the loopback that answers as it is told, and keeps what it was asked."""

    def __init__(self, respond: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.calls: list[Call] = []
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                calls.append(
                    Call(self.command, self.path, dict(self.headers.items()), body.decode())
                )
                respond(self)

            do_GET = do_POST = respond  # noqa: N815  # the names that http.server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], Service]


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Service] = []

    def start(respond: Callable[[BaseHTTPRequestHandler], None]) -> Service:
        started.append(Service(respond))
        return started[-1]

    yield start
    for service in started:
        service.close()


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def closed() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback is asked directly, whatever this machine is set to."""
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def all_that_is_logged() -> Iterator[list[str]]:
    """What reaches the root of logging, however unimportant."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root = logging.getLogger()
    keep, level = Keep(), root.level
    root.addHandler(keep)
    root.setLevel(1)
    try:
        yield lines
    finally:
        root.removeHandler(keep)
        root.setLevel(level)


def answering(code: int, location: str = "") -> Callable[[BaseHTTPRequestHandler], None]:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        if location:
            handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return respond


async def test_a_message_reaches_every_service_as_it_was_written(serve: Serve) -> None:
    first, second = serve(answering(200)), serve(answering(204))
    urls = [Secret(f"json://ana:hunter2@{first.host}/a"), Secret(f"json://{second.host}/b?x=1")]
    assert await send(urls, "Backstay: <Plant 7>", "one & two\nthree", tone=Tone.BAD) == []
    for service, path in ((first, "/a"), (second, "/b")):
        (call,) = service.calls
        assert (call.method, call.path.partition("?")[0]) == ("POST", path)
        sent = json.loads(call.body)
        assert (sent["title"], sent["message"]) == ("Backstay: <Plant 7>", "one & two\nthree")
        assert sent["type"] == "failure"
    signed = base64.b64decode(first.calls[0].headers["Authorization"].removeprefix("Basic "))
    assert signed == b"ana:hunter2"


async def test_each_service_that_fails_is_named_and_the_others_get_the_message(
    serve: Serve, deaf: str, closed: str
) -> None:
    good, bad = serve(answering(200)), serve(answering(500))
    elsewhere = serve(answering(302, f"http://{good.host}/stolen"))
    urls = [
        Secret(f"json://ana:hunter2@{bad.host}/hunter2"),
        Secret(f"json://{deaf}/hunter2?cto=60&rto=60"),
        Secret(f"json://hunter2@{closed}/hunter2"),
        Secret(f"json://{elsewhere.host}/hunter2?+X-Token=hunter2"),
        Secret("tgram://hunter2"),
        Secret("hunter2"),
        Secret(f"json://{good.host}/good"),
    ]
    with all_that_is_logged() as logged:
        failed = await send(urls, "title", "body", within=3)
    assert [line.partition(" failed: ")[0] for line in failed] == [
        "The notification to json://127.0.0.1 (number 1 of 7)",
        "The notification to json://127.0.0.1 (number 2 of 7)",
        "The notification to json://127.0.0.1 (number 3 of 7)",
        "The notification to json://127.0.0.1 (number 4 of 7)",
        "The notification to tgram://… (number 5 of 7)",
        "The notification to a URL (number 6 of 7)",
    ]
    assert "no answer within 3 seconds" in failed[1]
    assert "apprise does not take this URL" in failed[4]
    assert [call.path for call in good.calls] == ["/good"], "nothing went where it was redirected"
    assert "hunter2" not in "\n".join([*failed, *logged])


async def test_nothing_is_sent_where_there_is_nothing_to_say(serve: Serve) -> None:
    service = serve(answering(200))
    assert await send([Secret(f"json://{service.host}")], "", "") == []
    assert await send([], "title", "body") == []
    assert service.calls == []


async def test_a_healthcheck_is_called_with_its_query_and_password(serve: Serve) -> None:
    service = serve(answering(200))
    assert await ping(Secret(f"http://ana:hunt%20er2@{service.host}/ping?x=1#y")) == ""
    (call,) = service.calls
    assert (call.method, call.path, call.headers["Host"]) == ("GET", "/ping?x=1", service.host)
    signed = base64.b64decode(call.headers["Authorization"].removeprefix("Basic "))
    assert signed == b"ana:hunt er2"


async def test_a_healthcheck_that_moved_is_followed_without_its_password(serve: Serve) -> None:
    there = serve(answering(200))
    here = serve(answering(302, f"http://{there.host}/new"))
    assert await ping(Secret(f"http://ana:hunter2@{here.host}/old")) == ""
    (call,) = there.calls
    assert call.path == "/new"
    assert "Authorization" not in call.headers


async def test_a_redirect_leads_to_no_file(serve: Serve) -> None:
    service = serve(answering(302, "file:///etc/hostname"))
    why = await ping(Secret(f"http://{service.host}/hunter2"))
    assert why.startswith("The healthcheck at http://127.0.0.1 could not be called: it redirects")
    assert "hunter2" not in why


async def test_a_redirect_leads_to_no_other_protocol(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        service = serve(answering(302, f"ftp://127.0.0.1:{listening.getsockname()[1]}/x"))
        assert await ping(Secret(f"http://{service.host}/"), within=0.5) != ""
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody came
            listening.accept()


async def test_redirects_in_a_circle_end(serve: Serve) -> None:
    service = serve(answering(302, "/again"))
    assert "without an end" in await ping(Secret(f"http://{service.host}/"))
    assert len(service.calls) < 20


@pytest.mark.parametrize("code", [404, 500, 503])
async def test_a_healthcheck_that_refuses_is_told_with_its_code(serve: Serve, code: int) -> None:
    why = await ping(Secret(f"http://{serve(answering(code)).host}/hunter2"))
    assert why == f"The healthcheck at http://127.0.0.1 could not be called: it answered {code}."


async def test_a_healthcheck_that_is_not_there_is_told(closed: str) -> None:
    why = await ping(Secret(f"http://ana:hunter2@{closed}/hunter2"))
    assert why.endswith("could not be called: connection refused.")
    assert "hunter2" not in why


async def test_a_healthcheck_that_hangs_is_given_up(deaf: str) -> None:
    why = await ping(Secret(f"http://{deaf}/hunter2"), within=0.05)
    assert "no answer" in why
    assert "hunter2" not in why


async def test_a_healthcheck_that_trickles_is_given_up_too(serve: Serve) -> None:
    enough = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        while not enough.wait(0.01):
            handler.wfile.write(b"X")  # never a whole line, never a long silence

    try:
        why = await ping(Secret(f"http://{serve(trickle).host}/"), within=0.3)
    finally:
        enough.set()
    assert "no answer within 0.3 seconds" in why


@pytest.mark.parametrize("url", ["https://{}/hunter2", "ftp://{}/hunter2", "hunter2", "http://"])
async def test_whatever_a_healthcheck_is_set_to_it_raises_nothing(serve: Serve, url: str) -> None:
    why = await ping(Secret(url.format(serve(answering(200)).host)))
    assert why.endswith(".")
    assert "hunter2" not in why


async def test_a_machine_without_room_for_threads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert "could not start another thread" in await ping(Secret("http://127.0.0.1/"))
    (line,) = await send([Secret("json://127.0.0.1/")], "title", "body")
    assert "could not start another thread" in line


async def test_the_caller_may_leave_while_a_service_hangs(deaf: str) -> None:
    sending = asyncio.create_task(send([Secret(f"json://{deaf}")], "title", "body"))
    calling = asyncio.create_task(ping(Secret(f"http://{deaf}")))
    await asyncio.sleep(0)
    for task in (sending, calling):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


LOOK_UP = socket.getaddrinfo


def only_the_loopback(host: str, *args: Any, **named: Any) -> Any:
    """A resolver that knows no name."""
    if host != "127.0.0.1":
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return LOOK_UP(host, *args, **named)


# What people put into URLs; where a sign belongs to the URL's own form, they often forget to
# escape it. The scheme of a URL is shown, so "://" is left out.
SECRETS = st.from_regex(
    r"SECRET[0-9]{6}(?:[A-Za-z0-9%/?#@:&=+ .-]{0,6}SECRET[0-9]{6})?", fullmatch=True
).filter(lambda text: "://" not in text)
FORMS = st.sampled_from(
    [
        "json://user:{}@HOST/",
        "json://{}:password@HOST/",
        "json://{}@HOST/",
        "json://HOST/{}",
        "json://HOST/?x={}",
        "json://HOST/?+X-Token={}",
        "json://HOST/?:{}=1",
        "json://HOST/#{}",
        "jsons://user:{}@HOST/",
        "xml://user:{}@HOST/{}",
        "form://{}:{}@HOST",
        "mailto://user:{}@HOST",
        "tgram://{}/123",
        "tgram://123456789:{}abcdefghijklmnopqrstuvwxyz/123",
        "slack://{}",
        "ntfy://{}",
        "gotify://HOST/{}",
        "discord://123/{}",
        "pover://user@{}",
        "nothing://{}",
        "http://user:{}@HOST/",
        "http://HOST/{}",
        "https://HOST/{}",
        "http://{}@HOST/?x={}",
        "{}",
        "",
    ]
)


@settings(max_examples=100, deadline=None)
@example(form="json://{}@HOST/", secret="SECRET000000/SECRET000000")
@example(form="json://{}@HOST/", secret="SECRET000000@SECRET000000")
@given(form=FORMS, secret=SECRETS)
def test_no_text_and_no_log_shows_a_secret(closed: str, form: str, secret: str) -> None:
    url = Secret(form.replace("HOST", closed).replace("{}", secret))

    async def told() -> list[str]:
        pinged = await ping(url, within=5)
        sent = await send([url], "title", "body", within=5)
        assert pinged, "nobody listens"
        assert len(sent) == 1
        return [repr(url), str(url), pinged, *sent]

    with pytest.MonkeyPatch.context() as patch, all_that_is_logged() as logged:
        # Whatever such a URL leads to, nothing leaves this machine: only `closed` needs no name.
        patch.setattr(socket, "getaddrinfo", only_the_loopback)
        texts = asyncio.run(told())
    assert "secret" not in "\n".join([*texts, *logged]).casefold().replace("secret()", "")
