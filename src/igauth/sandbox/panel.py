"""What the HTML panel of `/_control/` shows."""

from igauth.sandbox.actions import SIMPLE_ACTIONS
from igauth.sandbox.callbacks import Callbacks
from igauth.sandbox.faults import ENDPOINTS
from igauth.sandbox.people import summarised
from igauth.sandbox.presets import PRESETS
from igauth.sandbox.state import State

_SHOWN_CALLS = 60


def panel_context(state: State, callbacks: Callbacks) -> dict[str, object]:
    """People, faults with what is left of them, the newest calls and callbacks first."""
    people = [
        summarised(state, state.world.person(casting.key)) for casting in state.world.castings
    ]
    calls = [call.public() for call in list(state.calls)[-_SHOWN_CALLS:]]
    return {
        "people": people,
        "actions": SIMPLE_ACTIONS,
        "faults": [(fault, state.faults.left(fault)) for fault in state.faults],
        "presets": sorted(PRESETS),
        "endpoints": ENDPOINTS,
        "calls": calls[::-1],
        "deliveries": list(callbacks.deliveries)[::-1][:10],
        "now": state.clock().isoformat(timespec="seconds").replace("+00:00", "Z"),
        "latency_seconds": state.latency_seconds,
    }
