# The worker and all other commands of VeriFrame. docs/containers.md explains how to start it.
FROM debian:12.12-slim

WORKDIR /opt/veriframe
COPY tools/install-debian tools/
RUN tools/install-debian && rm -rf /var/lib/apt/lists/*

# Rarely changed layers come first: Blender is 350 MB and is only downloaded again if the pins change.
COPY LICENSE README.md pyproject.toml requirements.txt ./
COPY tools/setup tools/
COPY src/veriframe/__init__.py src/veriframe/
RUN tools/setup && rm -rf /root/.cache
COPY src src

# Not root: neither the sandbox nor the worker needs privileges.
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/veriframe veriframe \
    && install -d -o veriframe -g veriframe -m 0700 /var/lib/veriframe
USER 10001
ENV VERIFRAME_HOME=/var/lib/veriframe
VOLUME /var/lib/veriframe
WORKDIR /var/lib/veriframe

ENTRYPOINT ["/opt/veriframe/.venv/bin/veriframe"]
CMD ["worker"]
