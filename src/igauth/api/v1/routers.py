"""The routes of `/v1`, in the order of the contract (§11)."""

from igauth.api.v1 import connect, reading, service_keys

ROUTERS = (service_keys.router, connect.router, reading.router)
