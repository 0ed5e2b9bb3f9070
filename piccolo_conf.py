"""Where Piccolo's own commands find the database and the tables. The app itself opens the engine in its lifespan."""

import os

from piccolo.conf.apps import AppRegistry

from app.database import DB, make_engine

if "SELLOG_DATABASE_URL" in os.environ:
    DB.use(make_engine(os.environ["SELLOG_DATABASE_URL"]))

APP_REGISTRY = AppRegistry(apps=["app.piccolo_app"])
