# Stands in for the image of an IPFS node that compose.yaml names: the same arguments, folder and ports.
FROM debian:12.12-slim
COPY ipfs /usr/local/bin/
ENV IPFS_PATH=/data/ipfs
VOLUME /data/ipfs
ENTRYPOINT ["/bin/sh", "-c", "[ -e $IPFS_PATH/config ] || { ipfs init --profile=test && ipfs config Addresses.API /ip4/0.0.0.0/tcp/5001 && ipfs config --json Bootstrap '[]' && ipfs config Routing.Type none && ipfs config --json AutoConf.Enabled false; }; exec ipfs \"$@\"", "ipfs"]
CMD ["daemon"]
