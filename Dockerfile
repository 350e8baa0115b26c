# Two images from one file: `service` has the API and the workers, `trainer` has the trainer's environment besides.
# Each environment is a folder of its own: their packages cannot live in one.

FROM python:3.11-slim AS service
ENV PYTHONUNBUFFERED=1 LATTICEFORGE_HOME=/data PATH=/opt/latticeforge/.venv/bin:$PATH
WORKDIR /opt/latticeforge
COPY pyproject.toml README.md ./
COPY constraints constraints
COPY orchestrator orchestrator
COPY workers workers
COPY api api
COPY migrations migrations
COPY recipes recipes
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir -q -c constraints/service.txt -e . \
    && mkdir -m 0700 /data
VOLUME /data
EXPOSE 8000

FROM service AS trainer
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && /usr/local/bin/python -m venv .trainer \
    && .trainer/bin/pip install --no-cache-dir -q -c constraints/trainer.txt torch==2.13.0 \
    && .trainer/bin/pip install --no-cache-dir -q -c constraints/trainer.txt axolotl==0.19.0 galore_torch
