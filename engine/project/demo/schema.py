"""The schemas that TagoCore 0.7.0's SQLite plugin makes, word for word, and new files with them."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from engine.project.device_database import MUTABLE, device_schema

MAIN = (
    (
        "CREATE TABLE `migrations` (`id` integer not null primary key autoincrement, "
        "`name` varchar(255), `batch` integer, `migration_time` datetime)"
    ),
    (
        "CREATE TABLE `migrations_lock` (`index` integer not null primary key autoincrement, "
        "`is_locked` integer)"
    ),
    (
        "CREATE TABLE `analysis` (`id` varchar(24), `name` varchar(100), `active` boolean, "
        "`tags` json, `binary_path` text, `file_path` text, `options` json, `variables` json, "
        "`last_run` datetime, `created_at` datetime, `updated_at` datetime, primary key (`id`))"
    ),
    (
        "CREATE TABLE `action` (`id` varchar(24), `name` varchar(100), `active` boolean, "
        "`tags` json, `action` json, `device_info` json, `trigger` json, "
        "`last_triggered` datetime, `created_at` datetime, `updated_at` datetime, `type` text, "
        "`lock` boolean, primary key (`id`))"
    ),
    (
        "CREATE TABLE `statistic` (`time` datetime, `input` integer, `output` integer, "
        "primary key (`time`))"
    ),
    (
        'CREATE TABLE "device" (`id` varchar(24), `name` varchar(100), `active` boolean, '
        "`tags` json, `connector` varchar(24), `network` varchar(24), `payload_parser` text, "
        "`last_input` datetime, `last_output` datetime, `created_at` datetime, "
        "`updated_at` datetime, `inspected_at` datetime, `last_retention` datetime, "
        "`chunk_period` varchar(255), `chunk_retention` integer, `encoder_stack` text, "
        "`type` varchar(20), `data_retention` varchar(30), PRIMARY KEY (`id`))"
    ),
    (
        'CREATE TABLE "device_token" (`token` varchar(40), `name` varchar(100), '
        "`permission` varchar(10), `expire_time` varchar(100), `device_id` varchar(24), "
        "`network_id` varchar(24), `serie_number` text, `last_authorization` text, "
        "`created_at` datetime, PRIMARY KEY (`token`), "
        "FOREIGN KEY (`device_id`) REFERENCES `device` (`id`) ON DELETE CASCADE)"
    ),
    (
        'CREATE TABLE "device_params" (`id` varchar(24), `key` text, `value` text, '
        "`sent` boolean, `device_id` varchar(24), PRIMARY KEY (`id`), "
        "FOREIGN KEY (`device_id`) REFERENCES `device` (`id`) ON DELETE CASCADE)"
    ),
    (
        'CREATE TABLE "analysis_log" (`timestamp` datetime, `analysis_id` varchar(24), '
        "`message` text, `error` boolean, "
        "FOREIGN KEY (`analysis_id`) REFERENCES `analysis` (`id`) ON DELETE CASCADE)"
    ),
    (
        "CREATE TABLE `account` (`id` varchar(24), `name` varchar(100), "
        "`username` varchar(100), `created_at` datetime, `password` text, "
        "`password_hint` varchar(100), primary key (`id`))"
    ),
    (
        "CREATE TABLE `account_token` (`token` varchar(40), `account_id` varchar(24), "
        "`expire_time` varchar(100), `permission` varchar(40), `created_at` datetime, "
        "foreign key(`account_id`) references `account`(`id`) on delete CASCADE, "
        "primary key (`token`))"
    ),
)

MIGRATIONS = (
    "20220224145409_0.0.1.ts",
    "20220224150657_0.3.0.ts",
    "20220404172747_0.3.3.ts",
    "20220526170216_0.5.0.ts",
)

PLUGIN_STORAGE = (
    (
        "CREATE TABLE `storage` (`key` text, `type` text, `value` blob, `created_at` datetime, "
        "primary key (`key`))"
    ),
)

IMMUTABLE_DEVICE = device_schema("immutable")
MUTABLE_DEVICE = device_schema(MUTABLE)


def connect(path: Path) -> sqlite3.Connection:
    """Open a database of a made-up project, ready for one transaction of changes.

    Nothing is synced, because a made-up project that a power cut breaks is simply made again.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    return connection


def create(path: Path, schema: tuple[str, ...]) -> sqlite3.Connection:
    """Make a new database file, 0600, with that schema, and leave it in a transaction.

    Raises FileExistsError when the file is there already.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema:
        connection.execute(statement)
    return connection
