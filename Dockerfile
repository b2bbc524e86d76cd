# The image of the agent: built on Debian, run without a shell. One package list: setup/packages.
FROM docker.io/library/debian:bookworm-slim AS build
COPY setup /src/setup
RUN /src/setup/install build
COPY . /src
WORKDIR /src
RUN cmake --preset release && cmake --build build/release --target nodekeep
# The binary and exactly the libraries it needs, at the paths that its loader searches.
RUN strip build/release/nodekeep \
 && mkdir -p /image/usr/bin /image/run/nodekeep /image/etc/nodekeep /image/tmp \
 && cp build/release/nodekeep /image/usr/bin/ \
 && ldd build/release/nodekeep | awk '/=> \//{print $3} /^\t\/lib/{print $1}' \
    | while read -r library; do mkdir -p "/image$(dirname "$library")" && cp -L "$library" "/image$library"; done \
 && mkdir -p /image/etc/ssl/certs && cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && echo 'root:x:0:0::/:/sbin/nologin' > /image/etc/passwd

FROM scratch
COPY --from=build /image /
ENTRYPOINT ["/usr/bin/nodekeep"]
CMD ["run"]
