"""What Piccolo's migration runner reads: the engine and the one app."""

from __future__ import annotations

from piccolo.conf.apps import AppRegistry

from marketplace.database import DB

__all__ = ["APP_REGISTRY", "DB"]

APP_REGISTRY = AppRegistry(apps=["migrations.piccolo_app"])
