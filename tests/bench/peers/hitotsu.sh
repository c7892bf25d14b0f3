#!/bin/bash
# Our agent and gateway as a peer of another bench of the same shape: `gw_up`, `cl_up`, `down`, `host`, `proto`.
# $BENCH_LIB is that bench's lib.sh, or the folder that it lies in; $HITOTSU_BIN the folder of our programs.
BENCH_LIB=${BENCH_LIB:?is to be the lib.sh of the bench}
[ -d "$BENCH_LIB" ] && BENCH_LIB=$BENCH_LIB/lib.sh
. "$BENCH_LIB"
HITOTSU_BIN=${HITOTSU_BIN:-$(dirname "$(readlink -f "$0")")/../../../target/release}
PROTO=l4; H=127.0.0.1; D=$RUN/hitotsu
GATEWAY=10.99.1.2; SERVER=10.99.2.1; TCP="5201 8080 7001"; UDP="5201 7002"

# One resource with every port of the bench's systems, open to one person whose device runs nothing forbidden.
bundle() {
  local policy=$D/org/policy ports
  rm -rf "$policy"; mkdir -p "$policy/rules"
  ports=$(for port in $TCP; do printf '"tcp/%s", ' $port; done; for port in $UDP; do printf '"udp/%s", ' $port; done)
  cat >"$policy/bundle.toml" <<END
org = "bench.example"
name = "bench"
utc_offset = "+09:00"
evidence_max_age_seconds = 600
forbidden_software = ["winny"]
END
  cat >"$policy/places.toml" <<END
[[place]]
id = "home"
title_ja = "自宅"
title_en = "Home"
kind = "home"
default = true
END
  printf '[[group]]\nid = "staff"\ntitle = "staff"\n\n[[person]]\nid = "p-1"\ngroups = ["staff"]\n' >"$policy/people.toml"
  cat >"$policy/resources.toml" <<END
[[resource]]
id = "systems"
title_ja = "systems"
title_en = "systems"
tier = "tier3"
hosts = ["systems.bench.internal"]
prefixes = ["$SERVER/32"]
ports = [${ports%, }]
END
  printf '[[host]]\nname = "systems.bench.internal"\naddresses = ["%s"]\n' $SERVER >"$policy/hosts.toml"
  cat >"$policy/floor.cedar" <<END
@id("forbidden-software")
@code("forbidden-software")
forbid (principal, action, resource)
when { context.profile == "device" }
unless { context has forbidden_software && context.forbidden_software.isEmpty() };
END
  cat >"$policy/rules/bench.cedar" <<END
@id("systems")
permit (principal in Group::"staff", action == Action::"connect", resource == Resource::"systems");
END
}

forward() { printf '[[forward]]\nlisten = "127.0.0.1:%s"\nto = "systems.bench.internal:%s"\ntransport = "%s"\n' $1 $1 $2; }

agent() { $C "$HITOTSU_BIN/hitotsu" --json --state-dir "$D/agent" "$@"; }

gw_up() {
  rm -rf "$D"; mkdir -p "$D"; mkdir -m 700 "$D/agent"
  $G "$HITOTSU_BIN/hitotsu-gateway" init --name $GATEWAY --org bench.example --listen $GATEWAY:8443 --metrics 127.0.0.1:9464 \
    --dir "$D/org" --json >>"$RUN/$PEER.init.log" 2>&1 || return
  bundle
  bg gw env RUST_LOG=warn $G "$HITOTSU_BIN/hitotsu-gateway" serve --json --config "$D/org/gateway.toml"
  # 8443 is 0x20FB, and 0A is a socket that listens.
  for try in $(seq 500); do $G grep -q ':20FB .* 0A ' /proc/net/tcp && break; sleep 0.01; done
  { printf '[listen]\nsocks5 = "off"\nhttp = "off"\n\n'; for port in $TCP; do forward $port tcp; done; for port in $UDP; do forward $port udp; done; } >"$D/agent/agent.toml"
  local code
  code=$($G "$HITOTSU_BIN/hitotsu-gateway" enrol-code --person p-1 --ownership issued --json --config "$D/org/gateway.toml" |
    sed -n 's/.*"code" *: *"\([^"]*\)".*/\1/p')
  agent enrol "$code" >>"$RUN/$PEER.init.log" 2>&1
}

# Not through `agent`: the process that is started must be the agent itself.
cl_up() { bg cl $C "$HITOTSU_BIN/hitotsu" --json --state-dir "$D/agent" run; }

dispatch "$@"
