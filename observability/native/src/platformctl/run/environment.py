"""The environment variables that each service's processes get (12-factor: all configuration comes this way)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from catalogue import Catalogue, Process, Service

from platformctl.install.locations import Locations
from platformctl.paths import Paths
from platformctl.secret_store import SecretStore
from platformctl.settings import Settings

HOST = "127.0.0.1"
VIRTUAL_HOST = "platform"
JWT_ISSUER = "users"
JWT_AUDIENCE = "platform"
# Whoever operates the platform may ask every service's internal API, by a token of this name.
CONSOLE = "console"
WEBHOOK_TOKEN = "console_webhook_token"  # noqa: S105 - the secret's name
# The console asks for each panel by itself, and a request keeps its connection while a backend answers.
POOL_SIZES = {CONSOLE: 16}
POOL_SIZE = 8
# notifications fetches users' public keys only: it needs no token there, so it gets no access.
PUBLIC_CALLS = frozenset({("notifications", "users")})


class ServiceEnvironment:
    """Builds the environment of any process of any service."""

    def __init__(self, paths: Paths, settings: Settings, secrets: SecretStore, catalogue: Catalogue) -> None:
        self._paths = paths
        self._settings = settings
        self._secrets = secrets
        self._catalogue = catalogue

    def of(self, process: Process) -> dict[str, str]:
        """Every variable of a long-running process."""
        service = self._catalogue.services[process.service]
        environment = self.of_service(service)
        environment["TELEMETRY_METRICS_HOST"] = HOST
        environment["TELEMETRY_METRICS_PORT"] = str(self._settings.port(process.name, "metrics"))
        environment["OTEL_RESOURCE_ATTRIBUTES"] = self._resource(process.name)
        environment |= self._folders(process.service)
        if process.http_port is not None:
            environment["HTTP_PORT"] = str(self._settings.port(process.name))
        if process.grpc_port is not None:
            environment["GRPC_PORT"] = str(self._settings.port(process.name))
        return environment

    def of_command(self, service: str) -> dict[str, str]:
        """Every variable of a one-shot command (migrate, seed, a shell): as `of`, without ports to listen on."""
        environment = self.of_service(self._catalogue.services[service])
        environment["OTEL_RESOURCE_ATTRIBUTES"] = self._resource(f"{service}-command")
        environment["OTEL_SDK_DISABLED"] = "true"
        return environment | self._folders(service)

    def of_service(self, service: Service) -> dict[str, str]:
        """What all processes of a service have in common."""
        environment = {
            "ENVIRONMENT": self._settings.environment,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": self._secrets.get(f"secret_key_{service.name}"),
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "SERVICE_VERSION": self._settings.service_version,
            "HTTP_PORT": str(self._settings.port(service.name)),
            "DATABASE_URL": self._database_url(service),
            "DATABASE_POOL_MAX_SIZE": str(POOL_SIZES.get(service.name, POOL_SIZE)),
            "OTEL_SERVICE_NAME": service.name,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{self._settings.ports['JAEGER_OTLP_HTTP_PORT']}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(self._settings.traces_sampler_ratio),
            "SENTRY_DSN": self._settings.sentry_dsn,
            "SENTRY_SPOTLIGHT": f"http://{HOST}:{self._settings.ports['SPOTLIGHT_PORT']}/stream",
            "SENTRY_ENVIRONMENT": self._settings.environment,
            "PYTHONUNBUFFERED": "1",
        }
        if service.audience == "customers":
            environment["JWT_ISSUER"] = JWT_ISSUER
            environment["JWT_AUDIENCE"] = JWT_AUDIENCE
            environment["SERVICE_TOKEN"] = self.service_token(service.name)
        if tokens := self._accepted_tokens(service):
            environment["SERVICE_TOKENS"] = tokens
        for edge in service.depends_on:
            environment |= self._dependency(service, edge.callee)
        if service.name == "users":
            environment["JWT_PRIVATE_KEY_FILE"] = str(self._secrets.private_key_file("users_jwt"))
        if service.name == "notifications":
            environment["EMAIL_URL"] = self._settings.email_url or f"file://{self._paths.mail}"
        if service.name == CONSOLE:
            environment["ALERT_WEBHOOK_TOKEN"] = self._secrets.get(WEBHOOK_TOKEN)
        return environment

    def _folders(self, service: str) -> dict[str, str]:
        """Where a process of this machine finds what was installed for it; images bring it along."""
        return {"CONSOLE_ASSETS_DIR": str(Locations(self._paths).console_assets)} if service == CONSOLE else {}

    def service_token(self, caller: str) -> str:
        """The token by which a caller shows who it is."""
        return self._secrets.get(f"service_token_{caller}")

    def callers_of(self, service: str) -> tuple[str, ...]:
        """Who may call a service's internal API."""
        calling = [
            edge.caller
            for edge in self._catalogue.edges()
            if edge.callee == service
            and edge.protocol in ("http", "grpc")
            and (edge.caller, service) not in PUBLIC_CALLS
        ]
        return (*calling, CONSOLE) if calling else ()

    def _accepted_tokens(self, service: Service) -> str:
        return ",".join(f"{caller}={self.service_token(caller)}" for caller in self.callers_of(service.name))

    def _resource(self, instance: str) -> str:
        attributes = {
            "service.version": self._settings.service_version,
            "service.instance.id": instance,
            "deployment.environment.name": self._settings.environment,
        }
        return ",".join(f"{key}={quote(value)}" for key, value in attributes.items())

    def _database_url(self, service: Service) -> str:
        password = self._secrets.get(f"postgres_{service.name}")
        return f"postgres://{service.name}:{password}@{HOST}:{self._settings.ports['POSTGRES_PORT']}/{service.database}"

    def _dependency(self, service: Service, callee: str) -> dict[str, str]:
        """How a caller reaches a callee; through Toxiproxy where the catalogue has a proxy on the edge."""
        known: Mapping[str, Callable[[], dict[str, str]]] = {
            "users": lambda: {"USERS_URL": self._proxied_url(service, callee)},
            "inventory": lambda: {"INVENTORY_GRPC_TARGET": self._proxied_address(service, callee)},
            "payments": lambda: {"PAYMENTS_URL": self._proxied_url(service, callee)},
            "card-provider": lambda: {"CARD_PROVIDER_URL": self._proxied_url(service, callee)},
            "rabbitmq": lambda: {"RABBITMQ_URL": self.rabbitmq_url(service.name)},
            "postgresql": dict,
            "prometheus": lambda: {"PROMETHEUS_URL": self._backend_url("PROMETHEUS_PORT")},
            "alertmanager": lambda: {"ALERTMANAGER_URL": self._backend_url("ALERTMANAGER_PORT")},
            "jaeger": lambda: {"JAEGER_URL": self._backend_url("JAEGER_QUERY_PORT")},
            "elasticsearch": lambda: {"ELASTICSEARCH_URL": self._backend_url("ELASTICSEARCH_PORT")},
            "spotlight": lambda: {"SPOTLIGHT_URL": self._backend_url("SPOTLIGHT_PORT")},
        }
        return known[callee]()

    def rabbitmq_url(self, user: str) -> str:
        """The broker's address with the credentials of one user."""
        password = self._secrets.get(f"rabbitmq_{user}")
        return f"amqp://{user}:{password}@{HOST}:{self._settings.ports['RABBITMQ_PORT']}/{VIRTUAL_HOST}"

    def _backend_url(self, variable: str) -> str:
        return f"http://{HOST}:{self._settings.ports[variable]}"

    def _proxied_address(self, service: Service, callee: str) -> str:
        return f"{HOST}:{self._settings.port(f'{service.name}-{callee}', 'proxy')}"

    def _proxied_url(self, service: Service, callee: str) -> str:
        return f"http://{self._proxied_address(service, callee)}"
