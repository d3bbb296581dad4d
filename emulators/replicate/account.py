"""What an account sees besides its predictions: itself, hardware, models, the webhook secret."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.replicate import catalogue, pages, problems
from emulators.replicate.signing import WebhookSecret


@dataclass(frozen=True, slots=True)
class Account:
    webhook_secret: WebhookSecret
    offered: dict[str, catalogue.Model]

    def routes(self) -> list[Route]:
        return [
            Route("/v1/account", self.me),
            Route("/v1/hardware", self.hardware),
            Route("/v1/webhooks/default/secret", self.secret),
            Route("/v1/models", self.models),
            Route("/v1/models/{owner}/{name}", self.model),
            Route("/v1/models/{owner}/{name}/versions", self.versions),
            Route("/v1/models/{owner}/{name}/versions/{id}", self.version),
        ]

    async def me(self, request: Request) -> Response:
        return JSONResponse(
            {"type": "user", "username": request.state.owner, "name": "Rehearsal", "github_url": "", "avatar_url": ""}
        )

    async def hardware(self, _: Request) -> Response:
        return JSONResponse([{"name": sku.name, "sku": sku.sku} for sku in catalogue.HARDWARE.values()])

    async def secret(self, _: Request) -> Response:
        return JSONResponse({"key": self.webhook_secret.value})

    async def models(self, request: Request) -> Response:
        found = list(self.offered.values())
        return JSONResponse(pages.page(request, found, lambda m: m.versions[0].created_at, lambda m: m.as_json()))

    async def model(self, request: Request) -> Response:
        return JSONResponse(self._model(request).as_json())

    async def versions(self, request: Request) -> Response:
        found = self._model(request).versions
        return JSONResponse(pages.page(request, found, lambda v: v.created_at, lambda v: v.as_json()))

    async def version(self, request: Request) -> Response:
        for version in self._model(request).versions:
            if version.id == request.path_params["id"]:
                return JSONResponse(version.as_json())
        raise problems.not_found()

    def _model(self, request: Request) -> catalogue.Model:
        found = self.offered.get(f"{request.path_params['owner']}/{request.path_params['name']}")
        if found is None:
            raise problems.not_found()
        return found
