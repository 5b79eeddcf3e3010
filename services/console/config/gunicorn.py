"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`."""

from contracts.api.gunicorn import settings

from config.environment import load

_environment = load()
# More threads than the services have: a page asks for each of its panels by itself, and most of them only wait.
globals().update(settings(_environment.http_host, _environment.http_port, threads=16))
