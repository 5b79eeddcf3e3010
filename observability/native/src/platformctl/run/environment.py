"""The environment variables of each service's processes (12-factor: all configuration is in the environment)."""

from __future__ import annotations

from urllib.parse import quote

from catalogue import Catalogue, Dependency, Process, Service

from platformctl.install.locations import Locations
from platformctl.paths import Paths
from platformctl.secret_store import SecretStore
from platformctl.settings import Settings

HOST = "127.0.0.1"
VIRTUAL_HOST = "platform"
JWT_AUDIENCE = "platform"
# The name of the secret that is the public key in the DSN of the receiver of errors.
ERRORS_KEY = "errors_dsn_key"


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
        environment |= self._folders(service)
        if process.http_port is not None:
            environment["HTTP_PORT"] = str(self._settings.port(process.name))
        if process.grpc_port is not None:
            environment["GRPC_PORT"] = str(self._settings.port(process.name))
        return environment

    def of_command(self, service: str) -> dict[str, str]:
        """Every variable of a one-shot command (migrate, seed, a shell): as `of`, without ports to listen on."""
        known = self._catalogue.services[service]
        environment = self.of_service(known)
        environment["OTEL_RESOURCE_ATTRIBUTES"] = self._resource(f"{service}-command")
        environment["OTEL_SDK_DISABLED"] = "true"
        return environment | self._folders(known)

    def of_service(self, service: Service) -> dict[str, str]:
        """The variables that all processes of a service share."""
        environment = {
            "ENVIRONMENT": self._settings.environment,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": self._secrets.get(f"secret_key_{service.name}"),
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "SERVICE_VERSION": self._settings.service_version,
            "HTTP_PORT": str(self._settings.port(service.name)),
            "DATABASE_POOL_MAX_SIZE": str(service.database_pool),
            "OTEL_SERVICE_NAME": service.name,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{self._settings.ports['JAEGER_OTLP_HTTP_PORT']}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(self._settings.traces_sampler_ratio),
            "SENTRY_DSN": self._settings.sentry_dsn or errors_dsn(self._settings, self._secrets),
            "SENTRY_ENVIRONMENT": self._settings.environment,
            "PYTHONUNBUFFERED": "1",
        }
        environment |= self._access_tokens(service)
        if any(edge.token for edge in service.depends_on):
            environment["SERVICE_TOKEN"] = self.service_token(service.name)
        if tokens := self._accepted_tokens(service):
            environment["SERVICE_TOKENS"] = tokens
        environment |= {edge.variable: self._address(service, edge) for edge in service.depends_on}
        if any(edge.callee == "jaeger" for edge in service.depends_on):
            environment["TRACES_RETENTION_DAYS"] = str(self._settings.traces_retention_days)
        if service.sends_mail:
            environment["EMAIL_URL"] = self._settings.email_url or f"file://{self._paths.mail}"
        if service.alert_webhook:
            environment["ALERT_WEBHOOK_TOKEN"] = self._secrets.get(webhook_token(service))
        return environment

    def _access_tokens(self, service: Service) -> dict[str, str]:
        """Variables for the issuer of users' access tokens and for the services that verify them."""
        issuer = self._catalogue.token_issuer(service)
        if issuer is None:
            return {}
        environment = {"JWT_ISSUER": issuer.name, "JWT_AUDIENCE": JWT_AUDIENCE}
        if service is issuer:
            environment["JWT_PRIVATE_KEY_FILE"] = str(self._secrets.private_key_file(f"{issuer.name}_jwt"))
        return environment

    def _folders(self, service: Service) -> dict[str, str]:
        """The folders of installed programs and assets on this machine; container images have their own."""
        return {service.assets: str(Locations(self._paths).assets(service))} if service.assets else {}

    def service_token(self, caller: str) -> str:
        """The token with which a caller authenticates itself."""
        return self._secrets.get(f"service_token_{caller}")

    def _accepted_tokens(self, service: Service) -> str:
        callers = self._catalogue.internal_callers(service.name)
        return ",".join(f"{caller}={self.service_token(caller)}" for caller in callers)

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

    def _address(self, service: Service, edge: Dependency) -> str:
        """The address that a caller uses for a callee; Toxiproxy's if the catalogue has a proxy on the edge."""
        if edge.protocol == "sql":
            return self._database_url(service)
        if edge.protocol == "amqp":
            return self.rabbitmq_url(service.name)
        address = f"{HOST}:{self._port(edge)}"
        return address if edge.protocol == "grpc" else f"http://{address}"

    def _port(self, edge: Dependency) -> int:
        if edge.proxy_port is not None:
            return self._settings.port(edge.proxy_name, "proxy")
        external = self._catalogue.external.get(edge.callee)
        if external is not None and external.backend is not None:
            return self._settings.ports[external.backend.port]
        return self._settings.port(self._catalogue.listener(edge))

    def rabbitmq_url(self, user: str) -> str:
        """The broker's URL with the credentials of one user."""
        password = self._secrets.get(f"rabbitmq_{user}")
        return f"amqp://{user}:{password}@{HOST}:{self._settings.ports['RABBITMQ_PORT']}/{VIRTUAL_HOST}"


def errors_dsn(settings: Settings, secrets: SecretStore, host: str = HOST) -> str:
    """The DSN of the receiver of errors."""
    return f"http://{secrets.get(ERRORS_KEY)}@{host}:{settings.ports['ERRORS_PORT']}/1"


def webhook_token(service: Service) -> str:
    """The name of the secret with which Alertmanager authenticates itself to a service."""
    return f"{service.name}_webhook_token"
