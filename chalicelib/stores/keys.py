"""Where each fact lives in the one table. Every key carries its tenant, but for facts that vendors bring without one.

pk                                sk                    what
T#<tenant>#JOB#<job>              JOB                   the job; indexes: by_tenant (newest first), due (next look)
                                  ORDER                 config, dataloader and LyCORIS it runs with
                                  ASKED                 config, dataloader and LyCORIS as they were asked for
                                  EVENT#<version>#<n>   its history
                                  INTENT#<kind>         a promised outside effect; index: due
                                  FOLLOW                how far its log is known, progress, loss series
                                  LOG#<offset>          a piece of its log
                                  BILL                  what was true when it ended: pace, prices of all offers
                                  BUNDLE#<digest>       the upload that a bundle of its files is made in; TTL
                                  GONE                  a deletion under way; index: due
T#<tenant>#UPLOAD#<upload>        UPLOAD                an upload session; index: due (expiry)
T#<tenant>#UPLOAD#<upload>        RECEIPT#<n>           what of it was deleted and when, in pages
T#<tenant>#ROOT#<owner>#<root>    ROOT                  the latest session of that data, for resuming
T#<tenant>#CONSENT#<owner>        ROOT#<root>           that the owner agreed to send that data
                                  SET#<dataset>         the latest upload that holds a dataset of that name
T#<tenant>#ONCE#<owner>#<key>     ONCE                  an idempotency key; TTL
T#<tenant>#SETTINGS               <name>                consent and the like
T#<tenant>#CONFIGS                NAME#<name>           a named config: its fingerprint
                                  BODY#<name>           its documents
T#<tenant>#DESTINATIONS           <name>                a bucket that was named; its keys are in the vault
T#<tenant>#COUNTS                 JOBS#<owner>#<shard>  how many jobs an owner has, in parts
T#<tenant>#LEDGER#<month>         <time>#<job>#<version>  an entry of the ledger
T#<tenant>#WINDOW#<scope>#<period>  <window>            what is held and spent in a day, week or month
T#<tenant>#ROLLUPS                <day>#<provider>#<hardware>  jobs, money and time of a day
T#<tenant>#LIMITS                 <scope>               a limit on spending; index: due
T#<tenant>#INVOICES               <provider>            the latest invoice that was compared with the books
T#<tenant>#PACES                  <figures>/<kind>      what past runs taught about one kind of job
RUN#<provider>#<run>              RUN                   which job a vendor's run belongs to
LAUNCH#<launch key>               LAUNCH                which job a launch key belongs to
WEBHOOK#<provider>#<message>      WEBHOOK               a webhook that was heard; TTL
ACCESSKEY#<access key>            ACCESSKEY             the prefix that a storage key reaches; TTL after the job
PROBE#<nonce>                     PROBE                 what a self-test expects to hear; TTL
TURN#<name>                       TURN                  when slow work that one process does is due
INSTALLATION                      INSTALLATION          the mark that our launch keys end with
BREAKER#<provider>                BREAKER               whether a provider is left alone; TTL
APIKEY#<id>                       APIKEY                an API key's hash, owner and scopes; index: by_tenant; TTL
"""

from __future__ import annotations

from binascii import crc32
from datetime import datetime

from chalicelib.domain.moments import to_text
from chalicelib.stores.table import Key

DUE_SHARDS = 4
"""Due work is spread over this many index partitions, so that one partition's write limit never caps the fleet."""


COUNT_SHARDS = 8
"""Jobs that are submitted at once must not contend for one row."""


def job(tenant: str, job_id: str) -> str:
    return f"T#{tenant}#JOB#{job_id}"


def job_row(tenant: str, job_id: str) -> Key:
    return Key(job(tenant, job_id), "JOB")


def order_row(tenant: str, job_id: str) -> Key:
    return Key(job(tenant, job_id), "ORDER")


def asked_row(tenant: str, job_id: str) -> Key:
    return Key(job(tenant, job_id), "ASKED")


def follow_row(tenant: str, job_id: str) -> Key:
    return Key(job(tenant, job_id), "FOLLOW")


def gone_row(tenant: str, job_id: str) -> Key:
    return Key(job(tenant, job_id), "GONE")


def bundle_row(tenant: str, job_id: str, digest: str) -> Key:
    return Key(job(tenant, job_id), f"BUNDLE#{digest}")


def intent_row(tenant: str, job_id: str, kind: str) -> Key:
    return Key(job(tenant, job_id), f"INTENT#{kind}")


def tenant_jobs(tenant: str) -> str:
    return f"T#{tenant}#JOBS"


def upload_row(tenant: str, upload_id: str) -> Key:
    return Key(f"T#{tenant}#UPLOAD#{upload_id}", "UPLOAD")


