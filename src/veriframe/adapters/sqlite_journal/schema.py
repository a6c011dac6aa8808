"""The tables of a worker's journal, and their migrations from earlier versions."""

from __future__ import annotations

from veriframe.sqlite_file import Kind

LIVE = "stage NOT IN ('PAID', 'REFUSED', 'RELEASED', 'LOST', 'REFUNDED')"
"""Which attempts have not ended. An unknown stage may hold a claim, so it is live."""
# An index is made of it, so it changes only with a migration.

_PLAIN = (
    *("asset_cid", "reward_fri", "creator", "order_id", "bond_fri", "fees_fri", "lost_fri"),
    *("result_cid", "result_bytes", "code", "detail"),
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # The registry's numbers may exceed SQLite's integers (2⁶³), so they are stored as text.
        """CREATE TABLE attempts (
            number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL UNIQUE, asset_cid TEXT NOT NULL,
            reward_fri TEXT NOT NULL, stage TEXT NOT NULL, result_cid TEXT NOT NULL, code TEXT,
            detail TEXT NOT NULL, reached TEXT NOT NULL
        )""",
        "CREATE TABLE poison (asset_cid TEXT, code TEXT, failures INTEGER, PRIMARY KEY (asset_cid, code))",
    ),
    (
        # The creators of earlier jobs are not known: 0.
        *(
            f"ALTER TABLE attempts ADD COLUMN {name} TEXT NOT NULL DEFAULT '0'"
            for name in ("creator", "order_id", "bond_fri", "fees_fri", "lost_fri")
        ),
        *(
            f"ALTER TABLE attempts ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0"
            for name in ("width", "height", "result_bytes")
        ),
        "CREATE TABLE registry (identity TEXT NOT NULL)",
        # Every poll reads the unfinished attempts, and they are few among all.
        "CREATE INDEX attempts_by_stage ON attempts (stage)",
        # Its counts named neither the limits nor the creator, so nothing can be concluded from them.
        "DROP TABLE poison",
        """CREATE TABLE failures (
            number INTEGER PRIMARY KEY AUTOINCREMENT, asset_cid TEXT NOT NULL, creator TEXT NOT NULL,
            code TEXT NOT NULL, detail TEXT NOT NULL, conditions TEXT NOT NULL, at REAL NOT NULL
        )""",
    ),
    (
        # The stage after rendering had another name.
        "UPDATE attempts SET stage = 'VALIDATED' WHERE stage = 'PROVED'",  # migration
        """UPDATE attempts SET reached = replace(reached, '"PROVED":', '"VALIDATED":')""",  # migration
    ),
    (
        # A job may be tried again, and all but the key, the job and the stage becomes one JSON text.
        "ALTER TABLE attempts RENAME TO former",
        """CREATE TABLE attempts (
            number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL, stage TEXT NOT NULL,
            content TEXT NOT NULL
        )""",
        # Casts, since one row that no worker wrote must not prevent the migration.
        f"""INSERT INTO attempts SELECT number, CAST(job_id AS TEXT), CAST(stage AS TEXT), json_object(
            {", ".join(f"'{name}', CAST({name} AS TEXT)" for name in _PLAIN)},
            'reached', json(CASE WHEN json_valid(reached) THEN reached ELSE 'null' END),
            'task', json(CASE WHEN width > 0 AND height > 0 THEN
                json_object('frames', json_array(1), 'format', 'PNG', 'size', json_array(width, height))
            END)
        ) FROM former""",  # noqa: S608 - our own words
        "DROP TABLE former",
        # Only live attempts are in it: each start reads them, and they are few among all.
        f"CREATE UNIQUE INDEX live_attempts ON attempts (job_id) WHERE {LIVE}",
        """CREATE TABLE frames (
            attempt INTEGER NOT NULL, number INTEGER NOT NULL, content TEXT NOT NULL, UNIQUE (attempt, number)
        )""",
        """CREATE TABLE creator_totals (
            creator TEXT NOT NULL UNIQUE, paid_fri TEXT NOT NULL, lost_fri TEXT NOT NULL
        )""",
        "CREATE TABLE set_aside (origin TEXT NOT NULL, number INTEGER NOT NULL, content TEXT NOT NULL)",
    ),
    (
        # The digest of a frame's pixels became a Merkle root, with the names of the channels beside it.
        # Earlier frames are parts of no bundle, so that no digest of theirs is published.
        """UPDATE frames SET content = json_set(
            json_remove(content, '$.validated.pixel_sha256'),
            '$.validated.pixel_digest', json_extract(content, '$.validated.pixel_sha256'),
            '$.validated.channel_names', CASE json_extract(content, '$.validated.channels')
                WHEN 1 THEN 'Y' WHEN 2 THEN 'Y,A' WHEN 3 THEN 'R,G,B' ELSE 'R,G,B,A' END
        ) WHERE json_valid(content) AND json_extract(content, '$.validated.pixel_sha256') IS NOT NULL""",
    ),
)
"""The migrations from each version of the tables (the file's `user_version`) to the next. Only append."""

KIND = Kind(
    name="journal",
    application_id=0x56464A4C,  # “VFJL”
    migrations=MIGRATIONS,
    busy_seconds=2.0,
    is_examined=True,
    when_damaged=(
        "Put a copy in its place. Without one, move it away, and check by hand that this account has no"
        " unfinished claim."
    ),
    when_gone=("Put the journal back, or move the log away too if this account has no unfinished claim."),
)
