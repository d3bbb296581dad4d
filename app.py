"""The Chalice app: composition, routes, schedules. Everything else is in ``chalicelib``.

``STCLOUD_SERVICES`` names the composition as ``module:function``; the cloud's own is the default.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from chalice import Rate

from chalicelib.routes.bills import bills
from chalicelib.routes.bundles import bundles
from chalicelib.routes.configs import configs
from chalicelib.routes.destinations import destinations
from chalicelib.routes.estimates import estimates
from chalicelib.routes.health import health
from chalicelib.routes.http import CloudApp
from chalicelib.routes.jobs import jobs
from chalicelib.routes.keys import keys
from chalicelib.routes.prometheus import prometheus
from chalicelib.routes.provider_config import provider_config
from chalicelib.routes.providers import providers
from chalicelib.routes.publishing import publishing
from chalicelib.routes.receipts import receipts
from chalicelib.routes.spending import spending
from chalicelib.routes.storage import storage
from chalicelib.routes.uploads import uploads
from chalicelib.routes.webhooks import webhooks

_module, _, _function = os.environ.get("STCLOUD_SERVICES", "chalicelib.services:build").partition(":")

app = CloudApp("simpletuner-cloud", getattr(import_module(_module), _function)())
app.register_blueprint(jobs, url_prefix="/api/cloud")
app.register_blueprint(uploads, url_prefix="/api/cloud")
app.register_blueprint(storage, url_prefix="/api/cloud")
app.register_blueprint(keys, url_prefix="/api/auth")
app.register_blueprint(providers, url_prefix="/api/cloud")
app.register_blueprint(configs, url_prefix="/api")
app.register_blueprint(spending, url_prefix="/api")
app.register_blueprint(prometheus, url_prefix="/api")
app.register_blueprint(provider_config, url_prefix="/api/cloud")
app.register_blueprint(destinations, url_prefix="/api/cloud")
app.register_blueprint(publishing, url_prefix="/api/cloud")
app.register_blueprint(estimates, url_prefix="/api/cloud")
app.register_blueprint(bills, url_prefix="/api/cloud")
app.register_blueprint(health)
app.register_blueprint(webhooks)
app.register_blueprint(receipts, url_prefix="/api/cloud")
app.register_blueprint(bundles, url_prefix="/api/cloud")


@app.schedule(Rate(1, unit=Rate.MINUTES))
def tick(event: Any) -> dict[str, int]:
    swept = app.services.tick(getattr(event.context, "aws_request_id", None))
    return {"done": swept.done, "failed": swept.failed}
