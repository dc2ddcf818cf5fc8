# syntax=docker/dockerfile:1
# One image with both programs, /manager (the operator) and /collector, so that they are always of one version.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v0.1.0 --tag registry.example.com/flowfleet:v0.1.0 --push .

ARG GO_VERSION=1.26

# It runs on the builder's own platform, and compiles for the target's.
FROM --platform=$BUILDPLATFORM docker.io/library/golang:${GO_VERSION}-trixie AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY main.go ./
COPY api ./api
COPY collector ./collector
COPY controllers ./controllers
ARG TARGETOS=linux
ARG TARGETARCH=amd64
ARG VERSION=devel
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X github.com/flowfleet/flowfleet/collector/observe.version=${VERSION}" -o /out/manager . && \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X github.com/flowfleet/flowfleet/collector/observe.version=${VERSION}" -o /out/collector ./collector

# It has certificates of authorities, time zones and the user nonroot, and neither a shell nor libraries.
FROM gcr.io/distroless/static-debian13:nonroot
ARG VERSION=devel
LABEL org.opencontainers.image.title="Flowfleet" \
      org.opencontainers.image.description="Operator and collectors for NetFlow, IPFIX and sFlow" \
      org.opencontainers.image.source="https://github.com/flowfleet/flowfleet" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY LICENSE /licenses/LICENSE
COPY --from=build /out/manager /manager
COPY --from=build /out/collector /collector
USER 65532:65532
ENTRYPOINT ["/manager"]
