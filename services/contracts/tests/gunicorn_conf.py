"""gunicorn with the conventions, few threads so that few slow clients suffice. PORT says where."""

import os

from contracts.api.gunicorn import settings

globals().update(settings("127.0.0.1", int(os.environ["PORT"]), threads=2))
