"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`."""

from contracts.api.gunicorn import settings

from config.settings import ENV

# More threads than the services have: a page asks for each of its panels by itself, and most of them only wait.
globals().update(settings(ENV.http_host, ENV.http_port, threads=16))
