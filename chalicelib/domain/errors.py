"""Every error that a caller may meet, with the HTTP status and code it is shown under.

CloudError
├── BadInput (400)          ├── Forbidden (403)         ├── Conflict (409)
│   ├── InvalidConfig       │   └── ConsentDenied       │   ├── InvalidJobState
│   └── ComingSoon          │                           │   ├── KeyReused, NothingToSend, AlreadySending
├── CostLimitExceeded (429)
├── Malformed (422)         ├── NotFound (404)          │   │
├── Unauthenticated (401)   │   └── JobNotFound         │   └── UploadNotReady
│                           ├── TooLarge (413)          ├── ConsentRequired (428)
├── DestinationRefused (502), DestinationDown (503), BundleNotReady (503)
└── ProviderError (502)
    ├── ProviderRefused     the vendor said no: asking again changes nothing
    ├── BadCredentials      the vendor does not know the token
    ├── ProviderDown (503)  nothing reached the vendor: safe to ask again
    └── OutcomeUnknown      the request may have reached the vendor: look before asking again
"""

from __future__ import annotations

from typing import Any


class CloudError(Exception):
    """A refusal with a next step. ``detail`` is written for the person who reads it."""

    status = 500
    code = "internal_error"
    title = "Something went wrong"

    def __init__(self, detail: str, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields


class BadInput(CloudError):
    status, code, title = 400, "bad_input", "The request cannot be used"


class InvalidConfig(BadInput):
    code, title = "invalid_config", "The training config cannot be used"


class ComingSoon(BadInput):
    code, title = "provider_coming_soon", "The provider cannot be used yet"


class Malformed(CloudError):
    status, code, title = 422, "malformed_body", "The request body does not have the right shape"


class Unauthenticated(CloudError):
    status, code, title = 401, "unauthenticated", "Who is asking is not known"


class BadLink(CloudError):
    status, code, title = 401, "bad_link", "The address is not valid (any more)"


class Forbidden(CloudError):
    status, code, title = 403, "permission_denied", "Not allowed"


class ConsentDenied(Forbidden):
    code, title = "consent_denied", "Uploads are switched off"


class ConsentRequired(CloudError):
    status, code, title = 428, "consent_required", "Consent is needed before data leaves"


class NotFound(CloudError):
    status, code, title = 404, "not_found", "Not found"


class JobNotFound(NotFound):
    code, title = "job_not_found", "No such job"


def no_such_job(job_id: str) -> JobNotFound:
    """The same words for a job that is not there and for one of somebody else: nobody learns which."""
    return JobNotFound(f"There is no job '{job_id}'. List yours with 'stcloud list'.", job_id=job_id)


def no_such_upload(upload_id: str) -> NotFound:
    return NotFound(f"There is no upload '{upload_id}'. Open one with POST /api/cloud/uploads.")


class MethodNotAllowed(CloudError):
    status, code, title = 405, "method_not_allowed", "Not a method of this address"


class WrongHost(CloudError):
    status, code, title = 421, "wrong_host", "Not a name of this server"


class UnsupportedMedia(CloudError):
    status, code, title = 415, "unsupported_media_type", "The body is of a kind that is not read here"


class Conflict(CloudError):
    status, code, title = 409, "conflict", "The present state does not allow this"


class InvalidJobState(Conflict):
    code, title = "invalid_job_state", "The job's state does not allow this"


class KeyReused(Conflict):
    code, title = "idempotency_key_reused", "The idempotency key belongs to another request"


class UploadNotReady(Conflict):
    code, title = "upload_not_ready", "The upload is not complete"


class BundleNotReady(CloudError):
    status, code, title = 503, "bundle_not_ready", "The archive is still being put together"


class NothingToSend(Conflict):
    code, title = "nothing_to_send", "No whole model is in the store"


class AlreadySending(Conflict):
    code, title = "already_sending", "The model is on its way there"


class CostLimitExceeded(CloudError):
    status, code, title = 429, "cost_limit_exceeded", "A limit on spending leaves no room for this"


class TooLarge(CloudError):
    status, code, title = 413, "too_large", "Too large"


class ProviderError(CloudError):
    status, code, title = 502, "provider_error", "The provider answered with an error"


class ProviderRefused(ProviderError):
    code, title = "provider_api_error", "The provider refused the request"


class BadCredentials(ProviderError):
    code, title = "provider_credentials", "The provider does not accept the API token"


class ProviderDown(ProviderError):
    status, code, title = 503, "provider_unavailable", "The provider cannot be reached"


class OutcomeUnknown(ProviderError):
    code, title = "provider_timeout", "The provider did not answer in time"


class DestinationRefused(CloudError):
    """A bucket or the Hub said no: asking again changes nothing. ``cause`` among the fields is a stable word."""

    status, code, title = 502, "destination_refused", "The destination refused"


class DestinationDown(CloudError):
    """Nobody answered: asking again later may work."""

    status, code, title = 503, "destination_unavailable", "The destination cannot be reached"


class ProviderStatusUnknown(ProviderError):
    """The vendor used a word that our table does not have: nothing follows from it, so the job stays as it is."""

    code, title = "provider_status_unknown", "The provider used an unknown status"
