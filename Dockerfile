# The worker, and every other command of VeriFrame. docs/containers.md says how to start it.
FROM debian:12.12-slim

WORKDIR /opt/veriframe
COPY tools/install-debian tools/
RUN tools/install-debian && rm -rf /var/lib/apt/lists/*

# What changes seldom comes first: Blender is 350 MB, and is fetched anew only where the pins change.
COPY LICENSE README.md pyproject.toml requirements.txt ./
COPY tools/setup tools/
COPY src/veriframe/__init__.py src/veriframe/
RUN tools/setup && rm -rf /root/.cache
COPY src src

# Not root: the walls round Blender need no privileges, and the worker has none to lose.
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/veriframe veriframe \
    && install -d -o veriframe -g veriframe -m 0700 /var/lib/veriframe
USER 10001
ENV VERIFRAME_HOME=/var/lib/veriframe
VOLUME /var/lib/veriframe
WORKDIR /var/lib/veriframe

ENTRYPOINT ["/opt/veriframe/.venv/bin/veriframe"]
CMD ["worker"]
