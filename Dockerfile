# syntax=docker/dockerfile:1

# --- the environment, made from the lock file
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/tracker
ENV PATH=/opt/tracker/bin:$PATH
WORKDIR /src
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY sql sql
COPY carriers carriers
COPY notifications notifications
COPY tracker tracker
# What only builds does not travel on.
RUN pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes hatchling editables trove-classifiers pip

# --- the service
FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --user-group --shell /usr/sbin/nologin \
    --home-dir /var/lib/tracker --create-home --skel /dev/null tracker
COPY --from=build /opt/tracker /opt/tracker
ENV PATH=/opt/tracker/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TRACKER_LISTEN=0.0.0.0:8080 \
    TRACKER_DATA_DIRECTORY=/var/lib/tracker/data
USER tracker
WORKDIR /var/lib/tracker
VOLUME /var/lib/tracker
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["tracker"]
CMD ["serve"]
