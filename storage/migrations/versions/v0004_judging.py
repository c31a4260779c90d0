"""What detection judges by: thresholds of each group, rules of each geofence."""

import json
import math

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


_EARTH_RADIUS_M = 6_371_008.8


def upgrade() -> None:
    rules()
    geofences()
    guards()
    presence()


def rules() -> None:
    op.create_table(
        "rule",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("thresholds", sa.Text, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "detector", "version", name="pk_rule"),
    )


def geofences() -> None:
    numbers = ("dwell_s", "speed_limit_kmh", "speed_s", *_BOX, "corners")
    columns: tuple[sa.Column, ...] = (
        sa.Column("role", sa.Text, nullable=False, server_default="zone"),
        sa.Column("hours", sa.Text, nullable=False, server_default="[]"),
        sa.Column("expected", sa.Text, nullable=False, server_default="[]"),
        sa.Column("time_zone", sa.Text, nullable=False, server_default=""),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in numbers),
    )
    for column in columns:
        op.add_column("geofence", column)
    op.create_index("ix_geofence_box", "geofence", ["group_id", "removed_ms", *_BOX, "store_id", "active", "corners"])
    connection = op.get_bind()
    fence = sa.table("geofence", *(sa.column(name) for name in ("id", "kind", "geometry", *_BOX, "corners")))
    for row in connection.execute(sa.select(fence.c.id, fence.c.kind, fence.c.geometry)).fetchall():
        box, corners = _box(row.kind, json.loads(row.geometry))
        values = {**dict(zip(_BOX, box, strict=True)), "corners": corners}
        connection.execute(sa.update(fence).where(fence.c.id == row.id).values(**values))


_BOX = ("lat_min_1e7", "lat_max_1e7", "lon_min_1e7", "lon_max_1e7")


def _box(kind: str, geometry: dict) -> tuple[tuple[int, int, int, int], int]:
    """Return the box of what a fence holds, and by how many points it is drawn: what later saves write themselves."""
    north = east = 0.0
    if kind == "circle":
        points, corners = [geometry["centre"]], 1
        north = math.degrees(geometry["radius_m"] / _EARTH_RADIUS_M)
        east = north / math.cos(math.radians(min(abs(points[0][1]) + north, 89.9)))
    else:
        points, corners = geometry["coordinates"][0], sum(len(ring) - 1 for ring in geometry["coordinates"])
    lons, lats = ([point[axis] for point in points] for axis in (0, 1))
    return (
        max(math.floor((min(lats) - north) * 1e7), -900_000_000),
        min(math.ceil((max(lats) + north) * 1e7), 900_000_000),
        max(math.floor((min(lons) - east) * 1e7), -1_800_000_000),
        min(math.ceil((max(lons) + east) * 1e7), 1_800_000_000),
    ), corners


def guards() -> None:
    op.create_table(
        "guard",
        sa.Column("vehicle", sa.Integer, sa.ForeignKey("vehicle.id"), primary_key=True, autoincrement=False),
        sa.Column("armed_ms", sa.BigInteger, nullable=False),
        sa.Column("settled_ms", sa.BigInteger, nullable=False),
        sa.Column("suspended_ms", sa.BigInteger, nullable=False),
        sa.Column("lat_1e7", sa.Integer),
        sa.Column("lon_1e7", sa.Integer),
        sa.Column("radius_m", sa.Integer, nullable=False),
        sa.Column("from_minute", sa.Integer),
        sa.Column("to_minute", sa.Integer),
        sa.Column("days", sa.Integer),
        sa.Column("theft", sa.String(32), nullable=False),
        sa.Column("theft_first", sa.String(32), nullable=False),
        sa.Column("theft_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("ix_guard_theft_ms", "guard", ["theft_ms"])


def presence() -> None:
    op.create_table(
        "presence",
        sa.Column("terminal", sa.Integer, sa.ForeignKey("terminal.id"), primary_key=True, autoincrement=False),
        sa.Column("vehicle", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("closed_ms", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("cut_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_presence_state", "presence", ["state"])
    op.create_index("ix_presence_vehicle", "presence", ["vehicle"])


def downgrade() -> None:
    raise NotImplementedError("an older program refuses a newer database; restore a backup instead")
