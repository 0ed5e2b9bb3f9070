"""Roles: what a member of a shop may do there."""

from enum import StrEnum

from app.language import N_


class Role(StrEnum):
    """Each may do all that those before it may."""

    VIEWER = "viewer"
    STAFF = "staff"
    OWNER = "owner"

    def covers(self, needed: "Role") -> bool:
        return RANK[self] >= RANK[needed]


RANK = {role: rank for rank, role in enumerate(Role)}

WORDS = {
    Role.VIEWER: N_("보기 전용"),
    Role.STAFF: N_("직원"),
    Role.OWNER: N_("사장님"),
}
