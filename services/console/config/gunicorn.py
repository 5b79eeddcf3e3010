"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`."""

from contracts.api.gunicorn import settings

from config.settings import ENV

# More threads than the services have: a page requests each panel separately, and most requests only wait.
# Longer addresses too: they contain log queries.
globals().update(
    settings(ENV.http_host, ENV.http_port, threads=16, worker="config.worker.PageWorker", longest_request_line=8190)
)
