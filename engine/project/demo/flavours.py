"""The two made-up projects of the demo: which devices they have, where, and who runs them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.project.demo.readings import Kind


class Flavour(StrEnum):
    """Which project is made up."""

    PLANT = "plant"
    HARBOUR = "harbour"


@dataclass(frozen=True, slots=True)
class Model:
    """A sort of device that a project has several of.

    `chunk_period` and `chunk_retention` are set only on immutable devices, and not on all of
    them; `interval` is seconds between two POSTs; `parsed` devices have a payload parser.
    """

    label: str
    kind: Kind
    type: str
    interval: int
    chunk_period: str | None = None
    chunk_retention: int | None = None
    parsed: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """An account of the project; the password is known to whoever reads this."""

    name: str
    username: str
    password: str
    hint: str


@dataclass(frozen=True, slots=True)
class Setting:
    """All that tells one made-up project from the other; `place` is longitude, latitude."""

    models: tuple[Model, ...]
    sites: tuple[str, ...]
    place: tuple[float, float]
    people: tuple[Person, ...]
    master_phrase: str


SETTINGS = {
    Flavour.PLANT: Setting(
        models=(
            Model("Cold store", Kind.COLD_STORE, "immutable", 7200, "month", 6),
            Model("Boiler", Kind.BOILER, "mutable", 7200),
            Model("Weather station", Kind.WEATHER, "immutable", 14400),
            Model("Reefer truck", Kind.TRACKER, "immutable", 3600, "day", 12, parsed=True),
            Model("Câmara fria", Kind.COLD_STORE, "mutable", 7200, parsed=True),
            Model("Roof sensor", Kind.WEATHER, "immutable", 14400, "quarter", 8),
        ),
        sites=("north", "south", "warehouse"),
        place=(-8.61, 41.15),
        people=(
            Person("Ana Duarte", "ana", "seven-plants", "how many?"),
            Person("Night shift", "night", "owl-and-moon", "who is awake"),
        ),
        master_phrase="plant-master",
    ),
    Flavour.HARBOUR: Setting(
        models=(
            Model("Reefer container", Kind.COLD_STORE, "immutable", 7200, "week", 6),
            Model("Quay boiler", Kind.BOILER, "mutable", 7200),
            Model("Crane mast", Kind.WEATHER, "immutable", 14400),
            Model("Yard tractor", Kind.TRACKER, "mutable", 7200, parsed=True),
        ),
        sites=("quay 1", "quay 2", "yard"),
        place=(-8.7, 41.185),
        people=(Person("Rui Sousa", "rui", "low-tide", "twice a day"),),
        master_phrase="harbour-master",
    ),
}
