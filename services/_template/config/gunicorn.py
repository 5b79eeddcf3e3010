"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`."""

from contracts.api.gunicorn import settings

from config.settings import ENV

globals().update(settings(ENV.http_host, ENV.http_port))
