"""What follows from what Meta said: states, problems, ends of a login (contract §3, §5, §7)."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from igauth.domain import ActionKind, ConnectionCause, ConnectionStatus
from igauth.meta.errors import (
    ErrorEnvelope,
    GraphError,
    GraphMalformed,
    GraphThrottled,
    GraphTimeout,
    GraphUnavailable,
    GraphUnreadable,
    Meaning,
)
from igauth.meta.meanings import refusal_of
from igauth.meta.verdicts import (
    VERDICTS,
    cause_of,
    ends_everything,
    log_failure,
    login_error,
    obstacle_of,
    public_error,
    status_of,
    warning_code,
)
from tests.meta.scripted import envelope


def refused(code: int | None, subcode: int | None = None, message: str = "") -> GraphError:
    return refusal_of("me", ErrorEnvelope.parse(envelope(code, subcode, message)), 400)


NO_ACCESS = refused(None, message="Insufficient developer role")
PERSONAL = refused(100, message="The user is not an Instagram Business")
BLOCKED = refused(200, message="API access blocked.")


def test_every_meaning_has_its_row() -> None:
    """One table: nothing is judged anywhere else."""
    assert VERDICTS.keys() == set(Meaning)


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        (refused(190), "reconnect_required", "session_invalid"),
        (refused(190, 463), "reconnect_required", "token_expired"),
        (refused(190, 460), "reconnect_required", "password_changed"),
        (refused(190, 493), "reconnect_required", "data_access_expired"),
        (refused(100, message="App_id in the input_token"), "reconnect_required", "not_ours"),
        (refused(190, 458), "revoked", "app_removed"),
        (refused(190, 459), "checkpoint_required", "checkpoint"),
        (refused(190, 464), "checkpoint_required", "unconfirmed_user"),
        (refused(190, 0, "log in to www.instagram.com and"), "checkpoint_required", "checkpoint"),
        (NO_ACCESS, "checkpoint_required", "app_access_missing"),
    ],
)
def test_states_and_causes(error: GraphError, status: str, cause: str) -> None:
    """Only an answer about this token changes a state (contract §7, graph-facts 10.2)."""
    assert (status_of(error), cause_of(error)) == (
        ConnectionStatus(status),
        ConnectionCause(cause),
    )
    assert ends_everything(error)


@pytest.mark.parametrize(
    "error",
    [
        BLOCKED,
        refused(101),
        refused(10),
        refused(200),
        refused(1),
        refused(4),
        refused(17),
        refused(100),
        refused(100, 33),
        refused(190, 2069032),
        refused(190, 492),
        refused(190, message="before impersonating a user's page"),
        refused(368, 1390008),
        refused(77777),
        GraphUnavailable("me", "x"),
        GraphTimeout("me", "x"),
        GraphMalformed("{page}", "x"),
    ],
)
def test_what_says_nothing_of_this_token(error: GraphError) -> None:
    """A Page's own 190, a blocked app, an outage leave every grant as it is (A18, A20, A22)."""
    assert status_of(error) is None
    assert cause_of(error) is None


@pytest.mark.parametrize(
    ("error", "code", "wait"),
    [
        (GraphThrottled("me", 720), "facebook_rate_limited", 720),
        (GraphTimeout("me", "x"), "facebook_timeout", 10),
        (GraphUnavailable("me", "x"), "facebook_unavailable", 10),
        (GraphUnreadable("me", "x"), "facebook_unavailable", 10),
        (refused(2), "facebook_unavailable", 10),
        (refused(190, 463), "reconnect_required", None),
        (refused(190, 458), "reconnect_required", None),
        (refused(190, 459), "checkpoint_required", None),
        (refused(10), "permission_missing", None),
        (NO_ACCESS, "checkpoint_required", None),
        (PERSONAL, "facebook_error", None),
        (BLOCKED, "service_misconfigured", None),
        (refused(101), "facebook_error", None),
        (refused(100), "facebook_error", None),
        (refused(368), "facebook_error", None),
    ],
)
def test_what_a_front_end_is_told(error: GraphError, code: str, wait: int | None) -> None:
    """Contract §5 and §6: one problem for each failure, with the wait where there is one."""
    problem = public_error(error)

    assert (problem.code, problem.retry_after) == (code, wait)


@pytest.mark.parametrize(
    ("error", "kind", "url"),
    [
        (refused(190, 459), ActionKind.VISIT_FACEBOOK, "https://www.facebook.com/"),
        (
            refused(190, message="till you log in to www.instagram.com"),
            ActionKind.VISIT_INSTAGRAM,
            "https://www.instagram.com/",
        ),
        (NO_ACCESS, ActionKind.CONTACT_OPERATOR, None),
    ],
)
def test_a_checkpoint_names_who_can_lift_it(
    error: GraphError, kind: ActionKind, url: str | None
) -> None:
    """The person there, or the operator (10.2; instagram-login-facts 4.4, 6.2)."""
    action = public_error(error).way_out()

    assert action is not None
    assert (action.kind, action.url) == (kind, url)


