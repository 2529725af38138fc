#!/usr/bin/env bash
# Builds the mesh's own programs from their Go modules, into a directory: build.sh DIRECTORY [PROGRAM...]. What is there already, of the versions
# pinned here, is kept. Cold, on two cores, it takes about eleven minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && bin=$(cd "$1" && pwd) && shift

# Which module builds what, and with which flags. A version is said where a program must know its own.
declare -A module=([etcd]=etcd [kube-apiserver]=kubernetes [kubectl]=kubernetes [pilot-discovery]=istio [pilot-agent]=istio [envoy-gateway]=envoy-gateway)
package() {
    case $1 in
        etcd) echo go.etcd.io/etcd/server/v3 ;;
        kube-apiserver | kubectl) echo "k8s.io/kubernetes/cmd/$1" ;;
        pilot-discovery | pilot-agent) echo "istio.io/istio/pilot/cmd/$1" ;;
        envoy-gateway) echo "github.com/envoyproxy/gateway/cmd/$1" ;;
    esac
}

# A module's version, as its go.mod has it.
version() { go list -m -f '{{.Version}}' "$1"; }

build() {
    cd "$here/${module[$1]}"
    local stamp="$bin/.$1" is
    is=$(cat go.mod "$here/build.sh" | sha256sum)
    [ -x "$bin/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$is" ] && return
    local since=$SECONDS flags=()
    case ${module[$1]} in
        # Without a version set, clients refuse the server.
        kubernetes)
            local v=k8s.io/component-base/version
            flags=(-ldflags "-s -w -X $v.gitVersion=$(version k8s.io/kubernetes) -X $v.gitMajor=1 -X $v.gitMinor=36") ;;
        # The agent's version is what a patch's `proxyVersion` is matched with.
        istio) flags=(-tags vtprotobuf,disable_pgv -ldflags "-s -w -X istio.io/istio/pkg/version.buildVersion=1.31.1") ;;
        *) flags=(-ldflags "-s -w") ;;
    esac
    go build -mod=readonly "${flags[@]}" -o "$bin/$1" "$(package "$1")"
    echo "$is" > "$stamp"
    echo "$1: $((SECONDS - since)) s"
}

# Files of the modules that the tests apply, or hand to their programs.
files() {
    local istio api gateway
    cd "$here/istio"
    istio=$(go list -m -f '{{.Dir}}' istio.io/istio)
    api=$(go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)
    cd "$here/envoy-gateway"
    gateway=$(go list -m -f '{{.Dir}}' github.com/envoyproxy/gateway)
    mkdir -p "$bin/gateway-api-crds" "$bin/envoy-gateway-crds"
    install -m 644 "$istio/manifests/charts/base/files/crd-all.gen.yaml" "$bin/istio-crds.yaml"
    install -m 644 "$istio/tools/packaging/common/envoy_bootstrap.json" "$bin/"
    install -m 644 "$api"/config/crd/standard/*.yaml "$bin/gateway-api-crds/"
    install -m 644 "$gateway"/charts/gateway-helm/charts/crds/crds/generated/*.yaml "$bin/envoy-gateway-crds/"
}

programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(etcd kube-apiserver kubectl pilot-discovery pilot-agent envoy-gateway)
for program in "${programs[@]}"; do (build "$program"); done
files
