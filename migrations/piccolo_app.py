"""The Piccolo app of the whole schema.

Piccolo's configuration of apps imports a formatter of code, half a second that commands which migrate nothing do without.
"""

from __future__ import annotations

from piccolo.conf.apps import AppConfig

from migrations.schema import HISTORY, tables

APP_NAME = "partage"
APP_CONFIG = AppConfig(app_name=APP_NAME, migrations_folder_path=str(HISTORY), table_classes=tables())
