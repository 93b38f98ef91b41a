"""Export of a campaign as tables that other programs read. `export(records, directory)` writes them all."""

from orchestrator.export.write import export

__all__ = ["export"]
