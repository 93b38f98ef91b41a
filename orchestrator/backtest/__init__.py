"""Campaigns played on measured tables: which settings would have served best? `orchestrator.backtest.sweep` plays."""
