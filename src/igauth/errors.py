"""Every code that igauth answers or logs, once: code, status, title, what to do about it.

    IgAuthError
    ├── LoginFailure                  ends a login: a redirect with `error=code` (contract §3)
    │   ├── AccessDenied  StateMissing  StateMismatch  StateExpired  StateUsed
    │   └── CodeRejected  TokenNotOurs  AccountSwitched  AppAccessMissing  NotProfessional
    ├── ServiceMisconfigured  FacebookRefused  FacebookUnavailable  FacebookTimeout
    │   FacebookRateLimited           what Facebook did to us; at login and elsewhere
    ├── PermissionMissing  ReconnectRequired  CheckpointRequired
    │                                 what is wrong with a person's connection
    ├── InvalidRequest  ReturnToNotAllowed  NotANavigation  BadSignedRequest  NotFound
    │   MethodNotAllowed  PayloadTooLarge  CursorExpired  UnsupportedMediaType  RateLimited
    │   CsrfFailed  NotAuthenticated  MetricsTokenRequired
    │                                 what is wrong with the request
    ├── ServiceKeyInvalid  KeyInUrl  ScopeMissing  NotForBrowsers  WrongUser
    │   ConnectCodeInvalid  ConnectSessionExpired  HandoffInvalid
    │                                 what is wrong with a backend's request (contract §11)
    └── DatabaseUnavailable  Overloaded  NotReady  ServerError
                                      what is wrong with us

The class fixes the public part (RFC 9457 members); the private cause travels as `__cause__`.
"""

from typing import ClassVar

from igauth.domain import Action, ActionKind, Provider


class IgAuthError(Exception):
    """A refusal or failure with a public face.

    `detail` is a sentence for people, without secrets or foreign text. `retry_after` is in
    seconds. `action` takes the place of the class's own, `action_url` completes it.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    detail: ClassVar[str]
    retryable: ClassVar[bool] = False
    action: ClassVar[ActionKind | None] = None
    wait_seconds: ClassVar[int | None] = None
    bearer: ClassVar[bool] = False
    """Whether a Bearer token was wanted (RFC 6750 §3); on a 401 alone."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after: int | None = None,
        action: ActionKind | None = None,
        action_url: str | None = None,
    ) -> None:
        self.public_detail = detail or self.detail
        self.retry_after = self.wait_seconds if retry_after is None else retry_after
        self.action_kind = action or self.action
        self.action_url = action_url
        super().__init__(f"{self.code}: {self.public_detail}")

    def way_out(self, default_url: str | None = None) -> Action | None:
        """What the person can do, with the link that was given at the raising site."""
        if self.action_kind is None:
            return None
        return Action(self.action_kind, self.action_url or default_url)


class LoginFailure(IgAuthError):
    """A login that can't be completed, by its own fault and not by an outage."""

    status = 400
    action = ActionKind.LOGIN


class AccessDenied(LoginFailure):
    code = "access_denied"
    title = "Access was refused"
    detail = "You did not allow the access at Facebook. Nothing was changed."


class StateMissing(LoginFailure):
    code = "state_missing"
    title = "The login answer is incomplete"
    detail = "The answer from Facebook carries no usable state. Please start the login again."


class StateMismatch(LoginFailure):
    code = "state_mismatch"
    title = "This login was not started here"
    detail = (
        "This browser did not start this login, or its cookie was lost. "
        "Please start the login again in this browser, with cookies allowed."
    )


class StateExpired(LoginFailure):
    code = "state_expired"
    title = "The login took too long"
    detail = "More than 15 minutes passed since the login was started. Please start it again."


class StateUsed(LoginFailure):
    code = "state_used"
    title = "This login was already used"
    detail = "This login was already completed or ended. Please start a new one."


class CodeRejected(LoginFailure):
    code = "code_rejected"
    title = "Facebook rejected the login code"
    detail = "The code from Facebook was used, expired or garbled. Please start the login again."


class TokenNotOurs(LoginFailure):
    code = "token_not_ours"
    status = 409
    title = "The access token is not ours"
    detail = "Facebook does not confirm that this login belongs to this app and this person."


class AccountSwitched(LoginFailure):
    code = "account_switched"
    status = 409
    title = "Another Facebook account was used"
    detail = (
        "The login ended as another Facebook person than the one to reconnect. "
        "Nothing was changed; log in at Facebook with the account that you want to reconnect."
    )


class AppAccessMissing(LoginFailure):
    code = "app_access_missing"
    status = 502
    title = "This app may not use the account"
    detail = (
        "Instagram does not let this app use the account: it has no role on the app, or the app "
        "is not approved yet. The service's operator has to mend this."
    )
    action = ActionKind.CONTACT_OPERATOR


