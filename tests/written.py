"""What a log has written, once its writer's thread has come that far."""

import io
import logging


class Written(io.StringIO):
    """In place of standard error."""

    def getvalue(self) -> str:
        """All of it, the last line included."""
        for handler in logging.getLogger().handlers:
            handler.flush()
        return super().getvalue()
