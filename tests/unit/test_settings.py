"""backstay.toml: defaults, every setting, and an error that names what is wrong."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.errors import HomeUnsafe, SettingsInvalid
from engine.model import Encryption, LeaveOut
from engine.secret import Secret
from engine.settings import Settings, read_settings


def write(home: Path, text: str | bytes) -> Path:
    file = home / "backstay.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(0o600)
    return file


def test_a_home_without_the_file_has_the_defaults(tmp_path: Path) -> None:
    settings = read_settings(tmp_path)
    assert settings == Settings()
    assert settings.encryption is Encryption.AES_256_GCM
    assert settings.leave_out is LeaveOut.ALL
    assert settings.patience == 10
    assert not settings.prices.priced
    assert (settings.prices.currency, settings.prices.creation_fee) == ("EUR", Decimal(0))


def test_an_empty_file_has_the_defaults_too(tmp_path: Path) -> None:
    write(tmp_path, "\n# nothing yet\n[prices]\n")
    assert read_settings(tmp_path) == Settings()


def test_every_setting_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        [prices]
        currency = "chf"
        creation_fee = "49.00"
        hourly = 0.034
        hourly_per_gb = 2
        [repository]
        encryption = "none"
        [snapshot]
        leave_out = "none"
        patience = 60
        [notify]
        urls = ["json://ana:hunter2@example.com/x", "tgram://123:abc/456"]
        [healthcheck]
        url = "https://ana:hunter2@hc.example.com:8443/ping/1234?x=1"
        """,
    )
    settings = read_settings(tmp_path)
    assert settings.prices.currency == "CHF"
    assert settings.prices.creation_fee == Decimal("49.00")
    assert settings.prices.hourly == Decimal("0.034")
    assert settings.prices.hourly_per_gb == Decimal(2)
    assert settings.prices.priced
    assert settings.encryption is Encryption.NONE
    assert settings.leave_out is LeaveOut.NONE
    assert settings.patience == 60
    assert [url.text for url in settings.notify_urls] == [
        "json://ana:hunter2@example.com/x",
        "tgram://123:abc/456",
    ]
    assert settings.healthcheck_url == Secret(
        "https://ana:hunter2@hc.example.com:8443/ping/1234?x=1"
    )
    for text in (repr(settings), str(settings), f"{settings.healthcheck_url}"):
        assert "hunter2" not in text
        assert "abc" not in text


def test_a_number_with_a_point_is_exact(tmp_path: Path) -> None:
    write(tmp_path, "[prices]\nhourly = 0.1\ncreation_fee = 123456789.123457")
    prices = read_settings(tmp_path).prices
    assert (prices.hourly, prices.creation_fee) == (Decimal("0.1"), Decimal("123456789.123457"))


