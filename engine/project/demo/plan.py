"""Which devices a made-up project has, and how its rows are spread over them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from engine.project.demo.chunks import DAY_MS
from engine.project.demo.device_files import Device
from engine.project.demo.flavours import Model, Setting
from engine.project.demo.identity import object_id
from engine.project.demo.readings import PER_POST

# TagoCore refuses new rows on a mutable device at 50,000; some room is left to grow.
_MUTABLE_ROWS = 45_000
_LONGEST_HISTORY_DAYS = 150
FOUNDED_DAYS = 200  # a project is that old when it is written
_PERIOD_DAYS = {"day": 1, "week": 7, "month": 28, "quarter": 89}


@dataclass(frozen=True, slots=True)
class PlannedDevice:
    """A device that is to be made, when (epoch milliseconds), and with how many rows."""

    device: Device
    name: str
    site: str
    parsed: bool
    created: int
    rows: int


def plan_devices(
    rng: random.Random, setting: Setting, *, devices: int, rows: int, until: int
) -> list[PlannedDevice]:
    """Plan that many devices with that many rows in all, their ids from before `until`."""
    models = [setting.models[number % len(setting.models)] for number in range(devices)]
    planned = []
    for number, (model, share) in enumerate(zip(models, _shares(models, rows), strict=True)):
        created = until - (FOUNDED_DAYS - 1 - number % 30) * DAY_MS + rng.randint(0, DAY_MS)
        planned.append(
            PlannedDevice(
                Device(
                    id=object_id(rng, created),
                    kind=model.kind,
                    type=model.type,
                    interval=_interval(model, share),
                    place=near(rng, setting.place),
                    chunk_period=model.chunk_period,
                    chunk_retention=model.chunk_retention,
                ),
                name=f"{model.label} {number // len(setting.models) + 1}",
                site=setting.sites[number % len(setting.sites)],
                parsed=model.parsed,
                created=created,
                rows=share,
            )
        )
    return planned


def another(rng: random.Random, like: PlannedDevice, name: str, created: int) -> PlannedDevice:
    """A new device of the same sort as another one, without rows."""
    device = replace(like.device, id=object_id(rng, created), place=near(rng, like.device.place))
    return replace(like, device=device, name=name, created=created, rows=0)


def near(rng: random.Random, place: tuple[float, float]) -> tuple[float, float]:
    """A place within a kilometre or so of another (longitude, latitude)."""
    return (
        round(place[0] + rng.uniform(-0.01, 0.01), 6),
        round(place[1] + rng.uniform(-0.008, 0.008), 6),
    )


def _shares(models: list[Model], rows: int) -> list[int]:
    """Rows per device: as many as its interval makes of the same stretch of time.

    The first model of every setting is immutable, so there is always one that takes the rest.
    """
    weights = [PER_POST[model.kind] / model.interval for model in models]
    shares = [int(rows * weight / sum(weights)) for weight in weights]
    for number, model in enumerate(models):
        if model.type == "mutable":
            shares[number] = min(shares[number], _MUTABLE_ROWS)
    roomy = [number for number, model in enumerate(models) if model.type != "mutable"]
    each, rest = divmod(rows - sum(shares), len(roomy))
    for turn, number in enumerate(roomy):
        shares[number] += each + (turn < rest)
    return shares


def _interval(model: Model, rows: int) -> int:
    """Milliseconds between POSTs: the model's, or less where retention would cut the history."""
    days = _LONGEST_HISTORY_DAYS
    if model.chunk_period and model.chunk_retention:
        # One period less, for the oldest one is whole when data retention takes it.
        kept = _PERIOD_DAYS[model.chunk_period] * (model.chunk_retention - 1)
        days = min(days, kept)
    posts = max(1, -(-rows // PER_POST[model.kind]))
    return max(1, min(model.interval, days * 86_400 // posts)) * 1000
