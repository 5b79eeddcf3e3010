"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`."""

from contracts.api.gunicorn import settings

from config.environment import load

_environment = load()
globals().update(settings(_environment.http_host, _environment.http_port))
