"""The routes of `/v1`, in the order of the contract (§11)."""

from igauth.api.v1 import connect, events, reading, service_keys

ROUTERS = (service_keys.router, connect.router, reading.router, events.router)
