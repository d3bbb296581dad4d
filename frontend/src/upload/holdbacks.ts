/** What never leaves the machine, and why: the rules of `chalicelib/domain/holdbacks.py`, held together by vectors. */
import { folded } from "./order";

export const REASONS = [
  "hidden",
  "version_control",
  "secret_name",
  "secret_inside",
  "cache",
  "name_not_utf8",
] as const;
export type Reason = (typeof REASONS)[number];

const VERSION_CONTROL = words(".git .hg .svn .bzr _darcs .jj cvs");
const SECRET_FOLDERS = words(".ssh .aws .gnupg .azure .kube .docker .gcloud .password-store");
const CACHES = new Set([
  ...words("__pycache__ node_modules venv .venv .cache .ipynb_checkpoints .mypy_cache .pytest_cache .ruff_cache .tox"),
  ...words("__macosx thumbs.db desktop.ini .ds_store $recycle.bin .trash .trashes .spotlight-v100 .fseventsd"),
  ...words("lost+found @eadir #recycle #snapshot"),
  "system volume information",
]);
const SECRETS = new Set([
  ...words(".netrc _netrc .npmrc .pypirc .git-credentials .htpasswd .pgpass .my.cnf .boto .s3cfg credentials"),
  ...words("credentials.json credentials.csv application_default_credentials.json kubeconfig rclone.conf"),
  ...words("terraform.tfstate wallet.dat token.json auth.json .dockerconfigjson password.txt passwords.txt"),
  ...words("passwords.csv api_key.txt apikey.txt api_keys.txt hf_token.txt"),
]);
const CACHE_NAME = anyOf("*.pyc *~ ._* .~lock.* *.swp aspect_ratio_bucket_*.json");
const SECRET_NAME = anyOf(
  ".env .env.* .env-* .env_* .envrc *.env *.pem *.key *.p12 *.pfx *.crt *.cer *.der *.jks *.keystore *.kdbx *.kdb " +
    "*.ppk *.p8 *.pkcs12 *.jceks id_rsa* id_dsa* id_ecdsa* id_ed25519* *.ovpn *.tfvars *.agekey *.gpg *.pgp " +
    "client_secret*.json service-account*.json service_account*.json serviceaccount*.json *-service-account*.json " +
    "*_service_account*.json secret.json secrets.json secret.y*ml secrets.y*ml secret.toml secrets.toml secrets.ini",
);

/** Why a file or folder of this name stays, or null when its name says nothing against it. */
export function reasonForName(name: string): Reason | null {
  if (/\p{Cs}/u.test(name)) return "name_not_utf8";
  const plain = folded(name);
  if (VERSION_CONTROL.has(plain) || /^\.git(ignore|attributes|modules)/.test(plain)) return "version_control";
  if (SECRET_FOLDERS.has(plain) || SECRETS.has(plain) || SECRET_NAME.test(plain)) return "secret_name";
  if (CACHES.has(plain) || CACHE_NAME.test(plain)) return "cache";
  return name.startsWith(".") ? "hidden" : null;
}

/** Whether a folder of this name is private as a whole, so that nothing below it is a dataset. */
export function isPrivateFolder(name: string): boolean {
  const plain = folded(name);
  return SECRET_FOLDERS.has(plain) || VERSION_CONTROL.has(plain);
}

const TOKENS = new RegExp(
  "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY" +
    "|(?<![A-Za-z0-9])(?:" +
    "(?:hf|r8)_[A-Za-z0-9]{16,}" +
    "|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])" +
    "|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}" +
    "|sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{32,}|sk_live_[A-Za-z0-9]{16,}" +
    "|xox[abeoprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36}|whsec_[A-Za-z0-9+/]{24,}" +
    ")|PuTTY-User-Key-File-|PGP PRIVATE KEY BLOCK",
);
const SPACE = "[ \\t\\n\\r\\f\\v]";
const SETTINGS = [
  new RegExp(`(?:aws_secret_access_key|aws_session_token)["']?${SPACE}*[=:]${SPACE}*["']?[A-Za-z0-9/+=]{16,}`, "i"),
  new RegExp(
    "(?:api_?key|secret_?key|access_?token|auth_?token|account_?key|passw(?:or)?d)" +
      `["']?${SPACE}?[=:]${SPACE}?["']?(?=[A-Za-z_+/=.-]*[0-9])[A-Za-z0-9_+/=.-]{20,}`,
    "i",
  ),
];
const LATIN = new TextDecoder("latin1");

/** Whether the content shows the form of a private key or of a well-known kind of access token. */
export function holdsSecret(content: Uint8Array): boolean {
  const wide = (content[0] === 0xff && content[1] === 0xfe) || (content[0] === 0xfe && content[1] === 0xff);
  // UTF-16 text hides the patterns behind its zero bytes.
  const text = LATIN.decode(wide ? content.filter((byte) => byte !== 0) : content);
  return TOKENS.test(text) || SETTINGS.some((setting) => setting.test(text));
}

function words(text: string): Set<string> {
  return new Set(text.split(" "));
}

function anyOf(patterns: string): RegExp {
  const shapes = patterns.split(" ").map((one) => one.replace(/[.+$]/g, "\\$&").replaceAll("*", "[^]*"));
  return new RegExp(`^(?:${shapes.join("|")})$`);
}
