"""What the demo's devices measure: drifting signals, a door, a burner, a position, payloads.

A device sends one POST per interval; its kind says which variables a POST holds, always the same
number of them. Values are what TagoCore binds: whole numbers of 32 bits as integers, all others
as floats, which SQLite then writes as TEXT just as it does for TagoCore (``1700000000004.0``,
``1.2e-09``); booleans as 1 and 0.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.project.demo.chunks import DAY_MS

Value = int | float | str

# Larger whole numbers reach SQLite as floats, for they come from JavaScript.
_LARGEST_INTEGER = 2**31


class Kind(StrEnum):
    """What a device is; kept as its tag `kind`."""

    COLD_STORE = "cold-store"
    BOILER = "boiler"
    WEATHER = "weather"
    TRACKER = "tracker"


@dataclass(frozen=True, slots=True)
class Reading:
    """One variable of one POST, before it has ids and times."""

    variable: str
    type: str
    value: Value
    unit: str | None = None
    location: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """A number that drifts: pulled towards `rest`, with noise, a daily swing and a slope.

    At `low` it starts again at `rest`: that is when somebody changes the battery.
    """

    variable: str
    unit: str
    rest: float
    noise: float
    decimals: int
    pull: float = 0.1
    swing: float = 0.0
    slope: float = 0.0
    low: float = -math.inf
    high: float = math.inf

    def next(self, last: float, time: int, rng: random.Random) -> float:
        """The value after `last`, at `time` (epoch milliseconds)."""
        warmest = math.sin((time % DAY_MS) / DAY_MS * math.tau - 2)
        target = self.rest + self.swing * warmest
        value = last + self.slope + rng.gauss(0, self.noise)
        if self.pull:
            value += (target - value) * self.pull
        if value <= self.low:
            return self.rest if self.slope else self.low
        return round(min(value, self.high), self.decimals)


_BATTERY = Signal("battery", "V", 3.6, 0.0004, 3, pull=0, slope=-0.0005, low=3.0)

SIGNALS: Mapping[Kind, tuple[Signal, ...]] = {
    Kind.COLD_STORE: (
        Signal("temperature", "°C", -18.0, 0.35, 2, swing=1.2),
        Signal("humidity", "%", 71.0, 0.8, 1, low=20, high=100),
        Signal("leak_rate", "mbar·l/s", 1.2e-9, 2e-10, 10, low=1e-10),
        _BATTERY,
    ),
    Kind.BOILER: (
        Signal("flow_temperature", "°C", 68.0, 1.1, 1, swing=4),
        Signal("return_temperature", "°C", 47.5, 0.8, 1, swing=3),
        Signal("pressure", "bar", 1.8, 0.02, 2, low=0.4, high=3),
        Signal("gas_pulses", "imp", 4_812_604_000, 40, 0, pull=0, slope=300),
    ),
    Kind.WEATHER: (
        Signal("temperature", "°C", 14.0, 0.4, 1, swing=6),
        Signal("humidity", "%", 66.0, 1.5, 0, swing=-14, low=15, high=100),
        Signal("air_pressure", "hPa", 1014.0, 0.6, 1, pull=0.01),
        Signal("wind_speed", "m/s", 4.5, 1.2, 1, low=0, high=38),
        Signal("wind_direction", "°", 220.0, 14, 0, low=0, high=359),
        Signal("rain", "mm", 0.0, 0.15, 1, low=0, high=30),
    ),
    Kind.TRACKER: (
        Signal("temperature", "°C", 3.5, 0.3, 2, swing=0.8),
        Signal("speed", "km/h", 24.0, 9, 0, low=0, high=90),
        _BATTERY,
    ),
}

# How many variables one POST of a kind holds: its signals and what `_extras` adds.
PER_POST: Mapping[Kind, int] = {
    Kind.COLD_STORE: 6,
    Kind.BOILER: 6,
    Kind.WEATHER: 6,
    Kind.TRACKER: 5,
}

_FAULTS = ("E02 no flame", "E04 low pressure", "E11 pump blocked — Störung")


class Sampler:
    """Gives one device's readings, POST by POST, going on from the last values it is given.

    `place` is where the device stands (longitude, latitude); a tracker moves about it.
    """

    def __init__(
        self,
        kind: Kind,
        rng: random.Random,
        place: tuple[float, float],
        last: Mapping[str, float] | None = None,
    ) -> None:
        self._kind = kind
        self._rng = rng
        self._place = place
        self._last = {
            signal.variable: (last or {}).get(signal.variable, signal.rest)
            for signal in SIGNALS[kind]
        }
        self._door_open = False
        self._angle = rng.random() * math.tau

    def post(self, time: int) -> list[Reading]:
        """The readings of the POST at `time` (epoch milliseconds)."""
        readings = []
        for signal in SIGNALS[self._kind]:
            value = signal.next(self._last[signal.variable], time, self._rng)
            self._last[signal.variable] = value
            readings.append(Reading(signal.variable, "number", _bound(value), signal.unit))
        first = readings[0]
        readings[0] = Reading(
            first.variable,
            first.type,
            first.value,
            first.unit,
            point(*self._place) if self._kind is Kind.WEATHER else None,
            self._radio(),
        )
        readings.extend(self._extras(time))
        return readings

    def _radio(self) -> str:
        strength, gateway = self._rng.randint(40, 110), self._rng.randint(1, 4)
        return f'{{"rssi":-{strength},"gw":{{"id":"gw-{gateway}"}}}}'

    def _extras(self, time: int) -> list[Reading]:
        rng = self._rng
        if self._kind is Kind.COLD_STORE:
            self._door_open = rng.random() < (0.5 if self._door_open else 0.04)
            return [Reading("door_open", "boolean", int(self._door_open)), self._payload(12)]
        if self._kind is Kind.BOILER:
            fault = rng.random() < 0.01
            status = rng.choice(_FAULTS) if fault else "ok"
            return [
                Reading("burner_on", "boolean", int(rng.random() < 0.6)),
                Reading("status", "string", status),
            ]
        if self._kind is Kind.TRACKER:
            self._angle += rng.gauss(0.02, 0.05)
            longitude = round(self._place[0] + 0.08 * math.cos(self._angle), 6)
            latitude = round(self._place[1] + 0.05 * math.sin(self._angle), 6)
            text = f"{latitude};{longitude}"
            location = point(longitude, latitude)
            return [Reading("position", "string", text, None, location), self._payload(20)]
        return []

    def _payload(self, size: int) -> Reading:
        port = self._rng.randint(1, 8)
        raw = f"{self._rng.getrandbits(8 * size):0{2 * size}x}"
        return Reading("payload", "string", raw, None, None, f'{{"fport":{port},"parsed":true}}')


def point(longitude: float, latitude: float) -> str:
    """A location as TagoCore stores it."""
    return f'{{"type":"Point","coordinates":[{longitude},{latitude}]}}'


def _bound(value: float) -> Value:
    if value == int(value) and abs(value) < _LARGEST_INTEGER:
        return int(value)
    return value
