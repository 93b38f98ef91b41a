"""When a campaign may act: a start, and hours of quiet in which nothing new is begun."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time

from pydantic import AwareDatetime

from campaigns.errors import Problem, shown
from campaigns.model import BaseCampaignModel


def zone_known(zone: str) -> bool:
    """Whether the IANA time zone database has the zone."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (
        OSError,
        ValueError,
        KeyError,
    ):  # KeyError: ZoneInfoNotFoundError; OSError: the name of a directory
        return False
    return True


class QuietHours(BaseCampaignModel):
    """From `begins` until `ends`, on the clock of `zone`, no experiment is begun; over midnight if ends < begins."""

    begins: time
    ends: time
    zone: str

    def problems(self) -> Iterator[Problem]:
        for name, moment in (("from", self.begins), ("to", self.ends)):
            if moment.tzinfo is not None:
                yield Problem(
                    "E270", (name,), wanted="a time without offset, as in '22:00'", got=shown(str(moment))
                )
        if self.begins.replace(tzinfo=None) == self.ends.replace(tzinfo=None):
            yield Problem(
                "E272",
                ("to",),
                wanted="an end that differs from the beginning",
                got=f"{self.ends:%H:%M} for both",
                cure="leave quiet_hours out for no quiet at all",
            )
        if not zone_known(self.zone):
            yield Problem(
                "E271", ("zone",), wanted="an IANA time zone, as in 'Europe/Zurich'", got=shown(self.zone)
            )

    def covers(self, moment: datetime) -> bool:
        """Whether an aware moment lies in the quiet hours. Raises ValueError for a naive one."""
        from zoneinfo import ZoneInfo

        if moment.tzinfo is None:
            raise ValueError("quiet hours need an aware datetime")
        local = moment.astimezone(ZoneInfo(self.zone)).time()
        if self.begins < self.ends:
            return self.begins <= local < self.ends
        return local >= self.begins or local < self.ends


class Schedule(BaseCampaignModel):
    """`start`: nothing is begun before it. Both may be None."""

    start: AwareDatetime | None = None
    quiet_hours: QuietHours | None = None