class NotProfessional(LoginFailure):
    code = "not_professional"
    status = 409
    title = "The account is not a professional one"
    detail = (
        "Only Instagram professional accounts can be connected. Switch the account to a business "
        "or creator account in the Instagram app, then log in again."
    )
    action = ActionKind.VISIT_INSTAGRAM


class ServiceMisconfigured(IgAuthError):
    code = "service_misconfigured"
    status = 502
    title = "The service is not set up correctly at Facebook"
    detail = "Facebook refused this service's own settings. Its operator has to mend them."
    action = ActionKind.CONTACT_OPERATOR


class FacebookRefused(IgAuthError):
    code = "facebook_error"
    status = 502
    title = "Facebook refused the request"
    detail = "Facebook refused the request for a reason that a repeat will not change."
    action = ActionKind.CONTACT_OPERATOR


class FacebookUnavailable(IgAuthError):
    code = "facebook_unavailable"
    status = 503
    title = "Facebook is not reachable"
    detail = "Facebook did not answer, or not readably. Please try again in a moment."
    retryable = True
    action = ActionKind.WAIT


class FacebookTimeout(IgAuthError):
    code = "facebook_timeout"
    status = 504
    title = "Facebook did not answer in time"
    detail = "Facebook took too long to answer. Please try again in a moment."
    retryable = True
    action = ActionKind.WAIT


class FacebookRateLimited(IgAuthError):
    code = "facebook_rate_limited"
    status = 503
    title = "Facebook asks us to wait"
    detail = "Facebook limits how often we may ask. Please try again later."
    retryable = True
    action = ActionKind.WAIT


class PermissionMissing(IgAuthError):
    code = "permission_missing"
    status = 403
    title = "A permission is missing"
    detail = "A permission that is needed for this was not granted at Facebook."
    action = ActionKind.GRANT_PERMISSIONS


class ReconnectRequired(IgAuthError):
    code = "reconnect_required"
    status = 409
    title = "The Facebook connection has ended"
    detail = "The access that you gave at Facebook has ended. Please log in with Facebook again."
    action = ActionKind.RECONNECT


class CheckpointRequired(IgAuthError):
    code = "checkpoint_required"
    status = 409
    title = "Meta wants to check something with you"
    detail = "Facebook asks you to confirm something on facebook.com first; then this works again."
    action = ActionKind.VISIT_FACEBOOK

    @classmethod
    def at(cls, provider: Provider) -> "CheckpointRequired":
        """The refusal behind this door."""
        if provider is Provider.FACEBOOK:
            return cls(action_url="https://www.facebook.com/")
        return cls(
            "Instagram asks you to confirm something in its app first; then this works again.",
            action=ActionKind.VISIT_INSTAGRAM,
            action_url="https://www.instagram.com/",
        )

    @classmethod
    def by_the_operator(cls) -> "CheckpointRequired":
        """The refusal where it is the app's access to the account that went (contract §10)."""
        return cls(
            "Instagram no longer lets this app use the account. The service's operator has to "
            "mend this; then it works again.",
            action=ActionKind.CONTACT_OPERATOR,
        )


class InvalidRequest(IgAuthError):
    code = "invalid_request"
    status = 422
    title = "The request is not valid"
    detail = "A part of the request has a value that is not allowed."


class ReturnToNotAllowed(IgAuthError):
    code = "return_to_not_allowed"
    status = 400
    title = "return_to is not allowed"
    detail = (
        "return_to must be a path, or a URL whose origin is this service's or one of "
        "ALLOWED_ORIGINS, of at most 1,500 characters, and must not carry error, "
        "error_description or request_id."
    )


class NotANavigation(IgAuthError):
    code = "not_a_navigation"
    status = 403
    title = "A login starts with a page navigation"
    detail = "Send the browser itself to this address (a link or location change), not a fetch."


class BadSignedRequest(IgAuthError):
    code = "bad_signed_request"
    status = 400
    title = "The signed_request is not valid"
    detail = "The form has no signed_request that is signed by this app's secret and well formed."


class NotFound(IgAuthError):
    code = "not_found"
    status = 404
    title = "Not found"
    detail = "There is nothing at this address."


class MethodNotAllowed(IgAuthError):
    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"
    detail = "This address does not answer to this HTTP method."


class PayloadTooLarge(IgAuthError):
    code = "payload_too_large"
    status = 413
    title = "The request body is too large"
    detail = "Request bodies may be 16 kB at most."


class CursorExpired(IgAuthError):
    code = "cursor_expired"
    status = 410
    title = "The cursor is older than what is kept"
    detail = (
        "Events are kept for 30 days; some that came after this cursor are gone. "
        "Read the connections anew, then the feed without a cursor."
    )


class UnsupportedMediaType(IgAuthError):
    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"
    detail = "Send this as application/x-www-form-urlencoded."


