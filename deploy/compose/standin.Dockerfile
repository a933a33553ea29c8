# The stand-in of AWS, from the same hash-pinned file as the demo and the tests.

FROM python:3.13-slim-bookworm
COPY crates/halligan/src/standin/requirements.txt /requirements.txt
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: --requirement /requirements.txt \
    && useradd --system --user-group --uid 10001 --create-home --home-dir /var/lib/standin standin \
    # A named volume takes over the owner of the directory that it covers first.
    && install --directory --owner 10001 --mode 0700 /aws
USER 10001
WORKDIR /var/lib/standin
# Only the gateway: no listener of IoT (8883), none of SFTP, nothing kept.
ENV AUTH=true BIND_HOST=0.0.0.0 GATEWAY_PORT=4566 \
    IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 PERSIST_STATE=0 S3_PERSIST=0 STATE_DIR=/var/lib/standin/state
EXPOSE 4566
CMD ["ministack"]