def root_row(tenant: str, owner: str, root: str) -> Key:
    return Key(f"T#{tenant}#ROOT#{owner}#{root}", "ROOT")


def receipt_row(tenant: str, upload_id: str, page: int) -> Key:
    return Key(upload_row(tenant, upload_id).pk, f"RECEIPT#{page:05d}")


def consent_row(tenant: str, owner: str, root: str) -> Key:
    return Key(f"T#{tenant}#CONSENT#{owner}", f"ROOT#{root}")


def dataset_row(tenant: str, owner: str, dataset: str) -> Key:
    return Key(f"T#{tenant}#CONSENT#{owner}", f"SET#{dataset}")


def once_row(tenant: str, owner: str, key: str) -> Key:
    return Key(f"T#{tenant}#ONCE#{owner}#{key}", "ONCE")


def counts(tenant: str) -> str:
    return f"T#{tenant}#COUNTS"


def job_count_row(tenant: str, owner: str, job_id: str) -> Key:
    return Key(counts(tenant), f"JOBS#{owner}#{crc32(job_id.encode()) % COUNT_SHARDS}")


def setting_row(tenant: str, name: str) -> Key:
    return Key(f"T#{tenant}#SETTINGS", name)


def configs(tenant: str) -> str:
    return f"T#{tenant}#CONFIGS"


def config_row(tenant: str, name: str) -> Key:
    return Key(configs(tenant), f"NAME#{name}")


def config_body_row(tenant: str, name: str) -> Key:
    return Key(configs(tenant), f"BODY#{name}")


def ledger(tenant: str, month: datetime) -> str:
    return f"T#{tenant}#LEDGER#{month:%Y-%m}"


def entry_row(tenant: str, at: datetime, job_id: str, version: int) -> Key:
    return Key(ledger(tenant, at), f"{to_text(at)}#{job_id}#{version:08d}")


def window_row(tenant: str, scope: str, period: str, window: str) -> Key:
    return Key(f"T#{tenant}#WINDOW#{scope}#{period}", window)


def rollups(tenant: str) -> str:
    return f"T#{tenant}#ROLLUPS"


def rollup_row(tenant: str, day: str, provider: str, hardware: str) -> Key:
    return Key(rollups(tenant), f"{day}#{provider}#{hardware}")


def limits(tenant: str) -> str:
    return f"T#{tenant}#LIMITS"


def limit_row(tenant: str, scope: str) -> Key:
    return Key(limits(tenant), scope)


def destinations(tenant: str) -> str:
    return f"T#{tenant}#DESTINATIONS"


def destination_row(tenant: str, name: str) -> Key:
    return Key(destinations(tenant), name)


def invoice_row(tenant: str, provider: str) -> Key:
    return Key(f"T#{tenant}#INVOICES", provider)


def paces(tenant: str) -> str:
    return f"T#{tenant}#PACES"


def pace_row(tenant: str, kind: str) -> Key:
    return Key(paces(tenant), kind)


def bill_row(tenant: str, job_id: str) -> Key:
    return Key(job(tenant, job_id), "BILL")


def run_row(provider: str, run_id: str) -> Key:
    return Key(f"RUN#{provider}#{run_id}", "RUN")


def launch_row(launch_key: str) -> Key:
    return Key(f"LAUNCH#{launch_key}", "LAUNCH")


def webhook_row(provider: str, message_id: str) -> Key:
    return Key(f"WEBHOOK#{provider}#{message_id}", "WEBHOOK")


def probe_row(nonce: str) -> Key:
    return Key(f"PROBE#{nonce}", "PROBE")


def turn_row(name: str) -> Key:
    return Key(f"TURN#{name}", "TURN")


def installation_row() -> Key:
    return Key("INSTALLATION", "INSTALLATION")


def breaker_row(provider: str) -> Key:
    return Key(f"BREAKER#{provider}", "BREAKER")


def access_key_row(access_key: str) -> Key:
    return Key(f"ACCESSKEY#{access_key}", "ACCESSKEY")


def api_key_row(key_id: str) -> Key:
    return Key(f"APIKEY#{key_id}", "APIKEY")


def tenant_api_keys(tenant: str) -> str:
    return f"T#{tenant}#APIKEYS"


def due(owner_id: str, at: datetime) -> dict[str, str]:
    """The attributes that put a row into the due index. Leave them out and the row leaves it."""
    return {"due_pk": f"DUE#{crc32(owner_id.encode()) % DUE_SHARDS}", "due_sk": f"{to_text(at)}#{owner_id}"}


def due_partitions() -> list[str]:
    return [f"DUE#{shard}" for shard in range(DUE_SHARDS)]
