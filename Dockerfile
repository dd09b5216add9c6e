# One target per process: docker build --target gateway --tag parley/gateway .
#
# api, gateway, worker   the servers; port 8080 is public, 9090 is for health checks and metrics (keep that one private)
# migrate                brings the schema up to date and exits
# web                    serves the web client's files
#
# Each image contains Node, the C libraries it links to, the packages that the process imports in production, and the
# TypeScript sources, which Node runs directly. No shell, no package manager; it runs as user 1000 and writes nothing.

ARG NODE_IMAGE=node:26-bookworm-slim

FROM ${NODE_IMAGE} AS sources
WORKDIR /app
COPY . .

FROM sources AS server-sources
RUN rm -rf packages/bench packages/chaos packages/client packages/testkit

# Only the manifests and patches, so that packages are reinstalled only when one of these changes.
FROM sources AS manifests
RUN find . -type f ! -name package.json ! -name pnpm-lock.yaml ! -name pnpm-workspace.yaml ! -name "*.patch" -delete \
  && find . -type d -empty -delete

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
ENV CI=true
COPY --from=manifests /app ./
RUN npm install --global --no-audit --no-fund "$(node -p 'require("./package.json").packageManager')"
# Fill pnpm's store once with the packages of all targets.
RUN pnpm install --prod --frozen-lockfile --reporter=append-only \
  --filter-prod @parley/api... --filter-prod @parley/gateway... --filter-prod @parley/worker... --filter-prod @parley/db...

# The packages of each target, linked from the store.
FROM packages AS api-packages
RUN rm -rf node_modules */*/node_modules && pnpm install --offline --prod --frozen-lockfile --filter-prod @parley/api...

FROM packages AS gateway-packages
RUN rm -rf node_modules */*/node_modules && pnpm install --offline --prod --frozen-lockfile --filter-prod @parley/gateway...

FROM packages AS worker-packages
RUN rm -rf node_modules */*/node_modules && pnpm install --offline --prod --frozen-lockfile --filter-prod @parley/worker...

FROM packages AS migrate-packages
RUN rm -rf node_modules */*/node_modules && pnpm install --offline --prod --frozen-lockfile --filter-prod @parley/db...

# The parts of the system that Node needs, and the C++ libraries that precompiled packages need (sharp).
FROM ${NODE_IMAGE} AS system
RUN set -eu; mkdir -p /system/etc /system/tmp /system/usr/local/bin; chmod 1777 /system/tmp; \
  cp /usr/local/bin/node /system/usr/local/bin/; \
  { ldd /usr/local/bin/node | grep -o '/[^ ]*'; ldconfig -p | grep -oE '/[^ ]*/lib(stdc\+\+\.so\.6|gcc_s\.so\.1|m\.so\.6|rt\.so\.1|resolv\.so\.2|pthread\.so\.0|dl\.so\.2)$'; } \
  | sort -u | xargs cp --dereference --parents --target-directory=/system; \
  cp /etc/nsswitch.conf /system/etc/ 2>/dev/null || echo 'hosts: files dns' > /system/etc/nsswitch.conf; \
  echo 'node:x:1000:1000::/tmp:/nonexistent' > /system/etc/passwd; \
  echo 'node:x:1000:' > /system/etc/group

FROM scratch AS runtime
COPY --from=system /system /
WORKDIR /app
ENV PATH=/usr/local/bin NODE_ENV=production HOST=0.0.0.0 PORT=8080 ADMIN_PORT=9090
COPY infra/docker/healthcheck.mjs infra/docker/
USER 1000:1000
# Node runs as PID 1: it handles SIGTERM and SIGINT itself and starts no child processes.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node"]

FROM runtime AS server
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=4s --start-period=90s CMD ["node", "/app/infra/docker/healthcheck.mjs", "live"]

FROM server AS api
COPY --from=api-packages /app ./
COPY --from=server-sources /app/packages packages
COPY apps/api apps/api
CMD ["apps/api/src/main.ts"]

FROM server AS gateway
COPY --from=gateway-packages /app ./
COPY --from=server-sources /app/packages packages
COPY apps/gateway apps/gateway
CMD ["apps/gateway/src/main.ts"]

FROM server AS worker
COPY --from=worker-packages /app ./
COPY --from=server-sources /app/packages packages
COPY apps/worker apps/worker
CMD ["apps/worker/src/main.ts"]

FROM runtime AS migrate
COPY --from=migrate-packages /app ./
COPY packages/protocol packages/protocol
COPY packages/db packages/db
HEALTHCHECK NONE
CMD ["packages/db/src/migrate.ts"]

FROM packages AS static-packages
RUN rm -rf node_modules */*/node_modules && pnpm install --prod --frozen-lockfile --filter-prod @parley/static...

FROM packages AS web-build
RUN pnpm install --frozen-lockfile --reporter=append-only --filter @parley/web...
COPY --from=sources /app ./
RUN pnpm --filter @parley/web build

FROM server AS web
COPY --from=static-packages /app ./
COPY packages/runtime packages/runtime
COPY packages/protocol packages/protocol
COPY infra/static infra/static
COPY --from=web-build /app/apps/web/dist apps/web/dist
CMD ["infra/static/src/main.ts"]
