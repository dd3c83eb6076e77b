"""Texts of the log without secrets: the second net below the intention that none gets there.

Texts of strangers run through these patterns (a header inside a traceback), so none may cost more
than its length: every repetition is possessive and, but for a pattern's last, bounded. Then the
work at each place is bounded, and what the last one eats is never looked at again. A test reckons
it from the patterns themselves.
"""

import re

MOST_CHARACTERS = 16_384
"""Of one text; what is longer loses its middle before it is looked at."""
_CUT = "\n[… cut …]\n"
_REDACTED = "[redacted]"
_NAMES = (
    *("access_token", "input_token", "fb_exchange_token", "code", "state", "client_secret"),
    *("code_verifier", "appsecret_proof", "signed_request", "password", "connect_code"),
    *("handoff", "handoff_code", "igauth_session", r"igauth_login_\w{1,64}+"),
)
_QUOTE = r"(?:b(?=[\"']))?+\\{0,3}+[\"']?+"
# Tokens of Meta's (EAA…, IGAA…), sealed values, `app_id|app_secret`, our own keys, links, secrets.
TOKENS = re.compile(
    r"(?:EAA|IGAA|IGQ)[A-Za-z0-9_-]{8,}+"
    r"|v1\.[A-Za-z0-9_-]{1,32}+\.[A-Za-z0-9_=-]{20,}+"
    r"|\d{6,32}+\|[A-Za-z0-9_-]{16,}+"
    r"|(?:igsk|igcl|igcc|igho)_[A-Za-z0-9_-]{4,}+"
    r"|whsec_[A-Za-z0-9+/=_-]{4,}+"
)
PARAMETERS = re.compile(
    rf"(?i)\b({'|'.join(_NAMES)})"
    rf"({_QUOTE}\s{{0,8}}+[=:]\s{{0,8}}+{_QUOTE})"
    r"[^\s&\"',;)}\]\\]++"
)
# A header as it stands on the wire, in a dictionary's repr, and in an ASGI scope's pairs of bytes.
HEADERS = re.compile(
    r"(?i)\b(authorization|proxy-authorization|cookie|set-cookie)"
    rf"({_QUOTE}\s{{0,8}}+[=:]\s{{0,8}}+{_QUOTE}|[\"']\s{{0,8}}+,\s{{0,8}}+b?+[\"'])"
    r"(?:(?<=[\"'])[^\r\n\"'\\]++|[^\r\n]++)"
)
BEARER = re.compile(r"(?i)\b(bearer\s{1,8}+)(?!tokens?+\b)[^\s\"',;)}\]]{4,}+")
URL_PASSWORDS = re.compile(r"(://[^\s:/@]{0,256}+):[^\s@/]{1,1024}+@")


def redact_text(text: str) -> str:
    """`text` without anything that looks like a token, code, secret or password, and not too long.

    Takes time in proportion to what it keeps of the text.
    """
    text = HEADERS.sub(rf"\1\2{_REDACTED}", _capped(text))
    text = TOKENS.sub(_REDACTED, text)
    text = PARAMETERS.sub(rf"\1\2{_REDACTED}", text)
    text = BEARER.sub(rf"\1{_REDACTED}", text)
    return URL_PASSWORDS.sub(rf"\1:{_REDACTED}@", text)


def _capped(text: str) -> str:
    """Begin and end of a long text, each cut where no secret is torn from what shows it to be one.

    A beginning ends with a whole word; an end begins with a whole line, and is left out otherwise.
    """
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    first = text[:half].rsplit(None, 1)
    _, _, last = text[-half:].partition("\n")
    return (first[0] if len(first) == 2 else "") + _CUT + last
