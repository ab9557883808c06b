"""The report of a restore: what was made, and what its owner does next."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import events, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from engine import BackstayError, ProjectState, QuietItem, RestoreReport, WakeReport
from tui.dialogs.confirm import Confirm
from tui.screens.page import Page
from tui.widgets.lines import Line, Lines, folded, pairs
from tui.widgets.rows import Cell
from tui.wording import counted, duration, listed, money, short_path

_ACTION, _RETENTION = "action", "data retention"
_GAP = 3  # columns
_NAMED = 5  # things, at most, that are named in a sentence


class _Step(NamedTuple):
    """Something to do: what, and what helps with it."""

    text: str
    key: str
    done: bool = False
    at_will: bool = False  # it need not be done, and has no place in the order


_MOVE = _Step("Or move its data into the project in use", "press m", at_will=True)


class Scroll(VerticalScroll):
    """What is longer than the screen; moved through with the same keys as a list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "down", show=False),
        Binding("k", "scroll_up", "up", show=False),
        Binding("g", "scroll_home", "to the first", show=False),
        Binding("G", "scroll_end", "to the last", show=False),
    ]


class ReportPage(Page[RestoreReport]):
    """What a restore made; it can be come back to for as long as the project is there."""

    CSS_PATH = "report.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "tokens", "tokens"),
        Binding("a", "code", "code"),
        Binding("w", "wake", "wake"),
        Binding("m", "move_data", "move data", tooltip="Move its data into a project in use"),
        Binding("y", "copy_folder", "copy folder"),
        Binding("escape", "back", "back"),
    ]
    reading = "Reading the report…"

    def __init__(self, job: str) -> None:
        """`job` is the id of the restore."""
        super().__init__()
        self.job = job
        self._woken: WakeReport | None = None

    @property
    def where(self) -> tuple[str, ...]:
        """What is ready."""
        if self.data is None:
            return ("Backstay", "Report")
        return ("Backstay", f"{self.data.project.name} is ready")

    @property
    def who(self) -> str:
        """How long it took, and what it cost."""
        if self.data is None:
            return super().who
        charged = self.data.charged
        cost = money(charged) if charged.amount else "nothing charged"
        return f"took {duration(self.data.seconds)} · {cost}"

    def body(self) -> Iterable[Widget]:
        """All of it is lines."""
        with Scroll():
            yield Lines(name="lines")

    async def read(self) -> RestoreReport:
        """Ask for the report."""
        return await self.backstay.engine.report(self.job)

    def on_mount(self) -> None:
        """Let the keys move through it."""
        self.query_one(Scroll).focus()

    def on_resize(self, event: events.Resize) -> None:
        """Fold the lines anew."""
        self.call_after_refresh(self.tick)

    def show(self, data: RestoreReport) -> None:
        """Show what was made, and what is to be done."""
        lines = self.query_one("#lines", Lines)
        if lines.room:
            lines.tell(_lines(data, self._woken, lines.room))

    def refuse(self, error: BackstayError) -> None:
        """Say in place of the report that it is not to be seen."""
        self.query_one("#lines", Lines).tell([])
        super().refuse(error)

    # What can be done

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what there is can be shown, and only what is quiet be woken."""
        data = self.data
        if action == "tokens":
            return data is not None and bool(data.tokens)
        if action == "code":
            return data is not None and bool(_code(data))
        if action == "wake":
            return data is not None and data.project.quiet
        if action in ("copy_folder", "move_data"):
            return data is not None
        return super().check_action(action, parameters)

    def action_tokens(self) -> None:
        """Show the new tokens, now that they were asked for."""
        from tui.screens.tokens import TokensPage

        if self.data is not None:
            self.app.push_screen(TokensPage(self.job, self.data.project.name))

    def action_code(self) -> None:
        """Show whose code has to be put back."""
        from tui.screens.missing_code import MissingCodePage

        if self.data is not None:
            self.app.push_screen(MissingCodePage(self.job, self.data.project.name))

    @work(exclusive=True, group="move")
    async def action_move_data(self) -> None:
        """Ask what of it is to be moved, into the project that it was made of unless told."""
        data = self.data
        if data is None:
            return
        into = None
        with contextlib.suppress(BackstayError):  # then it is chosen there
            into = (await self.backstay.engine.job(self.job)).project
        self.backstay.open_transfer(source=data.project.id, target=into)

    def action_copy_folder(self) -> None:
        """Copy where the new project is."""
        if self.data is not None:
            self.backstay.copy(str(self.data.project.path), "the folder")

    def action_wake(self) -> None:
        """Ask, then let the project work."""
        data = self.data
        if data is None:
            return
        name = data.project.name
        self.app.push_screen(
            Confirm(f"Wake {name}?", _what_wakes(data), f"Wake {name}", "Leave it quiet"),
            self._wake,
        )

    async def _wake(self, agreed: bool | None) -> None:
        if not agreed or self.data is None:
            return
        try:
            self._woken = await self.backstay.engine.wake(self.data.project.id)
        except BackstayError as error:
            self.backstay.tell_error(error)
        self.read_soon()


def _lines(report: RestoreReport, woken: WakeReport | None, room: int) -> list[Line]:
    project = report.project
    devices = counted(report.devices, "device")
    variables = counted(report.variables, "variable")
    state = "stopped" if project.state is ProjectState.STOPPED else ""
    state = state or ("quiet" if project.quiet else "awake")
    first = f"{devices} and {variables}, checked. It is {state}."
    lines = [*folded(first, room), []]
    steps = _steps(report)
    if steps:
        lines.append([Cell("To do, in this order", "strong")])
    else:
        lines += folded("Nothing is left to do but to start TagoCore on its folder.", room)
    lines += _numbered([*steps, _MOVE], room)
    if woken is not None:
        lines += [[], *_what_woke(woken, room)]
    facts = [
        ("Folder", short_path(project.path)),
        ("Port", str(report.port)),
        ("From", f"backup {report.backup}"),
    ]
    lines += [[], *pairs(facts, room)]
    if report.notes:
        lines += [[], [Cell("Notes", "strong")]]
        for note in report.notes:
            lines += folded(note, room, first=[Cell("- ", "dim")])
    return lines


def _steps(report: RestoreReport) -> list[_Step]:
    steps = []
    if report.tokens:
        tokens = counted(len(report.tokens), "new token")
        steps.append(_Step(f"Give the devices their tokens: {tokens}", "press t"))
    if code := _code(report):
        steps.append(_Step(f"Put back the code: {code}", "press a"))
    if report.quiet and report.project.quiet:
        steps.append(_Step(f"Wake it: {_off(report.quiet)}", "press w"))
    elif report.quiet:
        steps.append(_Step("Wake it", "it is awake", done=True))
    return steps


def _code(report: RestoreReport) -> str:
    """Whose code is missing, in counts; nothing where none is."""
    plugins = sum(item.kind not in (_ACTION, _RETENTION) for item in report.quiet)
    counts = [
        (len(report.analyses_without_code), "analysis", "analyses"),
        (len(report.parsers_without_code), "payload parser", ""),
        (plugins, "plugin", ""),
    ]
    return ", ".join(counted(count, one, many) for count, one, many in counts if count)


def _off(items: Sequence[QuietItem]) -> str:
    """What is off until it is woken, in counts."""
    actions = sum(item.kind == _ACTION for item in items)
    devices = len({item.id for item in items if item.kind == _RETENTION})
    said = []
    if actions:
        said.append(counted(actions, "action"))
    if devices:
        said.append(f"data retention of {counted(devices, 'device')}")
    return ", ".join(said)


def _numbered(steps: Sequence[_Step], room: int) -> list[Line]:
    """Steps, and beside each what helps with it; below it where there is no room."""
    lines: list[Line] = []
    broadest = max(len(step.text) for step in steps)
    beside = 3 + broadest + _GAP + max(len(step.key) for step in steps) <= room
    for number, step in enumerate(steps, 1):
        first = [Cell("✓  ", "good")] if step.done else [Cell(f"{number}  ")]
        if step.at_will:
            first = []
        if beside:
            column = broadest + (3 if step.at_will else 0)
            space = " " * (column - len(step.text) + _GAP)
            lines.append([*first, Cell(step.text + space), Cell(step.key, "dim")])
        else:
            lines += folded(step.text, room, first=first)
            lines.append([Cell("   "), Cell(step.key, "dim")])
    return lines


def _what_wakes(report: RestoreReport) -> str:
    off = _off(report.quiet)
    said = [f"This is put back as it was: {off}."]
    if any(item.kind == _RETENTION for item in report.quiet):
        said.append("Data retention then deletes what is older than it keeps.")
    if any(item.kind == _ACTION for item in report.quiet):
        said.append("Actions may send messages to the same people and places as the old ones.")
    said.append("What was changed since the restore is left as it is.")
    return "\n".join(said)


def _what_woke(report: WakeReport, room: int) -> list[Line]:
    back = _off(report.woken)
    said = f"Put back: {back}." if back else "There was nothing to put back."
    lines = folded(said, room, first=[Cell("✓  ", "good")])
    if report.left:
        names = [item.name for item in report.left[:_NAMED]]
        if len(report.left) > _NAMED:
            names.append(f"{len(report.left) - _NAMED} more")
        left = f"Left as they are, because they were changed since: {listed(names)}."
        lines += folded(left, room, first=[Cell("!  ", "warn")])
    return lines
