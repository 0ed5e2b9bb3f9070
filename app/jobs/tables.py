"""Work that must happen because of a change, written in the same transaction as the change."""

import json

from piccolo.columns import JSON, UUID, Integer, Text, Timestamptz, Varchar

from app import clock
from app.database import DB
from app.rows import Row


class Job(Row, tablename="jobs", db=DB):
    """Done at least once, by any worker. `dedupe_key` keeps one piece of work from standing here twice."""

    id = UUID(primary_key=True, default=clock.new_id)
    kind = Varchar(length=40, null=False)
    payload = JSON(default="{}", null=False)
    dedupe_key = Varchar(length=120, unique=True, null=False)
    run_at = Timestamptz(null=False, index=True)
    lease_until = Timestamptz(default=None, null=True)
    tries = Integer(default=0, null=False)
    done_at = Timestamptz(default=None, null=True)
    error = Text(default=None, null=True)

    @property
    def payload_values(self) -> dict[str, str]:
        return json.loads(self.payload)