@pytest.mark.parametrize(
    ("error", "code", "wait"),
    [
        (GraphThrottled("me", 60), "facebook_rate_limited", 60),
        (GraphTimeout("me", "x"), "facebook_unavailable", 10),
        (GraphUnavailable("me", "x"), "facebook_unavailable", 10),
        (refused(1), "facebook_unavailable", 10),
        (refused(100, 36007), "code_rejected", None),
        (refused(100, 36008), "service_misconfigured", None),
        (NO_ACCESS, "app_access_missing", None),
        (PERSONAL, "not_professional", None),
        (refused(101), "service_misconfigured", None),
        (BLOCKED, "service_misconfigured", None),
        (refused(100, message="App_id in the input_token"), "token_not_ours", None),
        (refused(190, 460), "facebook_error", None),
        (refused(190, 459), "facebook_error", None),
        (refused(10), "facebook_error", None),
        (refused(368), "facebook_error", None),
        (refused(77777), "facebook_error", None),
    ],
)
def test_what_ends_a_login(error: GraphError, code: str, wait: int | None) -> None:
    """The table of contract §3; a throttle says how long to wait (B5)."""
    failure = login_error(error)

    assert (failure.code, failure.retry_after) == (code, wait)


@pytest.mark.parametrize(
    ("error", "obstacle"),
    [
        (refused(415, 1404120), "two_factor"),
        (refused(368, 4854002), "checkpoint"),
        (refused(100, 2207050), "restricted"),
        (refused(190, 492), "role_lost"),
        (refused(10), "permission"),
        (refused(200), "permission"),
        (refused(190, None, "before impersonating a user's page"), "permission"),
        (refused(100, 33), "not_visible"),
        (refused(803), "not_visible"),
        (refused(100), "refused"),
        (refused(190, 2069032), "refused"),
        (GraphMalformed("{page}", "x"), "malformed"),
        (refused(2), None),
        (GraphThrottled("{page}", 9), None),
        (GraphTimeout("{page}", "x"), None),
        (refused(101), None),
    ],
)
def test_what_keeps_one_node_from_being_read(error: GraphError, obstacle: str | None) -> None:
    """Graph-facts 7.9, 8.7: the word that picks the sentence; None speaks of the source."""
    assert obstacle_of(error) == obstacle


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GraphThrottled("x", 9), "facebook_rate_limited"),
        (GraphTimeout("x", "x"), "facebook_timeout"),
        (GraphUnavailable("x", "x"), "facebook_unavailable"),
        (refused(2), "facebook_unavailable"),
        (refused(10), "permission_missing"),
        (refused(101), "facebook_error"),
    ],
)
def test_warnings_of_sources(error: GraphError, code: str) -> None:
    """One vocabulary with the problems (contract §5)."""
    assert warning_code(error) == code


def test_a_blocked_app_ends_the_walk() -> None:
    """No other call of this app can succeed (graph-facts 10.2, A20)."""
    assert ends_everything(BLOCKED)
    assert not ends_everything(refused(200))
    assert not ends_everything(GraphUnavailable("me", "x"))


# -- the log


def logged(error: GraphError) -> dict[str, Any]:
    with capture_logs() as logs:
        log_failure(error)
    (entry,) = logs
    return dict(entry)


def test_a_failed_call_is_one_warning() -> None:
    """Endpoint, code, subcode and trace id: what Meta's support asks for (10.10, A17)."""
    assert logged(refused(190, 463, "Ada's token EAAsecret has expired")) == {
        "event": "graph.failed",
        "log_level": "warning",
        "endpoint": "me",
        "reason": "token_expired (code 190/463, HTTP 400, fbtrace_id Ainvented0001)",
        "graph_code": 190,
        "graph_subcode": 463,
        "fbtrace_id": "Ainvented0001",
    }


def test_a_call_without_answer_is_logged_alike() -> None:
    """A network fault has a reason of ours."""
    entry = logged(GraphUnavailable("debug_token", "not reached (ConnectError)"))

    assert (entry["endpoint"], entry["reason"]) == ("debug_token", "not reached (ConnectError)")
    assert entry["graph_code"] is None


@pytest.mark.parametrize("error", [BLOCKED, refused(101)])
def test_what_the_operator_must_mend_is_an_alarm(error: GraphError) -> None:
    """Our own settings, or Meta blocking the app (contract §3, §7)."""
    entry = logged(error)

    assert (entry["event"], entry["log_level"]) == ("facebook.misconfigured", "error")
    assert entry["endpoint"] == "me"