def test_a_price_of_zero_is_a_price(tmp_path: Path) -> None:
    write(tmp_path, '[prices]\ncreation_fee = "0.00"')
    assert read_settings(tmp_path).prices.priced
    write(tmp_path, '[prices]\ncurrency = "USD"')
    assert not read_settings(tmp_path).prices.priced, "a currency alone is no price"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[prizes]\nhourly = "1"', ['unknown section "prizes"', "Did you mean [prices]?"]),
        ("[zzz]", ["unknown section", "[prices], [repository], [snapshot]"]),
        ('[prices]\nhourli = "1"', ['[prices] has an unknown key "hourli"', "mean hourly?"]),
        ("[prices]\nzzz = 1", ["unknown key", "currency, creation_fee, hourly, hourly_per_gb"]),
        ('hourly = "1"', ['key "hourly" outside any section', "belongs under [prices]"]),
        ("prices = 3", ["prices is 3, but must be a section: [prices]"]),
        ("snapshot = [1]", ["snapshot is a list, but must be a section"]),
        ('[prices]\nhourly = "-0.01"', ['[prices] hourly is "-0.01"', "not negative"]),
        ("[prices]\nhourly = -0.01", ['[prices] hourly is "-0.01"', "not negative"]),
        ("[prices]\nhourly = -1", ["[prices] hourly is -1;"]),
        ("[prices]\nhourly = 1e3", ['hourly is "1e3"']),
        ("[prices]\nhourly = nan", ['hourly is "nan"']),
        ("[prices]\nhourly = inf", ['hourly is "inf"']),
        ("[prices]\nhourly = 1e999999999999", ["hourly is"]),
        ("[prices]\nhourly = true", ["hourly is true"]),
        ("[prices]\nhourly = 2026-01-01", ["hourly is 2026-01-01"]),
        ("[prices]\nhourly = {a = 1}", ["hourly is a section"]),
        ("[prices]\ncreation_fee = 0.1234567", ["creation_fee is", "at most 6 decimals"]),
        ('[prices]\ncurrency = "euro"', ['currency is "euro"', "three letters"]),
        ("[prices]\ncurrency = 978", ["currency is 978"]),
        ('[prices]\ncurrency = "€€€"', ["currency is", "three letters"]),
        (
            '[repository]\nencryption = "rot13"',
            ['encryption is "rot13"', '"aes-256-gcm" or "none"'],
        ),
        ("[repository]\nencryption = false", ["encryption is false"]),
        ("[snapshot]\nleave_out = 0", ["leave_out is 0", '"primary-key" or "none" or "all"']),
        ("[snapshot]\nleave_out = []", ["leave_out is a list"]),
        ("[snapshot]\npatience = 0", ["patience is 0", "from 1 to 3600"]),
        ("[snapshot]\npatience = 3601", ["patience is 3601"]),
        ("[snapshot]\npatience = true", ["patience is true"]),
        ('[snapshot]\npatience = "10"', ['patience is "10"']),
        ("[prices]\nhourly = = 1", ["cannot be read as TOML", "line 2"]),
        ("[prices]\nhourly = 1\nhourly = 2", ["cannot be read as TOML"]),
        ("x = " + "[" * 5000 + "]" * 5000, ["cannot be read as TOML"]),
        ("x = " + "9" * 5000, ["cannot be read as TOML"]),
        ("[notify]\nurl = []", ['[notify] has an unknown key "url"', "Did you mean urls?"]),
        ("urls = []", ['key "urls" outside any section', "belongs under [notify]"]),
        ("[notify]\nurls = 3", ["[notify] urls is a value; it must be a list"]),
        ("[notify]\nurls = ['json://h', 3]", ["[notify] urls: number 2 of 2 is not a URL"]),
        ("[notify]\nurls = ['json:h']", ["number 1 of 1 is not a URL"]),
        ('[notify]\nurls = ["json://h\\u0007"]', ["number 1 of 1 is not a URL"]),
        (f"[notify]\nurls = {['json://h'] * 21}", ["has 21 URLs; it can have 20"]),
        ("[healthcheck]\nurls = ''", ["[healthcheck] has an unknown key", "Did you mean url?"]),
        ("[healthcheck]\nurl = 3", ["[healthcheck] url is a value that cannot be called"]),
        ("[healthcheck]\nurl = 'file:///etc/passwd'", ["url is a text that cannot be called"]),
        ("[healthcheck]\nurl = 'https:///x'", ["https:// or http://"]),
        ("[healthcheck]\nurl = 'https://h/a b'", ["no spaces"]),
        ("[healthcheck]\nurl = 'https://h/ä'", ["cannot be called"]),
        ("[healthcheck]\nurl = 'https://h:99999999/'", ["cannot be called"]),
        ("[healthcheck]\nurl = 'https://user:pa/ss@h/'", ["cannot be called"]),
        (b"a = '\xff'", ["is not UTF-8 text (byte 5)"]),
        (b"#" * 65_537, ["is larger than 64 KiB"]),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsInvalid) as refused:
        read_settings(tmp_path)
    for word in [str(file), *words]:
        assert word in refused.value.message
    assert refused.value.exit_code == 2
    assert "Nothing was changed" in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "notify = 'json://u:{}@h'",
        "notify = '{}'",
        "healthcheck = '{}'",
        "[notify]\nurls = '{}'",
        "[notify]\nurls = ['{}']",
        "[notify]\nurls = [['json://u:{}@h']]",
        "[notify]\nurls = [{{ url = 'json://u:{}@h' }}]",
        "[notify]\n'json://u:{}@h' = true",
        "['json://u:{}@h']\nurl = 1",
        "'json://u:{}@h' = true",
        "[healthcheck]\nurl = '{}'",
        "[healthcheck]\nurl = 'https://u:/{}@h'",
        "[healthcheck]\nurl = 'ftp://u:{}@h'",
        "[snapshot]\nleave_out = 'https://u:{}@h'",
        "[prices]\ncurrency = 'https://u:{}@h'",
        "[healthcheck]\nurl = https://u:{}@h",
        "[notify]\nurls = ['json://u:{}@h'",
    ],
)
def test_no_error_shows_a_url_that_may_hold_a_password(tmp_path: Path, text: str) -> None:
    write(tmp_path, text.format("hunter2"))
    with pytest.raises(SettingsInvalid) as refused:
        read_settings(tmp_path)
    assert "hunter2" not in f"{refused.value!r} {refused.value.message} {refused.value.hint}"


def test_control_characters_of_a_value_are_not_shown(tmp_path: Path) -> None:
    write(tmp_path, '[snapshot]\nleave_out = "\\u001b[2J"')
    with pytest.raises(SettingsInvalid) as refused:
        read_settings(tmp_path)
    assert refused.value.message.isprintable()


def test_a_file_that_others_can_change_is_refused(tmp_path: Path) -> None:
    write(tmp_path, '[prices]\nhourly = "0"').chmod(0o666)
    with pytest.raises(HomeUnsafe, match=r"backstay\.toml can be changed by other users"):
        read_settings(tmp_path)
