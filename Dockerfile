# The worker and all other commands of VeriFrame. docs/containers.md explains how to start it.
FROM debian:12.12-slim AS base

WORKDIR /opt/veriframe
COPY tools/install-debian tools/
RUN tools/install-debian --run && rm -rf /var/lib/apt/lists/*

FROM base AS build

# Rarely changed layers come first: Blender is 350 MB and is only downloaded again if the pins change.
COPY LICENSE README.md pyproject.toml requirements.txt ./
COPY tools/setup tools/slim tools/
COPY src/veriframe/__init__.py src/veriframe/
RUN tools/setup && tools/slim
COPY src src
RUN .venv/bin/python -m compileall -q src

# What runs has no installer, no compiler and no caches.
FROM base
COPY --from=build /opt/veriframe /opt/veriframe

# Not root: neither the sandbox nor the worker needs privileges.
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/veriframe veriframe \
    && install -d -o veriframe -g veriframe -m 0700 /var/lib/veriframe
USER 10001
ENV VERIFRAME_HOME=/var/lib/veriframe
VOLUME /var/lib/veriframe
WORKDIR /var/lib/veriframe

ENTRYPOINT ["/opt/veriframe/.venv/bin/veriframe"]
CMD ["worker"]
