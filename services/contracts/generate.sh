#!/usr/bin/env bash
# Generates the protobuf and gRPC stubs beside their .proto. `generate.sh DIR` writes them below DIR instead (the test
# that they are current does that).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:-$here/src}"
cd "$here/src"
"${PYTHON:-python}" -m grpc_tools.protoc -I . --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" \
  contracts/inventory/v1/inventory.proto
