"""What stays private where a team comes in over SSH: files, keys and secrets."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parent))

import ssh_support
from ssh_support import Server, ended, wait_until

if TYPE_CHECKING:
    from conftest import Answer, Held, Runner

PASSWORD = "canary-of-a-password-8c1f"


def test_whatever_the_umask_nothing_of_the_home_is_for_others(
    server: Server, backstay: Runner
) -> None:
    line = next(line for line in server.keys.read_text().splitlines() if line.endswith(" ana"))
    forced = line.split('command="', 1)[1].split('" ssh-', 1)[0].replace('\\"', '"')
    for sent in (
        "backup 'Plant 7'",
        "restore 'Plant 7@latest' --name Again --accept-cost 49.00",
        "notify --test",
    ):
        done = subprocess.run(
            ["/bin/sh", "-c", forced],
            env={**os.environ, "SSH_ORIGINAL_COMMAND": sent},
            umask=0,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 2), done.stderr
    made = [backstay.home, *backstay.home.rglob("*")]
    assert len(made) > 20
    assert [path for path in made if path.lstat().st_mode & 0o077 and not path.is_symlink()] == []


@pytest.mark.parametrize(
    ("name", "mode"),
    [("", 0o770), ("", 0o707), ("repository.key", 0o640), ("backstay.toml", 0o666)],
)
def test_a_home_that_others_can_reach_is_refused_by_name(
    server: Server, backstay: Runner, name: str, mode: int
) -> None:
    path = backstay.home / name
    path.chmod(mode)
    told = server("ana", "backups 'Plant 7'")
    assert told.code == 7
    assert told.out == ""
    assert f"{path} can be" in told.err
    assert f"chmod {'600' if name else '700'} {path}" in told.err
    path.chmod(0o600 if name else 0o700)
    assert server("ana", "backups 'Plant 7'").code == 0


def test_authorized_keys_that_others_can_change_is_refused_by_name(server: Server) -> None:
    public = f"{server.keygen('rui')}.pub"
    for path in (server.keys, server.keys.parent):
        before = server.keys.read_bytes()
        path.chmod(0o777)
        for arguments in (("list",), ("remove", "ana"), ("add-key", "rui", public)):
            told = server.keeper("access", *arguments, "--file", str(server.keys))
            assert told.code == 7
            assert f"{path} can be changed by other users" in told.err
        path.chmod(0o700)
        assert server.keys.read_bytes() == before


def test_no_secret_is_where_others_could_see_it(
    server: Server, backstay: Runner, held: Held
) -> None:
    with (backstay.home / "backstay.toml").open("a") as settings:
        settings.write(f'[notify]\nurls = ["json://user:{PASSWORD}@127.0.0.1:9/"]\n')
    secrets = [PASSWORD, backstay("repository", "key", "--json", user=ssh_support.ACCOUNT)
               .json["recovery_key"], *tokens(backstay)]  # fmt: skip
    assert len(secrets) > 3
    told: list[Answer] = [
        server("ana", sent)
        for sent in (
            "notify --test",
            "restore 'Plant 7@latest' --name Again --accept-cost 49.00",
            f"restore --tokens-file {PASSWORD}",
            f"projects --as {PASSWORD}",
            f"projects; {PASSWORD}",
            "audit",
            "jobs",
        )
    ]
    # What sends a secret back to who sent it tells nobody anything; that it is kept would.
    client = server.start("ana", f"backup {held.name}")
    wait_until(lambda: len(server.children()) > 1)
    family = [*server.sessions(), *(each.number for each in server.children())]
    shown = [Path(f"/proc/{each}/{what}") for each in family for what in ("cmdline", "environ")]
    seen = b"\n".join(path.read_bytes() for path in shown)
    held.let_go()
    told.append(ended(client))
    told.append(server("ana", "restore 'Plant 7@latest' --name Mine --accept-cost 49.00 --json"))
    new_tokens = [each["token"] for each in json.loads(told.pop().out)["tokens"]]
    seen += b"".join(path.read_bytes() for path in backstay.home.glob("*.log"))
    seen += server.log.read_bytes()
    seen += "\n".join(answer.out + answer.err for answer in told).encode()
    seen += repr(server.audit()).encode()
    for secret in [*secrets, *new_tokens]:
        assert secret.encode() not in seen


def tokens(backstay: Runner) -> list[str]:
    """The device tokens of Plant 7."""
    told = backstay("projects", "--json").json
    (project,) = (each for each in told if each["name"] == "Plant 7")
    (file,) = Path(project["path"]).rglob("data.db")
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        found = [token for (token,) in database.execute("SELECT token FROM device_token")]
    database.close()
    return found
