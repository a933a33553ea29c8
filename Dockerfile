# Halligan's one binary on a small Debian. Build: docker build -t halligan .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package halligan --bin halligan \
    && install -D target/release/halligan /out/halligan

FROM debian:bookworm-slim
# The certificates are for TLS to AWS and the incident tool.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --uid 10001 --create-home --home-dir /var/lib/halligan halligan
COPY --from=build /out/halligan /usr/local/bin/halligan
USER 10001
WORKDIR /var/lib/halligan
EXPOSE 8080
ENTRYPOINT ["halligan"]
CMD ["serve", "--config", "/etc/halligan/halligan.toml"]
