# One image for all services: `docker run IMAGE ingest`, `… router`, and every other command.
# What it is made of is locked with hashes (requirements-image.txt, requirements-build.txt).
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
COPY requirements-image.txt requirements-build.txt ./
RUN python -m venv /opt/hookstream \
 && /opt/hookstream/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-image.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY libs libs
COPY services services
RUN /opt/build/bin/hatchling build --target wheel --directory /dist \
 && /opt/hookstream/bin/pip install --no-cache-dir --no-index --no-deps /dist/*.whl \
 && /opt/hookstream/bin/pip uninstall --yes pip setuptools \
 && python -m compileall -q /opt/hookstream/lib

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="hookstream" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN python -m pip uninstall --yes pip setuptools wheel \
 && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hookstream
COPY --from=build /opt/hookstream /opt/hookstream
ENV PATH=/opt/hookstream/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8800 8801 8802
ENTRYPOINT ["hookstream"]
CMD ["--help"]
