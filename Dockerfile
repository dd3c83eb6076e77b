# The image of igauth: one process, no shell needed, root file system may be read-only.
#
#   docker build -t igauth .
#   docker run --rm igauth keys new
#
# The steps of its first stage, replayed without an engine: make replay
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /venv
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN pip --python /venv/bin/python install --no-compile --only-binary :all: --require-hashes -r requirements.txt \
 && pip install --only-binary :all: --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY alembic alembic
COPY src src
# Byte code that is never checked against its source: nothing is ever written at run time.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && pip --python /venv/bin/python install --no-compile --no-deps --no-index /wheels/igauth-*.whl \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="igauth" \
      org.opencontainers.image.description="Connects people's Instagram professional accounts to an application." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
# /run/secrets: files named like settings. /data: where an SQLite file may live. Both are mounted over.
RUN groupadd --gid 10001 igauth \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin igauth \
 && install -d -o 10001 -g 10001 -m 0700 /run/secrets /data
COPY --from=build /venv /venv
ENV PATH="/venv/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s --start-interval=3s --retries=3 \
    CMD ["igauth", "healthcheck"]
ENTRYPOINT ["igauth"]
CMD ["serve", "--host", "0.0.0.0"]
