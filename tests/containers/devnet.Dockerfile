# Stands in for the image of a StarkNet devnet that compose.yaml names: the same arguments and port.
FROM debian:12.12-slim
COPY starknet-devnet /usr/local/bin/
ENTRYPOINT ["starknet-devnet", "--host", "0.0.0.0"]
