"""The configuration for Piccolo's migration runner: the engine and the one app."""

from __future__ import annotations

from piccolo.conf.apps import AppRegistry

from marketplace.core.database import DB

__all__ = ["APP_REGISTRY", "DB"]

APP_REGISTRY = AppRegistry(apps=["migrations.piccolo_app"])
