"""What the owner of a home has set in its backstay.toml; without the file, all is as here.

[prices]
currency = "EUR"            # three letters
creation_fee = "49.00"      # once, for a new project
hourly = "0.034"            # for each hour in which it is active
hourly_per_gb = "0"         # more for each GB (10^9 bytes) of its databases
[repository]
encryption = "aes-256-gcm"  # or "none"
[snapshot]
leave_out = "all"           # which indexes a backup leaves out: or "primary-key", or "none"
patience = 10               # seconds that a backup waits for a writer that holds a database
[notify]
urls = ["mailto://user:password@example.com"]  # whom to tell what goes wrong: URLs of apprise
[healthcheck]
url = "https://example.com/ping/1234"          # called after each good backup

The URLs of the last two may hold passwords: no error and no repr shows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from engine.errors import Invalid, NotFound, SettingsInvalid
from engine.home import SETTINGS_FILE
from engine.model import ENCRYPTION, PATIENCE, Encryption, LeaveOut
from engine.names import shown
from engine.private import read_private

if TYPE_CHECKING:
    from decimal import Decimal

    from engine.model import Prices
    from engine.secret import Secret

_LONGEST_FILE = 64 * 1024  # bytes
_AMOUNT_KEYS = ("creation_fee", "hourly", "hourly_per_gb")
_KEYS = {
    "prices": ("currency", *_AMOUNT_KEYS),
    "repository": ("encryption",),
    "snapshot": ("leave_out", "patience"),
    "notify": ("urls",),
    "healthcheck": ("url",),
}
_SECRET = ("notify", "healthcheck")  # sections of which no value is ever shown
MOST_PATIENCE = 3600  # seconds: a backup that waits longer is as good as none
_MOST_URLS = 20  # each is a thread of its own while something is sent
_URL = r"[A-Za-z][A-Za-z0-9+.-]*://.+"
_WEB_URL = (
    r"(?i:https?://(?:[^@/?#]*@)?(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:[/?#].*)?)"
)


class Settings(NamedTuple):
    """All settings of a home. What prices need is loaded when somebody asks for them."""

    encryption: Encryption = ENCRYPTION
    leave_out: LeaveOut = LeaveOut.ALL
    patience: float = PATIENCE
    notify_urls: tuple[Secret, ...] = ()
    healthcheck_url: Secret | None = None
    set_prices: Prices | None = None  # what stands under [prices]

    @property
    def prices(self) -> Prices:
        """What a restored project costs: nothing, where nothing is set."""
        from engine.model import Prices

        return self.set_prices or Prices()


_Choice = TypeVar("_Choice", Encryption, LeaveOut)


def read_settings(home: Path) -> Settings:
    """The settings of the home at `home`; all defaults when it has no backstay.toml.

    Raises `SettingsInvalid` that names the file, the key, what was found and what is allowed;
    `HomeUnsafe` when others can change the file; `StorageFailed` when it cannot be read.
    """
    file = home / SETTINGS_FILE
    try:
        content = read_private(file, longest=_LONGEST_FILE)
    except NotFound:
        return Settings()
    if content is None:
        raise SettingsInvalid(f"{file} is larger than {_LONGEST_FILE // 1024} KiB.")
    return _settings(file, _parsed(file, content))


def _parsed(file: Path, content: bytes) -> Mapping[str, object]:
    # Imported here because most homes have no settings file, and every command starts faster.
    import tomllib

    try:
        # Numbers with a point stay the text they are, so that 0.1 is exactly a tenth.
        return tomllib.loads(content.decode("utf-8"), parse_float=str)
    except UnicodeDecodeError as error:
        raise SettingsInvalid(f"{file} is not UTF-8 text (byte {error.start}).") from error
    except (ValueError, RecursionError) as error:
        raise SettingsInvalid(f"{file} cannot be read as TOML: {error}.") from error


def _settings(file: Path, document: Mapping[str, object]) -> Settings:
    for section, found in document.items():
        if section not in _KEYS:
            raise SettingsInvalid(f"{file} has an unknown {_unknown_at_top(section, found)}")
        if not isinstance(found, dict):
            raise SettingsInvalid(
                f"{file}: {section} is {_kind(found) if section in _SECRET else _value(found)}, "
                f"but must be a section: [{section}]."
            )
        for key in found:
            if key not in _KEYS[section]:
                near = _near(key, _KEYS[section], quote="{}")
                raise SettingsInvalid(f"{file}: [{section}] has an unknown key {_name(key)}.{near}")
    return Settings(
        set_prices=_prices(file, _section(document, "prices")) if document.get("prices") else None,
        encryption=_choice(
            file,
            "repository",
            "encryption",
            _section(document, "repository").get("encryption", ENCRYPTION.value),
            Encryption,
        ),
        leave_out=_choice(
            file,
            "snapshot",
            "leave_out",
            _section(document, "snapshot").get("leave_out", LeaveOut.ALL.value),
            LeaveOut,
        ),
        patience=_patience(file, _section(document, "snapshot")),
        notify_urls=_notify_urls(file, _section(document, "notify")),
        healthcheck_url=_healthcheck_url(file, _section(document, "healthcheck")),
    )


def _section(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = document.get(name, {})
    return found if isinstance(found, dict) else {}


def _unknown_at_top(name: str, found: object) -> str:
    if isinstance(found, dict):
        return f"section {_name(name)}.{_near(name, _KEYS, quote='[{}]')}"
    for section, keys in _KEYS.items():
        if name in keys:
            return f"key {shown(name)} outside any section. It belongs under [{section}]."
    return f"key {_name(name)} outside any section.{_near(name, _KEYS, quote='[{}]')}"


def _near(name: str, known: Iterable[str], *, quote: str) -> str:
    import difflib

    known = list(known)
    matches = difflib.get_close_matches(name, known, n=1)
    if matches:
        return f" Did you mean {quote.format(matches[0])}?"
    return f" Known: {', '.join(quote.format(one) for one in known)}."


def _prices(file: Path, section: Mapping[str, object]) -> Prices:
    from engine.model import Prices

    currency = section.get("currency", Prices().currency)
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Za-z]{3}", currency):
        raise SettingsInvalid(
            f"{file}: [prices] currency is {_value(currency)}; "
            "it must be a currency of three letters, such as EUR."
        )
    return Prices(
        currency=currency.upper(),
        creation_fee=_amount(file, section, "creation_fee"),
        hourly=_amount(file, section, "hourly"),
        hourly_per_gb=_amount(file, section, "hourly_per_gb"),
        priced=any(key in section for key in _AMOUNT_KEYS),
    )


def _amount(file: Path, section: Mapping[str, object], key: str) -> Decimal:
    from engine.amounts import AMOUNT_RULE, parse_amount

    found = section.get(key, "0")
    if isinstance(found, (str, int)):
        try:
            return parse_amount(str(found))
        except Invalid:
            pass  # told below, with the file and the key
    raise SettingsInvalid(f"{file}: [prices] {key} is {_value(found)}; {AMOUNT_RULE}.")


def _patience(file: Path, section: Mapping[str, object]) -> float:
    found = section.get("patience", int(PATIENCE))
    if type(found) is not int or not 1 <= found <= MOST_PATIENCE:
        raise SettingsInvalid(
            f"{file}: [snapshot] patience is {_value(found)}; "
            f"it must be a number of seconds from 1 to {MOST_PATIENCE}."
        )
    return float(found)


def _choice(file: Path, section: str, key: str, found: object, choices: type[_Choice]) -> _Choice:
    for choice in choices:
        if found == choice.value:
            return choice
    allowed = " or ".join(f'"{choice.value}"' for choice in choices)
    near = f"; it must be {allowed}."
    raise SettingsInvalid(f"{file}: [{section}] {key} is {_value(found)}{near}")


def _notify_urls(file: Path, section: Mapping[str, object]) -> tuple[Secret, ...]:
    from engine.secret import Secret

    found = section.get("urls", [])
    place = f"{file}: [notify] urls"
    if not isinstance(found, list):
        raise SettingsInvalid(f"{place} is {_kind(found)}; it must be a list of URLs in quotes.")
    if len(found) > _MOST_URLS:
        raise SettingsInvalid(f"{place} has {len(found)} URLs; it can have {_MOST_URLS}.")
    urls = []
    for number, url in enumerate(found, 1):
        if not isinstance(url, str) or not re.fullmatch(_URL, url) or not url.isprintable():
            raise SettingsInvalid(
                f"{place}: number {number} of {len(found)} is not a URL as apprise takes them, "
                "such as mailto://user:password@example.com."
            )
        urls.append(Secret(url))
    return tuple(urls)


def _healthcheck_url(file: Path, section: Mapping[str, object]) -> Secret | None:
    if "url" not in section:
        return None
    from engine.secret import Secret

    found = section["url"]
    if not isinstance(found, str) or not _callable(found):
        raise SettingsInvalid(
            f"{file}: [healthcheck] url is {_kind(found)} that cannot be called; "
            "it must be a URL that begins with https:// or http:// and has no spaces."
        )
    return Secret(found)


def _callable(url: str) -> bool:
    # urllib takes neither spaces nor signs beyond ASCII.
    return re.fullmatch(r"[!-~]+", url) is not None and re.fullmatch(_WEB_URL, url) is not None


def _name(found: str) -> str:
    """A key as it stands in the file, unless it is a URL, which may hold a password."""
    return "that looks like a URL" if "://" in found else shown(found)


def _value(found: object) -> str:
    """What was found, as it stands in the file and short, unless it may hold a password."""
    if isinstance(found, str):
        return "a URL" if "://" in found else shown(found)
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, (dict, list)):
        return _kind(found)
    return shown(str(found)).strip('"')


def _kind(found: object) -> str:
    """What was found, without showing it."""
    if isinstance(found, dict):
        return "a section"
    if isinstance(found, list):
        return "a list"
    return "a text" if isinstance(found, str) else "a value"