class RateLimited(IgAuthError):
    code = "rate_limited"
    status = 429
    title = "Too many requests"
    detail = "Too many requests of this kind in a short time. Please wait."
    retryable = True
    action = ActionKind.WAIT


class CsrfFailed(IgAuthError):
    code = "csrf_failed"
    status = 403
    title = "The request comes from an origin that is not allowed"
    detail = "Requests that change something must come from this service's or an allowed origin."


class NotAuthenticated(IgAuthError):
    code = "not_authenticated"
    status = 401
    title = "Not logged in"
    detail = "There is no igauth session. Please log in."
    action = ActionKind.LOGIN


class MetricsTokenRequired(IgAuthError):
    code = "metrics_token_required"
    status = 401
    bearer = True
    title = "The metrics token is missing"
    detail = "Send METRICS_TOKEN as a Bearer token."


class ServiceKeyInvalid(IgAuthError):
    code = "service_key_invalid"
    status = 401
    bearer = True
    title = "The service key is not valid"
    detail = "Send a live service key as a Bearer token. Nothing more is told about this one."


class KeyInUrl(IgAuthError):
    code = "key_in_url"
    status = 400
    title = "A service key belongs into the Authorization header alone"
    detail = (
        "A service key stood in the address, the body or a cookie, where others can read it. "
        "Rotate it, and send it as `Authorization: Bearer`."
    )


class ScopeMissing(IgAuthError):
    code = "scope_missing"
    status = 403
    title = "The service key lacks a scope"
    detail = "This service key was not made for this."
    action = ActionKind.CONTACT_OPERATOR


class NotForBrowsers(IgAuthError):
    code = "not_for_browsers"
    status = 403
    title = "This part is for servers only"
    detail = "Requests from web pages are refused here. Call this from your own server."


class WrongUser(IgAuthError):
    code = "wrong_user"
    status = 409
    title = "Another user began this"
    detail = (
        "The connect session belongs to another of your users than the one who came back. "
        "Nothing was exchanged; the link may have been forwarded. Start again for this user."
    )


class ConnectCodeInvalid(IgAuthError):
    code = "connect_code_invalid"
    status = 400
    title = "The connect code is not valid"
    detail = "This connect session has no such code. Nothing was changed."


class ConnectSessionExpired(IgAuthError):
    code = "connect_session_expired"
    status = 410
    title = "This connect link has ended"
    detail = "The link was used, has expired or never was. Go back and start again there."


class HandoffInvalid(IgAuthError):
    code = "handoff_invalid"
    status = 400
    title = "The hand-off code is not valid"
    detail = "The code was used before, has expired or never was."


class DatabaseUnavailable(IgAuthError):
    code = "database_unavailable"
    status = 503
    title = "The database is not reachable"
    detail = "The service's database does not answer. Please try again in a moment."
    retryable = True
    action = ActionKind.WAIT


class Overloaded(IgAuthError):
    code = "overloaded"
    status = 503
    title = "The service is overloaded"
    wait_seconds = 2
    detail = "More requests wait here than can be served. Please try again in a moment."
    retryable = True
    action = ActionKind.WAIT


class NotReady(IgAuthError):
    code = "not_ready"
    status = 503
    title = "The service is not ready"
    detail = "The database is not at the version of this program, or the keys do not match it."
    retryable = True
    action = ActionKind.CONTACT_OPERATOR


class ServerError(IgAuthError):
    code = "server_error"
    status = 500
    title = "Something went wrong"
    detail = "An unexpected error happened. It was logged under the request id."
    retryable = True
    action = ActionKind.CONTACT_OPERATOR


NOT_KEPT = (DatabaseUnavailable, Overloaded, NotReady)
"""Why the database keeps nothing at the moment; what can be done later, or without it, goes on."""

LISTING_TRUNCATED = "listing_truncated"
"""Warning of a listing alone, never an answer's code: a bound ended the walk (contract §6)."""

WARNING_CODES = (
    *(
        error.code
        for error in (
            PermissionMissing,
            ReconnectRequired,
            CheckpointRequired,
            FacebookRefused,
            FacebookUnavailable,
            FacebookTimeout,
            FacebookRateLimited,
            ServiceMisconfigured,
            AppAccessMissing,
        )
    ),
    LISTING_TRUNCATED,
)
"""What can keep a listing from being whole: the codes of `meta.warnings`."""


def all_errors() -> tuple[type[IgAuthError], ...]:
    """Every error class that has a code, in the order of this file."""
    return tuple(
        value
        for value in globals().values()
        if isinstance(value, type) and issubclass(value, IgAuthError) and hasattr(value, "code")
    )


def error_of(code: str) -> IgAuthError:
    """The error of a code that was kept; ServerError for a code that isn't known any more."""
    kinds = {kind.code: kind for kind in all_errors()}
    return kinds.get(code, ServerError)()
