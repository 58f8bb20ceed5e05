# Each target is a line or two; CI runs `.ci/run`.
.PHONY: test check update bench fuzz assets report

test: ; go test ./...
check: ; .ci/run
update: ; go test ./... -run "Golden|Table" -update && go generate ./...
bench: ; go test -run xxx -bench . -benchtime 200ms ./compressors/... ./internal/kern
fuzz: ; scripts/fuzz 30s
assets: ; scripts/fetch-echarts
report: ; go run . run configs/quickstart.yaml
