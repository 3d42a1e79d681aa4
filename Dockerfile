# The importer's image: `docker build -t contacts-importer .`; docs/deploy.md says how to run it.
# One image for all: `contacts-importer web` (the default), `worker`, `migrate`, `once`, `sweep`.

FROM python:3.12-slim-bookworm AS packages
COPY requirements.txt /tmp/requirements.txt
RUN python3 -m venv /opt/importer \
    && /opt/importer/bin/python -m pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt \
    && /opt/importer/bin/python -m pip uninstall --yes pip

FROM python:3.12-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Contacts importer" \
      org.opencontainers.image.description="Streams contacts of any size into Postgres, exactly once, through Supabase" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Numbers, so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 importer \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin importer
COPY --from=packages /opt/importer /opt/importer
WORKDIR /app
COPY LICENSE contacts-importer ./
COPY config/ config/
COPY core/ core/
COPY deploy/ deploy/
COPY service/ service/
COPY supabase/migrations/ supabase/migrations/
COPY tasks/ tasks/
# Compiled here, since the root file system may be read-only later.
RUN /opt/importer/bin/python -m compileall -q /app \
    && ln -s /app/contacts-importer /usr/local/bin/contacts-importer

# A container is reached from outside, so HOST is not the loopback address, and ALLOWED_HOSTS must be set.
ENV VIRTUAL_ENV=/opt/importer \
    PATH=/opt/importer/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000
USER 10001:10001
EXPOSE 8000 9191
STOPSIGNAL SIGTERM
# Of `web`; for a worker it is `contacts-importer health worker`.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["contacts-importer", "health", "web"]
ENTRYPOINT ["contacts-importer"]
CMD ["web"]
