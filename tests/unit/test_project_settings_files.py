"""Settings go into a backup without tokens, and come out of it as a new project's own."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from engine.errors import RepositoryDamaged, SettingsInvalid, SourceMissing, StorageFailed
from engine.model import QuietItem
from engine.project import yaml_file
from engine.project.instance import Instance, find
from engine.project.marks import Follower, Scrubber
from engine.project.settings_files import SettingsFile, WrittenSettings, collect, write

REAL = Path(__file__).parents[1] / "data" / "instance"
PLUGIN = "0810916b6ca256fb25afbe19b4f83b23"
OTHER = "c311dfe85cf1a29fb1d86a1a2c5afc1c"
PLUGIN_FILE = f"PluginFiles/{PLUGIN}/settings.yml"
ROOT = Path("/srv/projects/plant-7-restored")
PREFIX = "mark-5d0e77aa91"
TOKEN = "0b6705db-3537-4b64-af2d-cef6dfe7a827"
ACCOUNT = "74911724-5392-4057-a593-e10a4ba60fbe"
NEW = "11111111-2222-4333-8444-555555555555"

scrub = Scrubber(PREFIX, [(1, TOKEN)], [(1, ACCOUNT)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REAL, tmp_path / "plant"))


def main(**changes: object) -> str:
    settings: dict[str, object] = yaml.safe_load((REAL / "tagocore.yml").read_text())
    return yaml.safe_dump(settings | changes, sort_keys=False)


def restored(
    tmp_path: Path, *files: SettingsFile, follow: Follower | None = None
) -> tuple[Path, WrittenSettings]:
    new = tmp_path / "new"
    follow = follow or Follower(PREFIX, {1: NEW})
    return new, write(files, new, root=ROOT, port=18802, follow=follow)


def load(file: Path) -> dict[str, object]:
    content = yaml.safe_load(file.read_text())
    assert isinstance(content, dict)
    return content


def test_the_real_settings_become_a_new_projects(folder: Path, tmp_path: Path) -> None:
    new, written = restored(tmp_path, *collect(find(folder), scrub))
    before, after = load(folder / "tagocore.yml"), load(new / "tagocore.yml")
    assert list(after) == list(before)
    changed = {key: value for key, value in after.items() if value != before[key]}
    assert changed == {"port": "18802", "settings_folder": str(ROOT)}
    database = f"{ROOT}/PluginFiles/{PLUGIN}/data.db"
    assert load(new / PLUGIN_FILE) == {
        "disabled": False,
        "modules": [{"id": "sqlite", "values": {"file": database}}],
    }
    assert written.plugin == PLUGIN
    assert str(ROOT / written.database) == database
    assert written.quiet == ()
    assert find_again(new).port == 18802


def find_again(new: Path) -> Instance:
    shutil.copy(REAL / "PluginFiles" / PLUGIN / "data.db", new / "PluginFiles" / PLUGIN)
    return find(new)


def test_nothing_leads_back_to_the_source(folder: Path, tmp_path: Path) -> None:
    new, _ = restored(tmp_path, *collect(find(folder), scrub))
    for file in new.rglob("*.yml"):
        assert "/nonexistent/tagocore" not in file.read_text()
        assert str(folder) not in file.read_text()


@pytest.mark.parametrize("umask", [0, 0o277])
def test_files_are_private_whatever_the_umask(folder: Path, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        new, _ = restored(tmp_path, *collect(find(folder), scrub))
    finally:
        os.umask(before)
    for path in (new, *new.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_the_master_password_is_kept_verbatim(tmp_path: Path) -> None:
    new, _ = restored(tmp_path, SettingsFile("tagocore.yml", (REAL / "tagocore.yml").read_text()))
    assert (
        load(new / "tagocore.yml")["master_password"]
        == (load(REAL / "tagocore.yml")["master_password"])
    )


def test_paths_under_the_old_folder_move_and_others_are_told(tmp_path: Path) -> None:
    values = {
        "folder": "/nonexistent/tagocore/files",
        "same": "/nonexistent/tagocore",
        "list": [{"deep": "/nonexistent/tagocore/x/y"}],
        "neighbour": "/nonexistent/tagocore-2/files",
        "disk": "/mnt/files",
        "word": "see /nonexistent/tagocore/x",
        "number": 7,
        "nothing": None,
    }
    other = SettingsFile(
        f"PluginFiles/{OTHER}/settings.yml",
        yaml.safe_dump({"modules": [{"id": "m", "values": values}]}, sort_keys=False),
    )
    new, written = restored(tmp_path, SettingsFile("tagocore.yml", main()), other)
    modules = load(new / other.path)["modules"]
    assert modules == [
        {
            "id": "m",
            "values": values
            | {
                "folder": f"{ROOT}/files",
                "same": str(ROOT),
                "list": [{"deep": f"{ROOT}/x/y"}],
            },
        }
    ]
    outside = [note for note in written.notes if "outside the new project" in note]
    assert len(outside) == 2
    assert '"/nonexistent/tagocore-2/files"' in outside[0]
    assert '"/mnt/files"' in outside[1]


def test_a_database_elsewhere_comes_into_the_new_folder(tmp_path: Path) -> None:
    modules = (
        "modules:\n- {id: x}\n- {id: sqlite, values: {file: /disk/my.db, a: 1}}\n- {id: sqlite}\n"
    )
    new, _ = restored(
        tmp_path, SettingsFile("tagocore.yml", main()), SettingsFile(PLUGIN_FILE, modules)
    )
    file = f"{ROOT}/PluginFiles/{PLUGIN}/data.db"
    assert load(new / PLUGIN_FILE)["modules"] == [
        {"id": "x"},
        {"id": "sqlite", "values": {"file": file, "a": 1}},
        {"id": "sqlite", "values": {"file": file}},
    ]


@pytest.mark.parametrize("text", ["{}", "modules: []", "modules: 7", "modules: [{id: sqlite}]"])
def test_plugin_settings_that_name_no_database_get_it(tmp_path: Path, text: str) -> None:
    new, _ = restored(
        tmp_path, SettingsFile("tagocore.yml", main()), SettingsFile(PLUGIN_FILE, text)
    )
    assert load(new / PLUGIN_FILE)["modules"] == [
        {"id": "sqlite", "values": {"file": f"{ROOT}/PluginFiles/{PLUGIN}/data.db"}}
    ]


def test_plugin_settings_that_are_missing_are_made(tmp_path: Path) -> None:
    new, _ = restored(tmp_path, SettingsFile("tagocore.yml", main()))
    assert f"{ROOT}/PluginFiles/{PLUGIN}/data.db" in (new / PLUGIN_FILE).read_text()


def test_plugins_outside_the_backup_are_not_loaded_and_told(tmp_path: Path) -> None:
    new, written = restored(
        tmp_path, SettingsFile("tagocore.yml", main(custom_plugins=["/opt/my-plugin"]))
    )
    assert load(new / "tagocore.yml")["custom_plugins"] == []
    assert written.quiet == (QuietItem("plugin", "", "/opt/my-plugin", "/opt/my-plugin"),)


def test_tokens_in_settings_are_marks_in_a_backup_and_new_afterwards(
    folder: Path, tmp_path: Path
) -> None:
    other = folder / "PluginFiles" / OTHER
    other.mkdir()
    (other / "settings.yml").write_text(
        f"modules:\n- id: m\n  values:\n    token: {TOKEN.upper()}\n    session: {ACCOUNT}\n"
        f"    {TOKEN}: x\n"
    )
    files = collect(find(folder), scrub)
    assert [file.path for file in files] == [
        "tagocore.yml",
        PLUGIN_FILE,
        f"PluginFiles/{OTHER}/settings.yml",
    ]
    for file in files:
        assert TOKEN not in file.text.lower()
        assert ACCOUNT not in file.text
    new, _ = restored(tmp_path, *files)
    assert load(new / f"PluginFiles/{OTHER}/settings.yml")["modules"] == [
        {"id": "m", "values": {"token": NEW, "session": "", NEW: "x"}}
    ]


def test_settings_that_have_just_gone_or_broken_are_told(folder: Path) -> None:
    instance = find(folder)
    (folder / PLUGIN_FILE).write_text("a: [\n")
    with pytest.raises(SettingsInvalid, match="line 2"):
        collect(instance, scrub)
    (folder / PLUGIN_FILE).unlink()
    with pytest.raises(SourceMissing, match="just gone"):
        collect(instance, scrub)


@pytest.mark.parametrize(
    "path",
    [
        "../tagocore.yml",
        "/etc/tagocore.yml",
        "PluginFiles/../settings.yml",
        "PluginFiles/../../x/settings.yml",
        "PluginFiles/a/b/settings.yml",
        "PluginFiles/a\\b/settings.yml",
        "PluginFiles/a\0b/settings.yml",
        "PluginFiles//settings.yml",
        "PluginFiles/./settings.yml",
        "PluginFiles/a/settings.yml\n",
        "PluginFiles/a/data.db",
        "pluginfiles/a/settings.yml",
        "tagocore.yml/",
        "",
    ],
)
def test_a_path_that_is_not_ours_is_refused_before_anything_is_written(
    tmp_path: Path, path: str
) -> None:
    with pytest.raises(RepositoryDamaged, match="path that is not allowed"):
        restored(tmp_path, SettingsFile("tagocore.yml", main()), SettingsFile(path, "a: 1"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "files",
    [
        (),
        (SettingsFile(PLUGIN_FILE, "a: 1"),),
        (SettingsFile("tagocore.yml", "a: 1"),),
        (SettingsFile("tagocore.yml", "a: ["),),
        (SettingsFile("tagocore.yml", "- a"),),
        (SettingsFile("tagocore.yml", main(database_plugin=f"{PLUGIN}:postgres")),),
        (SettingsFile("tagocore.yml", main(database_plugin="../../x:sqlite")),),
        (SettingsFile("tagocore.yml", main()), SettingsFile("tagocore.yml", main())),
    ],
)
def test_settings_that_are_no_instances_are_refused(
    tmp_path: Path, files: tuple[SettingsFile, ...]
) -> None:
    with pytest.raises(RepositoryDamaged):
        restored(tmp_path, *files)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "new" / "tagocore.yml").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageFailed, match="cannot be written"):
        restored(tmp_path, SettingsFile("tagocore.yml", main()))
    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize(
    "value",
    [
        *("1e3", "0o17", "0123", "1_000", "12:30:45", "2020-01-01", "yes", "No", "on", "null", "~"),
        *(
            "true",
            "=",
            "<<",
            "",
            " a ",
            "a: b",
            "a #b",
            "- a",
            "'",
            '"',
            "\\",
            "é❄",
            "a\nb\n",
            "\t",
        ),
        *(".inf", "0x1F", "+1", "x" * 2000, "a b " * 500, "*a", "&a", "!a", "%a", "@a", "`a", "🜁"),
    ],
)
def test_a_string_stays_that_string(value: str) -> None:
    text = yaml_file.render({"key": value, value: [value]})
    assert yaml_file.parse(text, "x") == {"key": value, value: [value]}
    # what YAML 1.2 would take for a number is quoted, though PyYAML would not take it for one
    if value in {"1e3", "0o17"}:
        assert f"key: '{value}'" in text


def test_other_values_and_their_order_are_kept() -> None:
    content: dict[str, object] = {"b": [1, 2.5, True, None], "a": {"z": {}, "y": []}, "c": False}
    text = yaml_file.render(content)
    assert yaml_file.parse(text, "x") == content
    assert text.index("b:") < text.index("a:") < text.index("c:")
