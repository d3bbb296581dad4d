"""What must never leave the machine, and why: judged by name first, then, for text, by what is inside.

Names are compared without regard to case. A folder that is held back is not entered: everything in it stays.
"""

from __future__ import annotations

import re
from enum import StrEnum
from fnmatch import translate


class HoldBack(StrEnum):
    """Why a file stays. The codes are stable; the words are in ``WORDS``."""

    HIDDEN = "hidden"
    VERSION_CONTROL = "version_control"
    SECRET_NAME = "secret_name"  # noqa: S105 (a reason code)
    SECRET_INSIDE = "secret_inside"  # noqa: S105
    CACHE = "cache"
    LINK_OUTSIDE = "link_outside"
    LINK_BROKEN = "link_broken"
    LINK_TO_FOLDER = "link_to_folder"
    SPECIAL_FILE = "special_file"
    NAME_NOT_UTF8 = "name_not_utf8"


WORDS = {
    HoldBack.HIDDEN: "hidden (the name begins with a dot)",
    HoldBack.VERSION_CONTROL: "version control",
    HoldBack.SECRET_NAME: "named like a key, a password or credentials",
    HoldBack.SECRET_INSIDE: "contains what looks like a key or an access token",
    HoldBack.CACHE: "cache or left-over, made again by itself",
    HoldBack.LINK_OUTSIDE: "link that leaves the dataset folder",
    HoldBack.LINK_BROKEN: "link to nothing",
    HoldBack.LINK_TO_FOLDER: "link to a folder",
    HoldBack.SPECIAL_FILE: "not a regular file (pipe, socket or device)",
    HoldBack.NAME_NOT_UTF8: "the name is not valid UTF-8",
}

VERSION_CONTROL_NAMES = frozenset({".git", ".hg", ".svn", ".bzr", "_darcs", ".jj", "cvs"})
SECRET_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".azure", ".kube", ".docker", ".gcloud", ".password-store"})

_CACHES = frozenset(
    {"__pycache__", "node_modules", "venv", ".venv", ".cache", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache"}
    | {".ruff_cache", ".tox", "__macosx", "thumbs.db", "desktop.ini", ".ds_store", "$recycle.bin"}
    | {"system volume information", ".trash", ".trashes", ".spotlight-v100", ".fseventsd", "lost+found"}
    | {"@eadir", "#recycle", "#snapshot"}  # of network drives: thumbnails, what was deleted, what was before
)
_CACHE_ENDINGS = frozenset({".pyc", ".swp"})
# The trainer writes its bucket lists into the dataset folder; they name paths of this machine.
_CACHE_PATTERNS = ("*~", "._*", ".~lock.*", "aspect_ratio_bucket_*.json")

_SECRETS = frozenset(
    {".netrc", "_netrc", ".npmrc", ".pypirc", ".git-credentials", ".htpasswd", ".pgpass", ".my.cnf", ".boto", ".s3cfg"}
    | {"credentials", "credentials.json", "credentials.csv", "application_default_credentials.json", "kubeconfig"}
    | {"rclone.conf", "terraform.tfstate", "wallet.dat", "token.json", "auth.json", ".dockerconfigjson"}
    | {"password.txt", "passwords.txt", "passwords.csv", "api_key.txt", "apikey.txt", "api_keys.txt", "hf_token.txt"}
)
_SECRET_ENDINGS = frozenset(
    {".env", ".pem", ".key", ".p12", ".pfx", ".crt", ".cer", ".der", ".jks", ".keystore", ".kdbx", ".kdb", ".ppk"}
    | {".p8", ".pkcs12", ".jceks", ".ovpn", ".tfvars", ".agekey", ".gpg", ".pgp"}
)
_SECRET_PATTERNS = (
    *(".env.*", ".env-*", ".env_*", ".envrc", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
    *("client_secret*.json", "service-account*.json", "service_account*.json", "serviceaccount*.json"),
    *("*-service-account*.json", "*_service_account*.json", "secret.json", "secrets.json", "secret.y*ml"),
    *("secrets.y*ml", "secret.toml", "secrets.toml", "secrets.ini"),
)


def reason_for_name(name: str) -> HoldBack | None:
    """Why a file or folder called ``name`` stays, or None when its name says nothing against it."""
    folded = name.casefold()
    ending = folded[folded.rfind(".") :]
    if folded in VERSION_CONTROL_NAMES or folded.startswith((".gitignore", ".gitattributes", ".gitmodules")):
        return HoldBack.VERSION_CONTROL
    if folded in SECRET_FOLDERS or folded in _SECRETS or ending in _SECRET_ENDINGS or _SECRET_NAME.match(folded):
        return HoldBack.SECRET_NAME
    if folded in _CACHES or ending in _CACHE_ENDINGS or _CACHE_NAME.match(folded):
        return HoldBack.CACHE
    return HoldBack.HIDDEN if name.startswith(".") else None


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))


_SECRET_NAME = _any_of(_SECRET_PATTERNS)
_CACHE_NAME = _any_of(_CACHE_PATTERNS)

_TOKENS = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY"
    rb"|(?<![A-Za-z0-9])(?:"
    rb"(?:hf|r8)_[A-Za-z0-9]{16,}"
    rb"|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"
    rb"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}"
    rb"|sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{32,}|sk_live_[A-Za-z0-9]{16,}"
    rb"|xox[abeoprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36}|whsec_[A-Za-z0-9+/]{24,}"
    rb")"
    rb"|(?i:aws_secret_access_key|aws_session_token)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+=]{16,}"
    # Settings such as WANDB_API_KEY=…, whatever the service: a long value without spaces, right behind the sign.
    rb"|(?i:api_?key|secret_?key|access_?token|auth_?token|account_?key|passw(?:or)?d)[\"']?\s?[=:]\s?[\"']?"
    rb"(?=[A-Za-z_+/=.-]*[0-9])[A-Za-z0-9_+/=.-]{20,}"
    rb"|PuTTY-User-Key-File-|PGP PRIVATE KEY BLOCK"
)

# One of these is in whatever the expression finds, and each has a sign in it that is rare in captions. Looking for
# signs, then for these, is many times faster, and this runs for every caption.
_HINTS_WITH_SIGN: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
    (b"I", (b"PRIVATE KEY", b"AKIA", b"ASIA", b"AIza")),
    (
        b"_",
        (b"hf_", b"r8_", b"sk_live_", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"npm_", b"whsec_"),
    ),
    (b"-", (b"sk-", b"glpat-", b"xox", b"PuTTY-User-Key-File-")),
)
_HINTS_OF_SETTINGS = (
    *(b"aws_secret_access_key", b"aws_session_token", b"apikey", b"api_key", b"secretkey", b"secret_key"),
    *(b"accesstoken", b"access_token", b"authtoken", b"auth_token", b"accountkey", b"account_key", b"passw"),
)


def holds_secret(content: bytes) -> bool:
    """Whether ``content`` shows the form of a private key or of a well-known kind of access token."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 text hides ASCII patterns behind its zero bytes
        content = content.replace(b"\0", b"")
    return _is_suspicious(content) and _TOKENS.search(content) is not None


def _is_suspicious(content: bytes) -> bool:
    for sign, hints in _HINTS_WITH_SIGN:
        if sign in content:
            for hint in hints:
                if hint in content:
                    return True
    if b"=" in content or b":" in content:
        folded = content.lower()
        for hint in _HINTS_OF_SETTINGS:
            if hint in folded:
                return True
    return False
