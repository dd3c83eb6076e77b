"""What a service key is good for, as its holder may ask (contract §11)."""

from fastapi import APIRouter

from igauth.api.documented import backend_problems
from igauth.api.v1.deps import KeyDep
from igauth.api.v1.schemas import ServiceKeyOut

router = APIRouter(tags=["backends"])


@router.get("/v1/service-key", summary="This service key", responses=backend_problems())
async def get_service_key(key: KeyDep) -> ServiceKeyOut:
    """The key's name, its scopes and its end; never the key."""
    return ServiceKeyOut(name=key.name, scopes=sorted(key.scopes), expires_at=key.ends_at)
