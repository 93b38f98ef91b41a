"""From what the command line names to a campaign bound to its laboratory: all reading and checking, nothing begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from campaigns.campaign import Campaign
from campaigns.errors import CampaignError
from campaigns.load import load_with_document
from campaigns.pool import shipped_pool
from campaigns.yaml_reader import Document
from drivers.lab import LabFile
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.errors import Refused
from orchestrator.labfile import Laboratory, bind_lab, read_lab
from orchestrator.pools import pool_of
from orchestrator.routes import check_routes


def prepare(
    source: str,
    *,
    lab_file: Path | None = None,
    overrides: Sequence[str] = (),
    tables: Mapping[str, Path] | None = None,
    materials: Mapping[str, str] | None = None,
) -> BoundCampaign:
    """Read and check a campaign and its laboratory. Raises CampaignError or `Refused`; touches no device.

    `tables` binds names to CSV files, `materials` names to sources of structures (`orchestrator.pools`).
    """
    tables = tables or {}
    pools = {name: pool_of(name, each) for name, each in (materials or {}).items()}
    campaign, text = load_with_document(source, overrides=overrides, tables=tables, pools=pools)
    _check_generators(campaign, text)
    file, document, lab_source = read_lab(campaign.lab, lab_file)
    laboratory = bind_lab(_with_tables(file, tables), document, lab_source)
    check_routes(campaign, laboratory, text)
    bound = bind_campaign(campaign, laboratory, source=text.file, document=text)
    names = [m.pool for m in campaign.space.materials] + [lesson.pool for lesson in campaign.lessons]
    used = [pools.get(name) or shipped_pool(name) for name in dict.fromkeys(names)]
    return replace(bound, pools=tuple(used))


def _check_generators(campaign: Campaign, document: Document) -> None:
    """Raises CampaignError (E517) for what the planner would find out only after the first experiments."""
    made = [(m, i, each) for m in campaign.space.materials for i, each in enumerate(m.generate)]
    if not made:
        return
    # pymatgen takes a second to load: only who generates pays for it.
    from surrogates.materials.generators.catalogue import GeneratorRefused, arguments_of

    faults = []
    for material, index, each in made:
        try:
            arguments_of(each.generator, dict(each.arguments))
        except GeneratorRefused as refused:
            place = ("space", material.name, "generate", index)
            faults.append(document.fault("E517", place, message=str(refused)))
    if faults:
        raise CampaignError(faults)


def _with_tables(file: LabFile, tables: Mapping[str, Path]) -> LabFile:
    """Give each instrument whose table is left open (`table: null`, or a replay without one) the command line's."""
    for name, device in file.devices.items():
        open_ = "table" in device.settings or device.driver == "replay"
        if open_ and device.settings.get("table") is None:
            path = tables.get(name) or tables.get("table")
            if path is not None:
                file = file.with_settings(name, table=str(path.absolute()))
    return file


def check_arming(laboratory: Laboratory, armed: str | None) -> None:
    """A real laboratory moves only when its name is said on the command line. Raises `Refused` (E313)."""
    file = laboratory.file
    if file.reality == "real" and armed != file.name:
        raise Refused(
            "E313",
            f"{file.name!r} is a real laboratory and is not armed",
            cure=f"rehearse on a simulated one, then say --arm {file.name!r}",
        )
    if file.reality == "simulated" and armed is not None:
        raise Refused("E313", f"{file.name!r} is simulated and cannot be armed", cure="leave --arm out")
